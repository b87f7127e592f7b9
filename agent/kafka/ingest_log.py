"""`Log` for an agent that receives: it appends each message to the partition of its van, and reads nothing."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

from agent.errors import LogUnavailable
from agent.kafka.appender import Appender
from agent.log import Attempts, Checkpoint, DeadLetter, LogStatus, NoAttempts, StoreRefusal
from agent.messages import Batch, Message, MessageKind
from agent.thread import OwnThread

Identify = Callable[[Message], str | None]
"""Which van a message is about; None where it does not say."""

PUBLISH = int(MessageKind.PUBLISH)
FOR_ALL = frozenset({int(MessageKind.TICK), int(MessageKind.TAGS)})
"""Kinds of messages that concern every van."""


def partition_of(key: str, partitions: int) -> int:
    """The partition of a van, or of a sender that is not known. It depends on nothing else, so every agent agrees."""
    return crc32(key.encode()) % partitions


def spread(messages: Iterable[Message], partitions: int, identify: Identify) -> list[tuple[int, list[Message]]]:
    """The messages of each partition, in their order; what concerns every van goes to all partitions."""
    parts: dict[int, list[Message]] = {}
    for message in messages:
        if message.kind in FOR_ALL:
            for partition in range(partitions):
                parts.setdefault(partition, []).append(message)
        else:
            key = identify(message) or message.topic
            parts.setdefault(partition_of(key, partitions), []).append(message)
    return sorted(parts.items())


class IngestLog:
    """The appending side of `Log`. The reading side is `PartitionLog`, in another process."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        topic: str,
        *,
        partitions: int,
        source: str,
        identify: Identify,
        unsafe: Callable[[], str | None] = lambda: None,
        next_term: Callable[[], int] = lambda: 0,
    ) -> None:
        """`unsafe` says why nothing may be written now, as `TopicWatch.unsafe` does.

        `next_term` begins a term of the source and gives its number. It blocks.
        """
        self.status = LogStatus()
        self.changed = asyncio.Event()
        self.room_made = asyncio.Event()
        self.end = 0
        self._brokers = settings["bootstrap.servers"]
        self._partitions = partitions
        self._identify = identify
        self._source = source
        self._unsafe = unsafe
        self._next_term = next_term
        self._appender = Appender(settings, topic, source=source)
        self._thread = OwnThread("kafka-append")

    async def begin_term(self) -> int:
        """Begin a term, to which belongs what is appended from now on; its number. Raises `LogUnavailable`."""
        self._appender.term = await self._thread.call(self._next_term)
        return self._appender.term

    async def append(self, messages: Sequence[Message], *, received_ms: int, listening_since_ms: int) -> Batch:
        """Write each message to its partition. The batch that is returned has no offset: it is in several partitions.

        Raises `LogUnavailable` where a record was not acknowledged; appending everything again is safe.
        """
        if (problem := self._unsafe()) is not None:
            raise LogUnavailable(problem)
        try:
            await self._thread.call(
                self._appender.append,
                spread(messages, self._partitions, self._identify),
                received_ms=received_ms,
                listening_since_ms=listening_since_ms,
            )
        except LogUnavailable as error:
            raise LogUnavailable(f"Kafka at {self._brokers} has not taken the messages: {error}") from error
        return Batch(0, received_ms, listening_since_ms, list(messages), self._source, self._appender.term)

    async def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        """Nothing: other processes read."""
        del offset, max_messages
        return []

    def messages_from(self, offset: int) -> int:
        """None to be processed here."""
        del offset
        return 0

    async def load(self, shard: int) -> Checkpoint:
        """Nothing: other processes keep the states."""
        del shard
        return Checkpoint(0, [])

    async def checkpoint(self, shard: int, offset: int, states: Mapping[str, bytes]) -> None:
        """Raises NotImplementedError: no vans are processed here."""
        raise NotImplementedError

    def attempts(self, shard: int, offset: int) -> Attempts:
        """No messages are worked on here."""
        del shard, offset
        return NoAttempts()

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Raises NotImplementedError: no messages are refused here."""
        raise NotImplementedError

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        """Raises NotImplementedError: no rows are written here."""
        raise NotImplementedError

    async def count_losses(self, messages: Mapping[str, int]) -> None:
        """Count messages that were not taken in."""
        self.status.refused_messages += sum(messages.values())

    async def tidy(self) -> None:
        """Kafka does the upkeep."""

    def give_up(self) -> None:
        """Drop what was not sent yet: another agent has the source."""
        self._appender.give_up()

    async def close(self) -> None:
        """Finish everything asked for so far."""
        self._thread.stop()
