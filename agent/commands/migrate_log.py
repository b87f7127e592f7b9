"""`vanpulse migrate-log`: moves what a journal holds to a log on Kafka, in one transaction.

What goes over: the states of the checkpoint, each to the partition of its van; the messages after the checkpoint; dead
letters and store refusals. The journal is only read. Either all of it is on Kafka, or nothing of it.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from agent.commands.asking import STILL_WAITING
from agent.commands.kafka_desk import KafkaDesk
from agent.commands.kafka_log import open_kafka
from agent.commands.storage import open_journal
from agent.config import Settings
from agent.errors import SettingsError, VanpulseError
from agent.journal import Arrival, Journal, JournalInUse, is_waiting
from agent.kafka import letters as packed
from agent.kafka.client import Admin
from agent.kafka.groups import members
from agent.kafka.ingest_log import partition_of
from agent.kafka.owner import OFFSET_KEY, pack_offset
from agent.kafka.reader import records
from agent.kafka.source_topic import sources_topic
from agent.kafka.transaction import LONGEST_MS, Entry
from agent.log import DeadLetter
from agent.log_settings import JOURNAL_URL
from agent.messages import Message

SHARD: Final = 0
"""The only shard of a journal."""
READ_MESSAGES: Final = 4096
SHOWN_EVERY: Final = 5000


class CannotMigrate(VanpulseError):
    """Nothing was moved. The text says what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options beyond `--config`."""
    parser.epilog = (
        "Stop the agent first. Set log.url to the log on Kafka; journal.path is the journal to move from. "
        "The journal stays as it is."
    )


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Move everything, and print what was moved."""
    if settings.log.url == JOURNAL_URL:
        raise SettingsError("migrate-log: set log.url to the log on Kafka, as in 'kafka://HOST:9092/vans'")
    path = settings.journal.path
    if not path.exists():
        raise CannotMigrate(f"there is no journal {path}")
    try:
        journal = open_journal(settings.journal)
    except JournalInUse as error:
        raise CannotMigrate(f"an agent has the journal {path} open: stop it first") from error
    try:
        journal.tidy()  # what commands have asked the agent for is journaled now
        if is_waiting(path):
            raise CannotMigrate(STILL_WAITING)
        open_kafka(settings.log)
        desk = KafkaDesk(settings)
        moving = Moving(journal, desk)
        with desk.writing("migration", longest_ms=LONGEST_MS) as writer:
            _need_unused(desk, settings.log.url)
            writer.write(moving.entries())
    finally:
        journal.close()
    sys.stdout.write(f"moved to {settings.log.url}, {desk.place.partitions} partitions: {moving}\n")
    sys.stdout.write(
        f"Start the agents with --role ingest and --role process. {path} is unchanged: never start an agent on it "
        "again, and delete it once the processing agents have caught up.\n"
    )
    return 0


def _need_unused(desk: KafkaDesk, url: str) -> None:
    """Raise `CannotMigrate` if the log on Kafka holds something, or if agents work on it."""
    admin, topic = Admin(desk.place.client), desk.place.topics.messages
    if members(admin, topic) or members(admin, sources_topic(topic)):
        raise CannotMigrate(f"agents work on {url}: stop them first")
    for topic in desk.place.topics:
        for partition in desk.partitions:
            if next(records(desk.place.client, topic, partition), None) is not None:
                raise CannotMigrate(
                    f"the topic {topic!r} is not empty: nothing was moved. Choose another topic in log.url, or delete "
                    f"{', '.join(desk.place.topics)} if nothing in them is needed"
                )


class Moving:
    """The records that hold on Kafka what the journal holds. `str` says what they were."""

    def __init__(self, journal: Journal, desk: KafkaDesk) -> None:
        self._journal = journal
        self._desk = desk
        self._topics = desk.place.topics
        self._moved: Counter[str] = Counter()

    def __str__(self) -> str:
        return ", ".join(
            f"{self._moved[what]} {what}" for what in ("vans", "messages", "ticks", "dead letters", "store refusals")
        )

    def entries(self) -> Iterator[Entry]:
        """To be consumed once."""
        number = 0
        for number, entry in enumerate(self._all(), 1):
            yield entry
            if number % SHOWN_EVERY == 0:
                self._show(f"{number} records")
        self._show("")

    def _all(self) -> Iterator[Entry]:
        offset, pages = self._journal.load(SHARD)
        for page in pages:
            for key, state in page:
                yield from self._states(key, state)
        for partition in self._desk.partitions:
            # The messages of the backlog are the first ones of each partition.
            yield Entry(self._topics.states, partition, OFFSET_KEY, pack_offset(0))
        yield from self._messages(offset)
        yield from self._letters(offset)
        for refusal in self._journal.refusals():
            self._moved["store refusals"] += 1
            yield Entry(self._topics.letters, self._partition(refusal.sender), *packed.pack_refusal(refusal))

    def _partition(self, key: str) -> int:
        return partition_of(key, self._desk.place.partitions)

    def _states(self, key: str, state: bytes) -> Iterator[Entry]:
        """A van's state, a dialect's memory `dialect/van`, or what the shard keeps for all vans, `/…`."""
        first, slash, van = key.partition("/")
        if slash and not first:
            for partition in self._desk.partitions:
                yield Entry(self._topics.states, partition, key.encode(), state)
            return
        self._moved["vans"] += not slash
        yield Entry(self._topics.states, self._partition(van if slash else key), key.encode(), state)

    def _messages(self, offset: int) -> Iterator[Entry]:
        while batches := self._journal.read(offset, max_messages=READ_MESSAGES):
            for batch in batches:
                ticks = sum(not message.topic for message in batch.messages)
                self._moved["ticks"] += ticks
                self._moved["messages"] += len(batch.messages) - ticks
                yield from self._desk.entries([Arrival(batch.received_ms, batch.listening_since_ms, batch.messages)])
            offset = batches[-1].end

    def _letters(self, offset: int) -> Iterator[Entry]:
        """Those of messages before the checkpoint: all others are made again when their messages are processed.

        Their offsets become negative, so that no message of the new log has the same one.
        """
        end = self._journal.status.next_offset
        for letter in self._journal.dead_letters():
            if letter.offset < offset or letter.reason == "journal_corrupt":
                self._moved["dead letters"] += 1
                moved = msgspec.structs.replace(letter, offset=letter.offset - end)
                yield Entry(self._topics.letters, self._home(letter), *packed.pack_letter(moved))

    def _home(self, letter: DeadLetter) -> int:
        message = Message(letter.topic, letter.payload, retained=letter.retained)
        return self._partition(self._desk.identify(message) or letter.topic)

    def _show(self, text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()
