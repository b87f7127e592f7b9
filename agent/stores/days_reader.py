"""Reads the points of one measurement, hot and closed ones, as one sequence in order of time."""

import heapq
import sqlite3
from collections import deque
from collections.abc import Iterator
from itertools import chain, dropwhile, takewhile
from operator import itemgetter
from typing import Any, Final

from agent.points.measurements import Measurement
from agent.stores.closed_days import StoredPoint, newest_of, points_of, report_damage, unite
from agent.stores.columns import DamagedDay
from agent.stores.sqlite_schema import DAY_MS, days_table, points_table

StoredRow = tuple[Any, ...]
"""time_ms, series_id, and the fields in their order, as they are kept."""

_Key = tuple[int, int]
"""(time_ms, series_id): the order of all reading."""

_PAGE: Final = 2000
"""Points in each read. Reads are short, since an open one would keep the writer from reusing its WAL."""
_KEY: Final = itemgetter(0, 1)


class DaysReader:
    """Reads page by page, each in a transaction of its own.

    Hot and closed points together are the same before, during and after a compaction (`compaction.py`). So a page is
    complete if both are read in one transaction, and the next page may find them in another form.
    """

    def __init__(self, connection: sqlite3.Connection, measurement: Measurement, chosen: set[int] | None) -> None:
        self._connection = connection
        self._measurement = measurement
        self._which = which(chosen)
        self._reported: set[tuple[int, int]] = set()

    def rows(self, low_ms: int, high_ms: int) -> Iterator[StoredRow]:
        """All points with `low_ms` <= time < `high_ms`."""
        after = (low_ms, -1)
        while True:
            page, day = self._page(after, high_ms)
            if day is None:
                yield from page
                if len(page) < _PAGE:
                    return
                after = _KEY(page[-1])
                continue
            yield from takewhile(lambda row: row[0] < day * DAY_MS, page)  # noqa: B023  # used up before the next day
            end_ms = (day + 1) * DAY_MS
            yield from self._day(day, max(after, (day * DAY_MS, -1)), min(end_ms, high_ms))
            if end_ms >= high_ms:
                return
            after = (end_ms, -1)

    def newest(self, series_id: int, low_ms: int, high_ms: int) -> StoredRow | None:
        """The newest closed point of a series with `low_ms` <= time < `high_ms`."""
        found = self._connection.execute(
            f"SELECT day, newest, columns FROM {days_table(self._measurement)} "  # noqa: S608
            "WHERE day BETWEEN ? AND ? AND series_id = ? ORDER BY day DESC",
            (low_ms // DAY_MS, (high_ms - 1) // DAY_MS, series_id),
        )
        for day, newest, columns in found:
            try:
                point: StoredPoint | None = newest_of(self._measurement, newest)
                if point is not None and point[0] >= high_ms:
                    before = takewhile(lambda each: each[0] < high_ms, points_of(self._measurement, columns))
                    point = next(iter(deque(before, maxlen=1)), None)
            except DamagedDay as error:
                self._report(day, series_id, error)
                continue
            if point is not None:
                return (point[0], series_id, *point[1:]) if point[0] >= low_ms else None
        return None

    def end_of_closed_ms(self) -> int | None:
        """The end of the newest closed day."""
        last = self._connection.execute(f"SELECT max(day) FROM {days_table(self._measurement)}").fetchone()[0]  # noqa: S608
        return None if last is None else (last + 1) * DAY_MS

    def _page(self, after: _Key, high_ms: int) -> tuple[list[StoredRow], int | None]:
        """Hot points behind `after`, and the first closed day among them or behind the last of them."""
        self._connection.execute("BEGIN")
        try:
            page = hot_page(self._connection, self._measurement, self._which, after, high_ms)
            last_ms = page[-1][0] if len(page) == _PAGE else high_ms - 1
            day = self._connection.execute(
                f"SELECT min(day) FROM {days_table(self._measurement)} WHERE day BETWEEN ? AND ?",  # noqa: S608
                (after[0] // DAY_MS, last_ms // DAY_MS),
            ).fetchone()[0]
        finally:
            self._connection.execute("COMMIT")
        return page, day

    def _day(self, day: int, after: _Key, high_ms: int) -> Iterator[StoredRow]:
        """The points of a day that is closed, or being closed, behind `after`."""
        stamp: tuple[int, int] | None = None
        closed: Iterator[StoredRow] = iter(())
        while True:
            self._connection.execute("BEGIN")
            try:
                page = hot_page(self._connection, self._measurement, self._which, after, high_ms)
                present = self._connection.execute(
                    f"SELECT max(id), count(*) FROM {days_table(self._measurement)} WHERE day = ? {self._which}",  # noqa: S608
                    (day,),
                ).fetchone()
                if present != stamp:
                    stamp, closed = present, self._closed(day, after, high_ms)
            finally:
                self._connection.execute("COMMIT")
            if len(page) < _PAGE:
                yield from _united(page, closed)
                return
            after = _KEY(page[-1])
            pending: list[StoredRow] = []
            yield from _united(page, _until(closed, after, pending))
            closed = chain(pending, closed)

    def _closed(self, day: int, after: _Key, high_ms: int) -> Iterator[StoredRow]:
        """The closed points of a day behind `after`, decompressed while they are read."""
        found = self._connection.execute(
            f"SELECT series_id, columns FROM {days_table(self._measurement)} WHERE day = ? {self._which}",  # noqa: S608
            (day,),
        )
        streams = [self._stream(day, series_id, columns, after, high_ms) for series_id, columns in found.fetchall()]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=_KEY)

    def _stream(self, day: int, series_id: int, columns: bytes, after: _Key, high_ms: int) -> Iterator[StoredRow]:
        try:
            rows = ((point[0], series_id, *point[1:]) for point in points_of(self._measurement, columns))
            behind = dropwhile(lambda row: (row[0], row[1]) <= after, rows)
            yield from takewhile(lambda row: row[0] < high_ms, behind)
        except DamagedDay as error:
            self._report(day, series_id, error)

    def _report(self, day: int, series_id: int, error: DamagedDay) -> None:
        if (day, series_id) in self._reported:
            return
        self._reported.add((day, series_id))
        van = self._connection.execute("SELECT vehicle_id FROM series WHERE id = ?", (series_id,)).fetchone()
        report_damage(self._measurement, van[0] if van else None, day, error)


def which(chosen: set[int] | None) -> str:
    """The condition for some series; empty for all."""
    return "" if chosen is None else f"AND series_id IN ({', '.join(map(str, sorted(chosen)))})"


def hot_page(
    connection: sqlite3.Connection,
    measurement: Measurement,
    condition: str,
    after: _Key,
    high_ms: int,
) -> list[StoredRow]:
    """The next points that are not compressed."""
    return connection.execute(
        f"SELECT {columns_of(measurement)} FROM {points_table(measurement)} "  # noqa: S608
        f"WHERE (time_ms, series_id) > (?, ?) AND time_ms < ? {condition} ORDER BY time_ms, series_id LIMIT {_PAGE}",
        (*after, high_ms),
    ).fetchall()


def hot_rows(
    connection: sqlite3.Connection, measurement: Measurement, chosen: set[int] | None, low_ms: int, high_ms: int
) -> Iterator[StoredRow]:
    """All points that are not compressed with `low_ms` <= time < `high_ms`, in order of time."""
    after = (low_ms, -1)
    while page := hot_page(connection, measurement, which(chosen), after, high_ms):
        yield from page
        after = _KEY(page[-1])


def columns_of(measurement: Measurement) -> str:
    """The columns of a stored row."""
    return ", ".join(("time_ms", "series_id", *(f'"{name}"' for name in measurement.field_names)))


def _united(hot: list[StoredRow], closed: Iterator[StoredRow]) -> Iterator[StoredRow]:
    """Both in order; two points of one time and series become one."""
    if not hot:
        yield from closed
        return
    waiting: StoredRow | None = None
    for row in heapq.merge(closed, hot, key=_KEY):  # of equal ones the closed one comes first
        if waiting is not None:
            if _KEY(waiting) == _KEY(row):
                yield unite(waiting, row)
                waiting = None
                continue
            yield waiting
        waiting = row
    if waiting is not None:
        yield waiting


def _until(rows: Iterator[StoredRow], last: _Key, behind: list[StoredRow]) -> Iterator[StoredRow]:
    """The rows up to `last`. The first row behind it is put into `behind`."""
    for row in rows:
        if _KEY(row) > last:
            behind.append(row)
            return
        yield row
