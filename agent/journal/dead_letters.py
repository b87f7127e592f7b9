"""Messages that could not be used, and rows that the store refused, kept with their reason."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from agent.errors import Reason
from agent.journal import batches, schema
from agent.journal.losses import Loss, LossTable
from agent.log import OTHERS, DeadLetter, Key, StoreRefusal

_MAX_PAYLOAD_SHARE: Final = 8
"""One letter takes at most this fraction of the space for all of them."""
_EVICT_SHARE: Final = 64
"""Making room frees up to this fraction of the space beyond what is needed, so that it is rare."""
_EVICT_OWN_SHARE: Final = 8
"""Beyond what is needed, a sender loses at most this fraction of its letters."""
_MAX_DETAIL: Final = 1000
_PAGE: Final = 200
_TABLES: Final = ("dead_letters", "store_refusals")
_LETTER: Final = 'id, "offset", element, reason, topic, payload, received_ms, detail, sender, retained'
_REFUSAL: Final = "id, key, measurement, line, newest_ms, detail, sender"
MAX_SENDERS: Final = 16_384
"""The space of so many senders is counted separately. All further ones are counted as one."""


class DeadLetterTable:
    """Dead letters and store refusals inside the journal's file, bounded by bytes together.

    Room is made before a letter is kept, and by the sender that has most of it: so a flood replaces its own letters.
    The caller holds the transaction.
    """

    def __init__(self, connection: sqlite3.Connection, max_bytes: int, *, max_senders: int = MAX_SENDERS) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._max_senders = max_senders
        self.losses = LossTable(connection)
        self.refresh()

    def refresh(self) -> None:
        """Count again from the file, at the start and after a transaction was rolled back."""
        self._bytes_of: Counter[str] = Counter()
        self.number = 0
        for table in _TABLES:
            query = f"SELECT sender, count(*), sum(bytes) FROM {table} GROUP BY sender"  # noqa: S608
            for sender, number, size in self._connection.execute(query):
                self._bytes_of[sender] += size
                self.number += number
        self.bytes = self._bytes_of.total()
        self._last_id = self._connection.execute(
            "SELECT max(coalesce((SELECT max(rowid) FROM dead_letters), 0), "
            "coalesce((SELECT max(id) FROM store_refusals), 0))"
        ).fetchone()[0]
        self.losses.refresh()
        self.changed = False

    def rolled_back(self) -> None:
        """A transaction was rolled back: count again where it had changed something."""
        if self.changed:
            self.refresh()

    @property
    def evicted(self) -> int:
        """Letters that have made room for newer ones since the journal was made."""
        return self.losses.letters

    def add(self, items: Iterable[DeadLetter | StoreRefusal]) -> None:
        """Keep the letters and refusals; those already there stay as they are."""
        for item in items:
            if not self._is_there(item):
                self._insert(self._fitting(item))

    def count(self, losses: Mapping[str, Loss]) -> None:
        """Count what was given up elsewhere."""
        self.changed = True
        self.losses.add(losses)

    def _is_there(self, item: DeadLetter | StoreRefusal) -> bool:
        if isinstance(item, DeadLetter):
            query = 'SELECT 1 FROM dead_letters WHERE "offset" = ? AND element = ?'
            return self._connection.execute(query, item.key).fetchone() is not None
        query = "SELECT 1 FROM store_refusals WHERE key = ?"
        return self._connection.execute(query, (item.key,)).fetchone() is not None

    def _fitting(self, item: DeadLetter | StoreRefusal) -> DeadLetter | StoreRefusal:
        """With its content and its detail cut to what one letter may take."""
        limit = self._max_bytes // _MAX_PAYLOAD_SHARE
        content = item.payload if isinstance(item, DeadLetter) else item.line
        detail, sender = item.detail[:_MAX_DETAIL], item.sender
        if len(content) > limit:
            detail = f"{detail} (cut, was {len(content)} bytes)"
            content = content[:limit]
        if sender not in self._bytes_of and len(self._bytes_of) >= self._max_senders:
            sender = OTHERS
        if isinstance(item, DeadLetter):
            return msgspec.structs.replace(item, payload=content, detail=detail, sender=sender)
        return msgspec.structs.replace(item, line=content, detail=detail, sender=sender)

    def _insert(self, item: DeadLetter | StoreRefusal) -> None:
        self.changed = True
        while self.number and self.bytes + item.size > self._max_bytes:
            self._make_room(item)
        self._last_id += 1
        if isinstance(item, DeadLetter):
            self._connection.execute(
                'INSERT INTO dead_letters (rowid, "offset", element, received_ms, bytes, reason, topic, detail, '
                "payload, sender, retained) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._last_id,
                    *item.key,
                    item.received_ms,
                    item.size,
                    item.reason,
                    item.topic,
                    item.detail,
                    item.payload,
                    item.sender,
                    item.retained,
                ),
            )
        else:
            self._connection.execute(
                "INSERT INTO store_refusals (id, key, newest_ms, bytes, measurement, detail, sender, line) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._last_id,
                    item.key,
                    item.newest_ms,
                    item.size,
                    item.measurement,
                    item.detail,
                    item.sender,
                    item.line,
                ),
            )
        self.number += 1
        self.bytes += item.size
        self._bytes_of[item.sender] += item.size

    def _make_room(self, letter: DeadLetter | StoreRefusal) -> None:
        """Delete the oldest letters and refusals of the sender that has most, the new one counted in."""
        victim = max(self._bytes_of, key=lambda sender: self._bytes_of[sender])
        own = self._bytes_of.get(letter.sender, 0)
        if own and own + letter.size >= self._bytes_of[victim]:
            victim = letter.sender
        needed = self.bytes + letter.size - self._max_bytes
        wanted = max(needed, min(self._max_bytes // _EVICT_SHARE, self._bytes_of[victim] // _EVICT_OWN_SHARE))
        ids: list[tuple[int]] = []
        freed = 0
        for number, size in self._connection.execute(
            "SELECT rowid, bytes FROM dead_letters WHERE sender = ?1 UNION ALL "
            "SELECT id, bytes FROM store_refusals WHERE sender = ?1 ORDER BY 1",
            (victim,),
        ):
            if freed >= wanted:
                break
            ids.append((number,))
            freed += size
        self._connection.executemany("DELETE FROM dead_letters WHERE rowid = ?", ids)
        self._connection.executemany("DELETE FROM store_refusals WHERE id = ?", ids)
        self._bytes_of[victim] -= freed
        if self._bytes_of[victim] <= 0:
            del self._bytes_of[victim]
        self.bytes -= freed
        self.number -= len(ids)
        self.losses.add({victim: Loss(letters=len(ids))})

    def remove(self, keys: Sequence[Key], refusals: Sequence[int]) -> None:
        """Forget these letters and refusals."""
        self._connection.executemany('DELETE FROM dead_letters WHERE "offset" = ? AND element = ?', keys)
        self._connection.executemany("DELETE FROM store_refusals WHERE key = ?", [(key,) for key in refusals])
        self.refresh()
        self.changed = True


def of_damaged(row: batches.BatchRow) -> DeadLetter:
    """The letter that keeps a row of the batches which is not what was written."""
    return DeadLetter(
        offset=row[0],
        reason="journal_corrupt",
        topic="",
        payload=row[5],
        received_ms=row[1],
        detail=f"a batch of {row[3]} messages does not match its checksum",
    )


def in_parts(letters: Sequence[DeadLetter | StoreRefusal], max_bytes: int) -> Iterator[list[DeadLetter | StoreRefusal]]:
    """In parts of at most so many bytes, or of one letter each."""
    part: list[DeadLetter | StoreRefusal] = []
    size = 0
    for letter in letters:
        if part and size + letter.size > max_bytes:
            yield part
            part, size = [], 0
        part.append(letter)
        size += letter.size
    if part:
        yield part


def select(connection: sqlite3.Connection, *, reason: Reason | None = None) -> Iterator[DeadLetter]:
    """Dead letters in the order they were added."""
    return (letter for _, letter in numbered(connection, reason=reason))


def numbered(connection: sqlite3.Connection, *, reason: Reason | None = None) -> Iterator[tuple[int, DeadLetter]]:
    """Dead letters with the number that gives their order among letters and refusals."""
    query = (
        f"SELECT {_LETTER} FROM {schema.dead_letters(connection)} "  # noqa: S608
        "WHERE id > ?1 AND (?2 IS NULL OR reason = ?2) ORDER BY id LIMIT ?3"
    )
    for row in _in_pages(connection, query, reason):
        yield row[0], _letter(row)


def by_key(connection: sqlite3.Connection, keys: Sequence[Key]) -> Iterator[DeadLetter]:
    """Those of these letters that are there."""
    query = f'SELECT {_LETTER} FROM {schema.dead_letters(connection)} WHERE "offset" = ? AND element = ?'  # noqa: S608
    for key in keys:
        yield from (_letter(row) for row in connection.execute(query, key).fetchall())


def numbered_refusals(connection: sqlite3.Connection) -> Iterator[tuple[int, StoreRefusal]]:
    """Store refusals with the number that gives their order among letters and refusals."""
    query = f"SELECT {_REFUSAL} FROM {schema.refusals(connection)} WHERE id > ?1 AND ?2 IS NULL ORDER BY id LIMIT ?3"  # noqa: S608
    for row in _in_pages(connection, query, None):
        yield row[0], _refusal(row)


def refusals_by_key(connection: sqlite3.Connection, keys: Sequence[int]) -> Iterator[StoreRefusal]:
    """Those of these refusals that are there."""
    query = f"SELECT {_REFUSAL} FROM {schema.refusals(connection)} WHERE key = ?"  # noqa: S608
    for key in keys:
        yield from (_refusal(row) for row in connection.execute(query, (key,)).fetchall())


def _in_pages(connection: sqlite3.Connection, query: str, reason: Reason | None) -> Iterator[tuple[Any, ...]]:
    """The rows in short steps, so that no reader holds the journal's WAL. `id` is the first column."""
    after = 0
    while rows := connection.execute(query, (after, reason, _PAGE)).fetchall():
        yield from rows
        after = rows[-1][0]


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    _, offset, index, reason, topic, payload, received_ms, detail, sender, retained = row
    return DeadLetter(
        offset=offset,
        index=index,
        reason=reason,
        topic=topic,
        payload=payload,
        received_ms=received_ms,
        detail=detail,
        sender=sender,
        retained=bool(retained),
    )


def _refusal(row: tuple[Any, ...]) -> StoreRefusal:
    _, key, measurement, line, newest_ms, detail, sender = row
    return StoreRefusal(key=key, measurement=measurement, line=line, newest_ms=newest_ms, detail=detail, sender=sender)
