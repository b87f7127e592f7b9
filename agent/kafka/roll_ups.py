"""The topic of roll-ups: what the shards of all partitions say each minute, in one order.

It has one partition. A record that is written twice does no harm, because its content is the same.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic

from agent.errors import LogUnavailable, SettingsError
from agent.kafka.client import ANSWER_S, MAX_RECORD_BYTES, Admin, call, consumer, producer, translate
from agent.kafka.topics import DAY_MS, TopicShape
from agent.thread import OwnThread

RECORDS: Final = 500
WAIT_S: Final = 0.5
"""How long one call waits for a record."""
DELIVERY_MS: Final = 15_000


def ensure_roll_ups(settings: Mapping[str, Any], topic: str, shape: TopicShape, *, answer_s: float) -> None:
    """Create the topic unless it is there. Raises `SettingsError`, and `LogUnavailable` when no broker answers."""
    admin = Admin(settings)
    if topic in admin.look(answer_s=answer_s).topics:
        return
    config = {
        "min.insync.replicas": str(min(2, shape.replication)),
        "max.message.bytes": str(MAX_RECORD_BYTES),
        "cleanup.policy": "delete",
        "retention.ms": str(round(shape.retention_days * DAY_MS)),
    }
    made = admin.client.create_topics([NewTopic(topic, 1, shape.replication, config=config)])
    try:
        made[topic].result(ANSWER_S)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise SettingsError(f"log.url: topic {topic!r} cannot be created: {error.args[0].str()}") from error


class RollUpWriter:
    """Writes records; in a thread of its own."""

    def __init__(self, settings: Mapping[str, Any], topic: str) -> None:
        self._topic = topic
        self._producer = producer(settings, delivery_timeout_ms=DELIVERY_MS)
        self._thread = OwnThread("kafka-write-rollups")

    async def write(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Write keys and values. Raises `LogUnavailable` if one was not acknowledged; writing all again is safe."""
        await self._thread.call(self._write, list(records))

    def _write(self, records: list[tuple[bytes, bytes]]) -> None:
        problems: list[KafkaError] = []

        def delivered(problem: KafkaError | None, _record: object) -> None:
            if problem is not None:
                problems.append(problem)

        for key, value in records:
            call(partial(self._producer.produce, self._topic, value, key, partition=0, on_delivery=delivered))
        left = call(lambda: self._producer.flush(ANSWER_S))
        if problems:
            raise translate(problems[0])
        if left:
            raise LogUnavailable(f"Kafka: {left} roll-ups were not acknowledged")


class RollUpReader:
    """Reads records; in a thread of its own."""

    def __init__(self, settings: Mapping[str, Any], topic: str) -> None:
        self._topic = topic
        self._consumer = consumer(settings, group=f"vanpulse-{topic}-reader")
        self._thread = OwnThread("kafka-read-rollups")
        self._next: int | None = None

    async def read(self, position: int) -> list[tuple[int, bytes]]:
        """Some records at or behind this position, each with its own; none if none comes within half a second.

        Raises `LogUnavailable`.
        """
        return await self._thread.call(self._read, position)

    def _read(self, position: int) -> list[tuple[int, bytes]]:
        if position != self._next:
            self._seek(position)
        found: list[tuple[int, bytes]] = []
        records = call(lambda: self._consumer.consume(1, WAIT_S))
        if records:  # a call for more of them would wait until all are there, or for the timeout
            records += call(lambda: self._consumer.consume(RECORDS, 0))
        for record in records:
            problem = record.error()
            if problem is None:
                found.append((record.offset() or 0, record.value() or b""))
            elif problem.code() != KafkaError._PARTITION_EOF:
                self._next = None
                raise translate(problem)
        if found:
            self._next = found[-1][0] + 1
        return found

    def _seek(self, position: int) -> None:
        low, high = call(lambda: self._consumer.get_watermark_offsets(TopicPartition(self._topic, 0), ANSWER_S))
        call(lambda: self._consumer.assign([TopicPartition(self._topic, 0, min(max(position, low), high))]))
        self._next = position

    async def close(self) -> None:
        """Release the connection."""
        await self._thread.call(self._consumer.close)
        self._thread.stop()
