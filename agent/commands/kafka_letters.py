"""Dead letters and refusals in their topic on Kafka, as `vanpulse deadletters` sees them.

A replay writes the letter's message to the partition of its van and deletes the letter, in one transaction: the message
is never lost and never there twice. Only letters below the checkpoint of their partition are replayed: the others would
be made again when their messages are processed again.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from agent.commands.kafka_desk import KafkaDesk
from agent.commands.letter_box import Entry as Shown
from agent.commands.letter_box import LetterKey
from agent.config import Settings
from agent.errors import Reason
from agent.journal import Arrival, as_batches, can_be_replayed
from agent.kafka.letters import kept, letter_key, refusal_key
from agent.kafka.owner import checkpoint_offset
from agent.kafka.transaction import Entry, TransactionalWriter
from agent.log import DeadLetter, StoreRefusal

NAME: Final = "replay"
LETTERS_AT_ONCE: Final = 500
"""Letters in one transaction: agents that read the partitions wait for it."""


class KafkaLetters:
    """Implements `LetterBox`. It reads one partition after the other, so memory holds the letters of one."""

    def __init__(self, settings: Settings) -> None:
        self._desk = KafkaDesk(settings)

    def select(self, keys: Sequence[LetterKey], reason: Reason | None) -> Iterator[Shown]:
        """See `LetterBox`. The order is that of the partitions, and in each the order in which letters were added."""
        wanted = frozenset(keys)
        for partition in self._desk.partitions:
            if keys and all(key.partition != partition for key in keys):
                continue
            for item in self._kept(partition):
                entry = Shown.of(item, partition)
                if (not wanted or entry.key in wanted) and reason in {None, entry.reason}:
                    yield entry

    def _kept(self, partition: int) -> list[DeadLetter | StoreRefusal]:
        return kept(self._desk.place.client, self._desk.place.topics, partition)

    def losses(self) -> dict[str, tuple[int, int]]:
        """None are counted: Kafka deletes the oldest letters of a partition that has too many."""
        return {}

    def move(self, letters: Sequence[LetterKey], refusals: Sequence[LetterKey]) -> set[LetterKey]:
        """See `LetterBox`."""
        left = {*letters, *refusals}
        with self._desk.writing(NAME) as writer:
            for partition in self._desk.partitions:
                if any(key.partition == partition for key in left):
                    self._move_from(partition, left, writer)
        return left

    def _move_from(self, partition: int, left: set[LetterKey], writer: TransactionalWriter) -> None:
        """Move what is to be moved from one partition, and take it out of `left`.

        Letters and checkpoint are read only now: after `take_over`, nobody else moves any.
        """
        place = self._desk.place
        checkpoint = checkpoint_offset(place.client, place.topics, partition) or 0
        chosen = (item for item in self._kept(partition) if LetterKey(item.key, partition) in left)
        movable = (
            item
            for item in chosen
            if isinstance(item, StoreRefusal) or (can_be_replayed(item.reason) and item.offset < checkpoint)
        )
        while some := list(islice(movable, LETTERS_AT_ONCE)):
            writer.write(self._entries(some, partition))
            left.difference_update(LetterKey(item.key, partition) for item in some)

    def _entries(self, items: Sequence[DeadLetter | StoreRefusal], partition: int) -> Iterator[Entry]:
        letters = [item for item in items if isinstance(item, DeadLetter)]
        for batch in as_batches(letters, 0, replayed_ms=time.time_ns() // 1_000_000):
            yield from self._desk.entries([Arrival(batch.received_ms, batch.listening_since_ms, batch.messages)])
        for item in items:
            key = letter_key(item.key) if isinstance(item, DeadLetter) else refusal_key(item.key)
            yield Entry(self._desk.place.topics.letters, partition, key, None)
