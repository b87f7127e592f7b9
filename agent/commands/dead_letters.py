"""`vanpulse deadletters`: lists, shows and replays the messages that could not be used.

A replay moves dead letters back into the log as new messages in one transaction, whether the agent runs or not.
None is lost, none is there twice, and each keeps its time of arrival. Publishing them again through the broker would
give them a new time of arrival, and would lose those that its access rules forbid us to publish.
"""

import argparse
import asyncio
import base64
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from agent.commands.letter_box import Entry, JournalLetters, LetterBox, LetterKey
from agent.commands.moments import format_moment
from agent.commands.storage import store_of
from agent.config import Settings
from agent.errors import REASONS, Reason, VanpulseError
from agent.journal import NOT_REPLAYABLE, can_be_replayed
from agent.log_settings import JOURNAL_URL
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
        type=LetterKey.parse,
        help="only the dead letters with these keys, which `list` prints",
    )
    parser.add_argument(
        "--reason", choices=REASONS, metavar="REASON", help=f"only dead letters with this reason: {', '.join(REASONS)}"
    )
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="text (default) or jsonl")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """List, show or replay."""
    box = _letter_box(settings)
    if box is None:
        sys.stderr.write(
            f"vanpulse: there is no journal {settings.journal.path} yet, and so there are no dead letters\n"
        )
        return 0
    letters = box.select(arguments.keys, arguments.reason)
    if arguments.action == "replay":
        return _replay(list(letters), box, settings)
    write = _as_json if arguments.format == "jsonl" else _as_line if arguments.action == "list" else _as_text
    number = 0
    for letter in letters:
        sys.stdout.write(write(letter))
        number += 1
    if arguments.action == "list" and not arguments.keys:
        _tell_losses(box)
    if sys.stdout.isatty():
        sys.stderr.write(f"{number} dead letters\n")
    if (missing := len(set(arguments.keys)) - number) > 0:
        reason = f" with reason {arguments.reason}" if arguments.reason else ""
        raise NoSuchLetter(f"{missing} of these keys have no dead letter{reason}. `deadletters list` prints all keys.")
    return 0


def _letter_box(settings: Settings) -> LetterBox | None:
    """None where there is no journal yet."""
    if settings.log.url == JOURNAL_URL:
        return JournalLetters(settings) if settings.journal.path.exists() else None
    from agent.commands.kafka_letters import KafkaLetters  # the client of Kafka is an extra

    return KafkaLetters(settings)


# -- showing


def _tell_losses(box: LetterBox) -> None:
    """Write to stderr which senders have lost messages, and how many, since the journal was created."""
    for sender, (letters, messages) in list(box.losses().items())[:_LOSSES_SHOWN]:
        given_up = [
            f"{number} {what}"
            for number, what in (
                (letters, "dead letters deleted to make room for newer ones"),
                (messages, "messages refused or dropped because the journal was full"),
            )
            if number
        ]
        sys.stderr.write(f"vanpulse: {repr(sender) if sender else 'others'}: {', '.join(given_up)}\n")


def _as_line(letter: Entry) -> str:
    payload = _payload(letter)[:_LIST_PAYLOAD]
    when = format_moment(letter.received_ms)
    return f"{letter.key}\t{when}\t{letter.reason}\t{letter.topic!r}\t{letter.detail!r}\t{payload}\n"


def _as_text(letter: Entry) -> str:
    return (
        f"key       {letter.key}\n"
        f"received  {format_moment(letter.received_ms)}\n"
        f"reason    {letter.reason}: {letter.detail!r}\n"
        f"topic     {letter.topic!r}\n"
        f"payload   {len(letter.payload)} bytes: {_payload(letter)}\n\n"
    )


def _as_json(letter: Entry) -> str:
    line: dict[str, Any] = {
        "key": str(letter.key),
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


def _replay(entries: Sequence[Entry], box: LetterBox, settings: Settings) -> int:
    refused = {entry.key: entry.payload for entry in entries if entry.key.is_refusal}
    written = asyncio.run(_write_again(refused, settings)) if refused else []
    messages = [entry.key for entry in entries if not entry.key.is_refusal and can_be_replayed(entry.reason)]
    left = box.move(messages, written)
    again = len(messages) + len(written) - len(left)
    sys.stdout.write(f"{again} of {len(entries)} dead letters will be processed again\n")
    _explain(entry.reason for entry in entries if entry.key in left or entry.key not in {*messages, *written})
    return 0 if again == len(entries) else 1


def _explain(reasons: Iterable[Reason]) -> None:
    for reason, number in sorted(Counter(reasons).items()):
        why = NOT_REPLAYABLE.get(reason, "their message is not checkpointed yet: try again later")
        sys.stderr.write(f"vanpulse: {number} with reason {reason} are not replayed: {why}\n")


async def _write_again(lines: Mapping[LetterKey, bytes], settings: Settings) -> list[LetterKey]:
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
