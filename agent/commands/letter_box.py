"""Where dead letters and store refusals are kept, as `vanpulse deadletters` sees it: in a journal or on Kafka."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol, Self

from agent.commands.asking import ask_agent
from agent.commands.storage import open_journal
from agent.config import Settings
from agent.errors import Reason
from agent.journal import JournalInUse, JournalReader, Request
from agent.log import DeadLetter, Key, StoreRefusal

_REFUSAL: Final = "store"


class LetterKey(NamedTuple):
    """Identifies a dead letter or, where `key` is one number, a store refusal."""

    key: Key | int
    partition: int | None = None
    """None in a journal."""

    @property
    def is_refusal(self) -> bool:
        """Whether it is a row that the store refused."""
        return isinstance(self.key, int)

    def __str__(self) -> str:
        """The form that `parse` reads: `[PARTITION/]OFFSET.INDEX`, or `[PARTITION/]store.NUMBER`."""
        start = "" if self.partition is None else f"{self.partition}/"
        return start + (f"{_REFUSAL}.{self.key}" if isinstance(self.key, int) else f"{self.key[0]}.{self.key[1]}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From text; the index may be left out. Raises `argparse.ArgumentTypeError`."""
        partition, slash, rest = text.rpartition("/")
        offset, _, index = rest.partition(".")
        try:
            key = int(index) if offset == _REFUSAL else (int(offset), int(index or 0))
            return cls(key, int(partition) if slash else None)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a key. Use one that `deadletters list` prints, such as 1234.0."
            ) from None


class Entry(NamedTuple):
    """A dead letter or a store refusal, as it is shown."""

    key: LetterKey
    received_ms: int
    reason: Reason
    topic: str
    """Of a store refusal the measurement."""
    payload: bytes
    detail: str

    @classmethod
    def of(cls, item: DeadLetter | StoreRefusal, partition: int | None = None) -> "Entry":
        """What is shown of it."""
        key = LetterKey(item.key, partition)
        if isinstance(item, DeadLetter):
            return cls(key, item.received_ms, item.reason, item.topic, item.payload, item.detail)
        return cls(key, item.newest_ms, "rejected_by_store", item.measurement, item.line, item.detail)


class LetterBox(Protocol):
    """Lists dead letters and refusals, replays the letters and forgets the refusals."""

    def select(self, keys: Sequence[LetterKey], reason: Reason | None) -> Iterator[Entry]:
        """Those with these keys, or all if there are none; with this reason, or with any."""
        ...

    def losses(self) -> dict[str, tuple[int, int]]:
        """By sender: letters that were deleted to make room, and messages that were refused or dropped."""
        ...

    def move(self, letters: Sequence[LetterKey], refusals: Sequence[LetterKey]) -> set[LetterKey]:
        """Move letters back into the log as new messages, and forget refusals. Returns the keys of what remains."""
        ...


class JournalLetters:
    """Those of a journal. While an agent has it open, the agent is asked to write."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path: Path = settings.journal.path

    def select(self, keys: Sequence[LetterKey], reason: Reason | None) -> Iterator[Entry]:
        """See `LetterBox`."""
        with JournalReader(self._path) as reader:
            found = _by_key(reader, keys) if keys else reader.letters_and_refusals(reason)
            yield from (entry for entry in map(Entry.of, found) if reason in {None, entry.reason})

    def losses(self) -> dict[str, tuple[int, int]]:
        """See `LetterBox`."""
        with JournalReader(self._path) as reader:
            return {sender: (loss.letters, loss.messages) for sender, loss in reader.losses().items()}

    def move(self, letters: Sequence[LetterKey], refusals: Sequence[LetterKey]) -> set[LetterKey]:
        """See `LetterBox`."""
        request = Request(
            replay=[each.key for each in letters if not isinstance(each.key, int)],
            remove_refusals=[each.key for each in refusals if isinstance(each.key, int)],
        )
        if not letters and not refusals:
            return set()
        try:
            journal = open_journal(self._settings.journal)
        except JournalInUse:
            ask_agent(self._path, request)
        else:
            try:
                journal.replay_dead_letters(request.replay)
                journal.remove_refusals(request.remove_refusals)
            finally:
                journal.close()
        with JournalReader(self._path) as reader:
            return {LetterKey(item.key) for item in _by_key(reader, [*letters, *refusals])}


def _by_key(reader: JournalReader, keys: Sequence[LetterKey]) -> list[DeadLetter | StoreRefusal]:
    own = [each.key for each in keys if each.partition is None]
    return [
        *reader.dead_letters_by_key([key for key in own if not isinstance(key, int)]),
        *reader.refusals_by_key([key for key in own if isinstance(key, int)]),
    ]
