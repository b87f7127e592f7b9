"""The history file: bytes per van and day in both forms, and the times of the usual queries.

A simulated fleet drives for a day with a reading every 10 s. Its rows are written for several copies of each van, so
that the file holds as many vans as the queries need, without simulating them all.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from agent.messages import Batch, Message
from agent.points.rows import Rows, Series, empty_rows
from agent.stores.sqlite import SqliteStore
from agent.stores.sqlite_history import SqliteHistory
from agent.stores.sqlite_schema import COMPACTED, DAY_MS, points_table
from benchmarks.speed.stages import new_shard
from simulator.simulation import Plan, Simulation

FIRST_DAY: Final = 20_717
"""A Monday, when vans are on tour, as the number of a day since 1970."""
SIMULATED_VANS: Final = 5
COPIES: Final = 8
RATE_HZ: Final = 0.1
WRITE_EVERY_S: Final = 600
YEAR_VANS: Final = 200
YEAR_DAYS: Final = 365
TURNS: Final = 5
CLOSED_WITHIN_S: Final = 1800.0


class Figure(NamedTuple):
    """One measured value and its budget."""

    name: str
    value: float
    budget: float
    unit: str


def measure(directory: Path) -> list[Figure]:
    """All figures, in the order of the table of budgets."""
    file = directory / "history.db"
    vans = SIMULATED_VANS * COPIES
    directory.mkdir(parents=True, exist_ok=True)
    asyncio.run(_write(file, _day_of_rows()))
    hot_mb = _bytes_in_use(file) / vans / 1e6
    hot_day_ms = least_ms(lambda: _one_van(file))
    last_hot_ms = least_ms(lambda: _last_values(file))
    asyncio.run(_close(file))
    closed_mb = _bytes_in_use(file) / vans / 1e6
    year = directory / "year.db"
    asyncio.run(_write(year, _year_of_days()))
    return [
        Figure("closed day of a van", closed_mb, 0.1, "MB"),
        Figure("hot day of a van", hot_mb, 1.2, "MB"),
        Figure(f"one van, one closed day, {vans} vans", least_ms(lambda: _one_van(file)), 50, "ms"),
        Figure(f"one van, one hot day, {vans} vans", hot_day_ms, 50, "ms"),
        Figure(f"fleet, last values, hot, {vans} vans", last_hot_ms, 20, "ms"),
        Figure(f"fleet, last values, closed, {vans} vans", least_ms(lambda: _last_values(file)), 20, "ms"),
        Figure(f"year, monthly sums, {YEAR_VANS} vans", least_ms(lambda: _monthly_sums(year)), 500, "ms"),
    ]


def least_ms(work: Callable[[], object]) -> float:
    """The shortest time of several turns, since other work on the machine can only increase it."""
    times = []
    for _ in range(TURNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def _day_of_rows() -> Iterator[Rows]:
    """The rows of a day, some minutes at a time, for all copies of each van."""
    plan = Plan(vans=SIMULATED_VANS, hours=24.0, live_s=(FIRST_DAY + 1) * DAY_MS // 1000, rate_hz=RATE_HZ)
    shard, simulation = new_shard(), Simulation(plan)
    offset = 0
    rows = empty_rows()
    copies: dict[Series, list[Series]] = {}
    for time_s, messages in simulation.history():
        if messages:
            batch = Batch(offset, time_s * 1000, 0, [Message(*message) for message in messages])
            offset += len(batch.messages)
            for name, points in shard.process(batch).rows.items():
                rows[name] += [(copy, *point[1:]) for point in points for copy in _copies(copies, point[0])]
        if time_s % WRITE_EVERY_S == 0:
            yield rows
            rows = empty_rows()
    yield rows


def _copies(known: dict[Series, list[Series]], series: Series) -> list[Series]:
    if series.vehicle_id is None:
        return [series]
    if series not in known:
        known[series] = [
            Series(vehicle_id=f"{series.vehicle_id}-{number}", depot=series.depot, model=series.model)
            for number in range(COPIES)
        ]
    return known[series]


def _year_of_days() -> Iterator[Rows]:
    """A `day` point for each van and day of a year."""
    vans = [Series(vehicle_id=f"van-{number}", depot="Nord", model="van", country="DE") for number in range(YEAR_VANS)]
    for day in range(FIRST_DAY, FIRST_DAY + YEAR_DAYS):
        rows = empty_rows()
        # Every numeric field is there; the sums need four of them.
        rows["day"] = [
            (van, day * DAY_MS, 81.5, 22.25, 3.5, 24.5, 27.75, 0.5, 12, 95, 2, *[1234.5] * 10, "2026.1") for van in vans
        ]
        yield rows


async def _write(file: Path, writes: Iterator[Rows]) -> None:
    store = SqliteStore(file)
    await store.open()
    for rows in writes:
        rejected = await store.write(rows)
        if rejected:
            raise RuntimeError(f"the store refused {rejected[0]}")
    await store.close()


async def _close(file: Path) -> None:
    """Let the store close the day: the newest point is made two days younger."""
    store = SqliteStore(file, hot_days=0)
    await store.open()
    rows = empty_rows()
    rows["battery"] = [(Series(vehicle_id="later"), (FIRST_DAY + 2) * DAY_MS, *[1.0] * 7, None, None, None)]
    await store.write(rows)
    await store.close()
    store = SqliteStore(file, hot_days=0, compact_every_s=1.0)
    await store.open()
    deadline = time.monotonic() + CLOSED_WITHIN_S
    with closing(sqlite3.connect(file)) as connection:
        while any(_has_hot(connection, points_table(measurement)) for measurement in COMPACTED):
            if time.monotonic() > deadline:
                raise RuntimeError("the day was not closed")
            await asyncio.sleep(0.2)
    await store.close()


def _has_hot(connection: sqlite3.Connection, table: str) -> bool:
    before_ms = (FIRST_DAY + 1) * DAY_MS
    return connection.execute(f"SELECT 1 FROM {table} WHERE time_ms < ?", (before_ms,)).fetchone() is not None  # noqa: S608


def _bytes_in_use(file: Path) -> int:
    """Bytes of the pages that hold something. Free pages are used again."""
    with closing(sqlite3.connect(file)) as connection:
        pages, free, page_bytes = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        used: int = (pages - free) * page_bytes
        return used


def _select(file: Path, measurement: str, **options: Any) -> list[dict[str, Any]]:
    with closing(SqliteHistory(file)) as history:
        return list(history.select(measurement, **options))


def _one_van(file: Path) -> None:
    with closing(SqliteHistory(file)) as history:
        van = next(history.select("location"))["vehicle_id"]
    begin_ms = FIRST_DAY * DAY_MS
    if not _select(file, "location", vehicle_id=van, start_ms=begin_ms, end_ms=begin_ms + DAY_MS):
        raise RuntimeError(f"no points of {van}")


def _last_values(file: Path) -> None:
    if len(_select(file, "energy", latest=True)) < SIMULATED_VANS * COPIES:
        raise RuntimeError("vans are missing")


def _monthly_sums(file: Path) -> None:
    """What a dashboard over the file does: SQL over the view `day`."""
    query = (
        "SELECT strftime('%Y-%m', time_ms / 1000, 'unixepoch'), vehicle_id, sum(distance_km), sum(used_kwh), "
        "sum(grid_kwh), sum(co2e_g) FROM day GROUP BY 1, 2"
    )
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        if len(connection.execute(query).fetchall()) < YEAR_VANS * 12:
            raise RuntimeError("months are missing")
