"""The tables of the history file, made from `MEASUREMENTS`, and the views that other processes query.

Each measurement has a view with its name: `SELECT vehicle_id, soc_pct FROM battery WHERE time_ms >= …`. Behind it are:

* `<name>_points`: the points as they are, of measurements that are kept for ever (trips, charges, days and the like).
* `<name>_hot`: the newest days of all other measurements. Floats are integers of a decimal fraction of their unit
  (`rounding.py`), texts are numbers of `texts`: this takes a third less than floats. The view converts them back.
* `<name>_days`: closed days of these, one compressed row for each series and day (`columns.py`). SQL alone can't
  decompress them, so that the view does not contain them; `SqliteHistory` and `vanpulse export` read both.

A point may be in both of the last two, or its fields in parts. Then a field of the hot point replaces that of the
closed one, as a second write of the same point does. Compaction needs no other state for this reason.

Points are keyed by (time, series). Time comes first because points arrive in order of time: appending at one place of
the file costs a third of inserting at a thousand.

`last_points` has a time for each series: its newest point is at most `LAST_POINTS_MS` later. An exact time would cost
as much to write as the points.
"""

import sqlite3
from pathlib import Path
from typing import Final

from agent.errors import SettingsError
from agent.fast.parameters import Kind
from agent.points.measurements import MEASUREMENTS, Field, Measurement
from agent.stores.rounding import scale

APPLICATION_ID: Final = 0x7670_6873
"""`vphs`: marks a SQLite file as a history file of this program."""
SCHEMA_VERSION: Final = 2
PAGE_BYTES: Final = 4096
LAST_POINTS_MS: Final = 600_000
DAY_MS: Final = 86_400_000
"""A closed day is a day of UTC; its number counts from 1970-01-01."""
KEPT_FOREVER: Final = frozenset(
    {"trip", "tour", "drop", "charge", "charge_slice", "stop", "day", "alert", "correction"}
)
"""Measurements that `keep_days` does not delete and compaction leaves alone: they are rare, and reports are made of
them."""
COMPACTED: Final = tuple(measurement for name, measurement in MEASUREMENTS.items() if name not in KEPT_FOREVER)

SERIES_NUMBER: Final = "SELECT id FROM series WHERE vehicle_id IS ? AND depot IS ? AND model IS ? AND country IS ?"
ADD_SERIES: Final = "INSERT INTO series (vehicle_id, depot, model, country) VALUES (?, ?, ?, ?)"
TEXT_NUMBER: Final = "SELECT id FROM texts WHERE text = ?"
ADD_TEXT: Final = "INSERT INTO texts (text) VALUES (?)"

_COLUMN_TYPES: Final = {"float": "REAL", "integer": "INTEGER", "boolean": "INTEGER", "text": "TEXT"}

_ROUNDS: Final = 1.5 * 2**52
"""Added to a float below 2^51 and subtracted again, this leaves the nearest whole number. SQLite does it at less cost
than Python, and than its own function `round`."""


def check_version(path: Path, connection: sqlite3.Connection) -> None:
    """Raise `SettingsError` for a file of another program, of a newer version or of an older one. Empty is fine."""
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
    if tables and version < SCHEMA_VERSION:
        raise SettingsError(
            f"store.url: {path} was written by an older vanpulse (format {version}; this one writes {SCHEMA_VERSION}). "
            "Stop the agent and run `vanpulse migrate`, which keeps every point"
        )


def prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Create missing tables and columns. Raises `SettingsError` as `check_version` does."""
    check_version(path, connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    create_tables(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def create_tables(connection: sqlite3.Connection) -> None:
    """Create what is missing, inside the caller's transaction."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS series "
        "(id INTEGER PRIMARY KEY, vehicle_id TEXT, depot TEXT, model TEXT, country TEXT) STRICT"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS series_by_vehicle ON series (vehicle_id)")
    connection.execute("CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS last_points (measurement TEXT NOT NULL, series_id INTEGER NOT NULL, "
        "time_ms INTEGER NOT NULL, PRIMARY KEY (measurement, series_id)) WITHOUT ROWID, STRICT"
    )
    # What compaction works on. Writers set `touched` in their own transactions, those of other processes as well.
    connection.execute(
        "CREATE TABLE IF NOT EXISTS closing (measurement TEXT PRIMARY KEY, token INTEGER NOT NULL, "
        "end_ms INTEGER NOT NULL, touched INTEGER NOT NULL) STRICT"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS damaged_days (measurement TEXT NOT NULL, series_id INTEGER NOT NULL, "
        "day INTEGER NOT NULL, columns BLOB NOT NULL) STRICT"
    )
    for measurement in MEASUREMENTS.values():
        _create_points(connection, measurement)
        if measurement.name not in KEPT_FOREVER:
            # The number never comes again, so that a reader notices a day that was replaced.
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {days_table(measurement)} (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                "day INTEGER NOT NULL, series_id INTEGER NOT NULL, newest BLOB NOT NULL, columns BLOB NOT NULL, "
                "UNIQUE (day, series_id)) STRICT"
            )
        _create_view(connection, measurement)


def _create_points(connection: sqlite3.Connection, measurement: Measurement) -> None:
    table = points_table(measurement)
    columns = ", ".join(_column(measurement, field) for field in measurement.fields)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (time_ms INTEGER NOT NULL, series_id INTEGER NOT NULL, {columns}, "
        "PRIMARY KEY (time_ms, series_id)) WITHOUT ROWID, STRICT"
    )
    present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    for field in measurement.fields:
        if field.name not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {_column(measurement, field)}")


def _create_view(connection: sqlite3.Connection, measurement: Measurement) -> None:
    note = (
        "" if measurement.name in KEPT_FOREVER else f" /* the newest days; all: vanpulse export {measurement.name} */"
    )
    view = (
        f'CREATE VIEW "{measurement.name}" AS SELECT{note} '
        + ", ".join(("time_ms", *measurement.tags, *(_value(measurement, field) for field in measurement.fields)))
        + f" FROM {points_table(measurement)}"
        + (" JOIN series ON series.id = series_id" if measurement.tags else "")
    )
    there = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", (measurement.name,))
    if (there.fetchone() or ("",))[0] != view:
        connection.execute(f'DROP VIEW IF EXISTS "{measurement.name}"')
        connection.execute(view)


def points_table(measurement: Measurement) -> str:
    """The table of the points that are not compressed."""
    return f"{measurement.name}_{'points' if measurement.name in KEPT_FOREVER else 'hot'}"


def days_table(measurement: Measurement) -> str:
    """The table of the closed days."""
    return f"{measurement.name}_days"


def kinds(measurement: Measurement) -> list[Kind]:
    """How each field of the measurement is kept in its table."""
    return [_kind(measurement, field) for field in measurement.fields]


def _kind(measurement: Measurement, field: Field) -> Kind:
    if measurement.name in KEPT_FOREVER or field.type in ("integer", "boolean"):
        return field.type
    return "name" if field.type == "text" else scale(field)


def _column(measurement: Measurement, field: Field) -> str:
    kept = _COLUMN_TYPES[field.type] if measurement.name in KEPT_FOREVER else "INTEGER"
    return f'"{field.name}" {kept}'


def _value(measurement: Measurement, field: Field) -> str:
    match _kind(measurement, field):
        case int(multiple):
            return f'"{field.name}" / {float(multiple)!r} AS "{field.name}"'
        case "name":
            return f'(SELECT text FROM texts WHERE id = "{field.name}") AS "{field.name}"'  # noqa: S608
        case _:
            return f'"{field.name}"'


def upsert(measurement: Measurement, rows: int) -> str:
    """A statement that writes so many points. An existing point gets the new fields and keeps its others.

    Rounding stands in a query around the values, not in each row: SQLite compiles a thousand rows of expressions in
    quadratic time.
    """
    names = [f'"{name}"' for name in measurement.field_names]
    columns = ["column1", "column2"]
    for number, kind in enumerate(kinds(measurement), 3):
        columns.append(rounded(f"column{number}") if isinstance(kind, int) else f"column{number}")
    values = f"({', '.join('?' * len(columns))})"
    union = ", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in names)
    return (
        f"INSERT INTO {points_table(measurement)} (time_ms, series_id, {', '.join(names)}) "  # noqa: S608
        f"SELECT {', '.join(columns)} FROM (VALUES {', '.join([values] * rows)}) WHERE true "
        f"ON CONFLICT (time_ms, series_id) DO UPDATE SET {union}"
    )


def rounded(expression: str) -> str:
    """The expression, rounded to a whole number."""
    return f"{expression} + {_ROUNDS!r} - {_ROUNDS!r}"
