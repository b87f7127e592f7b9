"""`vanpulse deadletters`: lists, shows and replays the messages that could not be used.

A replay moves dead letters back into the journal as new messages in one transaction, whether the agent runs or not.
None is lost, none is there twice, and each keeps its time of arrival. Publishing them again through the broker would
give them a new time of arrival, and would lose those that its access rules forbid us to publish.
"""

import argparse
import asyncio
import base64
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from agent.commands.asking import ask_agent
from agent.commands.moments import format_moment
from agent.commands.storage import open_journal, store_of
from agent.config import Settings
from agent.errors import REASONS, Reason, VanpulseError
from agent.journal import NOT_REPLAYABLE, JournalInUse, JournalReader, Request, can_be_replayed
from agent.log import DeadLetter, Key, StoreRefusal
from agent.stores.influxdb import InfluxStore

_LIST_PAYLOAD: Final = 60
_LOSSES_SHOWN: Final = 20
_REFUSAL: Final = "store"


class NoSuchLetter(VanpulseError):
    """There is no dead letter with this key, or no longer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The action, and which dead letters."""
    parser.add_argument(
        "action",
        choices=("list", "show", "replay"),
        help="list: print one line each; show: print the whole payload; replay: process them again",
    )
    parser.add_argument(
        "keys",
        nargs="*",
        default=(),
        metavar="KEY",
        type=parse_key,
        help="only the dead letters with these keys, which `list` prints",
    )
    parser.add_argument(
        "--reason", choices=REASONS, metavar="REASON", help=f"only dead letters with this reason: {', '.join(REASONS)}"
    )
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="text (default) or jsonl")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """List, show or replay."""
    path: Path = settings.journal.path
    if not path.exists():
        sys.stderr.write(f"vanpulse: there is no journal {path} yet, and so there are no dead letters\n")
        return 0
    with JournalReader(path) as reader:
        found = _by_key(reader, arguments.keys) if arguments.keys else reader.letters_and_refusals(arguments.reason)
        letters = (entry for entry in map(Entry.of, found) if arguments.reason in {None, entry.reason})
        if arguments.action == "replay":
            return _replay(list(letters), settings)
        write = _as_json if arguments.format == "jsonl" else _as_line if arguments.action == "list" else _as_text
        number = 0
        for letter in letters:
            sys.stdout.write(write(letter))
            number += 1
        if arguments.action == "list" and not arguments.keys:
            _tell_losses(reader)
    if sys.stdout.isatty():
        sys.stderr.write(f"{number} dead letters\n")
    if (missing := len(set(arguments.keys)) - number) > 0:
        reason = f" with reason {arguments.reason}" if arguments.reason else ""
        raise NoSuchLetter(f"{missing} of these keys have no dead letter{reason}. `deadletters list` prints all keys.")
    return 0


def parse_key(text: str) -> Key | int:
    """A key: `OFFSET.INDEX` or `OFFSET` of a dead letter, `store.NUMBER` of a store refusal."""
    offset, _, index = text.partition(".")
    try:
        return int(index) if offset == _REFUSAL else (int(offset), int(index or 0))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a key. Use one that `deadletters list` prints, such as 1234.0."
        ) from None


class Entry(NamedTuple):
    """A dead letter or a store refusal, as it is shown."""

    key: Key | int
    """That of a store refusal is one number."""
    received_ms: int
    reason: Reason
    topic: str
    """Of a store refusal the measurement."""
    payload: bytes
    detail: str

    @classmethod
    def of(cls, item: DeadLetter | StoreRefusal) -> "Entry":
        """What is shown of it."""
        if isinstance(item, DeadLetter):
            return cls(item.key, item.received_ms, item.reason, item.topic, item.payload, item.detail)
        return cls(item.key, item.newest_ms, "rejected_by_store", item.measurement, item.line, item.detail)


def format_key(key: Key | int) -> str:
    """The key in the form that `parse_key` reads."""
    return f"{_REFUSAL}.{key}" if isinstance(key, int) else f"{key[0]}.{key[1]}"


def _by_key(reader: JournalReader, keys: Sequence[Key | int]) -> list[DeadLetter | StoreRefusal]:
    return [
        *reader.dead_letters_by_key([key for key in keys if not isinstance(key, int)]),
        *reader.refusals_by_key([key for key in keys if isinstance(key, int)]),
    ]


# -- showing


def _tell_losses(reader: JournalReader) -> None:
    """Write to stderr which senders have lost messages, and how many, since the journal was created."""
    for sender, loss in list(reader.losses().items())[:_LOSSES_SHOWN]:
        given_up = [
            f"{number} {what}"
            for number, what in (
                (loss.letters, "dead letters deleted to make room for newer ones"),
                (loss.messages, "messages refused or dropped because the journal was full"),
            )
            if number
        ]
        sys.stderr.write(f"vanpulse: {repr(sender) if sender else 'others'}: {', '.join(given_up)}\n")


def _as_line(letter: Entry) -> str:
    payload = _payload(letter)[:_LIST_PAYLOAD]
    when = format_moment(letter.received_ms)
    return f"{format_key(letter.key)}\t{when}\t{letter.reason}\t{letter.topic!r}\t{letter.detail!r}\t{payload}\n"


def _as_text(letter: Entry) -> str:
    return (
        f"key       {format_key(letter.key)}\n"
        f"received  {format_moment(letter.received_ms)}\n"
        f"reason    {letter.reason}: {letter.detail!r}\n"
        f"topic     {letter.topic!r}\n"
        f"payload   {len(letter.payload)} bytes: {_payload(letter)}\n\n"
    )


def _as_json(letter: Entry) -> str:
    line: dict[str, Any] = {
        "key": format_key(letter.key),
        "received": format_moment(letter.received_ms),
        "reason": letter.reason,
        "detail": letter.detail,
        "topic": letter.topic,
    }
    try:
        line["payload"] = letter.payload.decode()
    except UnicodeDecodeError:
        line["payload_base64"] = base64.b64encode(letter.payload).decode()
    return msgspec.json.encode(line).decode() + "\n"


def _payload(letter: Entry) -> str:
    """The payload on one line, escaped, since its bytes may be control codes of a terminal."""
    return repr(letter.payload)[1:]


# -- replaying


def _replay(entries: Sequence[Entry], settings: Settings) -> int:
    refused = {entry.key: entry.payload for entry in entries if isinstance(entry.key, int)}
    written = asyncio.run(_write_again(refused, settings)) if refused else []
    messages = [entry.key for entry in entries if not isinstance(entry.key, int) and can_be_replayed(entry.reason)]
    left = _carry_out(Request(replay=messages, remove_refusals=written), settings)
    again = len(messages) + len(written) - len(left)
    sys.stdout.write(f"{again} of {len(entries)} dead letters will be processed again\n")
    _explain(entry.reason for entry in entries if entry.key in left or entry.key not in {*messages, *written})
    return 0 if again == len(entries) else 1


def _explain(reasons: Iterable[Reason]) -> None:
    for reason, number in sorted(Counter(reasons).items()):
        why = NOT_REPLAYABLE.get(reason, "their message is not checkpointed yet: try again later")
        sys.stderr.write(f"vanpulse: {number} with reason {reason} are not replayed: {why}\n")


def _carry_out(request: Request, settings: Settings) -> set[Key | int]:
    """Carry out the request, or let the running agent do it. Returns the keys of what remains."""
    path: Path = settings.journal.path
    wanted: list[Key | int] = [*request.replay, *request.remove_refusals]
    if not wanted:
        return set()
    try:
        journal = open_journal(settings.journal)
    except JournalInUse:
        ask_agent(path, request)
    else:
        try:
            journal.replay_dead_letters(request.replay)
            journal.remove_refusals(request.remove_refusals)
        finally:
            journal.close()
    with JournalReader(path) as reader:
        return {item.key for item in _by_key(reader, wanted)}


async def _write_again(lines: Mapping[int, bytes], settings: Settings) -> list[int]:
    """Write refused lines to the store again. Returns the keys of those that it accepted."""
    store = store_of(settings.store)
    if not isinstance(store, InfluxStore):
        return []
    await store.open()
    try:
        refused = {row.line for row in await store.write_lines([line.decode() for line in lines.values()])}
    finally:
        await store.close()
    return [key for key, line in lines.items() if line.decode() not in refused]
