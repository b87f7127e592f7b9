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
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.commands.asking import ask_agent
from agent.commands.moments import format_moment
from agent.commands.storage import open_journal, store_of
from agent.config import Settings
from agent.errors import REASONS, VanpulseError
from agent.journal import JournalInUse, JournalReader
from agent.journal import requests as journal_requests
from agent.journal.requests import NOT_REPLAYABLE, Request
from agent.log import DeadLetter, Key
from agent.stores.influxdb import InfluxStore

_LIST_PAYLOAD: Final = 60
_LOSSES_SHOWN: Final = 20


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
        found = reader.dead_letters_by_key(arguments.keys) if arguments.keys else reader.dead_letters(arguments.reason)
        letters = (letter for letter in found if arguments.reason in {None, letter.reason})
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


def parse_key(text: str) -> Key:
    """A key, written as `OFFSET.INDEX` or `OFFSET`."""
    offset, _, index = text.partition(".")
    try:
        return int(offset), int(index or 0)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a key. Use one that `deadletters list` prints, such as 1234.0."
        ) from None


def format_key(letter: DeadLetter) -> str:
    """The key in the form that `parse_key` reads."""
    return f"{letter.offset}.{letter.index}"


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


def _as_line(letter: DeadLetter) -> str:
    payload = _payload(letter)[:_LIST_PAYLOAD]
    when = format_moment(letter.received_ms)
    return f"{format_key(letter)}\t{when}\t{letter.reason}\t{letter.topic!r}\t{letter.detail!r}\t{payload}\n"


def _as_text(letter: DeadLetter) -> str:
    return (
        f"key       {format_key(letter)}\n"
        f"received  {format_moment(letter.received_ms)}\n"
        f"reason    {letter.reason}: {letter.detail!r}\n"
        f"topic     {letter.topic!r}\n"
        f"payload   {len(letter.payload)} bytes: {_payload(letter)}\n\n"
    )


def _as_json(letter: DeadLetter) -> str:
    line: dict[str, Any] = {
        "key": format_key(letter),
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


def _payload(letter: DeadLetter) -> str:
    """The payload on one line, escaped, since its bytes may be control codes of a terminal."""
    return repr(letter.payload)[1:]


# -- replaying


def _replay(letters: Sequence[DeadLetter], settings: Settings) -> int:
    path = settings.journal.path
    refused = [letter for letter in letters if letter.reason == "rejected_by_store"]
    lines_written = asyncio.run(_write_again(refused, settings)) if refused else []
    messages = [letter.key for letter in letters if journal_requests.can_be_replayed(letter)]
    left = _carry_out(path, Request(replay=messages, remove=lines_written), settings)
    again = len(messages) + len(lines_written) - len(left)
    sys.stdout.write(f"{again} of {len(letters)} dead letters will be processed again\n")
    written = set(lines_written)
    _explain(letter for letter in letters if letter.key in left or letter.key not in {*messages, *written})
    return 0 if again == len(letters) else 1


def _explain(letters: Iterable[DeadLetter]) -> None:
    for reason, number in sorted(Counter(letter.reason for letter in letters).items()):
        why = NOT_REPLAYABLE.get(reason, "their message is not checkpointed yet: try again later")
        sys.stderr.write(f"vanpulse: {number} with reason {reason} are not replayed: {why}\n")


def _carry_out(path: Path, request: Request, settings: Settings) -> set[Key]:
    """Carry out the request, or let the running agent do it. Returns the keys of the dead letters that remain."""
    wanted = [*request.replay, *request.remove]
    if not wanted:
        return set()
    try:
        journal = open_journal(settings.journal)
    except JournalInUse:
        ask_agent(path, request)
    else:
        try:
            journal.replay_dead_letters(request.replay)
            journal.remove_dead_letters(request.remove)
        finally:
            journal.close()
    with JournalReader(path) as reader:
        return {letter.key for letter in reader.dead_letters_by_key(wanted)}


async def _write_again(letters: Sequence[DeadLetter], settings: Settings) -> list[Key]:
    """Write refused lines to the store again. Returns the keys of those that it accepted."""
    store = store_of(settings.store)
    if not isinstance(store, InfluxStore):
        return []
    await store.open()
    try:
        refused = {row.line for row in await store.write_lines([letter.payload.decode() for letter in letters])}
    finally:
        await store.close()
    return [letter.key for letter in letters if letter.payload.decode() not in refused]
