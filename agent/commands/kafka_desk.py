"""What commands write to a log on Kafka. Each call is one transaction: all of it is there, or nothing.

Messages go to the partitions of their vans, like those that an ingesting agent receives. They name no source.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from agent.commands.kafka_log import KafkaPlace, find_kafka
from agent.commands.parts import identify_of
from agent.commands.sources import decoder_of_sources
from agent.config import Settings
from agent.errors import LogUnavailable, PartitionLost
from agent.journal import Arrival
from agent.kafka.ingest_log import Identify, spread
from agent.kafka.reader import newest, records
from agent.kafka.records import Record, pack, split, unpack
from agent.kafka.transaction import LONGEST_MS, SHORT_MS, Entry, TransactionalWriter
from agent.messages import Message
from agent.shard.opening import roster_of
from agent.shard.shard import MINUTE_KEY, MINUTE_MS

FEEDING_S: Final = 30.0
"""An ingesting agent sends a tick to every partition every ten seconds."""
LOOK_BACK_RECORDS: Final = 300


class KafkaDesk:
    """A log on Kafka that is there. Raises `SettingsError` and `LogUnavailable`."""

    def __init__(self, settings: Settings) -> None:
        self.place: KafkaPlace = find_kafka(settings.log)
        self.identify: Identify = identify_of(decoder_of_sources(settings, roster_of(settings)))

    @property
    def partitions(self) -> range:
        """The numbers of all partitions."""
        return range(self.place.partitions)

    def append(self, messages: Sequence[Message], *, received_ms: int, name: str) -> None:
        """Write messages that arrive now, in their order. `name` says for which command."""
        self.write(self.entries([Arrival(received_ms, received_ms, messages)]), name=name)

    def append_past(self, arrivals: Iterable[Arrival], *, name: str) -> None:
        """Write messages with their times of arrival; nothing is written if `arrivals` raises an error."""
        self.write(self.entries(arrivals), name=name, longest_ms=LONGEST_MS)

    def entries(self, arrivals: Iterable[Arrival]) -> Iterator[Entry]:
        """The records of batches, each in the partition of its vans."""
        for received_ms, listening_since_ms, messages in arrivals:
            for partition, some in spread(messages, self.place.partitions, self.identify):
                for part in split(some):
                    record = Record(received_ms, listening_since_ms, "", part)
                    yield Entry(self.place.topics.messages, partition, None, pack(record))

    def write(self, entries: Iterable[Entry], *, name: str, longest_ms: int = SHORT_MS) -> None:
        """Write these records in one transaction."""
        with self.writing(name, longest_ms=longest_ms) as writer:
            writer.write(entries)

    @contextlib.contextmanager
    def writing(self, name: str, *, longest_ms: int = SHORT_MS) -> Iterator[TransactionalWriter]:
        """The writer of a command. What an earlier run of the command has left open is undone."""
        writer = TransactionalWriter(self.place.client, self.place.topics.messages, name=name, longest_ms=longest_ms)
        try:
            writer.take_over()
            yield writer
        except PartitionLost as error:
            raise LogUnavailable(
                f"another `vanpulse` command ({name}) works on this log: try again when it is done"
            ) from error

    # -- what is there

    def is_fed(self) -> bool:
        """Whether an ingesting agent has written within the last half minute."""
        since_ms = (time.time() - FEEDING_S) * 1000
        for record in records(self.place.client, self.place.topics.messages, 0, last=LOOK_BACK_RECORDS):
            batch = unpack(record.value(), record_offset=record.offset() or 0)
            if batch is not None and batch.source and record.timestamp()[1] > since_ms:
                return True
        return False

    def last_arrival_ms(self) -> int | None:
        """The newest arrival in the log, or the minute up to which its vans have lived; None where there is none."""
        found: list[int] = []
        for partition in self.partitions:
            for record in records(self.place.client, self.place.topics.messages, partition, last=LOOK_BACK_RECORDS):
                batch = unpack(record.value(), record_offset=record.offset() or 0)
                found += [batch.received_ms] if batch is not None else []
            minute = newest(self.place.client, self.place.topics.states, partition, MINUTE_KEY.encode())
            found += [int(minute) * MINUTE_MS] if minute else []
        return max(found, default=None)
