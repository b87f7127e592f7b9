"""Messages that could not be used, kept with their reason until somebody looks at them."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from agent.errors import Reason
from agent.journal import file
from agent.journal.losses import Loss, LossTable
from agent.log import OTHERS, DeadLetter, Key

_MAX_PAYLOAD_SHARE: Final = 8
"""One letter takes at most this fraction of the space for all of them."""
_EVICT_SHARE: Final = 64
"""Making room frees up to this fraction of the space beyond what is needed, so that it is rare."""
_EVICT_OWN_SHARE: Final = 8
"""But beyond what is needed at most this fraction of what the sender has."""
_MAX_DETAIL: Final = 1000
MAX_SENDERS: Final = 16_384
"""Senders whose space is counted apart; further ones share one account."""


class DeadLetterTable:
    """The letters inside the journal's file, bounded by bytes; the caller holds the transaction.

    Room is made before a letter is kept, and by the sender that has most of it: so a flood replaces its own letters.
    """

    def __init__(self, connection: sqlite3.Connection, max_bytes: int, *, max_senders: int = MAX_SENDERS) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._max_senders = max_senders
        self.losses = LossTable(connection)
        self.refresh()

    def refresh(self) -> None:
        """Count again from the file, at the start and after a transaction was rolled back."""
        rows = self._connection.execute("SELECT sender, count(*), sum(bytes) FROM dead_letters GROUP BY sender")
        self._bytes_of: Counter[str] = Counter()
        self.number = 0
        for sender, number, size in rows:
            self._bytes_of[sender] = size
            self.number += number
        self.bytes = self._bytes_of.total()
        self.losses.refresh()
        self.changed = False

    @property
    def evicted(self) -> int:
        """Letters that have made room for newer ones since the journal was made."""
        return self.losses.letters

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Keep the letters; those already there stay as they are."""
        for letter in letters:
            if not self._is_there(letter.key):
                self._insert(self._fitting(letter))

    def count(self, losses: Mapping[str, Loss]) -> None:
        """Count what was given up elsewhere."""
        self.changed = True
        self.losses.add(losses)

    def _is_there(self, key: Key) -> bool:
        query = 'SELECT 1 FROM dead_letters WHERE "offset" = ? AND element = ?'
        return self._connection.execute(query, key).fetchone() is not None

    def _fitting(self, letter: DeadLetter) -> DeadLetter:
        """The letter with its payload and its detail cut to what one letter may take."""
        limit = self._max_bytes // _MAX_PAYLOAD_SHARE
        payload, detail, sender = letter.payload, letter.detail[:_MAX_DETAIL], letter.sender
        if len(payload) > limit:
            detail = f"{detail} (cut, was {len(payload)} bytes)"
            payload = payload[:limit]
        if sender not in self._bytes_of and len(self._bytes_of) >= self._max_senders:
            sender = OTHERS
        return msgspec.structs.replace(letter, payload=payload, detail=detail, sender=sender)

    def _insert(self, letter: DeadLetter) -> None:
        self.changed = True
        while self.number and self.bytes + letter.size > self._max_bytes:
            self._make_room(letter)
        self._connection.execute(
            'INSERT INTO dead_letters ("offset", element, received_ms, bytes, reason, topic, detail, payload, sender, '
            "retained) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *letter.key,
                letter.received_ms,
                letter.size,
                letter.reason,
                letter.topic,
                letter.detail,
                letter.payload,
                letter.sender,
                letter.retained,
            ),
        )
        self.number += 1
        self.bytes += letter.size
        self._bytes_of[letter.sender] += letter.size

    def _make_room(self, letter: DeadLetter) -> None:
        """Delete the oldest letters of whoever has most, counting what comes."""
        victim = max(self._bytes_of, key=lambda sender: self._bytes_of[sender])
        own = self._bytes_of.get(letter.sender, 0)
        if own and own + letter.size >= self._bytes_of[victim]:
            victim = letter.sender
        needed = self.bytes + letter.size - self._max_bytes
        wanted = max(needed, min(self._max_bytes // _EVICT_SHARE, self._bytes_of[victim] // _EVICT_OWN_SHARE))
        rowids: list[tuple[int]] = []
        freed = 0
        for rowid, size in self._connection.execute(
            "SELECT rowid, bytes FROM dead_letters WHERE sender = ? ORDER BY rowid", (victim,)
        ):
            if freed >= wanted:
                break
            rowids.append((rowid,))
            freed += size
        self._connection.executemany("DELETE FROM dead_letters WHERE rowid = ?", rowids)
        self._bytes_of[victim] -= freed
        if self._bytes_of[victim] <= 0:
            del self._bytes_of[victim]
        self.bytes -= freed
        self.number -= len(rowids)
        self.losses.add({victim: Loss(letters=len(rowids))})

    def remove(self, keys: Sequence[Key]) -> int:
        """Forget these letters; returns how many were there."""
        before = self._connection.total_changes
        self._connection.executemany('DELETE FROM dead_letters WHERE "offset" = ? AND element = ?', keys)
        removed = self._connection.total_changes - before
        self.refresh()
        self.changed = True
        return removed


def in_parts(letters: Sequence[DeadLetter], max_bytes: int) -> Iterator[list[DeadLetter]]:
    """The letters in parts of at most so many bytes, or of one letter each."""
    part: list[DeadLetter] = []
    size = 0
    for letter in letters:
        if part and size + letter.size > max_bytes:
            yield part
            part, size = [], 0
        part.append(letter)
        size += letter.size
    if part:
        yield part


def select(
    connection: sqlite3.Connection,
    *,
    reason: Reason | None = None,
    keys: Sequence[Key] | None = None,
    page: int = 200,
) -> Iterator[DeadLetter]:
    """Letters in the order they were added, read in short steps so that no reader holds the journal's WAL."""
    columns = f'"offset", element, reason, topic, payload, received_ms, detail, {file.columns_since_2(connection)}'
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


def _letter(row: tuple[int, int, Reason, str, bytes, int, str, int, str]) -> DeadLetter:
    offset, index, reason, topic, payload, received_ms, detail, retained, sender = row
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
