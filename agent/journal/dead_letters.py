"""Messages that could not be used, kept with their reason until somebody looks at them."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from agent.errors import Reason
from agent.journal import file

Key = tuple[int, int]
"""(offset, index): which message, and which element of its array."""

_OVERHEAD_BYTES: Final = 100
_MAX_PAYLOAD_SHARE: Final = 8
"""One letter takes at most this fraction of the space for all of them."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One message, or one element of an array, that could not be used; `payload` as it arrived."""

    offset: int
    index: int = 0
    reason: Reason
    topic: str
    payload: bytes
    received_ms: int
    detail: str
    retained: bool = False
    """The broker had kept the message: nobody knows how old it was when it arrived."""

    @property
    def key(self) -> Key:
        """What makes the letter the same letter after a replay of the journal."""
        return self.offset, self.index


class DeadLetterTable:
    """The letters inside the journal's file, bounded by bytes; the caller holds the transaction."""

    def __init__(self, connection: sqlite3.Connection, max_bytes: int) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self.evicted = 0
        self.refresh()

    def refresh(self) -> None:
        """Count again from the file, at the start and after a transaction was rolled back."""
        row = self._connection.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM dead_letters").fetchone()
        self.number, self.bytes = row

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Keep the letters; those already there stay as they are; the oldest go when there are too many."""
        for letter in letters:
            payload, detail = letter.payload, letter.detail
            if len(payload) > self._max_bytes // _MAX_PAYLOAD_SHARE:
                detail = f"{detail} (cut, was {len(payload)} bytes)"
                payload = payload[: self._max_bytes // _MAX_PAYLOAD_SHARE]
            size = len(payload) + len(letter.topic) + len(detail) + _OVERHEAD_BYTES
            added = self._connection.execute(
                'INSERT INTO dead_letters ("offset", element, received_ms, bytes, reason, topic, detail, payload, '
                "retained) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*letter.key, letter.received_ms, size, letter.reason, letter.topic, detail, payload, letter.retained),
            ).rowcount
            self.number += added
            self.bytes += added * size
        if self.bytes > self._max_bytes:
            self._evict()

    def _evict(self) -> None:
        victims = []
        for rowid, size in self._connection.execute("SELECT rowid, bytes FROM dead_letters ORDER BY rowid"):
            if self.bytes <= self._max_bytes:
                break
            victims.append((rowid,))
            self.bytes -= size
        self._connection.executemany("DELETE FROM dead_letters WHERE rowid = ?", victims)
        self.number -= len(victims)
        self.evicted += len(victims)

    def remove(self, keys: Sequence[Key]) -> int:
        """Forget these letters; returns how many were there."""
        before = self._connection.total_changes
        self._connection.executemany('DELETE FROM dead_letters WHERE "offset" = ? AND element = ?', keys)
        removed = self._connection.total_changes - before
        self.refresh()
        return removed


def select(
    connection: sqlite3.Connection,
    *,
    reason: Reason | None = None,
    keys: Sequence[Key] | None = None,
    page: int = 200,
) -> Iterator[DeadLetter]:
    """Letters in the order they were added, read in short steps so that no reader holds the journal's WAL."""
    columns = f'"offset", element, reason, topic, payload, received_ms, detail, {file.retained_column(connection)}'
    if keys is not None:
        for key in keys:
            query = f'SELECT {columns} FROM dead_letters WHERE "offset" = ? AND element = ?'  # noqa: S608
            rows = connection.execute(query, key).fetchall()
            yield from (_letter(row) for row in rows)
        return
    after = 0
    query = (
        f"SELECT {columns}, rowid FROM dead_letters WHERE rowid > ?1 AND (?2 IS NULL OR reason = ?2) "  # noqa: S608
        "ORDER BY rowid LIMIT ?3"
    )
    while rows := connection.execute(query, (after, reason, page)).fetchall():
        yield from (_letter(row[:-1]) for row in rows)
        after = rows[-1][-1]


def _letter(row: tuple[int, int, Reason, str, bytes, int, str, int]) -> DeadLetter:
    offset, index, reason, topic, payload, received_ms, detail, retained = row
    return DeadLetter(
        offset=offset,
        index=index,
        reason=reason,
        topic=topic,
        payload=payload,
        received_ms=received_ms,
        detail=detail,
        retained=bool(retained),
    )
