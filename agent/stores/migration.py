"""Converts a history file of format 1, in which all points were floats and texts, into the present format."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from agent.errors import SettingsError, StoreUnavailable
from agent.points.measurements import Field, Measurement
from agent.stores.rounding import scale
from agent.stores.sqlite_schema import (
    APPLICATION_ID,
    COMPACTED,
    SCHEMA_VERSION,
    create_tables,
    points_table,
    rounded,
)

_PAGE: Final = 20_000
"""Points that one transaction moves."""


def migrate(path: Path, *, progress: Callable[[int], None]) -> int | None:
    """Move all points in transactions of some thousands. Ended early, it continues when it is called again.

    Returns the number of points, or None if the file has the present format. `progress` gets the number so far. Raises
    `SettingsError` for another file and `StoreUnavailable` while another process has the file open.
    """
    if not path.exists():
        raise StoreUnavailable(f"there is no history file {path}")
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise SettingsError(f"store.url: {path} is not a history file of this program")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise SettingsError(f"store.url: {path} was written by a newer vanpulse. Install that version")
            if version == SCHEMA_VERSION:
                return None
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA cache_size = -65536")
            return _migrate(connection, progress)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StoreUnavailable(f"{path} is in use: stop the agent and the live page first") from error
        raise StoreUnavailable(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}") from error


def _migrate(connection: sqlite3.Connection, progress: Callable[[int], None]) -> int:
    connection.execute("BEGIN IMMEDIATE")
    create_tables(connection)
    connection.execute("COMMIT")
    moved = 0
    for measurement in COMPACTED:
        old = f"{measurement.name}_points"
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({old})")}
        if not present:
            continue
        fields = [field for field in measurement.fields if field.name in present]
        while number := _move_page(connection, measurement, old, fields):
            moved += number
            progress(moved)
        connection.execute(f"DROP TABLE {old}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return moved


def _move_page(connection: sqlite3.Connection, measurement: Measurement, old: str, fields: list[Field]) -> int:
    """Move the oldest points of a table of format 1. Returns their number."""
    connection.execute("BEGIN IMMEDIATE")
    last = connection.execute(
        f"SELECT max(time_ms) FROM (SELECT time_ms FROM {old} ORDER BY time_ms LIMIT {_PAGE})"  # noqa: S608
    ).fetchone()[0]
    page = f"FROM {old} WHERE time_ms <= ?"
    for field in fields:
        if field.type == "text":
            connection.execute(
                f'INSERT OR IGNORE INTO texts (text) SELECT DISTINCT "{field.name}" {page} '
                f'AND "{field.name}" IS NOT NULL',
                (last,),
            )
    names = ", ".join(("time_ms", "series_id", *(f'"{field.name}"' for field in fields)))
    values = ", ".join(("time_ms", "series_id", *map(_converted, fields)))
    moved = connection.execute(
        f"INSERT OR REPLACE INTO {points_table(measurement)} ({names}) SELECT {values} {page}",
        (last,),
    ).rowcount
    connection.execute(f"DELETE {page}", (last,))
    connection.execute("COMMIT")
    return moved


def _converted(field: Field) -> str:
    value = f'"{field.name}"'
    if field.type == "text":
        return f"(SELECT id FROM texts WHERE text = {value})"  # noqa: S608
    if field.type == "float":
        return f"CAST({rounded(f'{value} * {float(scale(field))!r}')} AS INTEGER)"
    return value
