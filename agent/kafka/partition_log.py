"""`Log` on one partition of Kafka, for the shard of the same number."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar

from agent.errors import LogUnavailable
from agent.kafka import letters as packed
from agent.kafka.appender import Appender
from agent.kafka.owner import PartitionOwner
from agent.kafka.reader import PartitionReader
from agent.kafka.records import record_offset_of
from agent.kafka.topics import Topics
from agent.log import Attempts, Checkpoint, DeadLetter, LogStatus, NoAttempts, StoreRefusal
from agent.messages import Batch, Message
from agent.thread import OwnThread

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

RETRY_S: Final = 1.0
WAIT_S: Final = 0.5
"""How long the reader waits for a message in one call."""
KEPT_KEY: Final = "/rollups"
"""Under this key the states topic has what `keep` was given. No van and no other state has such a key."""
LETTERS_HELD: Final = 1000
LETTERS_BYTES: Final = 4 << 20
"""Dead letters wait for the next checkpoint, up to so many; then they are written at once."""


class PartitionLog:
    """Reads in one thread and writes in another one, so a checkpoint does not wait for messages.

    `load` takes the partition over. From then on it belongs to this object, until another one takes it over:
    every write then raises `PartitionLost`.
    """

    def __init__(self, settings: Mapping[str, Any], topics: Topics, partition: int) -> None:
        self.status = LogStatus()
        self.changed = asyncio.Event()
        self.room_made = asyncio.Event()
        self._partition = partition
        self._reader = PartitionReader(settings, topics.messages, partition)
        self._owner = PartitionOwner(settings, topics, partition)
        self._appender = Appender(settings, topics.messages, source="")
        self._reading = OwnThread(f"kafka-read-{partition}")
        self._writing = OwnThread(f"kafka-write-{partition}")
        self.kept: bytes | None = None
        """What `keep` was given, as of the checkpoint that was loaded."""
        self._keeping: dict[str, bytes] = {}
        self._waiting: dict[bytes, bytes] = {}
        """Dead letters that go out with the next checkpoint."""
        self._end = 0
        self._watch: asyncio.Task[None] | None = None

    @property
    def end(self) -> int:
        """The offset behind everything that was seen of the partition so far."""
        return self._end

    def messages_from(self, offset: int) -> int:
        """How many messages are at or behind this offset: an estimate from the number of records."""
        if offset >= self._end:
            return 0
        records = record_offset_of(self._end) - record_offset_of(offset)
        return max(1, round(records * self._reader.messages_per_record))

    async def append(self, messages: Sequence[Message], *, received_ms: int, listening_since_ms: int) -> Batch:
        """Commit the messages to this partition. Raises `LogUnavailable`."""
        offsets = await self._writing.call(
            self._appender.append,
            [(self._partition, messages)],
            received_ms=received_ms,
            listening_since_ms=listening_since_ms,
        )
        await self._look()
        return Batch(offsets[0], received_ms, listening_since_ms, list(messages))

    async def _look(self) -> None:
        _, self._end = await self._reading.call(self._reader.bounds)
        self.changed.set()

    async def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        """The batches at or behind this offset; waits while Kafka does not answer."""
        found = await self._persist(self._reading, self._reader.read, offset, max_messages=max_messages)
        if found:
            self._end = max(self._end, found[-1].end)
        self._note_foreign_records()
        self._watch_for_messages()
        return found

    def _note_foreign_records(self) -> None:
        known, self.status.foreign_records = self.status.foreign_records, self._reader.foreign_records
        if self.status.foreign_records and not known:
            log.warning(
                "partition %d: records that are none of ours are skipped and counted; who else writes to the topic?",
                self._partition,
            )

    def _watch_for_messages(self) -> None:
        """Let `end` and `changed` say so when there is more to read."""
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._wait_for_messages(), name=f"kafka-watch-{self._partition}")

    async def _wait_for_messages(self) -> None:
        while not await self._persist(self._reading, self._reader.wait, WAIT_S):
            pass
        self._end = max(self._end, self._reader.end)
        self.changed.set()

    async def load(self, shard: int) -> Checkpoint:
        """Take the partition over and give its last checkpoint. `shard` is the number of the partition."""
        del shard
        await self._persist(self._writing, self._owner.take_over)
        offset, states = await self._persist(self._writing, self._owner.load)
        self.kept = next((value for key, value in states if key == KEPT_KEY), None)
        states = [(key, value) for key, value in states if key != KEPT_KEY]
        oldest, self._end = await self._persist(self._reading, self._reader.bounds)
        while offset is not None and record_offset_of(offset) > record_offset_of(self._end):
            self._wait_because(
                "the topic of the messages ends before the last checkpoint: it has lost messages, or was deleted and "
                "made again. Restore it, or delete the other topics of the log as well to begin a new one"
            )
            await asyncio.sleep(RETRY_S)
            with contextlib.suppress(LogUnavailable):
                oldest, self._end = await self._reading.call(self._reader.bounds)
        self._go_on()
        if offset is not None and offset < oldest:
            log.error(
                "partition %d: messages between the last checkpoint and the oldest message are gone: "
                "the topic's retention is shorter than the outage",
                self._partition,
            )
        start = oldest if offset is None else offset
        await self._persist(self._reading, self._reader.begin, start)
        self._watch_for_messages()
        return Checkpoint(start, states)

    async def checkpoint(self, shard: int, offset: int, states: Mapping[str, bytes]) -> None:
        """Keep the states as of this offset, with the dead letters so far. Kafka deletes messages by age."""
        del shard
        going, self._waiting = self._waiting, {}
        states = {**states, **self._keeping}
        await self._persist(self._writing, self._owner.checkpoint, offset, states, list(going.items()))

    def keep(self, value: bytes) -> None:
        """Keep a value beside the states, in each checkpoint from the next one on."""
        self._keeping = {KEPT_KEY: value}

    def attempts(self, shard: int, offset: int) -> Attempts:
        """No note is kept of the messages in work."""
        del shard, offset
        return NoAttempts()

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters, at the latest with the next checkpoint."""
        await self._add([packed.pack_letter(letter) for letter in letters])

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        """Keep what the store refused, at the latest with the next checkpoint."""
        await self._add([packed.pack_refusal(refusal) for refusal in refusals])

    async def _add(self, some: list[tuple[bytes, bytes]]) -> None:
        known = len(self._waiting)
        self._waiting.update(some)
        self.status.dead_letters += len(self._waiting) - known
        if len(self._waiting) > LETTERS_HELD or sum(map(len, self._waiting.values())) > LETTERS_BYTES:
            going, self._waiting = self._waiting, {}
            await self._persist(self._writing, self._owner.add_letters, list(going.items()))

    async def count_losses(self, messages: Mapping[str, int]) -> None:
        """Count messages that were not taken in."""
        self.status.refused_messages += sum(messages.values())

    async def tidy(self) -> None:
        """Kafka does the upkeep."""

    async def close(self) -> None:
        """Release the connections. What was not checkpointed is processed again by the next owner."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._reading.call(self._reader.close)
        self._reading.stop()
        self._writing.stop()

    async def _persist(
        self,
        thread: OwnThread,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """For what must not fail while Kafka is away: it is tried until Kafka answers."""
        while True:
            try:
                result = await thread.call(function, *args, **kwargs)
            except LogUnavailable as error:
                self._wait_because(str(error))
                await asyncio.sleep(RETRY_S)
            else:
                self._go_on()
                return result

    def _wait_because(self, problem: str) -> None:
        if self.status.problem is None:
            log.warning("partition %d waits: %s", self._partition, problem)
        self.status.problem = problem

    def _go_on(self) -> None:
        if self.status.problem is not None:
            self.status.problem = None
            log.info("partition %d goes on", self._partition)
