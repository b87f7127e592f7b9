"""An import of recorded messages: all of them or none, in one transaction of any size.

SQLite writes the pages of a large transaction into the WAL as it goes, so memory stays bounded. They take effect with
the commit. After a crash before the commit, the journal is as it was.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from agent.errors import LogFull
from agent.journal.batch_table import row_of
from agent.messages import Batch, Message

_ROOM_SHARE: Final = 16
"""This fraction of the journal's limit stays free for what arrives while the agent works through the rest."""
_LOOK_EVERY: Final = 256
"""The size is looked at after so many batches."""
_LARGE_BYTES: Final = 65_536
"""And after every batch that is larger than this."""


class Arrival(NamedTuple):
    """Messages that arrived together: what one batch of the journal is made from."""

    received_ms: int
    listening_since_ms: int
    messages: Sequence[Message]


def insert(connection: sqlite3.Connection, arrivals: Iterable[Arrival], *, offset: int, max_bytes: int) -> int:
    """Insert the batches from this offset on and return the offset behind them; the caller holds the transaction.

    Raises `LogFull` before the journal's limit is reached, and whatever `arrivals` raises.
    """
    limit_bytes = max_bytes - max_bytes // _ROOM_SHARE
    execute = connection.execute
    for number, (received_ms, listening_since_ms, messages) in enumerate(arrivals, 1):
        row = row_of(Batch(offset, received_ms, listening_since_ms, list(messages)))
        execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
        offset += len(messages)
        if (number % _LOOK_EVERY == 0 or len(row[5]) > _LARGE_BYTES) and _bytes_used(connection) > limit_bytes:
            raise LogFull(f"more than {limit_bytes} bytes of the journal's limit of {max_bytes} would be in use")
    if _bytes_used(connection) > limit_bytes:
        raise LogFull(f"more than {limit_bytes} bytes of the journal's limit of {max_bytes} would be in use")
    return offset


def _bytes_used(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def last_arrival_ms(connection: sqlite3.Connection, minute_key: str) -> int | None:
    """Up to when the journal's vans have lived: the arrival of its last batch, or the minute of its last roll-up.

    None when it knows no van and holds no message. `minute_key` is where the checkpoint keeps that minute.
    """
    last = connection.execute('SELECT received_ms FROM batches ORDER BY "offset" DESC LIMIT 1').fetchone()
    if last is not None:
        return int(last[0])
    vans = connection.execute("SELECT 1 FROM states WHERE instr(key, '/') = 0 LIMIT 1").fetchone()
    minute = connection.execute("SELECT state FROM states WHERE key = ?", (minute_key,)).fetchone()
    return None if vans is None or minute is None else int(minute[0]) * 60_000
