"""A log in memory, with gaps in its offsets: the second implementation of `Log`, which holds its readers to it."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

from agent.log import Attempts, Checkpoint, DeadLetter, LogStatus, NoAttempts, StoreRefusal, cut
from agent.messages import Batch, Message

GAP = 1000
"""Each batch begins at a multiple of this, as in a log that numbers batches and not messages."""


class MemoryLog:
    """Batches in a list. `gate` holds commits back; `failures` are raised by the next appends, one each."""

    def __init__(self, *, gap: int = GAP) -> None:
        self.status = LogStatus(max_bytes=1 << 30)
        self.changed = asyncio.Event()
        self.room_made = asyncio.Event()
        self.batches: list[Batch] = []
        self.letters: dict[object, DeadLetter] = {}
        self.refusals: dict[int, StoreRefusal] = {}
        self.checkpoints: list[tuple[int, dict[str, bytes]]] = []
        """Of all shards, in the order in which they were made."""
        self.appends = 0
        """Appends that were asked for, with those that failed."""
        self.failures: deque[Exception] = deque()
        self.full: Exception | None = None
        self.asked_for: list[Batch] = []
        """What the next `tidy` appends, as a command may have asked for."""
        self.gate = asyncio.Event()
        self.gate.set()
        self._gap = gap
        self._end = 0
        self._offsets: dict[int, int] = {}
        self._states: dict[int, dict[str, bytes]] = {}

    @property
    def end(self) -> int:
        return self._end

    def messages_from(self, offset: int) -> int:
        return sum(len(cut(batch, offset).messages) for batch in self.batches)

    async def append(self, messages: Sequence[Message], *, received_ms: int, listening_since_ms: int) -> Batch:
        self.appends += 1
        await self.gate.wait()
        if self.full is not None:
            self.status.full_since_s = 0.0
            self.changed.set()
            raise self.full
        if self.failures:
            raise self.failures.popleft()
        self.status.full_since_s = None
        offset = -(-self._end // self._gap) * self._gap
        self._commit(Batch(offset, received_ms, listening_since_ms, list(messages)))
        return self.batches[-1]

    def _commit(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._end = batch.end
        self.changed.set()

    async def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        found: list[Batch] = []
        for batch in self.batches:
            if batch.end > offset and sum(len(each.messages) for each in found) < max_messages:
                found.append(cut(batch, offset))
        return found

    async def load(self, shard: int) -> Checkpoint:
        offset = self._offsets.setdefault(shard, 0)
        return Checkpoint(offset, list(self._states.get(shard, {}).items()))

    async def checkpoint(self, shard: int, offset: int, states: Mapping[str, bytes]) -> None:
        self.checkpoints.append((offset, dict(states)))
        self._offsets[shard] = offset
        self._states.setdefault(shard, {}).update(states)
        kept = [batch for batch in self.batches if batch.end > min(self._offsets.values())]
        if len(kept) < len(self.batches):
            self.room_made.set()
        self.batches = kept

    def attempts(self, shard: int, offset: int) -> Attempts:
        del shard, offset
        return NoAttempts()

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self.letters.setdefault(letter.key, letter)
        self.status.dead_letters = len(self.letters) + len(self.refusals)

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        for refusal in refusals:
            self.refusals.setdefault(refusal.key, refusal)
        self.status.dead_letters = len(self.letters) + len(self.refusals)

    async def count_losses(self, messages: Mapping[str, int]) -> None:
        self.status.refused_messages += sum(messages.values())

    async def tidy(self) -> None:
        asked_for, self.asked_for = self.asked_for, []
        for batch in asked_for:
            self._commit(batch)

    async def close(self) -> None:
        self.changed.set()
