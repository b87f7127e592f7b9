"""How the journal's file is written: one transaction at a time, with room kept in the WAL and on the disk."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from agent.errors import LogFull
from agent.journal import file
from agent.journal.reserve import Reserve

_WAL_PAGES: Final = 512
"""The WAL is moved into the file when it has this many pages: often enough that no single move takes long."""
_WAL_SHARE: Final = 8
"""At most this fraction of the reserve, so that there is always room to move it."""


class Transactions:
    """The connection that writes. `on_rollback` is called after a transaction was rolled back."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, reserve_bytes: int, on_rollback: Callable[[], None]
    ) -> None:
        self.page_bytes: int = connection.execute("PRAGMA page_size").fetchone()[0]
        self.reserve = Reserve(path, reserve_bytes)
        self._path = path
        self._connection = connection
        self._execute = connection.execute
        self._on_rollback = on_rollback
        self._wal_pages = 0
        self._wal_pages_due = _WAL_PAGES
        if reserve_bytes:
            self._wal_pages_due = min(_WAL_PAGES, reserve_bytes // self.page_bytes // _WAL_SHARE)

    def run(self, work: Callable[[], None]) -> None:
        """Do the work in one transaction; when the disk is full, again with an emptied WAL, and then from the reserve.

        Raises `LogFull` or `LogBroken`, and whatever the work raises; then nothing has changed.
        """
        for make_room in (self.move_wal, self.reserve.release, None):
            try:
                self._execute("BEGIN IMMEDIATE")
                work()
                self._execute("COMMIT")
            except sqlite3.Error as error:
                self.roll_back()
                problem = file.translate(self._path, error)
                if make_room is None or not isinstance(problem, LogFull):
                    raise problem from error
                make_room()
            except BaseException:
                self.roll_back()
                raise
            else:
                return

    def roll_back(self) -> None:
        """End a transaction that has failed."""
        if self._connection.in_transaction:
            self._execute("ROLLBACK")
        self._on_rollback()

    # -- the WAL

    def note_written(self, pages: int) -> None:
        """About so many pages went into the WAL."""
        self._wal_pages += pages

    def move_grown_wal(self, *, factor: int = 1) -> None:
        """Move the WAL into the file if it has `factor` times as many pages as it should."""
        if self._wal_pages >= factor * self._wal_pages_due:
            self.move_wal()

    def move_wal(self, mode: Literal["PASSIVE", "TRUNCATE"] = "PASSIVE") -> None:
        """Move the WAL into the file; without room for it, the WAL keeps its pages. Raises `LogBroken`."""
        try:
            _, in_wal, moved = self._execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            problem = file.translate(self._path, error)
            if not isinstance(problem, LogFull):
                raise problem from error
            return
        self._wal_pages = in_wal - moved

    def take_back_reserve(self) -> None:
        """Hold the reserve again after a full disk. The room that the WAL takes is the first to come free."""
        if not self.reserve.is_whole:
            self.move_wal("TRUNCATE")
            self.reserve.restore()
