"""The tables of the history file, made from `MEASUREMENTS`, and the views that other processes query.

Each measurement has a table `<name>_points` with the points, keyed by (time, series), and a view `<name>` that joins
the tags to them: `SELECT vehicle_id, soc_pct FROM battery WHERE time_ms >= …`. Time comes first in the key because
points arrive in order of time: appending at one place of the file costs a third of inserting at a thousand.

`last_points` has a time for each series: its newest point is at most `LAST_POINTS_MS` later. An exact time would cost
as much to write as the points.
"""

import sqlite3
from pathlib import Path
from typing import Final

from agent.errors import SettingsError
from agent.points.measurements import MEASUREMENTS, Field, Measurement

APPLICATION_ID: Final = 0x7670_6873
"""`vphs`: marks a SQLite file as a history file of this program."""
SCHEMA_VERSION: Final = 1
PAGE_BYTES: Final = 4096
LAST_POINTS_MS: Final = 600_000

SERIES_NUMBER: Final = "SELECT id FROM series WHERE vehicle_id IS ? AND depot IS ? AND model IS ? AND country IS ?"
ADD_SERIES: Final = "INSERT INTO series (vehicle_id, depot, model, country) VALUES (?, ?, ?, ?)"

_COLUMN_TYPES: Final = {"float": "REAL", "integer": "INTEGER", "boolean": "INTEGER", "text": "TEXT"}


def prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Create missing tables and columns. Raises `SettingsError` for a file of another program or a newer version."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and application_id != APPLICATION_ID:
        raise SettingsError(f"store.url: {path} is a SQLite file of another program. Choose another file")
    if version > SCHEMA_VERSION:
        raise SettingsError(
            f"store.url: {path} was written by a newer vanpulse (format {version}; this one reads {SCHEMA_VERSION}). "
            "Install that version, or choose another file"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS series "
        "(id INTEGER PRIMARY KEY, vehicle_id TEXT, depot TEXT, model TEXT, country TEXT) STRICT"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS series_by_vehicle ON series (vehicle_id)")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS last_points (measurement TEXT NOT NULL, series_id INTEGER NOT NULL, "
        "time_ms INTEGER NOT NULL, PRIMARY KEY (measurement, series_id)) WITHOUT ROWID, STRICT"
    )
    for measurement in MEASUREMENTS.values():
        _prepare_measurement(connection, measurement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _prepare_measurement(connection: sqlite3.Connection, measurement: Measurement) -> None:
    table = points_table(measurement)
    columns = ", ".join(_column(field) for field in measurement.fields)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (time_ms INTEGER NOT NULL, series_id INTEGER NOT NULL, {columns}, "
        "PRIMARY KEY (time_ms, series_id)) WITHOUT ROWID, STRICT"
    )
    present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    for field in measurement.fields:
        if field.name not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {_column(field)}")
    view = (
        f'CREATE VIEW "{measurement.name}" AS SELECT '  # noqa: S608
        + ", ".join(("time_ms", *measurement.tags, *(f'"{name}"' for name in measurement.field_names)))
        + f" FROM {table}"
        + (" JOIN series ON series.id = series_id" if measurement.tags else "")
    )
    there = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", (measurement.name,))
    if (there.fetchone() or ("",))[0] != view:
        connection.execute(f'DROP VIEW IF EXISTS "{measurement.name}"')
        connection.execute(view)


def points_table(measurement: Measurement) -> str:
    """The table behind a measurement's view."""
    return f"{measurement.name}_points"


def _column(field: Field) -> str:
    return f'"{field.name}" {_COLUMN_TYPES[field.type]}'


def upsert(measurement: Measurement, rows: int) -> str:
    """A statement that writes so many points. An existing point gets the new fields and keeps its others."""
    names = [f'"{name}"' for name in measurement.field_names]
    values = f"({', '.join('?' * (len(names) + 2))})"
    union = ", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in names)
    return (
        f"INSERT INTO {points_table(measurement)} (time_ms, series_id, {', '.join(names)}) "  # noqa: S608
        f"VALUES {', '.join([values] * rows)} ON CONFLICT (time_ms, series_id) DO UPDATE SET {union}"
    )
