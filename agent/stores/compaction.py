"""Closes old days of the history file in the background: hot points become compressed days.

A day of a measurement is closed in three steps, each in small transactions of the store's own connection:

1. The days of all series are compressed and written. The hot points are still there.
2. Hot points are deleted, some thousands at a time.
3. Points that arrive later for the day are hot again. The next pass merges them in, by the same steps.

A reader unites the hot and the closed points of a day, so that it sees the same at every moment. A crash leaves a state
that the next pass continues from. A write to the day between the steps 1 and 2 ends the pass before anything that is
not in a closed day is deleted. The table `closing` says so to all processes that write to the file. Its token stops a
process when another one begins to close days of the same measurement.
"""

import asyncio
import logging
import secrets
import sqlite3
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from agent.errors import StoreError
from agent.points.measurements import Measurement
from agent.stores.closed_days import (
    ClosedDay,
    close_day,
    column_names,
    date_of,
    points_of,
    report_damage,
    with_late_points,
)
from agent.stores.columns import ABSENT, DamagedDay
from agent.stores.sqlite_schema import COMPACTED, DAY_MS, days_table, points_table

log = logging.getLogger(__name__)

EVERY_S: Final = 300.0
"""Time between two passes. A late point is merged into its closed day at the next one."""
_REST: Final = 3.0
"""After each step the thread rests for so many times what the step took: a quarter of a core at most."""
_PAGE: Final = 2000
"""Points that are read or deleted in one step."""
_POINTS_AT_ONCE: Final = 70_000
"""Points in memory, about: eight van-days at a reading every 10 s, or one at 1 Hz."""

Transaction = Callable[[sqlite3.Connection], Any]


class Writing(Protocol):
    """The writing side of the history file."""

    path: Path

    @property
    def newest_ms(self) -> int:
        """The time of the newest point."""
        ...

    def transaction(self, work: Transaction) -> Awaitable[Any]:
        """Do the work in one transaction of the connection that all points are written with."""
        ...


class _Stopped(Exception):  # no error
    """The store is being closed."""


class Compaction:
    """A thread that closes days, oldest first, as long as the store is open."""

    def __init__(self, store: Writing, *, hot_days: int, every_s: float = EVERY_S) -> None:
        self._store = store
        self._hot_days = hot_days
        self._every_s = every_s
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="compaction", daemon=True)

    def start(self) -> None:
        """Begin, from the event loop that the store works in."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """End behind the step that is under way."""
        self._stop.set()
        while self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, 0.2)

    # -- in the compaction's thread

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.close_days()
            except _Stopped:
                return
            except (sqlite3.Error, StoreError, OSError) as error:
                log.warning("closing old days of the history waits: %s", error)
            self._stop.wait(self._every_s)

    def close_days(self) -> None:
        """Close all days that are due."""
        before = self._store.newest_ms // DAY_MS - self._hot_days
        with closing(self._reader()) as reader:
            for measurement in COMPACTED:
                while (day := _oldest_day(reader, measurement)) is not None and day < before:
                    if not self._close(reader, measurement, day):
                        break

    def _reader(self) -> sqlite3.Connection:
        uri = f"{self._store.path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=10.0, isolation_level=None)

    def _close(self, reader: sqlite3.Connection, measurement: Measurement, day: int) -> bool:
        """Whether the day has no hot points any more. If not, points were written to it meanwhile."""
        begin_ms, end_ms = day * DAY_MS, (day + 1) * DAY_MS
        token = secrets.randbits(63)
        self._write(partial(_begin, measurement, token, end_ms))
        table = points_table(measurement)
        span = f"FROM {table} WHERE time_ms >= ? AND time_ms < ?"
        points = reader.execute(f"SELECT count(*) {span}", (begin_ms, end_ms)).fetchone()[0]
        found = reader.execute(f"SELECT DISTINCT series_id {span}", (begin_ms, end_ms))
        numbers = sorted(number for (number,) in found)
        at_once = max(1, _POINTS_AT_ONCE * len(numbers) // max(1, points))
        for start in range(0, len(numbers), at_once):
            if not self._close_series(reader, measurement, token, day, numbers[start : start + at_once]):
                return False
        while (more := self._delete_some(measurement, token, begin_ms, end_ms)) is not None:
            if not more:
                log.info("history: %s of %s is closed, %d points", measurement.name, date_of(day), points)
                return True
        return False

    def _close_series(
        self, reader: sqlite3.Connection, measurement: Measurement, token: int, day: int, numbers: list[int]
    ) -> bool:
        """Compress the day of some series and write it. Returns False if another process works on the measurement."""
        columns = {number: [array("q") for _ in column_names(measurement)] for number in numbers}
        for page in _pages(reader, measurement, day, numbers):
            by_series: dict[int, list[tuple[int, ...]]] = {}
            began = time.monotonic()
            for series_id, *values in page:
                by_series.setdefault(series_id, []).append(tuple(values))
            for number, points in by_series.items():
                for column, new in zip(columns[number], zip(*points, strict=True), strict=True):
                    column.extend(new)
            self._rest(began)
        for number in numbers:
            began = time.monotonic()
            if not columns[number][0]:
                continue  # deleted meanwhile, by `keep_days`
            closed, damaged = _closed(reader, measurement, day, number, columns.pop(number))
            self._rest(began)
            if not self._write(partial(_put, measurement, token, closed, damaged=damaged)):
                return False
        return True

    def _delete_some(self, measurement: Measurement, token: int, begin_ms: int, end_ms: int) -> bool | None:
        """See `_delete`."""
        more: bool | None = self._write(partial(_delete, measurement, token, begin_ms, end_ms))
        return more

    def _write(self, work: Transaction) -> Any:
        """One transaction in the store's thread, and a rest."""
        if self._stop.is_set():
            raise _Stopped
        assert self._loop is not None  # noqa: S101  # `start` has set it
        began = time.monotonic()
        result = asyncio.run_coroutine_threadsafe(_awaited(self._store.transaction(work)), self._loop).result()
        self._rest(began)
        return result

    def _rest(self, began: float) -> None:
        if self._stop.wait(_REST * (time.monotonic() - began)):
            raise _Stopped


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


def _begin(measurement: Measurement, token: int, end_ms: int, connection: sqlite3.Connection) -> None:
    """From here on a write of points before `end_ms` is noted, whichever process makes it."""
    connection.execute("INSERT OR REPLACE INTO closing VALUES (?, ?, ?, 0)", (measurement.name, token, end_ms))


def _delete(
    measurement: Measurement, token: int, begin_ms: int, end_ms: int, connection: sqlite3.Connection
) -> bool | None:
    """Delete the oldest hot points of the day; returns whether there are more.

    None if the day was written to, or if another process has begun to close days of the measurement.
    """
    whole = "SELECT 1 FROM closing WHERE measurement = ? AND token = ? AND NOT touched"
    if connection.execute(whole, (measurement.name, token)).fetchone() is None:
        return None
    span = f"FROM {points_table(measurement)} WHERE time_ms >= ? AND time_ms < ?"
    last = connection.execute(
        f"SELECT time_ms {span} ORDER BY time_ms LIMIT 1 OFFSET {_PAGE}", (begin_ms, end_ms)
    ).fetchone()
    connection.execute(f"DELETE {span}", (begin_ms, end_ms if last is None else last[0] + 1))
    if last is None:
        connection.execute("DELETE FROM closing WHERE measurement = ?", (measurement.name,))
    return last is not None


def _oldest_day(reader: sqlite3.Connection, measurement: Measurement) -> int | None:
    oldest_ms = reader.execute(f"SELECT min(time_ms) FROM {points_table(measurement)}").fetchone()[0]  # noqa: S608
    return None if oldest_ms is None else oldest_ms // DAY_MS


def _pages(
    reader: sqlite3.Connection, measurement: Measurement, day: int, numbers: list[int]
) -> Iterator[list[tuple[int, ...]]]:
    """The hot points of a day as (series, time, fields), absent fields as `ABSENT`. Each page is a short read."""
    fields = ", ".join(f'coalesce("{name}", {ABSENT + 1} - 1)' for name in measurement.field_names)
    query = (
        f"SELECT series_id, time_ms, {fields} FROM {points_table(measurement)} "  # noqa: S608
        f"WHERE (time_ms, series_id) > (?, ?) AND time_ms < ? AND series_id BETWEEN ? AND ? "
        f"ORDER BY time_ms, series_id LIMIT {_PAGE}"
    )
    after, wanted = (day * DAY_MS, -1), set(numbers)
    while page := reader.execute(query, (*after, (day + 1) * DAY_MS, numbers[0], numbers[-1])).fetchall():
        after = (page[-1][1], page[-1][0])
        yield [point for point in page if point[0] in wanted]


def _closed(
    reader: sqlite3.Connection, measurement: Measurement, day: int, number: int, columns: list["array[int]"]
) -> tuple[ClosedDay, bool]:
    """The closed day of a series, with an earlier one merged in, and whether that one is damaged."""
    query = f"SELECT columns FROM {days_table(measurement)} WHERE day = ? AND series_id = ?"  # noqa: S608
    earlier = reader.execute(query, (day, number)).fetchone()
    if earlier is None:
        return close_day(measurement, day, number, columns), False
    try:
        columns = with_late_points(points_of(measurement, earlier[0]), columns)
    except DamagedDay as error:
        van = reader.execute("SELECT vehicle_id FROM series WHERE id = ?", (number,)).fetchone()
        report_damage(measurement, van[0] if van else None, day, error)
        return close_day(measurement, day, number, columns), True
    return close_day(measurement, day, number, columns), False


def _put(
    measurement: Measurement, token: int, closed: ClosedDay, connection: sqlite3.Connection, *, damaged: bool
) -> bool:
    """Write a closed day. Returns False, without writing, if another process has begun to close such days.

    That process may have merged points into the earlier closed day and deleted them meanwhile.
    """
    ours = connection.execute("SELECT 1 FROM closing WHERE measurement = ? AND token = ?", (measurement.name, token))
    if ours.fetchone() is None:
        return False
    table = days_table(measurement)
    if damaged:  # kept apart, for whoever can still read it
        connection.execute(
            f"INSERT INTO damaged_days SELECT ?, series_id, day, columns FROM {table} "  # noqa: S608
            "WHERE day = ? AND series_id = ?",
            (measurement.name, closed.day, closed.series_id),
        )
    connection.execute(
        f"INSERT OR REPLACE INTO {table} (day, series_id, newest, columns) VALUES (?, ?, ?, ?)",  # noqa: S608
        closed,
    )
    return True
