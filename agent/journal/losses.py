"""Messages and dead letters that were lost for want of room, counted by sender, in a table of bounded size."""

import sqlite3
from collections.abc import Mapping
from typing import Final

import msgspec

from agent.log import OTHERS

MAX_ROWS: Final = 100


class Loss(msgspec.Struct):
    """What one sender has lost since the journal was made."""

    letters: int = 0
    """Dead letters that made room for newer ones."""
    messages: int = 0
    """Messages given up because the journal was full."""

    @property
    def total(self) -> int:
        """Both together; the senders are ordered by it."""
        return self.letters + self.messages

    def add(self, more: "Loss") -> None:
        """Count more."""
        self.letters += more.letters
        self.messages += more.messages


class LossTable:
    """The worst senders have a row each, all the rest share one; the caller holds the transaction."""

    def __init__(self, connection: sqlite3.Connection, *, max_rows: int = MAX_ROWS) -> None:
        self._connection = connection
        self._max_rows = max_rows
        self.refresh()

    def refresh(self) -> None:
        """Read the rows again, after a transaction was rolled back."""
        self._rows = select_losses(self._connection)

    @property
    def letters(self) -> int:
        """All dead letters that were given up."""
        return sum(loss.letters for loss in self._rows.values())

    def add(self, losses: Mapping[str, Loss]) -> None:
        """Count these losses. A sender that is new to a full table takes the row of the one that lost least."""
        for sender, loss in losses.items():
            row = self._rows.get(sender)
            if row is None:
                self._make_room()
                row = self._rows[sender] = Loss()
            row.add(loss)
            self._save(sender)

    def _make_room(self) -> None:
        named = [sender for sender in self._rows if sender != OTHERS]
        if len(named) < self._max_rows:
            return
        least = min(named, key=lambda sender: self._rows[sender].total)
        self._rows.setdefault(OTHERS, Loss()).add(self._rows.pop(least))
        self._connection.execute("DELETE FROM losses WHERE sender = ?", (least,))
        self._save(OTHERS)

    def _save(self, sender: str) -> None:
        row = self._rows[sender]
        self._connection.execute("REPLACE INTO losses VALUES (?, ?, ?)", (sender, row.letters, row.messages))


def select_losses(connection: sqlite3.Connection) -> dict[str, Loss]:
    """The losses by sender, the greatest first; empty for a journal of a version that did not count them."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'losses'").fetchone():
        return {}
    rows = connection.execute("SELECT sender, letters, messages FROM losses ORDER BY letters + messages DESC, sender")
    return {sender: Loss(letters, messages) for sender, letters, messages in rows}
