"""Reads one partition: its messages from any offset on, and the states that its last owner has left."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from agent.errors import LogUnavailable, PartitionLost
from agent.kafka.client import ANSWER_S, call, consumer, translate
from agent.kafka.records import offset_of, record_offset_of, unpack
from agent.log import cut
from agent.messages import Batch

POLLED_RECORDS: Final = 500
POLL_S: Final = 0.05
SETTLING: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
SETTLING_S: Final = 5.0
LOOK_BACK_RECORDS: Final = (100, 10_000)
"""How many of the last records are searched before all are."""


class PartitionReader:
    """Blocking calls, to be made from one thread."""

    def __init__(self, settings: Mapping[str, Any], topic: str, partition: int) -> None:
        self.foreign_records = 0
        """Records that are none of ours. They are skipped."""
        self.messages_per_record = 1.0
        """A moving mean."""
        self._partition = TopicPartition(topic, partition)
        self._consumer = consumer(settings, group=f"vanpulse-{topic}-reader")
        self._buffer: deque[Batch] = deque()
        self._next_offset: int | None = None
        """The offset at which the buffer, or what follows it, begins; None before the first read."""
        self._at_end = False
        self._fetched = 0
        """The offset behind the last record that was taken from the client."""
        self._has_failed = False
        """The client has to be told anew from where on to fetch."""
        self.end = 0
        """The offset behind every message that was fetched so far."""

    def begin(self, offset: int) -> None:
        """Fetch the messages from this offset on."""
        self._seek(offset)
        self._next_offset = offset

    def bounds(self) -> tuple[int, int]:
        """The offset of the oldest message, and an offset behind every message that can be read now."""
        low, high = _watermarks(self._consumer, self._partition)
        return offset_of(low), offset_of(high)

    def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        """The batches at or behind this offset that are there, `max_messages` or a few more; none at the end.

        A batch that begins before the offset is cut to begin there. While messages keep coming there is no end, so this
        waits for the first batch only.
        """
        if self._next_offset is None or offset < self._next_offset:
            self._seek(offset)
        found: list[Batch] = []
        count = 0
        while count < max_messages:
            if not self._buffer:
                try:
                    has_more = self._poll(0 if found else POLL_S)
                except LogUnavailable:
                    if found:  # it is given first; the next read meets the error again
                        break
                    raise
                if not has_more and (found or self._at_end):
                    break
            while self._buffer and count < max_messages:
                batch = self._buffer.popleft()
                if batch.end > offset:
                    found.append(cut(batch, offset))
                    count += len(found[-1].messages)
        self._next_offset = found[-1].end if found else offset
        return found

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something to read; waits for it until the timeout."""
        return bool(self._buffer) or self._poll(timeout_s)

    def _seek(self, offset: int) -> None:
        self._buffer.clear()
        self._fetch_from(offset)

    def _fetch_from(self, offset: int) -> None:
        self._at_end = False
        start = max(record_offset_of(offset), record_offset_of(self.bounds()[0]))
        call(lambda: self._consumer.assign([TopicPartition(self._partition.topic, self._partition.partition, start)]))
        self._fetched = offset_of(start)
        self._has_failed = False

    def _poll(self, timeout_s: float) -> bool:
        """Take what the client has fetched into the empty buffer; whether that was anything.

        After an error the client does not always go on by itself, and records that it had fetched may not be taken.
        So it begins again behind the last record that was.
        """
        if self._has_failed:
            self._fetch_from(self._fetched)
        self._has_failed = True
        records = call(lambda: self._consumer.consume(1, timeout_s))
        if records:  # a call for more of them would wait until all are there, or for the timeout
            records += call(lambda: self._consumer.consume(POLLED_RECORDS, 0))
        for record in records:
            problem = record.error()
            self._at_end = problem is not None and problem.code() == KafkaError._PARTITION_EOF
            if problem is None:
                self._take(record)
            elif not self._at_end:
                if self._buffer:  # the next poll meets the error again
                    return True
                raise _translate(problem)
        self._has_failed = False
        return bool(self._buffer)

    def _take(self, record: KafkaMessage) -> None:
        self._fetched = offset_of((record.offset() or 0) + 1)
        batch = unpack(record.value(), record_offset=record.offset() or 0)
        if batch is None:
            self.foreign_records += 1
        elif batch.messages:
            self.messages_per_record += 0.02 * (len(batch.messages) - self.messages_per_record)
            self._buffer.append(batch)
            self.end = max(self.end, batch.end)

    def close(self) -> None:
        """Release the connection."""
        self._consumer.close()


def _translate(problem: KafkaError) -> LogUnavailable | PartitionLost:
    if problem.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:
        return LogUnavailable("messages that were not read are gone: the topic's retention is shorter than the outage")
    return translate(problem)


def _watermarks(reader: Consumer, where: TopicPartition) -> tuple[int, int]:
    """The oldest record, and one behind the newest. A partition that gets a leader just now is waited for."""
    deadline_s = time.monotonic() + SETTLING_S
    while True:
        try:
            low, high = reader.get_watermark_offsets(where, ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() not in SETTLING or time.monotonic() > deadline_s:
                raise translate(error.args[0]) from error
            time.sleep(POLL_S)
        else:
            return low, high


def whole(settings: Mapping[str, Any], topic: str, partition: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Key and value of every committed record that the partition of a topic holds now, oldest first."""
    return ((record.key() or b"", record.value()) for record in records(settings, topic, partition))


def newest(settings: Mapping[str, Any], topic: str, partition: int, key: bytes) -> bytes | None:
    """The newest committed value of a key; None where there is none. Fast when it is among the last records."""
    for last in (*LOOK_BACK_RECORDS, None):
        found = [record.value() for record in records(settings, topic, partition, last=last) if record.key() == key]
        if found:
            return found[-1]
    return None


def records(
    settings: Mapping[str, Any], topic: str, partition: int, *, last: int | None = None
) -> Iterator[KafkaMessage]:
    """The committed records that the partition of a topic holds now, oldest first; `last`: at most so many of them."""
    reader = consumer(settings, group=f"vanpulse-{topic}-reader", queued_max_messages_kbytes=65_536)
    try:
        where = TopicPartition(topic, partition)
        low, high = _watermarks(reader, where)
        if low >= high:
            return
        start = low if last is None else max(low, high - last)
        call(lambda: reader.assign([TopicPartition(topic, partition, start)]))
        while True:
            for record in call(lambda: reader.consume(POLLED_RECORDS, POLL_S)):
                problem = record.error()
                if problem is None:
                    yield record
                elif problem.code() == KafkaError._PARTITION_EOF:
                    return
                else:
                    raise translate(problem)
    finally:
        reader.close()
