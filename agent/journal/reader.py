"""The journal seen from other processes, read-only, while the agent writes it."""

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Self

from agent.errors import Reason
from agent.journal import dead_letters, file, schema
from agent.journal.losses import Loss, select_losses
from agent.log import DeadLetter, Key, StoreRefusal


class JournalReader:
    """Reads in short steps, so that the agent never waits for it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connection = file.connect(self.path, read_only=True)

    def dead_letters(self, reason: Reason | None = None) -> Iterator[DeadLetter]:
        """The dead letters in the order they were added."""
        try:
            yield from dead_letters.select(self._connection, reason=reason)
        except sqlite3.Error as error:
            raise file.translate(self.path, error) from error

    def dead_letters_by_key(self, keys: Sequence[Key]) -> list[DeadLetter]:
        """Those of these letters that are still there."""
        return list(dead_letters.by_key(self._connection, keys))

    def refusals(self) -> Iterator[StoreRefusal]:
        """The store refusals in the order they were added."""
        return (refusal for _, refusal in dead_letters.numbered_refusals(self._connection))

    def refusals_by_key(self, keys: Sequence[int]) -> list[StoreRefusal]:
        """Those of these store refusals that are still there."""
        return list(dead_letters.refusals_by_key(self._connection, keys))

    def letters_and_refusals(self, reason: Reason | None = None) -> Iterator[DeadLetter | StoreRefusal]:
        """Both in the order they were added. Refusals have the reason `rejected_by_store`, and no letter has it."""
        parts: list[Iterator[tuple[int, DeadLetter | StoreRefusal]]] = []
        parts.append(dead_letters.numbered(self._connection, reason=reason))
        if reason in {None, "rejected_by_store"}:
            parts.append(dead_letters.numbered_refusals(self._connection))
        try:
            for _, item in heapq.merge(*parts, key=itemgetter(0)):
                yield item
        except sqlite3.Error as error:
            raise file.translate(self.path, error) from error

    def reasons(self) -> dict[Reason, int]:
        """How many letters and refusals there are for each reason."""
        rows = self._connection.execute(
            f"SELECT reason, count(*) FROM {schema.dead_letters(self._connection)} GROUP BY reason UNION ALL "  # noqa: S608
            f"SELECT 'rejected_by_store', count(*) FROM {schema.refusals(self._connection)} HAVING count(*) > 0 "
            "ORDER BY reason"
        )
        return dict(rows.fetchall())

    def losses(self) -> dict[str, Loss]:
        """What was given up so far, by sender, the greatest loss first; see `agent.journal.losses`."""
        return select_losses(self._connection)

    def position(self) -> tuple[int, int]:
        """(checkpoint offset, next offset): what is confirmed and what is journaled."""
        query = f'SELECT coalesce(min("offset"), 0) FROM {schema.checkpoints(self._connection)}'  # noqa: S608
        checkpoint = self._connection.execute(query).fetchone()[0]
        last = self._connection.execute('SELECT max("offset" + count) FROM batches').fetchone()[0]
        return checkpoint, max(checkpoint, last or 0)

    def bytes_used(self) -> int:
        """Pages in use times page size."""
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
