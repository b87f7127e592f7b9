"""Reads the raw messages from a journal file of the agent, without the agent."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

PUBLISH: Final = 0
"""The kind of a journaled message that was published. Other kinds are ticks and refused packets."""

_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


class JournalUnreadable(Exception):
    """The file is not a journal of the agent."""


def read_journal(path: Path) -> Iterator[tuple[str, bytes]]:
    """Topic and payload of every published message in the journal, in order."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        for (blob,) in connection.execute('SELECT messages FROM batches ORDER BY "offset"'):
            # A message is [topic, payload, quality of service, retained, kind].
            for topic, payload, *_, kind in _decode(blob):
                if kind == PUBLISH:
                    yield topic, payload
    except (sqlite3.Error, msgspec.DecodeError, ValueError) as error:
        raise JournalUnreadable(f"{path} is not a journal of the agent: {error}") from error
    finally:
        connection.close()
