"""`Log` on the journal: every call runs in the one thread that owns the file, in order."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, ParamSpec, TypeVar

from agent.errors import LogFull
from agent.journal.attempts import open_attempts
from agent.journal.journal import Journal
from agent.journal.tail import Tail
from agent.log import Attempts, Checkpoint, DeadLetter, NoAttempts, StoreRefusal
from agent.messages import Batch, Message
from agent.thread import OwnThread

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

ROOM_RETRY_S: Final = 1.0


class SqliteLog:
    """Keeps the event loop from ever waiting for the disk, and the newest batches in memory."""

    def __init__(self, journal: Journal) -> None:
        self.status = journal.status
        self.changed = asyncio.Event()
        self.room_made = asyncio.Event()
        self._journal = journal
        self._tail = Tail(journal.status.next_offset)
        self._thread = OwnThread("journal")

    @property
    def end(self) -> int:
        """The offset behind everything committed."""
        return self._tail.end

    def messages_from(self, offset: int) -> int:
        """How many messages are at or behind this offset.

        The journal's offsets have no gaps, so this counts exactly, but for messages that were dropped or are damaged.
        """
        return self._tail.end - offset

    async def append(self, messages: Sequence[Message], *, received_ms: int, listening_since_ms: int) -> Batch:
        """Commit the messages as one batch. Raises `LogFull` or `LogBroken`."""
        try:
            batch = await self._thread.call(
                self._journal.append, messages, received_ms=received_ms, listening_since_ms=listening_since_ms
            )
        except LogFull:
            self.changed.set()
            raise
        self._committed(batch)
        return batch

    def _committed(self, batch: Batch) -> None:
        self._tail.add(batch)
        self.changed.set()

    async def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        """The batches at or behind this offset: the next one from memory, or many from the file."""
        batch = self._tail.take(offset)
        if batch is not None:
            return [batch]
        return await self._thread.call(self._journal.read, offset, max_messages=max_messages)

    async def load(self, shard: int) -> Checkpoint:
        """The shard's last checkpoint. Raises `LogCorrupt`."""
        offset, pages = await self._thread.call(self._journal.load, shard)
        states: list[tuple[str, bytes]] = []
        while (page := await self._thread.call(next, pages, None)) is not None:
            # Copied by the thread that keeps them: memory that another thread has allocated is reused by that one only.
            states += [(key, bytes(memoryview(state))) for key, state in page]
        return Checkpoint(offset, states)

    async def checkpoint(self, shard: int, offset: int, states: Mapping[str, bytes]) -> None:
        """Keep the states as of this offset, and delete the batches that no shard needs."""
        if await self._once_there_is_room(self._journal.checkpoint, shard, offset, states):
            self.room_made.set()

    def attempts(self, shard: int, offset: int) -> Attempts:
        """A note in a file beside the journal; none where that cannot be written."""
        try:
            return open_attempts(self._journal.path, shard, checkpoint_offset=offset)
        except OSError as error:
            log.warning("a message that ends the process cannot be told from others: %s", error)
            return NoAttempts()

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters; one that is there already stays as it is."""
        if letters:
            await self._once_there_is_room(self._journal.add_dead_letters, letters)

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        """Keep what the store refused; a line that is there already stays as it is."""
        if refusals:
            await self._once_there_is_room(self._journal.add_refusals, refusals)

    async def count_losses(self, messages: Mapping[str, int]) -> None:
        """Count messages that were refused because the journal fills up, by sender. Raises `LogFull`."""
        await self._thread.call(self._journal.count_losses, messages)

    async def tidy(self) -> None:
        """Upkeep between batches, and what commands have asked for."""
        for batch in await self._thread.call(self._journal.tidy):
            self._committed(batch)

    async def close(self) -> None:
        """Close the file behind everything asked for so far."""
        await self._thread.call(self._journal.close)
        self._thread.stop()

    async def _once_there_is_room(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """For what makes room or must not be lost: a full disk is waited for."""
        while True:
            try:
                result = await self._thread.call(function, *args, **kwargs)
            except LogFull as error:
                if not self.status.out_of_room:
                    self.status.out_of_room = True
                    log.error("processing stops until there is room again: %s", error)  # noqa: TRY400
                await asyncio.sleep(ROOM_RETRY_S)
                continue
            if self.status.out_of_room:
                self.status.out_of_room = False
                log.info("there is room again: processing goes on")
            return result
