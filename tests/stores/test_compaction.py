"""Closed days of the history file: the same points before, while and after days are closed, and after a kill."""

import asyncio
import random
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.points.rows import PointRow, Rows, Series
from agent.stores.sqlite import SqliteStore
from agent.stores.sqlite_history import SqliteHistory
from tests.journal.wal import FRAME, HEADER
from tests.stores.rows import VAN_1, VAN_2, battery, row, rows_of

DAY_MS = 86_400_000
PERIOD_MS = 120_000
VAN_3 = Series(vehicle_id="van-3")
VANS = (VAN_1, VAN_2, VAN_3)
TODAY_MS = 20_000 * DAY_MS
FIRST_MS = TODAY_MS - 2 * DAY_MS
"""The load begins here. With `hot_days = 1` the first of its two full days is closed."""

Found = dict[str, list[dict[str, Any]]]


def load(seed: int = 1) -> Rows:
    """A reading each two minutes for a day, then each hour until today."""
    chance = random.Random(seed)
    rows = rows_of("battery")
    used = [0.0] * len(VANS)
    first_day = range(FIRST_MS, FIRST_MS + DAY_MS, PERIOD_MS)
    for time_ms in (*first_day, *range(FIRST_MS + DAY_MS, TODAY_MS + 1, 3_600_000)):
        for number, van in enumerate(VANS):
            used[number] += chance.choice((0.0, 0.01234, 0.5))
            if chance.random() < 0.9:
                volts = round(chance.uniform(300, 420), 1) if chance.random() < 0.5 else None
                rows["battery"].append(battery(van, time_ms, soc_pct=round(chance.random() * 100, 1), voltage_v=volts))
            state = chance.choice(("driving", "parked"))
            rows["energy"].append(row("energy", van, time_ms, state=state, used_kwh_total=round(used[number], 5)))
    rows["trip"].append(row("trip", VAN_1, FIRST_MS + 5, start_ms=FIRST_MS, distance_km=1 / 3))
    return rows


def everything(path: Path) -> Found:
    with closing(SqliteHistory(path)) as history:
        return {name: list(history.select(name)) for name in ("battery", "energy", "trip")}


def hot_before(path: Path, end_ms: int) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {name}_hot WHERE time_ms < ?", (end_ms,)).fetchone()[0]
            for name in ("battery", "energy")
        ]
    return sum(counts)


async def until_closed(path: Path, end_ms: int = FIRST_MS + DAY_MS) -> None:
    deadline = time.monotonic() + 60
    while hot_before(path, end_ms):
        assert time.monotonic() < deadline, "the day is not closed"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A file with the load, all of it hot."""
    path = tmp_path / "history.db"
    async with opened(path) as store:
        assert await store.write(load()) == []
    return path


async def test_a_closed_day_reads_as_before(path: Path) -> None:
    before = everything(path)
    assert len(before["energy"]) == (720 + 25) * len(VANS)
    async with opened(path, hot_days=1):
        await until_closed(path)
    assert everything(path) == before
    assert hot_before(path, TODAY_MS + 1) > 25 * len(VANS)  # the second day and today are hot
    start_ms, end_ms = FIRST_MS + 3_600_000, FIRST_MS + DAY_MS + 3_600_000
    with closing(SqliteHistory(path)) as history:
        some = list(history.select("battery", vehicle_id="van-2", start_ms=start_ms, end_ms=end_ms))
    assert some == [
        point for point in before["battery"] if point["vehicle_id"] == "van-2" and start_ms <= point["time_ms"] < end_ms
    ]


async def test_the_newest_points_are_found_in_both_forms(path: Path) -> None:
    before = everything(path)["battery"]
    async with opened(path, hot_days=1) as store:
        await until_closed(path)
        await store.write(rows_of("battery", battery(VAN_1, FIRST_MS + DAY_MS - 1, soc_pct=1.0)))  # late: hot again
        with closing(SqliteHistory(path)) as history:
            for end_ms in (FIRST_MS + DAY_MS + 3_600_000, FIRST_MS + DAY_MS - 1, FIRST_MS + 3_600_000, FIRST_MS + 1):
                expected = {point["vehicle_id"]: point for point in before if point["time_ms"] < end_ms}
                found = {p["vehicle_id"]: p for p in history.select("battery", end_ms=end_ms, latest=True)}
                assert found == expected
            newest = {p["vehicle_id"]: p["time_ms"] for p in history.select("battery", latest=True)}
    assert newest == {van: max(p["time_ms"] for p in before if p["vehicle_id"] == van) for van in newest}
    assert len(newest) == len(VANS)


async def test_late_points_are_merged_into_a_closed_day(path: Path) -> None:
    before = everything(path)
    known = next(p for p in before["battery"] if p["vehicle_id"] == "van-1" and "voltage_v" not in p)
    late: list[PointRow] = [
        battery(VAN_1, known["time_ms"], voltage_v=399.9),
        battery(VAN_1, known["time_ms"] + 1, soc_pct=50.0),
        battery(Series(vehicle_id="van-9"), FIRST_MS + 7, soc_pct=9.0),
    ]
    async with opened(path, hot_days=1, compact_every_s=0.05) as store:
        await until_closed(path)
        await store.write(rows_of("battery", *late))
        await until_closed(path)
    after = {(p["vehicle_id"], p["time_ms"]): p for p in everything(path)["battery"]}
    assert len(after) == len(before["battery"]) + 2
    assert after["van-1", known["time_ms"]] == known | {"voltage_v": 399.9}
    assert after["van-1", known["time_ms"] + 1]["soc_pct"] == 50.0
    assert after["van-9", FIRST_MS + 7]["soc_pct"] == 9.0


async def test_writing_and_reading_go_on_while_days_are_closed(path: Path) -> None:
    """Readers page through the file and late points come in all the time; nothing is lost and nothing comes twice."""
    before = {(p["vehicle_id"], p["time_ms"]): p for p in everything(path)["battery"]}
    late_ms = iter(range(FIRST_MS + 1, FIRST_MS + DAY_MS, 13 * PERIOD_MS))
    written: set[tuple[str, int]] = set()
    async with opened(path, hot_days=1, compact_every_s=0.01) as store:
        deadline = time.monotonic() + 60
        while len(written) < 20 or hot_before(path, FIRST_MS + DAY_MS):
            assert time.monotonic() < deadline
            if len(written) < 20:
                time_ms = next(late_ms)
                assert await store.write(rows_of("battery", battery(VAN_3, time_ms, soc_pct=3.0))) == []
                written.add(("van-3", time_ms))
            found = [(p["vehicle_id"], p["time_ms"]) for p in (await asyncio.to_thread(everything, path))["battery"]]
            assert len(found) == len(set(found))
            assert set(found) == before.keys() | written


def cuts(log: bytes) -> list[int]:
    """Lengths of a write-ahead log: behind each commit, and in the middle of each transaction and of a frame in it."""
    page_bytes = HEADER.unpack_from(log)[2]
    frame_bytes = FRAME.size + page_bytes
    frames = range(HEADER.size, len(log) - frame_bytes + 1, frame_bytes)
    # The second number of a frame's header is not 0 where a transaction ends.
    commits = [HEADER.size, *(start + frame_bytes for start in frames if FRAME.unpack_from(log, start)[1])]
    middles = [(one + other) // 2 for one, other in pairwise(commits)]
    return sorted({*commits, *middles})


async def test_a_kill_at_any_write_leaves_the_old_or_the_new_form(path: Path, tmp_path: Path) -> None:
    """The write-ahead log of a compaction is cut as a kill or a power cut leaves it."""
    expected = everything(path)
    before, killed = tmp_path / "before.db", tmp_path / "killed.db"
    shutil.copyfile(path, before)
    async with opened(path, hot_days=1):
        await until_closed(path)
        shutil.copyfile(path.with_name("history.db-wal"), tmp_path / "log")
    log = (tmp_path / "log").read_bytes()
    states = []
    for number, length in enumerate(cuts(log)):
        for name in ("killed.db", "killed.db-wal", "killed.db-shm"):
            killed.with_name(name).unlink(missing_ok=True)
        shutil.copyfile(before, killed)
        killed.with_name("killed.db-wal").write_bytes(log[:length])
        states.append(hot_before(killed, FIRST_MS + DAY_MS))
        assert everything(killed) == expected, f"killed behind byte {length} of {len(log)}"
        if number % 9 == 4:
            async with opened(killed, hot_days=1):
                await until_closed(killed)
            assert everything(killed) == expected
    assert len(states) > 2 * 2 * len(VANS)  # a commit for each van and measurement at least, and the middle before it
    assert len(set(states)) > 3  # before, between and behind the deletions
    assert states[-1] == 0


async def test_a_damaged_day_is_named_and_the_rest_is_read(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = everything(path)["battery"]
    async with opened(path, hot_days=1):
        await until_closed(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        whose = "series_id = (SELECT id FROM series WHERE vehicle_id = 'van-2')"
        (content,) = connection.execute(f"SELECT columns FROM battery_days WHERE {whose}").fetchone()
        damaged = content[:200] + bytes(len(content) - 200)
        connection.execute(f"UPDATE battery_days SET columns = ? WHERE {whose}", (damaged,))
    rest = [p for p in before if p["vehicle_id"] != "van-2" or p["time_ms"] >= FIRST_MS + DAY_MS]
    assert everything(path)["battery"] == rest
    assert "battery of van van-2 on 2024-10-02 is damaged" in caplog.text
    late = battery(VAN_2, FIRST_MS + 1, soc_pct=2.0)
    async with opened(path, hot_days=1, compact_every_s=0.05) as store:
        await store.write(rows_of("battery", late))
        await until_closed(path)
    assert len(everything(path)["battery"]) == len(rest) + 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT measurement, day FROM damaged_days").fetchall() == [("battery", 19_998)]


async def test_old_closed_days_are_deleted_and_trips_stay(path: Path) -> None:
    async with opened(path, hot_days=1):
        await until_closed(path)
    async with opened(path, keep_days=3) as store:
        await store.write(rows_of("battery", battery(VAN_1, TODAY_MS + DAY_MS, soc_pct=2.0)))
        assert everything(path)["battery"][0]["time_ms"] == FIRST_MS
        await store.write(rows_of("battery", battery(VAN_1, TODAY_MS + 2 * DAY_MS, soc_pct=2.0)))
    found = everything(path)
    assert min(p["time_ms"] for p in found["battery"] + found["energy"]) >= FIRST_MS + DAY_MS
    assert len(found["trip"]) == 1
