"""Copy what can still be read of a damaged journal into a new one: `vanpulse salvage DAMAGED NEW`.

Offsets stay the same, so the agent goes on from the same checkpoint with the batches that are left. A van whose state
is lost starts again with totals of 0. The command names such vans.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from agent.errors import LogCorrupt, SettingsError
from agent.journal import batches, file, schema


class Salvage(msgspec.Struct):
    """What was found."""

    batches: int = 0
    messages: int = 0
    damaged_batches: int = 0
    states: int = 0
    lost_states: list[str] = []
    dead_letters: int = 0
    checkpoint: int | None = None
    unreadable: list[str] = []
    """Tables that could not be read to their end."""

    def __str__(self) -> str:
        lines = [
            f"{self.messages} messages in {self.batches} batches, {self.damaged_batches} damaged batches left out",
            f"{self.states} van states, {self.dead_letters} dead letters",
            "the checkpoint was lost: the agent starts with the oldest message left"
            if self.checkpoint is None
            else f"the checkpoint is at offset {self.checkpoint}",
        ]
        if self.lost_states:
            lines.append(f"these vans start anew: {', '.join(self.lost_states)}")
        if self.unreadable:
            lines.append(f"not read to the end: {', '.join(self.unreadable)}")
        return "\n".join(lines)


def salvage(damaged: Path, new: Path) -> Salvage:
    """Copy into a journal that must not exist yet; the damaged file is only read. Raises `LogCorrupt`."""
    if new.exists():
        raise SettingsError(f"{new} exists; name a new file")
    if not damaged.exists():
        raise SettingsError(f"there is no {damaged}")
    found = Salvage()
    uri = f"{damaged.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as source:
            # A file that is shorter than it says is opened all the same.
            source.execute("PRAGMA writable_schema = ON")
            application_id = source.execute("PRAGMA application_id").fetchone()[0]
            if application_id != file.APPLICATION_ID:
                raise LogCorrupt(f"{damaged} is not a journal of this program")
            file.create(new)
            with closing(sqlite3.connect(new, isolation_level=None)) as target:
                target.execute("BEGIN")
                _copy(source, target, found)
                target.execute("COMMIT")
    except sqlite3.Error as error:
        raise LogCorrupt(f"nothing of {damaged} can be read: {error}") from error
    return found


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, found: Salvage) -> None:
    first_offset = _copy_batches(source, target, found)
    for shard, key, crc, state in _rows(source, schema.states(source), "shard, key, crc32, state", found):
        if crc32(state) != crc:
            found.lost_states.append(key)
            continue
        target.execute(
            "INSERT OR IGNORE INTO states (shard, key, crc32, state) VALUES (?, ?, ?, ?)", (shard, key, crc, state)
        )
        found.states += 1
    names = '"offset", element, received_ms, bytes, reason, topic, detail, payload, retained, sender'
    for row in _rows(source, schema.dead_letters(source), names, found):
        target.execute(f"INSERT OR IGNORE INTO dead_letters ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
        found.dead_letters += 1
    names = "key, newest_ms, bytes, measurement, detail, sender, line"
    for row in _rows(source, schema.refusals(source), names, found):
        target.execute(f"INSERT OR IGNORE INTO store_refusals ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
        found.dead_letters += 1
    for shard, offset in _rows(source, schema.checkpoints(source), 'shard, "offset"', found, order_by="shard"):
        found.checkpoint = offset if found.checkpoint is None else min(found.checkpoint, offset)
        target.execute("REPLACE INTO checkpoints VALUES (?, ?)", (shard, offset))
    if found.checkpoint is None:
        target.execute("REPLACE INTO checkpoints VALUES (0, ?)", (first_offset or 0,))


def _copy_batches(source: sqlite3.Connection, target: sqlite3.Connection, found: Salvage) -> int | None:
    """The offset of the first batch that was copied."""
    first_offset = None
    columns = '"offset", received_ms, listening_since_ms, count, crc32, messages'
    for row in _rows(source, "batches", columns, found, order_by='"offset"'):
        batch = batches.unpack(row)  # type: ignore[arg-type]
        if batch is None:
            found.damaged_batches += 1
            continue
        target.execute("INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
        first_offset = row[0] if first_offset is None else min(first_offset, row[0])
        found.batches += 1
        found.messages += row[3]
    return first_offset


def _rows(
    source: sqlite3.Connection, table: str, columns: str, found: Salvage, *, order_by: str = "id"
) -> Iterator[Sequence[Any]]:
    """The rows from the front up to the damage, then from the back up to it."""
    last: int | None = None
    for direction in ("ASC", "DESC"):
        try:
            query = f"SELECT {order_by}, {columns} FROM {table} ORDER BY {order_by} {direction}"  # noqa: S608
            for number, *row in source.execute(query):
                if direction == "DESC" and last is not None and number <= last:
                    return
                if direction == "ASC":
                    last = number
                yield row
        except sqlite3.Error:
            name = schema.name_of(table)
            if name not in found.unreadable:
                found.unreadable.append(name)
        else:
            return
