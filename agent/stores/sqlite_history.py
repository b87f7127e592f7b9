"""Reading the history file from another process, or another thread, while the agent writes it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points import MEASUREMENTS, Measurement
from agent.stores.sqlite_schema import APPLICATION_ID, points_table

_PAGE: Final = 2000
"""Points per read: a reading transaction that stays open would keep the writer's WAL from being reused."""


class SqliteHistory:
    """Reads in short steps; never takes a lock that the writer waits for."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise StoreUnavailable(f"there is no history file {self.path} yet; the agent makes it at its first start")
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
        vehicle_id: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        latest: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """See `History.select`."""
        described = MEASUREMENTS[measurement]
        try:
            numbers = self._series(described, vehicle_id)
            pages = self._pages(described, numbers, vehicle_id, start_ms, end_ms, newest_first=latest)
            if latest:
                yield from self._newest(described, numbers, pages)
            else:
                yield from (_point(described, numbers, row) for row in pages)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {error}") from error

    def _series(self, measurement: Measurement, vehicle_id: str | None) -> dict[int, tuple[str | None, ...]]:
        """The tags of each series, by its number."""
        if not measurement.tags:
            return {}
        query = f"SELECT id, {', '.join(measurement.tags)} FROM series WHERE ?1 IS NULL OR vehicle_id = ?1"  # noqa: S608
        return {number: tuple(tags) for number, *tags in self._connection.execute(query, (vehicle_id,))}

    def _pages(
        self,
        measurement: Measurement,
        numbers: dict[int, tuple[str | None, ...]],
        vehicle_id: str | None,
        start_ms: int | None,
        end_ms: int | None,
        *,
        newest_first: bool,
    ) -> Iterator[tuple[Any, ...]]:
        """Points in order of time, read page by page, each page from behind the last."""
        fields = ", ".join(f'"{name}"' for name in measurement.field_names)
        low, high = start_ms if start_ms is not None else -(2**62), end_ms if end_ms is not None else 2**62
        after = (high, -1) if newest_first else (low, -1)
        order, sign = ("DESC", "<") if newest_first else ("ASC", ">")
        chosen = f"AND series_id IN ({', '.join(map(str, numbers))})" if vehicle_id is not None else ""
        query = (
            f"SELECT time_ms, series_id, {fields} FROM {points_table(measurement)} "  # noqa: S608
            f"WHERE (time_ms, series_id) {sign} (?, ?) AND time_ms >= ? AND time_ms < ? {chosen} "
            f"ORDER BY time_ms {order}, series_id {order} LIMIT {_PAGE}"
        )
        while rows := self._connection.execute(query, (*after, low, high)).fetchall():
            yield from rows
            after = (rows[-1][0], rows[-1][1])

    def _newest(
        self,
        measurement: Measurement,
        numbers: dict[int, tuple[str | None, ...]],
        rows: Iterator[tuple[Any, ...]],
    ) -> Iterator[dict[str, Any]]:
        """The first row of each series, until every series has been met; in order of time."""
        found: dict[int, tuple[Any, ...]] = {}
        for row in rows:
            found.setdefault(row[1], row)
            if len(found) >= max(1, len(numbers)):
                break
        yield from (_point(measurement, numbers, row) for row in reversed(found.values()))

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()


def _point(
    measurement: Measurement, numbers: dict[int, tuple[str | None, ...]], row: tuple[Any, ...]
) -> dict[str, Any]:
    tags = zip(measurement.tags, numbers.get(row[1], ()), strict=False)
    point: dict[str, Any] = {"time_ms": row[0], **{tag: text for tag, text in tags if text is not None}}
    for field, value in zip(measurement.fields, row[2:], strict=True):
        if value is not None:
            point[field.name] = bool(value) if field.type == "boolean" else value
    return point
