"""A history file of format 1 (vanpulse 80322ca): refused with the command, then converted without losing a point."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import SettingsError, StoreMisconfigured, StoreUnavailable
from agent.points.measurements import MEASUREMENTS
from agent.stores import migration
from agent.stores.migration import migrate
from agent.stores.sqlite import SqliteStore
from agent.stores.sqlite_history import SqliteHistory

TYPES = {"float": "REAL", "integer": "INTEGER", "boolean": "INTEGER", "text": "TEXT"}
POINTS = 250


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """As format 1 had it: a table for each measurement with floats and texts, and a view that joins the tags."""
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA application_id = 1987078259")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "CREATE TABLE series (id INTEGER PRIMARY KEY, vehicle_id TEXT, depot TEXT, model TEXT, country TEXT) STRICT"
        )
        connection.execute(
            "CREATE TABLE last_points (measurement TEXT NOT NULL, series_id INTEGER NOT NULL, "
            "time_ms INTEGER NOT NULL, PRIMARY KEY (measurement, series_id)) WITHOUT ROWID, STRICT"
        )
        for measurement in MEASUREMENTS.values():
            columns = ", ".join(f'"{field.name}" {TYPES[field.type]}' for field in measurement.fields)
            connection.execute(
                f"CREATE TABLE {measurement.name}_points (time_ms INTEGER NOT NULL, series_id INTEGER NOT NULL, "
                f"{columns}, PRIMARY KEY (time_ms, series_id)) WITHOUT ROWID, STRICT"
            )
            join = "JOIN series ON series.id = series_id" if measurement.tags else ""
            connection.execute(f'CREATE VIEW "{measurement.name}" AS SELECT * FROM {measurement.name}_points {join}')
        connection.execute("INSERT INTO series VALUES (1, 'van-1', 'Nord', NULL, 'DE')")
        connection.execute("INSERT INTO last_points VALUES ('battery', 1, 0), ('energy', 1, 0)")
        for number in range(POINTS):
            connection.execute(
                "INSERT INTO battery_points (time_ms, series_id, soc_pct, charging) VALUES (?, 1, ?, ?)",
                (number, number / 10, number % 2),
            )
            connection.execute(
                "INSERT INTO energy_points (time_ms, series_id, state, power_kw) VALUES (?, 1, 'parked', -0.0004)",
                (number,),
            )
        connection.execute("INSERT INTO trip_points (time_ms, series_id, distance_km) VALUES (5, 1, 0.123456789)")
    return path


def assert_converted(path: Path) -> None:
    tags = {"vehicle_id": "van-1", "depot": "Nord", "country": "DE"}
    with closing(SqliteHistory(path)) as history:
        assert list(history.select("battery")) == [
            {"time_ms": number, **tags, "soc_pct": number / 10, "charging": bool(number % 2)}
            for number in range(POINTS)
        ]
        # 0.4 W is less than half of the last decimal that is kept.
        assert list(history.select("energy", end_ms=1)) == [{"time_ms": 0, **tags, "state": "parked", "power_kw": 0.0}]
        assert list(history.select("trip")) == [{"time_ms": 5, **tags, "distance_km": 0.123456789}]


async def test_a_file_of_format_1_is_refused_with_the_command(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(SettingsError, match="vanpulse migrate"):
        await store.open()
    await store.close()
    with pytest.raises(StoreMisconfigured, match="vanpulse migrate"):
        SqliteHistory(path)


def test_every_point_is_kept(path: Path) -> None:
    assert migrate(path, progress=lambda _moved: None) == 2 * POINTS
    assert_converted(path)
    assert migrate(path, progress=lambda _moved: None) is None


def test_it_continues_after_an_interruption(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "_PAGE", 100)
    shown: list[int] = []

    def interrupt(moved: int) -> None:
        shown.append(moved)
        if moved >= 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(path, progress=interrupt)
    assert shown == [100, 200, 250, 350]
    with pytest.raises(StoreMisconfigured, match="vanpulse migrate"):
        SqliteHistory(path)
    assert migrate(path, progress=lambda _moved: None) == 2 * POINTS - 350
    assert_converted(path)


def test_a_file_in_use_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM battery_points").fetchone()
        with pytest.raises(StoreUnavailable, match="stop the agent"):
            migrate(path, progress=lambda _moved: None)
