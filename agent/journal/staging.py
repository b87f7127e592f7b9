"""Van states of a checkpoint under way, beside those of the last one: a large fleet's are not written in one go.

They are staged in pieces and count for nothing, until the transaction that moves the offset says in `checkpoint.staged`
that they do. Then they are moved to their places, in pieces too. A crash before that moment leaves pieces that are
thrown away, one after it leaves pieces that are moved when the journal is opened again.
"""

import sqlite3
from collections.abc import Mapping
from zlib import crc32


class Staging:
    """The table `staged_states`; every call is part of a transaction of the caller's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self.complete = False
        """Whether what is staged is the last checkpoint."""
        self.refresh()

    def refresh(self) -> None:
        """Bring `complete` in line with the file."""
        self.complete = bool(self._execute("SELECT staged FROM checkpoint").fetchone()[0])

    def add(self, states: Mapping[str, bytes]) -> None:
        """Stage some states; a van comes once in a checkpoint."""
        self._connection.executemany(
            "INSERT INTO staged_states (vehicle_id, crc32, state) VALUES (?, ?, ?)",
            ((vehicle_id, crc32(state), bytearray(state)) for vehicle_id, state in states.items()),
        )

    def discard(self) -> None:
        """Forget what was staged for a checkpoint that never was."""
        self._execute("DELETE FROM staged_states")

    def move(self, limit: int) -> bool:
        """Put so many states in place, in the order in which they were staged; whether there were any."""
        last = self._execute(
            "SELECT max(id) FROM (SELECT id FROM staged_states ORDER BY id LIMIT ?)", (limit,)
        ).fetchone()[0]
        if last is None:
            return False
        self._execute(
            "INSERT INTO vehicle_states (vehicle_id, crc32, state) "
            "SELECT vehicle_id, crc32, state FROM staged_states WHERE id <= ? ORDER BY id "
            "ON CONFLICT (vehicle_id) DO UPDATE SET crc32 = excluded.crc32, state = excluded.state",
            (last,),
        )
        self._execute("DELETE FROM staged_states WHERE id <= ?", (last,))
        return True
