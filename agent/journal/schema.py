"""The tables of the journal's file, and how files of older versions are brought to them."""

import sqlite3
from typing import Final

VERSION: Final = 3
"""Of the format: 1 had no losses and no senders of dead letters; 2 had one checkpoint, with columns that nobody read,
and kept store refusals as dead letters with a negative offset. 80322ca wrote format 2."""

_BATCHES: Final = """
CREATE TABLE batches (
  "offset" INTEGER PRIMARY KEY,
  received_ms INTEGER NOT NULL,
  listening_since_ms INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc32 INTEGER NOT NULL,
  messages BLOB NOT NULL
) STRICT;
"""
_CHECKPOINTS: Final = """
CREATE TABLE checkpoints (
  shard INTEGER PRIMARY KEY,
  "offset" INTEGER NOT NULL
) STRICT;
CREATE TABLE states (
  id INTEGER PRIMARY KEY,
  shard INTEGER NOT NULL,
  key TEXT NOT NULL,
  crc32 INTEGER NOT NULL,
  state BLOB NOT NULL,
  UNIQUE (shard, key)
) STRICT;
"""
_DEAD_LETTERS: Final = """
CREATE TABLE dead_letters (
  "offset" INTEGER NOT NULL,
  element INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  reason TEXT NOT NULL,
  topic TEXT NOT NULL,
  detail TEXT NOT NULL,
  sender TEXT NOT NULL DEFAULT '',
  payload BLOB NOT NULL,
  retained INTEGER NOT NULL DEFAULT 0,
  UNIQUE ("offset", element)
) STRICT;
"""
_SINCE_2: Final = """
CREATE INDEX dead_letters_by_sender ON dead_letters (sender);
CREATE TABLE losses (
  sender TEXT PRIMARY KEY,
  letters INTEGER NOT NULL,
  messages INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
_REFUSALS: Final = """
CREATE TABLE store_refusals (
  id INTEGER PRIMARY KEY,
  key INTEGER NOT NULL UNIQUE,
  newest_ms INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  measurement TEXT NOT NULL,
  detail TEXT NOT NULL,
  sender TEXT NOT NULL,
  line BLOB NOT NULL
) STRICT;
CREATE INDEX store_refusals_by_sender ON store_refusals (sender);
"""
TABLES: Final = _BATCHES + _CHECKPOINTS + _DEAD_LETTERS + _SINCE_2 + _REFUSALS

_FROM_1: Final = f"""
ALTER TABLE dead_letters ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letters ADD COLUMN retained INTEGER NOT NULL DEFAULT 0;
{_SINCE_2}
"""
_MOVE_CHECKPOINT: Final = """
INSERT INTO checkpoints SELECT 0, "offset" FROM checkpoint;
INSERT INTO states SELECT id, 0, vehicle_id, crc32, state FROM vehicle_states;
DROP TABLE checkpoint;
DROP TABLE vehicle_states;
"""
_MOVE_REFUSALS: Final = """
INSERT INTO store_refusals
  SELECT rowid, -"offset", received_ms, bytes, topic, detail, sender, payload FROM dead_letters WHERE "offset" < 0;
DELETE FROM dead_letters WHERE "offset" < 0;
"""
_FROM_2: Final = _CHECKPOINTS + _MOVE_CHECKPOINT + _REFUSALS + _MOVE_REFUSALS


def version_of(connection: sqlite3.Connection) -> int:
    """The format of an open file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def tables(connection: sqlite3.Connection) -> set[str]:
    """The tables without which a file of its format is damaged."""
    if version_of(connection) < 3:
        return {"batches", "checkpoint", "vehicle_states", "dead_letters"}
    return {"batches", "checkpoints", "states", "dead_letters", "store_refusals"}


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a file of an older version to today's format, in one transaction.

    The columns `state_version`, `fleet_state` and `counters` of format 2 are dropped: each state has its own version.
    The states are copied, so as much room is needed as they take.
    """
    steps = {1: _FROM_1 + _FROM_2, 2: _FROM_2}.get(version_of(connection))
    if steps is not None:
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


# How to ask a file of any version: a reader may see one that was not upgraded yet.


def checkpoints(connection: sqlite3.Connection) -> str:
    """A table of (shard, offset)."""
    return "checkpoints" if version_of(connection) > 2 else '(SELECT 0 AS shard, "offset" FROM checkpoint)'


def states(connection: sqlite3.Connection) -> str:
    """A table of (id, shard, key, crc32, state)."""
    if version_of(connection) > 2:
        return "states"
    return "(SELECT id, 0 AS shard, vehicle_id AS key, crc32, state FROM vehicle_states)"


def dead_letters(connection: sqlite3.Connection) -> str:
    """A table of the dead letters, without store refusals; `id` gives their order among both."""
    since_2 = "retained, sender" if version_of(connection) > 1 else "0 AS retained, '' AS sender"
    columns = f'rowid AS id, "offset", element, received_ms, bytes, reason, topic, detail, payload, {since_2}'
    return f'(SELECT {columns} FROM dead_letters WHERE "offset" >= 0)'  # noqa: S608


def refusals(connection: sqlite3.Connection) -> str:
    """A table of the store refusals."""
    if version_of(connection) > 2:
        return "store_refusals"
    sender = "sender" if version_of(connection) > 1 else "'' AS sender"
    columns = f'rowid AS id, -"offset" AS key, received_ms AS newest_ms, bytes, topic AS measurement, detail, {sender}'
    return f'(SELECT {columns}, payload AS line FROM dead_letters WHERE "offset" < 0)'  # noqa: S608


def name_of(table: str) -> str:
    """The name of the table that is asked."""
    return table.strip("()").rpartition("FROM ")[2].partition(" ")[0]
