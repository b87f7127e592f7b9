import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import SettingsError, StoreMisconfigured, StoreUnavailable
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow, Rows, Series, empty_rows
from agent.stores.sqlite import SqliteStore
from agent.stores.sqlite_history import SqliteHistory
from agent.stores.sqlite_schema import LAST_POINTS_MS
from tests.stores.rows import AGENT, NORD, VAN_1, VAN_2, battery, row, rows_of

DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "history.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.close()


def points(path: Path, measurement: str, **options: object) -> list[dict[str, object]]:
    history = SqliteHistory(path)
    try:
        return list(history.select(measurement, **options))  # type: ignore[arg-type]
    finally:
        history.close()


async def test_points_come_back_with_tags_and_without_what_is_absent(store: SqliteStore, path: Path) -> None:
    rows = rows_of("battery", battery(VAN_1, 1000, soc_pct=80, charging=True, plugged_in=False))
    rows["energy"].append(row("energy", VAN_2, 1000, state="driving", power_kw=-3.5, used_kwh_total=0.0))
    rows["fleet"].append(row("fleet", NORD, 60_000, vans=3, online=2, soc_mean_pct=55.5))
    rows["agent"].append(row("agent", AGENT, 60_000, messages_total=2**40))
    assert await store.write(rows) == []
    van_1 = {"vehicle_id": "van-1", "depot": "Nord", "model": "e-ducato", "country": "DE"}
    van_2 = {"vehicle_id": "van-2", "depot": "Süd, Halle 3", "model": "e transit", "country": "FR"}
    (point,) = points(path, "battery")
    assert point == {"time_ms": 1000, **van_1, "soc_pct": 80.0, "charging": True, "plugged_in": False}
    assert type(point["soc_pct"]) is float
    assert type(point["charging"]) is bool
    assert points(path, "energy") == [
        {"time_ms": 1000, **van_2, "state": "driving", "power_kw": -3.5, "used_kwh_total": 0.0}
    ]
    assert points(path, "fleet") == [{"time_ms": 60_000, "depot": "Nord", "vans": 3, "online": 2, "soc_mean_pct": 55.5}]
    assert points(path, "agent") == [{"time_ms": 60_000, "messages_total": 2**40}]


async def test_writing_again_changes_nothing_and_fields_are_united(store: SqliteStore, path: Path) -> None:
    first = rows_of("battery", battery(VAN_1, 1000, soc_pct=80.0), battery(VAN_2, 1000, soc_pct=10.0))
    for _ in range(2):
        await store.write(first)
    await store.write(rows_of("battery", battery(VAN_1, 1000, voltage_v=400.0)))
    await store.write(rows_of("battery", battery(VAN_2, 1000, soc_pct=11.0)))
    found = [(p["vehicle_id"], p.get("soc_pct"), p.get("voltage_v")) for p in points(path, "battery")]
    assert found == [("van-1", 80.0, 400.0), ("van-2", 11.0, None)]


async def test_two_rows_for_one_moment_in_one_write_the_later_wins(store: SqliteStore, path: Path) -> None:
    await store.write(rows_of("battery", battery(VAN_1, 5, soc_pct=1.0, range_km=9.0), battery(VAN_1, 5, soc_pct=2.0)))
    (point,) = points(path, "battery")
    assert (point["soc_pct"], point["range_km"]) == (2.0, 9.0)


async def test_other_processes_query_the_views(store: SqliteStore, path: Path) -> None:
    await store.write(rows_of("battery", battery(VAN_1, 1000, soc_pct=80.0)))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        found = connection.execute("SELECT vehicle_id, soc_pct FROM battery WHERE time_ms >= 1000").fetchall()
        for measurement in MEASUREMENTS.values():
            cursor = connection.execute(f'SELECT * FROM "{measurement.name}"')
            names = [column[0] for column in cursor.description]
            assert names == ["time_ms", *measurement.tags, *measurement.field_names]
    connection.close()
    assert found == [("van-1", 80.0)]


@pytest.mark.parametrize("bad", ["text", b"bytes", 2**70, object(), "\ud800"])
async def test_a_value_that_cannot_be_kept_costs_its_own_row_only(store: SqliteStore, path: Path, bad: object) -> None:
    rows = [battery(VAN_1, number, soc_pct=float(number)) for number in range(250)]
    rows[130] = battery(VAN_1, 130, soc_pct=bad)
    (refused,) = await store.write(rows_of("battery", *rows))
    assert refused.measurement == "battery"
    assert refused.detail
    assert "130" in refused.line
    assert [p["time_ms"] for p in points(path, "battery")] == [n for n in range(250) if n != 130]


async def test_select_by_van_and_time(store: SqliteStore, path: Path) -> None:
    rows = [battery(van, time_ms, soc_pct=1.0) for time_ms in range(5000) for van in (VAN_1, VAN_2)]
    await store.write(rows_of("battery", *rows))
    everything = [(p["time_ms"], p["vehicle_id"]) for p in points(path, "battery")]
    assert everything == [(time_ms, van) for time_ms in range(5000) for van in ("van-1", "van-2")]
    some = points(path, "battery", vehicle_id="van-2", start_ms=100, end_ms=103)
    assert [(p["time_ms"], p["vehicle_id"]) for p in some] == [(t, "van-2") for t in (100, 101, 102)]
    assert points(path, "battery", vehicle_id="nobody") == []


async def test_latest_is_the_newest_point_of_each_series_however_old(store: SqliteStore, path: Path) -> None:
    van_3 = Series(vehicle_id="van-3")
    await store.write(rows_of("battery", battery(van_3, 5, soc_pct=3.0), battery(VAN_2, 7, soc_pct=2.0)))
    await store.write(rows_of("battery", battery(VAN_2, LAST_POINTS_MS + 3, soc_pct=2.5)))
    for hour in range(100):
        await store.write(rows_of("battery", battery(VAN_1, hour * 3_600_000, soc_pct=1.0)))
    await store.write(rows_of("battery", battery(VAN_2, 6, soc_pct=99.0)))

    def latest(**options: object) -> list[tuple[object, ...]]:
        return [(p["time_ms"], p["soc_pct"]) for p in points(path, "battery", latest=True, **options)]

    assert latest() == [(5, 3.0), (LAST_POINTS_MS + 3, 2.5), (99 * 3_600_000, 1.0)]
    assert latest(vehicle_id="van-2") == [(LAST_POINTS_MS + 3, 2.5)]
    assert latest(start_ms=6) == [(LAST_POINTS_MS + 3, 2.5), (99 * 3_600_000, 1.0)]
    assert latest(end_ms=8) == [(0, 1.0), (5, 3.0), (7, 2.0)]
    assert points(path, "location", latest=True) == []


@given(writes=st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=12), max_size=8))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_latest_agrees_with_all_points(tmp_path_factory: pytest.TempPathFactory, writes: list[object]) -> None:
    path = tmp_path_factory.mktemp("latest") / "history.db"
    vans = [Series(vehicle_id=f"{number}") for number in range(4)]
    newest: dict[str, int] = {}
    for write in writes:
        store = SqliteStore(path)  # a new process each time
        await store.open()
        rows = empty_rows()
        for van, step in write:  # type: ignore[attr-defined]
            time_ms = step * LAST_POINTS_MS // 7
            rows["battery"].append(battery(vans[van], time_ms, soc_pct=1.0))
            newest[f"{van}"] = max(newest.get(f"{van}", 0), time_ms)
        await store.write(rows)
        await store.close()
    if writes:
        assert {p["vehicle_id"]: p["time_ms"] for p in points(path, "battery", latest=True)} == newest


async def test_old_points_are_deleted_a_few_at_a_time_and_trips_stay(path: Path) -> None:
    store = SqliteStore(path, keep_days=2)
    await store.open()
    old = [battery(VAN_1, number, soc_pct=1.0) for number in range(1000)]
    rows = rows_of("battery", *old)
    rows["trip"].append(row("trip", VAN_1, 5, start_ms=1, distance_km=3.0))
    await store.write(rows)
    assert len(points(path, "battery")) == 1000
    await store.write(rows_of("battery", battery(VAN_1, 3 * DAY_MS, soc_pct=2.0)))
    assert len(points(path, "battery")) == 901
    for number in range(20):
        await store.write(rows_of("battery", battery(VAN_1, 3 * DAY_MS + number, soc_pct=2.0)))
    assert [p["time_ms"] for p in points(path, "battery")] == [3 * DAY_MS + number for number in range(20)]
    assert len(points(path, "trip")) == 1
    await store.close()


async def test_what_was_written_is_there_after_opening_again(path: Path) -> None:
    for number in range(3):
        store = SqliteStore(path)
        await store.open()
        await store.check()
        await store.write(rows_of("battery", battery(VAN_1, number, soc_pct=1.0)))
        await store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM series").fetchone() == (1,)
    connection.close()
    assert len(points(path, "battery")) == 3


async def test_a_field_that_came_later_is_added(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP VIEW battery")
        connection.execute("ALTER TABLE battery_hot DROP COLUMN soh_pct")
    connection.close()
    store = SqliteStore(path)
    await store.open()
    await store.write(rows_of("battery", battery(VAN_1, 1, soh_pct=97.0)))
    await store.close()
    assert points(path, "battery")[0]["soh_pct"] == 97.0


def make_newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA application_id = 1987078259; PRAGMA user_version = 99; CREATE TABLE x (y);")
    connection.close()


def make_foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE songs (title);")
    connection.close()


def make_text(path: Path) -> None:
    path.write_text("no database" * 1000)


def make_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_newer, "newer vanpulse"),
        (make_foreign, "another program"),
        (make_text, "not a database"),
        (make_folder, "directory|unable to open"),
    ],
)
async def test_a_file_that_can_never_be_used_is_a_wrong_setting(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "history.db"
    make(path)  # type: ignore[operator]
    store = SqliteStore(path)
    with pytest.raises(SettingsError, match=words) as raised:
        await store.open()
    assert "store.url" in str(raised.value)
    await store.close()


async def test_a_locked_file_is_unavailable_and_then_written(store: SqliteStore, path: Path) -> None:
    await store.write(rows_of("battery", battery(VAN_1, 1, soc_pct=1.0)))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    rows: Rows = rows_of("battery", battery(VAN_1, 2, soc_pct=1.0))
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.write(rows)
    other.execute("ROLLBACK")
    other.close()
    assert await store.write(rows) == []
    assert len(points(path, "battery")) == 2


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    with sqlite3.connect(path) as old, sqlite3.connect(path.with_name("copy.db")) as copy:
        old.backup(copy)
    old.close()
    copy.close()
    path.with_name("copy.db").replace(path)


def remove_directory(path: Path) -> None:
    shutil.rmtree(path.parent)


@pytest.mark.parametrize(("change", "kept"), [(remove, []), (replace, [1000]), (remove_directory, [])])
async def test_a_file_that_was_removed_or_replaced_is_opened_anew(
    store: SqliteStore, path: Path, change: Callable[[Path], None], kept: list[int]
) -> None:
    await store.write(rows_of("battery", battery(VAN_1, 1000, soc_pct=80.0)))
    change(path)
    with pytest.raises(StoreUnavailable, match="removed or replaced") as raised:
        await store.write(rows_of("battery", battery(VAN_1, 2000, soc_pct=79.0)))
    assert raised.value.has_forgotten
    await store.write(rows_of("battery", battery(VAN_1, 2000, soc_pct=79.0)))
    assert [point["time_ms"] for point in points(path, "battery")] == [*kept, 2000]


def put_a_foreign_file(path: Path) -> bytes:
    for leftover in path.parent.glob("history.db*"):
        leftover.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    return path.read_bytes()


async def test_a_file_of_another_program_in_its_place_is_left_as_it_is(store: SqliteStore, path: Path) -> None:
    await store.write(rows_of("battery", battery(VAN_1, 1000, soc_pct=80.0)))
    content = put_a_foreign_file(path)
    for error in (StoreUnavailable, StoreMisconfigured, StoreMisconfigured):
        with pytest.raises(error):
            await store.write(rows_of("battery", battery(VAN_1, 2000, soc_pct=79.0)))
    assert await asyncio.to_thread(path.read_bytes) == content


async def test_history_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no history file"):
        SqliteHistory(tmp_path / "none.db")
    sqlite3.connect(tmp_path / "other.db").close()
    with pytest.raises(StoreMisconfigured):
        SqliteHistory(tmp_path / "other.db")


async def test_a_reader_in_the_middle_does_not_stop_the_writer(store: SqliteStore, path: Path) -> None:
    rows: list[PointRow] = [battery(VAN_1, number, soc_pct=1.0) for number in range(5000)]
    await store.write(rows_of("battery", *rows))
    history = SqliteHistory(path)
    reading = history.select("battery")
    next(reading)
    assert await store.write(rows_of("battery", battery(VAN_1, 5000, soc_pct=1.0))) == []
    assert sum(1 for _ in reading) == 5000
    history.close()
