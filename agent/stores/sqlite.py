"""The history file: a SQLite store without a server, which other processes can read while the agent writes."""

import sqlite3
from array import array
from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeVar

from agent.errors import SettingsError, StoreMisconfigured, StoreUnavailable
from agent.fast.parameters import parameter_maker
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow, Rows, Series
from agent.stores.base import SERIES_KEPT, RejectedRow
from agent.stores.compaction import EVERY_S, Compaction, Transaction
from agent.stores.sqlite_schema import (
    ADD_SERIES,
    ADD_TEXT,
    COMPACTED,
    DAY_MS,
    LAST_POINTS_MS,
    PAGE_BYTES,
    SERIES_NUMBER,
    TEXT_NUMBER,
    days_table,
    kinds,
    points_table,
    prepare,
    upsert,
)
from agent.thread import OwnThread

T = TypeVar("T")

_STATEMENT_ROWS: Final = (100, 10, 1)
"""Rows per statement: as many full statements as possible, the rest by tens and ones. With more, the parameters of a
statement no longer fit into the processor's cache."""
_PRAGMAS: Final = ("synchronous = FULL", "secure_delete = OFF", "cache_size = -4096", "wal_autocheckpoint = 2000")
"""Points are appended, so that a small cache is enough: with 16 MB no write was faster."""
_DAYS_DELETED: Final = 8
"""Closed days of a measurement that a write deletes at most."""
REOPEN_AFTER_S: Final = 0.5
"""How long to wait for the new file when the file was removed or replaced."""
_NEVER_MS: Final = -(2**62)
_TIME: Final = itemgetter(1)

_REFUSALS: Final = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)
"""Errors for a value that SQLite cannot store: wrong type, too large, or text that is not Unicode."""
_MISCONFIGURED: Final = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_AUTH,
    }
)


class _SeriesIds(dict[Series, int]):
    """The number of each series in the file. A new series is inserted at its first look-up."""

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, series: Series) -> int:
        assert self._connection is not None  # noqa: S101  # points are written through a connection
        if len(self) >= SERIES_KEPT:
            self.clear()
        tags = (series.vehicle_id, series.depot, series.model, series.country)
        known = self._connection.execute(SERIES_NUMBER, tags).fetchone()
        number = known[0] if known else self._connection.execute(ADD_SERIES, tags).lastrowid
        assert number is not None  # noqa: S101  # an INSERT has one
        self[series] = number
        return number


class _TextIds(dict[str, int]):
    """The number of each text in the file. There are few: states and sources. A new text is inserted."""

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, text: str) -> int:
        assert self._connection is not None  # noqa: S101  # points are written through a connection
        known = self._connection.execute(TEXT_NUMBER, (text,)).fetchone()
        number = known[0] if known else self._connection.execute(ADD_TEXT, (text,)).lastrowid
        assert number is not None  # noqa: S101  # an INSERT has one
        self[text] = number
        return number


class SqliteStore:
    """Writes the points of a call in one transaction. When `write` has returned, they survive a power cut.

    With `keep_days`, raw and derived points that are so much older than the newest point are deleted. Trips, charges,
    stops, days and alerts stay. Days that are more than `hot_days` before the day of the newest point are compressed in
    the background, every `compact_every_s`; None leaves all as they are.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        keep_days: float | None = None,
        hot_days: int | None = None,
        compact_every_s: float = EVERY_S,
    ) -> None:
        self.path = Path(path)
        self._keep_ms = None if keep_days is None else int(keep_days * DAY_MS)
        self.newest_ms = 0
        self._compaction = None if hot_days is None else Compaction(self, hot_days=hot_days, every_s=compact_every_s)
        self._thread = OwnThread("history")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        """Device and inode of the open file."""
        self._ids = _SeriesIds()
        self._texts = _TextIds()
        self._last = _no_last_points()
        self._parameters = {name: parameter_maker(kinds(measurement)) for name, measurement in MEASUREMENTS.items()}
        self._statements = {
            name: [(rows, upsert(measurement, rows)) for rows in _STATEMENT_ROWS]
            for name, measurement in MEASUREMENTS.items()
        }

    async def open(self) -> None:
        """Create or open the file. Raises `SettingsError` if the path, or the file there, can never be used."""

        def connect() -> None:
            try:
                self._connected()
            except StoreMisconfigured as error:
                raise SettingsError(f"store.url: {error}") from error
            except StoreUnavailable:
                return  # a full disk or another writer: `write` reports it if it lasts

        await self._in_thread(connect)
        if self._compaction is not None:
            self._compaction.start()

    async def write(self, rows: Rows) -> list[RejectedRow]:
        """Commit the rows; see `Store.write`."""
        return await self._in_thread(self._write, rows)

    async def check(self) -> None:
        """Acquire and release the write lock."""

        def take() -> None:
            connection = self._connected()
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise self._translate(error) from error

        await self._in_thread(take)

    async def close(self) -> None:
        """Close the file."""
        if self._compaction is not None:
            await self._compaction.stop()
        await self._in_thread(self._disconnect)
        self._thread.stop()

    async def transaction(self, work: Transaction) -> Any:
        """Do the work in one transaction. Raises `StoreUnavailable` or `StoreMisconfigured`."""

        def do() -> Any:
            connection = self._connected()
            self._check_file()
            try:
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._disconnect()
                raise self._translate(error) from error
            except BaseException:
                self._disconnect()
                raise
            return result

        return await self._in_thread(do)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._thread.call(work, *arguments)

    # -- in the store's thread

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        connection: sqlite3.Connection | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o640, exist_ok=True)
            connection = sqlite3.connect(self.path, isolation_level=None, timeout=1.0, cached_statements=256)
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            prepare(self.path, connection)
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            file = _identity(self.path)
            ids = _SeriesIds(connection)
            newest = connection.execute("SELECT max(time_ms) FROM battery_hot").fetchone()[0]
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise self._translate(error) from error
        except OSError as error:
            raise StoreMisconfigured(f"{self.path}: {error.strerror}") from error
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        self.newest_ms = newest or 0
        self._ids = ids
        self._texts = _TextIds(connection)
        self._last = _no_last_points()
        self._connection = connection
        self._file = file
        return connection

    def _check_file(self) -> None:
        """Raise `StoreUnavailable` if the file was removed or replaced: writes would succeed but be lost."""
        if _identity(self.path) == self._file:
            return
        self._disconnect()
        raise StoreUnavailable(
            f"{self.path} was removed or replaced while the agent was running. The agent opens it again and writes "
            "everything since the last checkpoint again. Earlier points are only in the old file",
            retry_after_s=REOPEN_AFTER_S,
            has_forgotten=True,
        )

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _translate(self, error: sqlite3.Error) -> StoreUnavailable | StoreMisconfigured:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        kind = StoreMisconfigured if code in _MISCONFIGURED else StoreUnavailable
        return kind(f"{self.path}: {error}")

    def _write(self, rows: Rows) -> list[RejectedRow]:
        try:
            connection = self._connected()
        except SettingsError as error:  # the file was replaced by that of another program
            raise StoreMisconfigured(str(error)) from error
        self._check_file()
        rejected: list[RejectedRow] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            closing = dict(connection.execute("SELECT measurement, end_ms FROM closing"))
            for name, points in rows.items():
                if points:
                    # Points in the order of the table are appended, without a search for their place.
                    in_order = sorted(points, key=_TIME)
                    rejected += self._write_measurement(connection, name, in_order)
                    if name in closing and in_order[0][1] < closing[name]:
                        connection.execute("UPDATE closing SET touched = 1 WHERE measurement = ?", (name,))
            if self._keep_ms is not None:
                self._delete_old(connection, max(100, 2 * sum(map(len, rows.values()))))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            # After an I/O error the state of the connection is unknown: the next attempt opens a new one.
            self._disconnect()
            raise self._translate(error) from error
        except BaseException:
            self._disconnect()
            raise
        self._check_file()
        return rejected

    def _write_measurement(
        self, connection: sqlite3.Connection, name: str, points: list[PointRow]
    ) -> list[RejectedRow]:
        """Write points, which are in order of time. Returns the refused ones."""
        parameters = self._parameters[name]
        self.newest_ms = max(self.newest_ms, points[-1][1])
        width = len(MEASUREMENTS[name].fields) + 2
        rejected: list[RejectedRow] = []
        done = 0
        for number, statement in self._statements[name]:
            while len(points) - done >= number:
                chunk = points[done : done + number]
                try:
                    values = parameters(chunk, self._ids, self._texts)
                    self._note_last(connection, name, values[1::width], values[::width])
                    connection.execute(statement, values)
                except _REFUSALS as error:
                    if number == 1:
                        rejected.append(_rejected(name, chunk[0], error))
                    else:
                        rejected += self._write_singly(connection, name, chunk)
                done += number
        return rejected

    def _note_last(self, connection: sqlite3.Connection, name: str, numbers: list[int], times_ms: list[int]) -> None:
        """Update `last_points`: for each series once per `LAST_POINTS_MS` of its own time. Times are in order."""
        last = self._last[name]
        missing = max(numbers) + 1 - len(last)
        if missing > 0:
            last.extend([_NEVER_MS] * (missing + len(last) // 8))
        moved = {number: time_ms for number, time_ms in zip(numbers, times_ms, strict=True) if time_ms >= last[number]}
        if not moved:
            return
        connection.executemany(
            "INSERT INTO last_points VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET time_ms = max(time_ms, excluded.time_ms)",
            [(name, number, time_ms) for number, time_ms in moved.items()],
        )
        for number, time_ms in moved.items():
            last[number] = time_ms + LAST_POINTS_MS

    def _write_singly(self, connection: sqlite3.Connection, name: str, points: Iterable[PointRow]) -> list[RejectedRow]:
        rejected = []
        _, statement = self._statements[name][-1]
        for point in points:
            try:
                values = self._parameters[name]([point], self._ids, self._texts)
                connection.execute(statement, values)
            except _REFUSALS as error:
                rejected.append(_rejected(name, point, error))
        return rejected

    def _delete_old(self, connection: sqlite3.Connection, limit: int) -> None:
        """Delete at most `limit` of the oldest points of each measurement, which is more than arrive in this time."""
        assert self._keep_ms is not None  # noqa: S101  # the caller's condition
        oldest_ms = self.newest_ms - self._keep_ms
        for measurement in COMPACTED:
            table = points_table(measurement)
            last = connection.execute(
                f"SELECT max(time_ms) FROM (SELECT time_ms FROM {table} WHERE time_ms < ? ORDER BY time_ms LIMIT ?)",  # noqa: S608
                (oldest_ms, limit),
            ).fetchone()[0]
            if last is not None:
                connection.execute(f"DELETE FROM {table} WHERE time_ms <= ?", (last,))  # noqa: S608
            connection.execute(
                f"DELETE FROM {days_table(measurement)} WHERE id IN "  # noqa: S608
                f"(SELECT id FROM {days_table(measurement)} WHERE day < ? ORDER BY day LIMIT {_DAYS_DELETED})",
                (oldest_ms // DAY_MS,),
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _no_last_points() -> "dict[str, array[int]]":
    """By measurement and series number: the earliest time of a point that has to update `last_points`."""
    return {name: array("q") for name in MEASUREMENTS}


def _rejected(name: str, point: PointRow, error: Exception) -> RejectedRow:
    series, time_ms, *values = point
    fields = {
        field: value for field, value in zip(MEASUREMENTS[name].field_names, values, strict=True) if value is not None
    }
    text = f"{name} {dict(series.tags())} {fields} {time_ms}"
    return RejectedRow(name, text, str(error), series.vehicle_id or "")
