"""The log: every message that was taken in, in order, until the store has confirmed what follows from it.

`Log` is all that the stages of the pipeline know of it. `agent/journal` implements it in one SQLite file. A log may
also be a partition of a log that several machines share.

Offsets grow. The messages of a batch have consecutive offsets. Between two batches offsets may be missing. So a
reader asks for the first batch *at or behind* an offset, and a difference of offsets is no number of messages.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from agent.errors import Reason
from agent.messages import Batch, Message

OTHERS: Final = ""
"""Stands for all senders that are not counted by name, and for those that are unknown."""

Key = tuple[int, int]
"""(offset, index) of a dead letter. The index is 0, except for letters of old versions: one for each bad element."""

ENDS: Final = 3
"""A message at which the process has ended so often is set aside."""

_OVERHEAD_BYTES: Final = 100


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One message that could not be used, or not all of it; `payload` as it arrived."""

    offset: int
    index: int = 0
    reason: Reason
    topic: str
    payload: bytes
    received_ms: int
    detail: str
    sender: str = OTHERS
    """The van that sent it, or what else the topic says of its sender. Each sender has a share of the space."""
    retained: bool = False
    """The broker had kept the message, so its age on arrival is unknown."""

    @property
    def key(self) -> Key:
        """Identifies the letter, also after the same message was processed again."""
        return self.offset, self.index

    @property
    def size(self) -> int:
        """Bytes that the letter counts for."""
        return len(self.payload) + len(self.topic) + len(self.detail) + len(self.sender) + _OVERHEAD_BYTES


class StoreRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """One row that the store refused for good. The message that it was made from was fine."""

    key: int
    """See `refusal_key`."""
    measurement: str
    line: bytes
    """The row, as it was sent to the store."""
    newest_ms: int
    """The newest event time of what was written together with it."""
    detail: str
    sender: str = OTHERS
    """The van that the row is about. Refusals and dead letters of a sender share its space."""

    @property
    def size(self) -> int:
        """Bytes that the refusal counts for."""
        return len(self.line) + len(self.measurement) + len(self.detail) + len(self.sender) + _OVERHEAD_BYTES


def refusal_key(line: bytes) -> int:
    """Identifies a refused row by what it says, so that a row refused again after a crash is the same one."""
    return int.from_bytes(blake2b(line, digest_size=7).digest())


class Checkpoint(msgspec.Struct, frozen=True):
    """Where the processing of one shard stands: all before `offset` is in the store, and these are the states as of it.

    What the states mean is the shard's matter; so is their version.
    """

    offset: int
    states: Sequence[tuple[str, bytes]]


class LogStatus(msgspec.Struct):
    """What a log says of itself. The log alone writes it; readers see each number whole."""

    bytes_used: int = 0
    max_bytes: int = 0
    """The limit; `append` raises `LogFull` beyond it."""
    full_since_s: float | None = None
    """`time.monotonic()` of the first append refused for want of room; None when there is room."""
    out_of_room: bool = False
    """A checkpoint or a dead letter waits for room: not even what makes room can be written."""
    problem: str | None = None
    """Why a log on Kafka neither gives nor takes anything at present; None while it does."""
    oldest_received_ms: int | None = None
    """Arrival of the oldest batch that is kept; None when there is none."""
    commits: int = 0
    commit_seconds: float = 0.0
    dropped_messages: int = 0
    """Given up to make room, before the store had confirmed them."""
    refused_messages: int = 0
    """Not taken in, because their senders had more than their share of a log that fills up."""
    corrupt_batches: int = 0
    foreign_records: int = 0
    """Records of a topic of Kafka that are none of ours. They were skipped."""
    dead_letters: int = 0
    """Dead letters and store refusals that are kept."""
    dead_letters_evicted: int = 0


class Attempts(Protocol):
    """Notes which messages are being worked on, so that one that ends the whole process is set aside after `ENDS` ends.

    Call `limit` and `is_aside` before the work on messages, `begin` and `end` around it. `start` and `stop` are offsets
    in one batch.
    """

    def limit(self, start: int, stop: int) -> int:
        """Where the work has to stop at the latest: a suspected message is worked on alone."""
        ...

    def is_aside(self, offset: int) -> bool:
        """Whether the message is not to be worked on any more."""
        ...

    def begin(self, start: int, stop: int) -> None:
        """The messages from `start` on, before `stop`, are worked on now."""
        ...

    def end(self) -> None:
        """Nothing is worked on."""
        ...

    def close(self) -> None:
        """Release what was opened."""
        ...


class NoAttempts:
    """`Attempts` where no note can be kept: a message that ends the process is tried after each start."""

    def limit(self, start: int, stop: int) -> int:
        """No message is suspected."""
        del start
        return stop

    def is_aside(self, offset: int) -> bool:
        """No message is set aside."""
        del offset
        return False

    def begin(self, start: int, stop: int) -> None:
        """Nothing is noted."""

    def end(self) -> None:
        """Nothing is noted."""

    def close(self) -> None:
        """Nothing was opened."""


class Log(Protocol):
    """Appends batches and reads them back; keeps a checkpoint for each shard; keeps dead letters.

    Raises `LogBroken` when it cannot be written: the process has to end then.
    """

    changed: asyncio.Event
    """Set when batches were committed, and when `append` was refused for want of room: readers should look.

    A reader clears it, looks, and waits for it.
    """
    room_made: asyncio.Event
    """Set when a checkpoint has given up messages: a refused append may succeed now."""

    @property
    def status(self) -> LogStatus:
        """What the log says of itself: always the same object."""
        ...

    async def append(self, messages: Sequence[Message], *, received_ms: int, listening_since_ms: int) -> Batch:
        """Commit the messages as one batch. On return they survive a crash and a power cut.

        Raises `LogFull`: nothing was written, and a later append may succeed.
        """
        ...

    async def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        """The committed batches at or behind this offset, until they hold `max_messages` or more.

        A batch that begins before the offset is cut to begin there. Empty only when there is no message at or behind
        the offset.
        """
        ...

    @property
    def end(self) -> int:
        """An offset behind every message that can be read now, and at or before every later one."""
        ...

    def messages_from(self, offset: int) -> int:
        """How many messages are at or behind this offset. It may be an estimate, but is 0 at the end of the log."""
        ...

    async def load(self, shard: int) -> Checkpoint:
        """The last checkpoint of the shard; before the first one, the beginning of the log and no states.

        Raises `LogCorrupt`.
        """
        ...

    async def checkpoint(self, shard: int, offset: int, states: Mapping[str, bytes]) -> None:
        """Keep the changed states of the shard as of this offset, and the offset: all of it or nothing.

        The log trims itself: messages that are before the checkpoints of all shards may be given up. Waits for room.
        """
        ...

    def attempts(self, shard: int, offset: int) -> Attempts:
        """The note of which messages the shard works on; messages before the offset, its checkpoint, are done."""
        ...

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters. One that is there already stays as it is. Waits for room."""
        ...

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        """Keep refusals of the store. A line that is there already stays as it is. Waits for room."""
        ...

    async def count_losses(self, messages: Mapping[str, int]) -> None:
        """Count messages that were not taken in because the log fills up, by sender. Raises `LogFull`."""
        ...

    async def tidy(self) -> None:
        """Upkeep between batches, and what commands have asked for. Call it often."""
        ...

    async def close(self) -> None:
        """Finish everything asked for so far and release the log."""
        ...


def cut(batch: Batch, offset: int) -> Batch:
    """The batch from this offset on."""
    if offset <= batch.offset:
        return batch
    return Batch(
        offset, batch.received_ms, batch.listening_since_ms, batch.messages[offset - batch.offset :], batch.source
    )
