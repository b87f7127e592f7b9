"""One partition of the log: read its messages, keep the states of its vans, and know that nobody else does.

States, offset and dead letters go out in one transaction of a producer that is this partition's alone. To take a
partition over means to initialise that producer: Kafka then ends the transaction that a former owner has left open, and
refuses everything that the former owner still sends.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from agent.errors import LogUnavailable, PartitionLost
from agent.journal.batches import cut
from agent.kafka.records import MESSAGES_PER_RECORD, unpack
from agent.kafka.topics import Topics
from agent.messages import Batch

Result = TypeVar("Result")

OFFSET_KEY: Final = b"/offset"
_OFFSET: Final = Struct("<q")
ANSWER_S: Final = 60.0
POLL_S: Final = 0.05
POLLED: Final = 500


class Partition:
    """Blocking calls, to be made from one thread."""

    def __init__(self, settings: Mapping[str, Any], topics: Topics, number: int) -> None:
        self.number = number
        self.foreign_records = 0
        self._topics = topics
        self._settings = dict(settings)
        self._producer = Producer(
            self._settings
            | {
                "transactional.id": f"vanpulse-{topics.messages}-{number}",
                "transaction.timeout.ms": 60_000,
                "compression.type": "lz4",
                "linger.ms": 5,
            }
        )
        self._reader = self._consumer()
        self._next_offset: int | None = None
        """Where the reader stands."""
        self._at_end = False

    def _consumer(self) -> Consumer:
        return Consumer(
            self._settings
            | {
                "group.id": f"vanpulse-{self._topics.messages}-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.max.bytes": 8 << 20,
                "queued.max.messages.kbytes": 16_384,
            }
        )

    def take_over(self) -> None:
        """Become the owner of the partition: whoever had it before can write no state any more."""
        _calls(lambda: self._producer.init_transactions(ANSWER_S))

    def load(self) -> tuple[int, dict[str, bytes]]:
        """Offset of the last checkpoint, and every state as of it; (0, none) where there is no checkpoint yet."""
        states: dict[bytes, bytes | None] = {}
        for record in self._whole(self._topics.states):
            states[record.key() or b""] = record.value()
        offset = states.pop(OFFSET_KEY, None)
        return (
            _OFFSET.unpack(offset)[0] if offset else self._oldest(),
            {key.decode(): state for key, state in states.items() if state},
        )

    def _oldest(self) -> int:
        low, _ = self._reader.get_watermark_offsets(TopicPartition(self._topics.messages, self.number), ANSWER_S)
        return int(low) * MESSAGES_PER_RECORD

    def _whole(self, topic: str) -> Iterator[KafkaMessage]:
        """Every committed record of this partition of a topic, as it is now."""
        consumer = self._consumer()
        try:
            partition = TopicPartition(topic, self.number)
            low, _ = consumer.get_watermark_offsets(partition, ANSWER_S)
            consumer.assign([TopicPartition(topic, self.number, low)])
            while True:
                for record in _calls(lambda: consumer.consume(POLLED, POLL_S)):
                    error = record.error()
                    if error is None:
                        yield record
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return
                    else:
                        raise LogUnavailable(f"topic {topic!r}: {error.str()}")
        finally:
            consumer.close()

    def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        """Batches from the first message at or behind this offset on; none when there is nothing new."""
        if offset != self._next_offset:
            record_offset = offset // MESSAGES_PER_RECORD
            self._reader.assign([TopicPartition(self._topics.messages, self.number, record_offset)])
            self._at_end = False
        found: list[Batch] = []
        count = 0
        while count < max_messages:
            records = _calls(lambda: self._reader.consume(POLLED, POLL_S))
            for record in records:
                error = record.error()
                self._at_end = error is not None and error.code() == KafkaError._PARTITION_EOF
                batch = None if self._at_end else self._batch(record)
                if batch is not None and batch.end > offset:
                    found.append(cut(batch, offset))
                    count += len(found[-1].messages)
            if self._at_end and not records:
                break
        self._next_offset = found[-1].end if found else offset
        return found

    def _batch(self, record: KafkaMessage) -> Batch | None:
        error = record.error()
        if error is not None:
            raise LogUnavailable(f"topic {self._topics.messages!r}: {error.str()}")
        batch = unpack(record.value(), record_offset=record.offset() or 0)
        if batch is None:
            self.foreign_records += 1
        return batch

    def checkpoint(
        self, offset: int, states: Mapping[str, bytes], letters: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """In one transaction: the changed states, the dead letters as (key, value), and the offset they are as of.

        Raises `PartitionLost` when somebody else owns the partition by now; the caller then lets go of it.
        """
        _calls(self._producer.begin_transaction)
        try:
            for key, state in states.items():
                self._send(self._topics.states, key.encode(), state)
            for key, letter in letters:
                self._send(self._topics.letters, key, letter)
            self._send(self._topics.states, OFFSET_KEY, _OFFSET.pack(offset))
            _calls(lambda: self._producer.commit_transaction(ANSWER_S))
        except LogUnavailable:
            _calls(lambda: self._producer.abort_transaction(ANSWER_S))
            raise

    def _send(self, topic: str, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key=key, partition=self.number)
            except BufferError:
                self._producer.poll(POLL_S)
            else:
                return

    def close(self) -> None:
        """Let go of the partition."""
        self._reader.close()


def _calls(work: Callable[[], Result]) -> Result:
    """Translate what the client raises."""
    try:
        return work()
    except KafkaException as error:
        problem: KafkaError = error.args[0]
        if problem.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH) or problem.fatal():
            raise PartitionLost(problem.str()) from error
        raise LogUnavailable(problem.str()) from error
