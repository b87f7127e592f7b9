"""The batches inside the journal's file: one row each, found by offset."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from agent.errors import LogFull
from agent.journal import batches
from agent.log import cut
from agent.messages import Batch, Message

_ROW_BYTES: Final = 80
_DROP_SHARE: Final = 64
"""Dropping frees this fraction of the journal beyond what is needed, so that it is rare."""
_INSERT: Final = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)"


def row_of(batch: Batch) -> batches.BatchRow:
    """The row of a batch."""
    blob = batches.pack(batch.messages)
    head = (batch.offset, batch.received_ms, batch.listening_since_ms, len(batch.messages))
    return (*head, batches.checksum(*head, blob), blob)


class BatchTable:
    """The caller holds the transaction where there is more than one statement."""

    def __init__(self, connection: sqlite3.Connection, page_bytes: int) -> None:
        self._execute = connection.execute
        self._page_bytes = page_bytes

    def pages(self, blob_bytes: int) -> int:
        """About how many pages a row takes."""
        return (blob_bytes + _ROW_BYTES) // (self._page_bytes - 4) + 1

    def end(self) -> int:
        """The offset behind the last batch; 0 when there is none."""
        last = self._execute('SELECT "offset" + count FROM batches ORDER BY "offset" DESC LIMIT 1').fetchone()
        return int(last[0]) if last else 0

    def oldest_received_ms(self) -> int | None:
        """Arrival of the first batch."""
        oldest = self._execute('SELECT received_ms FROM batches ORDER BY "offset" LIMIT 1').fetchone()
        return int(oldest[0]) if oldest else None

    def insert(self, row: batches.BatchRow) -> None:
        """Add a row."""
        self._execute(_INSERT, (*row[:5], bytearray(row[5])))

    def drop_oldest(self, excess_bytes: int, *, max_bytes: int, confirmed: int) -> int:
        """Delete the first batches, until they took so many bytes and some more; how many messages that dropped.

        Messages before the offset `confirmed` do not count. Raises `LogFull` when all rows are not enough.
        """
        excess = excess_bytes + max_bytes // _DROP_SHARE
        last: int | None = None
        dropped = 0
        for offset, count, size in self._execute(
            'SELECT "offset", count, length(messages) FROM batches ORDER BY "offset"'
        ):
            if excess <= 0:
                break
            excess -= self.pages(size) * self._page_bytes
            last = offset
            dropped += max(0, offset + count - max(offset, confirmed))
        if excess > max_bytes // _DROP_SHARE:
            raise LogFull("the journal is full and dropping all its batches would not make room")
        self._execute('DELETE FROM batches WHERE "offset" <= ?', (last,))
        return dropped

    def delete_before(self, offset: int) -> int:
        """Delete the batches that end at or before this offset; returns how many there were."""
        query = 'DELETE FROM batches WHERE "offset" < ? AND "offset" + count <= ?'
        return self._execute(query, (offset, offset)).rowcount

    def read(self, offset: int, *, max_messages: int) -> tuple[list[Batch], list[batches.BatchRow]]:
        """The batches at or behind this offset, and the rows between them that are not what was written."""
        found: list[Batch] = []
        damaged: list[batches.BatchRow] = []
        number = 0
        query = (
            'SELECT "offset", received_ms, listening_since_ms, count, crc32, messages FROM batches '
            'WHERE "offset" >= (SELECT coalesce(max("offset"), 0) FROM batches WHERE "offset" <= ?) ORDER BY "offset"'
        )
        for row in self._execute(query, (offset,)):
            batch = batches.unpack(row)
            if batch is None:
                damaged.append(row)
            elif batch.end > offset:
                found.append(cut(batch, offset))
                number += len(found[-1].messages)
                if number >= max_messages:
                    break
        return found, damaged


def in_batches(messages: Sequence[Message], offset: int, *, received_ms: int, size: int) -> list[Batch]:
    """Any number of messages as batches from this offset on."""
    return [
        Batch(offset + start, received_ms, received_ms, list(messages[start : start + size]))
        for start in range(0, len(messages), size)
    ]
