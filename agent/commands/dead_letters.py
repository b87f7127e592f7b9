"""`vanpulse deadletters`: look at the messages that could not be used, and hand them back after a fix.

A replay moves letters back into the journal as new messages, in one transaction: none is lost, none is there twice,
whether the agent runs or not. Going through the broker would lose what its access rules forbid us to publish, and
would judge old readings by a new time of arrival; here each keeps the time it arrived.
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
    """A key that names no dead letter, or no longer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which letters."""
    parser.add_argument(
        "action",
        choices=("list", "show", "replay"),
        help="list: one line each; show: with their whole payload; replay: process them again",
    )
    parser.add_argument(
        "keys", nargs="*", default=(), metavar="KEY", type=parse_key, help="only these, as `list` names them"
    )
    parser.add_argument(
        "--reason", choices=REASONS, metavar="REASON", help=f"only letters with this reason: {', '.join(REASONS)}"
    )
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="text (default) or jsonl")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """List, show or replay."""
    path: Path = settings.journal.path
    if not path.exists():
        sys.stderr.write(f"vanpulse: there is no journal {path} yet, so no dead letters\n")
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
        raise NoSuchLetter(f"{missing} of these keys are of no dead letter{reason}: `deadletters list` shows them all")
    return 0


def parse_key(text: str) -> Key:
    """`OFFSET.INDEX` or `OFFSET`."""
    offset, _, index = text.partition(".")
    try:
        return int(offset), int(index or 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no key: `deadletters list` shows them, like 1234.0") from None


def format_key(letter: DeadLetter) -> str:
    """The key as `parse_key` takes it."""
    return f"{letter.offset}.{letter.index}"


# -- showing


def _tell_losses(reader: JournalReader) -> None:
    """Who has lost how much since the journal was made: on stderr, beside what is still there."""
    for sender, loss in list(reader.losses().items())[:_LOSSES_SHOWN]:
        given_up = [
            f"{number} {what}"
            for number, what in (
                (loss.letters, "dead letters made room for newer ones"),
                (loss.messages, "messages were refused or dropped because the journal was full"),
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
    """The payload on one line; foreign bytes never reach a terminal as they are."""
    return repr(letter.payload)[1:]


# -- replaying


def _replay(letters: Sequence[DeadLetter], settings: Settings) -> int:
    path = settings.journal.path
    refused = [letter for letter in letters if letter.reason == "rejected_by_store"]
    lines_written = asyncio.run(_write_again(refused, settings)) if refused else []
    messages = [letter.key for letter in letters if journal_requests.can_be_replayed(letter)]
    left = _carry_out(path, Request(replay=messages, remove=lines_written), settings)
    again = len(messages) + len(lines_written) - len(left)
    sys.stdout.write(f"{again} of {len(letters)} dead letters are processed again\n")
    written = set(lines_written)
    _explain(letter for letter in letters if letter.key in left or letter.key not in {*messages, *written})
    return 0 if again == len(letters) else 1


def _explain(letters: Iterable[DeadLetter]) -> None:
    for reason, number in sorted(Counter(letter.reason for letter in letters).items()):
        why = NOT_REPLAYABLE.get(reason, "not yet behind the checkpoint; try again in a moment")
        sys.stderr.write(f"vanpulse: {number} with reason {reason} stay: {why}\n")


def _carry_out(path: Path, request: Request, settings: Settings) -> set[Key]:
    """Do it, or have the running agent do it; returns the keys of letters that stayed."""
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
    """Offer refused lines to the store once more; returns the letters whose lines it took."""
    store = store_of(settings.store)
    if not isinstance(store, InfluxStore):
        return []
    await store.open()
    try:
        refused = {row.line for row in await store.write_lines([letter.payload.decode() for letter in letters])}
    finally:
        await store.close()
    return [letter.key for letter in letters if letter.payload.decode() not in refused]
