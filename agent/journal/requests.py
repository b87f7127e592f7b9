"""How a command asks the running agent to write to the journal: a file beside it.

Only the agent writes the journal: in SQLite before 3.51.3, two connections that commit and checkpoint the WAL at the
same moment can damage the file. So a command leaves a request, which the journal's thread carries out between batches.
"""

import os
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import Reason
from agent.journal.file import beside
from agent.log import DeadLetter, Key
from agent.messages import Batch, Message, MessageKind

NOT_REPLAYABLE: Final[dict[Reason, str]] = {
    "malformed_packet": "the packet never was a message",
    "oversize": "only the beginning of the message was kept",
    "journal_corrupt": "the messages in it cannot be told apart any more",
    "rejected_by_store": "the message was good; the store refused a line made from it",
}


class Request(msgspec.Struct):
    """Which letters to move back into the journal, which to forget, and which corrections and messages to journal."""

    replay: list[Key] = []
    remove_refusals: list[int] = []
    """The keys of store refusals that the store has taken by now."""
    corrections: list[tuple[int, bytes]] = []
    """When each was made, ms since the epoch, and its payload: to be journaled like a message that arrives then."""
    append: list[Message] = []


def can_be_replayed(reason: Reason) -> bool:
    """Whether a letter with this reason holds a message that can be processed again."""
    return reason not in NOT_REPLAYABLE


def as_batches(letters: list[DeadLetter], offset: int, *, replayed_ms: int) -> list[Batch]:
    """Letters as new messages from this offset on, one batch for each time of arrival, oldest first."""
    found = []
    for received_ms, group in groupby(sorted(letters, key=attrgetter("received_ms", "key")), attrgetter("received_ms")):
        messages = [
            Message(topic, payload, retained=retained, kind=MessageKind.REPLAYED, other_arrival_ms=replayed_ms)
            for topic, payload, retained in dict.fromkeys(
                (letter.topic, letter.payload, letter.retained) for letter in group
            )
        ]
        found.append(Batch(offset, received_ms, received_ms, messages))
        offset += len(messages)
    return found


def ask(path: Path, request: Request) -> bool:
    """Leave a request for the agent that has this journal open; False while an earlier one waits."""
    draft = beside(path, f"request-{os.getpid()}")
    with draft.open("wb") as file:
        file.write(msgspec.msgpack.encode(request))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, beside(path, "request"))
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def take(path: Path) -> Request | None:
    """The request that waits, if any; one that cannot be read is removed."""
    try:
        content = beside(path, "request").read_bytes()
    except OSError:
        return None
    try:
        return msgspec.msgpack.decode(content, type=Request)
    except msgspec.DecodeError:
        done(path)
        return None


def done(path: Path) -> None:
    """Say that the request was carried out."""
    beside(path, "request").unlink(missing_ok=True)


def is_waiting(path: Path) -> bool:
    """Whether a request has not been carried out yet."""
    return beside(path, "request").exists()
