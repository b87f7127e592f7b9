"""Writes batches to the messages topic. A call returns when every replica in sync has them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError
from confluent_kafka import Message as KafkaMessage

from agent.errors import LogUnavailable
from agent.kafka.client import ANSWER_S, call, producer, translate
from agent.kafka.records import Record, offset_of, pack, record_offset_of, split
from agent.messages import Message

POLL_S: Final = 0.05
DELIVERY_MS: Final = 15_000
"""After so long without an acknowledgement a record has failed; the caller appends it again."""


class Appender:
    """Blocking calls, to be made from one thread. `source` and `term` are those of a `Batch`."""

    def __init__(self, settings: Mapping[str, Any], topic: str, *, source: str) -> None:
        self._topic = topic
        self._source = source
        self.term = 0
        self._producer = producer(settings, delivery_timeout_ms=DELIVERY_MS)
        self._newest: dict[int, int] = {}
        """The offset of the newest record of each partition."""

    def append(
        self, parts: Iterable[tuple[int, Sequence[Message]]], *, received_ms: int, listening_since_ms: int
    ) -> list[int]:
        """Write the messages of each partition; the offset of the first message of each record, in the same order.

        Raises `LogUnavailable` when one is not acknowledged. Appending all of them again is safe then: the shard
        recognises a message that it has processed already.
        """
        offsets: dict[int, int] = {}
        of_partition: list[int] = []
        problems: list[KafkaError] = []
        number = 0
        for partition, messages in parts:
            for some in split(messages):
                record = Record(received_ms, listening_since_ms, self._source, some, self.term)
                self._produce(pack(record), partition, _note_delivery(number, offsets, problems))
                of_partition.append(partition)
                number += 1
        left = call(lambda: self._producer.flush(ANSWER_S))
        if problems:
            raise translate(problems[0])
        if left or len(offsets) != number:
            raise LogUnavailable(f"Kafka: {number - len(offsets)} records were not acknowledged")
        found = [offsets[index] for index in range(number)]
        self._check_growth(of_partition, found)
        return found

    def append_value(self, value: bytes, *, partition: int) -> int:
        """Write a record that is no batch; its place in the partition. Raises `LogUnavailable`."""
        offsets: dict[int, int] = {}
        problems: list[KafkaError] = []
        self._produce(value, partition, _note_delivery(0, offsets, problems))
        call(lambda: self._producer.flush(ANSWER_S))
        if problems:
            raise translate(problems[0])
        if not offsets:
            raise LogUnavailable(f"Kafka: a record for {self._topic!r} was not acknowledged")
        return record_offset_of(offsets[0])

    def give_up(self) -> None:
        """Drop what is not sent yet. May be called from another thread; `append` then ends with an error."""
        self._producer.purge(in_queue=True, in_flight=False, blocking=False)

    def _check_growth(self, partitions: Sequence[int], offsets: Sequence[int]) -> None:
        """Raise `LogUnavailable` where a partition has become shorter: what was acknowledged before is gone."""
        for partition, offset in zip(partitions, offsets, strict=True):
            if offset <= self._newest.get(partition, -1):
                raise LogUnavailable(
                    f"partition {partition} of topic {self._topic!r} has lost records, or the topic was deleted and "
                    "made again. Restore it and restart all agents"
                )
            self._newest[partition] = offset

    def _produce(
        self, value: bytes, partition: int, delivered: Callable[[KafkaError | None, KafkaMessage], None]
    ) -> None:
        while True:
            try:
                call(lambda: self._producer.produce(self._topic, value, partition=partition, on_delivery=delivered))
            except BufferError:
                self._producer.poll(POLL_S)
            else:
                return


def _note_delivery(
    number: int, offsets: dict[int, int], problems: list[KafkaError]
) -> Callable[[KafkaError | None, KafkaMessage], None]:
    def delivered(problem: KafkaError | None, record: KafkaMessage) -> None:
        if problem is not None:
            problems.append(problem)
        else:
            offsets[number] = offset_of(record.offset() or 0)

    return delivered
