"""Reads the history file, from another process or thread, while the agent writes it."""

import json
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points.measurements import MEASUREMENTS, Measurement
from agent.stores.sqlite_schema import APPLICATION_ID, LAST_POINTS_MS, points_table

_StoredRow = tuple[Any, ...]
"""time_ms, series_id, and the fields in their order."""

_FAR_MS: Final = 2**62
_PAGE: Final = 2000
"""Points in each read. Reads are short, since an open one would keep the writer from reusing its WAL."""


class SqliteHistory:
    """Reads in short steps and takes no lock that the writer waits for."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise StoreUnavailable(f"there is no history file {self.path} yet: the agent creates it at its first start")
        try:
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0, check_same_thread=False
            )
            if self._connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                self._connection.close()
                raise StoreMisconfigured(f"{self.path} is not a history file of this program")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error

    def select(
        self,
        measurement: str,
        *,
        vehicle_id: str | Collection[str] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        latest: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """See `History.select`."""
        described = MEASUREMENTS[measurement]
        try:
            if not self._has(described):
                return
            vans = [vehicle_id] if isinstance(vehicle_id, str) else vehicle_id
            numbers = self._series(described, vans)
            chosen = None if vans is None else set(numbers)
            read = self._newest if latest else self._pages
            yield from (_point(described, numbers, row) for row in read(described, chosen, start_ms, end_ms))
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

    def _pages(
        self,
        measurement: Measurement,
        chosen: set[int] | None,
        start_ms: int | None,
        end_ms: int | None,
        *,
        newest_first: bool = False,
    ) -> Iterator[_StoredRow]:
        """Points in order of time, read page by page, each page from behind the last."""
        low, high = start_ms if start_ms is not None else -_FAR_MS, end_ms if end_ms is not None else _FAR_MS
        after = (high, -1) if newest_first else (low, -1)
        order, sign = ("DESC", "<") if newest_first else ("ASC", ">")
        which = "" if chosen is None else f"AND series_id IN ({', '.join(map(str, sorted(chosen)))})"
        query = (
            f"SELECT {_columns(measurement)} FROM {points_table(measurement)} "  # noqa: S608
            f"WHERE (time_ms, series_id) {sign} (?, ?) AND time_ms >= ? AND time_ms < ? {which} "
            f"ORDER BY time_ms {order}, series_id {order} LIMIT {_PAGE}"
        )
        while rows := self._connection.execute(query, (*after, low, high)).fetchall():
            yield from rows
            after = (rows[-1][0], rows[-1][1])

    def _newest(
        self, measurement: Measurement, chosen: set[int] | None, start_ms: int | None, end_ms: int | None
    ) -> list[_StoredRow]:
        """The newest point of each series, in order of time. Most are near the end; the others are searched singly."""
        query = "SELECT series_id, time_ms FROM last_points WHERE measurement = ?"
        if chosen is not None:
            query += f" AND series_id IN ({', '.join(map(str, sorted(chosen)))})"
        last = dict(self._connection.execute(query, (measurement.name,)))
        missing = set(last)
        if not missing:
            return []
        near_ms = max(last[number] for number in missing) - LAST_POINTS_MS
        if start_ms is not None:
            near_ms = max(near_ms, start_ms)
        near = {number for number in missing if last[number] >= near_ms}
        found: list[_StoredRow] = []
        for row in self._pages(measurement, chosen, near_ms, end_ms, newest_first=True):
            if row[1] in missing:
                missing.remove(row[1])
                found.append(row)
                if near.isdisjoint(missing):
                    break
        table, columns = points_table(measurement), _columns(measurement)
        for number in missing:
            # `last_points` helps only if there is no end: otherwise the search goes back from the end.
            low, high = (last[number], last[number] + LAST_POINTS_MS) if end_ms is None else (-_FAR_MS, end_ms)
            query = (
                f"SELECT {columns} FROM {table} WHERE series_id = ? AND time_ms >= ? AND time_ms < ? "  # noqa: S608
                "ORDER BY time_ms DESC LIMIT 1"
            )
            low = low if start_ms is None else max(low, start_ms)
            found += self._connection.execute(query, (number, low, high)).fetchall()
        return sorted(found)

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()


def _columns(measurement: Measurement) -> str:
    return ", ".join(("time_ms", "series_id", *(f'"{name}"' for name in measurement.field_names)))


def _point(measurement: Measurement, numbers: dict[int, tuple[str | None, ...]], row: _StoredRow) -> dict[str, Any]:
    tags = zip(measurement.tags, numbers.get(row[1], ()), strict=False)
    point: dict[str, Any] = {"time_ms": row[0], **{tag: text for tag, text in tags if text is not None}}
    for field, value in zip(measurement.fields, row[2:], strict=True):
        if value is not None:
            point[field.name] = bool(value) if field.type == "boolean" else value
    return point
