"""Writes what belongs to one partition: states, offset and dead letters, each time in one transaction.

The producer has the partition's own transactional id. To take the partition over is to initialise that producer: Kafka
then ends the transaction that the former owner has left open, and refuses all that the former owner still sends. Only
after that may the states be read.
"""

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Any, Final

from agent.errors import LogCorrupt, LogUnavailable
from agent.kafka.client import ANSWER_S, call, producer
from agent.kafka.reader import newest, whole
from agent.kafka.topics import Topics

OFFSET_KEY: Final = b"/offset"
"""Under this key the states topic has the offset of the last checkpoint. No van and no other state has such a key."""
_OFFSET: Final = Struct("<q")
POLL_S: Final = 0.05
TRANSACTION_MS: Final = 60_000


def checkpoint_offset(settings: Mapping[str, Any], topics: Topics, partition: int) -> int | None:
    """The offset of the partition's last checkpoint, whoever owns it; None before the first one."""
    offset = newest(settings, topics.states, partition, OFFSET_KEY)
    return None if offset is None else unpack_offset(offset)


def pack_offset(offset: int) -> bytes:
    """The value under `OFFSET_KEY`."""
    return _OFFSET.pack(offset)


def unpack_offset(value: bytes) -> int:
    """From the value under `OFFSET_KEY`. Raises `LogCorrupt`."""
    if len(value) != _OFFSET.size:
        raise LogCorrupt(f"the offset of a checkpoint is not what was written: {value[:20]!r}")
    offset: int = _OFFSET.unpack(value)[0]
    return offset


class PartitionOwner:
    """Blocking calls, to be made from one thread. All raise `PartitionLost` once somebody else has taken over."""

    def __init__(self, settings: Mapping[str, Any], topics: Topics, partition: int) -> None:
        self._settings = settings
        self._topics = topics
        self._partition = partition
        self._has_taken_over = False
        self._producer = producer(
            settings,
            transactional_id=f"vanpulse-{topics.messages}-{partition}",
            transaction_timeout_ms=TRANSACTION_MS,
        )

    def take_over(self) -> None:
        """Become the owner of the partition, unless that was done before."""
        if not self._has_taken_over:
            call(lambda: self._producer.init_transactions(ANSWER_S))
            self._has_taken_over = True

    def load(self) -> tuple[int | None, list[tuple[str, bytes]]]:
        """Offset of the last checkpoint, None before the first one; and every state as of it."""
        states = dict(whole(self._settings, self._topics.states, self._partition))
        offset = states.pop(OFFSET_KEY, None)
        return (
            None if offset is None else unpack_offset(offset),
            # A key that is no UTF-8 is none of ours. Its value is not either, and that is found when it is read.
            [(key.decode(errors="replace"), value) for key, value in states.items() if value is not None],
        )

    def checkpoint(self, offset: int, states: Mapping[str, bytes], letters: Sequence[tuple[bytes, bytes]]) -> None:
        """In one transaction: the changed states, the offset that they are as of, and dead letters as (key, value)."""

        def write() -> None:
            for key, state in states.items():
                self._send(self._topics.states, key.encode(), state)
            self._send(self._topics.states, OFFSET_KEY, pack_offset(offset))
            self._send_letters(letters)

        self._transact(write)

    def add_letters(self, letters: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep dead letters, as (key, value), ahead of the checkpoint."""
        self._transact(lambda: self._send_letters(letters))

    def _send_letters(self, letters: Sequence[tuple[bytes, bytes]]) -> None:
        for key, letter in letters:
            self._send(self._topics.letters, key, letter)

    def _transact(self, write: Callable[[], None]) -> None:
        self.take_over()
        call(self._producer.begin_transaction)
        try:
            write()
            call(lambda: self._producer.commit_transaction(ANSWER_S))
        except LogUnavailable:
            call(lambda: self._producer.abort_transaction(ANSWER_S))
            raise

    def _send(self, topic: str, key: bytes, value: bytes) -> None:
        while True:
            try:
                call(lambda: self._producer.produce(topic, value, key=key, partition=self._partition))
            except BufferError:
                self._producer.poll(POLL_S)
            else:
                return
