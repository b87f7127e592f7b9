"""Reads the history file, from another process or thread, while the agent writes and compacts it."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Final

from agent.errors import SettingsError, StoreMisconfigured, StoreUnavailable
from agent.fast.parameters import Kind
from agent.points.measurements import MEASUREMENTS, Measurement
from agent.stores.closed_days import unite
from agent.stores.days_reader import DaysReader, StoredRow, columns_of, hot_rows, which
from agent.stores.sqlite_schema import (
    APPLICATION_ID,
    KEPT_FOREVER,
    LAST_POINTS_MS,
    check_version,
    kinds,
    points_table,
)

_FAR_MS: Final = 2**62


class SqliteHistory:
    """Reads in short steps and takes no lock that the writer waits for."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise StoreUnavailable(f"there is no history file {self.path} yet: the agent creates it at its first start")
        try:
            self._connection, self._is_still = _open(self.path)
            if self._connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                self._connection.close()
                raise StoreMisconfigured(f"{self.path} is not a history file of this program")
            check_version(self.path, self._connection)
        except SettingsError as error:
            self._connection.close()
            raise StoreMisconfigured(str(error)) from error
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error
        self._texts: dict[int, str] = {}

    def select(
        self,
        measurement: str,
        *,
        vehicle_id: str | Collection[str] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        latest: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """See `History.select`. A closed day that is damaged is logged with its van and left out."""
        described = MEASUREMENTS[measurement]
        try:
            if self._is_still and _wal(self.path).exists():  # somebody writes now
                self._connection.close()
                self._connection, self._is_still = _open(self.path)
            if not self._has(described):
                return
            vans = [vehicle_id] if isinstance(vehicle_id, str) else vehicle_id
            numbers = self._series(described, vans)
            chosen = None if vans is None else set(numbers)
            read = self._newest if latest else self._rows
            to_point = _converter(described, numbers, self._text)
            yield from map(to_point, read(described, chosen, start_ms, end_ms))
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error

    def _has(self, measurement: Measurement) -> bool:
        """Whether the file has the measurement; that of an older agent may not."""
        found = self._connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (points_table(measurement),))
        return found.fetchone() is not None

    def vehicle_ids(
        self, *, depot: str | None = None, containing: str = "", offset: int = 0, limit: int = 1000
    ) -> list[str]:
        """See `History.vehicle_ids`. The depot is that of the van's newest points."""
        query = (
            "SELECT vehicle_id FROM series AS present WHERE vehicle_id IS NOT NULL "
            "AND id = (SELECT max(id) FROM series WHERE vehicle_id = present.vehicle_id) "
            "AND (?1 IS NULL OR depot = ?1) AND (?2 = '' OR instr(lower(vehicle_id), ?2) > 0) "
            "ORDER BY vehicle_id LIMIT ?3 OFFSET ?4"
        )
        try:
            rows = self._connection.execute(query, (depot, containing.lower(), limit, offset)).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error
        return [vehicle_id for (vehicle_id,) in rows]

    def _series(self, measurement: Measurement, vans: Collection[str] | None) -> dict[int, tuple[str | None, ...]]:
        """The tags of each series of these vans, by its number."""
        if not measurement.tags:
            return {}
        query = f"SELECT id, {', '.join(measurement.tags)} FROM series"  # noqa: S608
        if vans is not None:
            query += " WHERE vehicle_id IN (SELECT value FROM json_each(?))"
        elif "vehicle_id" not in measurement.tags:
            query += " WHERE vehicle_id IS NULL"
        rows = self._connection.execute(query, () if vans is None else (json.dumps(list(vans)),))
        return {number: tuple(tags) for number, *tags in rows}

    def _text(self, number: int) -> str:
        """The text of a number. The writer adds texts, so that an unknown one is looked up."""
        if number not in self._texts:
            self._texts.update(self._connection.execute("SELECT id, text FROM texts"))
        return self._texts[number]

    def _rows(
        self, measurement: Measurement, chosen: set[int] | None, start_ms: int | None, end_ms: int | None
    ) -> Iterator[StoredRow]:
        low, high = _span(start_ms, end_ms)
        if measurement.name in KEPT_FOREVER:
            return hot_rows(self._connection, measurement, chosen, low, high)
        return DaysReader(self._connection, measurement, chosen).rows(low, high)

    def _newest(
        self, measurement: Measurement, chosen: set[int] | None, start_ms: int | None, end_ms: int | None
    ) -> list[StoredRow]:
        """The newest point of each series, in order of time."""
        query = f"SELECT series_id, time_ms FROM last_points WHERE measurement = ? {which(chosen)}"  # noqa: S608
        last = dict(self._connection.execute(query, (measurement.name,)))
        if not last:
            return []
        found = self._newest_hot(measurement, last, chosen, start_ms, end_ms)
        if measurement.name not in KEPT_FOREVER:
            self._add_newest_closed(measurement, last, found, _span(start_ms, end_ms))
        return sorted(found.values(), key=lambda row: row[:2])

    def _newest_hot(
        self,
        measurement: Measurement,
        last: dict[int, int],
        chosen: set[int] | None,
        start_ms: int | None,
        end_ms: int | None,
    ) -> dict[int, StoredRow]:
        """Most are near the end; the others are searched singly."""
        missing = set(last)
        near_ms = max(last.values()) - LAST_POINTS_MS
        if start_ms is not None:
            near_ms = max(near_ms, start_ms)
        near = {number for number in missing if last[number] >= near_ms}
        found: dict[int, StoredRow] = {}
        for row in self._backwards(measurement, chosen, near_ms, _span(start_ms, end_ms)[1]):
            if row[1] in missing:
                missing.remove(row[1])
                found[row[1]] = row
                if near.isdisjoint(missing):
                    break
        table, columns = points_table(measurement), columns_of(measurement)
        for number in missing:
            # `last_points` helps only if there is no end: otherwise the search goes back from the end.
            low, high = (last[number], last[number] + LAST_POINTS_MS) if end_ms is None else (-_FAR_MS, end_ms)
            low = low if start_ms is None else max(low, start_ms)
            row = self._connection.execute(
                f"SELECT {columns} FROM {table} WHERE series_id = ? AND time_ms >= ? AND time_ms < ? "  # noqa: S608
                "ORDER BY time_ms DESC LIMIT 1",
                (number, low, high),
            ).fetchone()
            if row is not None:
                found[number] = row
        return found

    def _add_newest_closed(
        self, measurement: Measurement, last: dict[int, int], found: dict[int, StoredRow], span: tuple[int, int]
    ) -> None:
        """Closed points are read after hot ones: a point that becomes closed meanwhile is found here."""
        days = DaysReader(self._connection, measurement, None)
        end_of_closed_ms = days.end_of_closed_ms()
        if end_of_closed_ms is None:
            return
        for number in last:
            hot = found.get(number)
            if hot is not None and hot[0] >= end_of_closed_ms:
                continue
            closed = days.newest(number, *span)
            if closed is None or (hot is not None and hot[0] > closed[0]):
                continue
            found[number] = unite(closed, hot) if hot is not None and hot[0] == closed[0] else closed

    def _backwards(
        self, measurement: Measurement, chosen: set[int] | None, low_ms: int, high_ms: int
    ) -> Iterator[StoredRow]:
        """Points that are not compressed, newest first."""
        after = (high_ms, -1)
        query = (
            f"SELECT {columns_of(measurement)} FROM {points_table(measurement)} "  # noqa: S608
            f"WHERE (time_ms, series_id) < (?, ?) AND time_ms >= ? {which(chosen)} "
            "ORDER BY time_ms DESC, series_id DESC LIMIT 2000"
        )
        while rows := self._connection.execute(query, (*after, low_ms)).fetchall():
            yield from rows
            after = (rows[-1][0], rows[-1][1])

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()


def _span(start_ms: int | None, end_ms: int | None) -> tuple[int, int]:
    return start_ms if start_ms is not None else -_FAR_MS, end_ms if end_ms is not None else _FAR_MS


def _open(path: Path) -> tuple[sqlite3.Connection, bool]:
    """A connection for reading, and whether it takes the file for one that nobody writes.

    To read, SQLite makes files beside a history that nobody has open. Where it may not, on a read-only volume or in the
    folder of another user, the file is read as it is.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        return _connect(uri), False
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
        if _wal(path).exists():
            raise
        return _connect(f"{uri}&immutable=1"), True


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=10.0, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _converter(
    measurement: Measurement, numbers: dict[int, tuple[str | None, ...]], text: Callable[[int], str]
) -> Callable[[StoredRow], dict[str, Any]]:
    """A function that makes the point of a stored row."""
    tags = {
        number: {tag: value for tag, value in zip(measurement.tags, values, strict=True) if value is not None}
        for number, values in numbers.items()
    }
    makers: dict[Kind, Callable[[Any], Any]] = {"boolean": bool, "name": text}
    fields = [
        (name, kind if isinstance(kind, int) else 0, makers.get(kind))
        for name, kind in zip(measurement.field_names, kinds(measurement), strict=True)
    ]
    no_tags: dict[str, str | None] = {}

    def convert(row: StoredRow) -> dict[str, Any]:
        point: dict[str, Any] = {"time_ms": row[0], **tags.get(row[1], no_tags)}
        for (name, multiple, make), value in zip(fields, row[2:], strict=True):
            if value is None:
                continue
            if multiple:
                point[name] = value / multiple
            else:
                point[name] = value if make is None else make(value)
        return point

    return convert
