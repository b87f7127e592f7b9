"""The checkpoint of each shard inside the journal's file: its offset, and its states with their checksums."""

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final
from zlib import crc32

from agent.errors import LogCorrupt
from agent.journal import file

PAGE_STATES: Final = 1000
"""So many states are read at once."""


class CheckpointTable:
    """The caller holds the transaction."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def lowest(self) -> int:
        """The offset before which no shard needs a message; 0 before the first checkpoint."""
        lowest: int = self._connection.execute('SELECT coalesce(min("offset"), 0) FROM checkpoints').fetchone()[0]
        return lowest

    def offset(self, shard: int) -> int:
        """The offset of a known shard's checkpoint."""
        row = self._connection.execute('SELECT "offset" FROM checkpoints WHERE shard = ?', (shard,)).fetchone()
        return int(row[0])

    def is_known(self, shard: int) -> bool:
        """Whether the shard's messages are kept until its checkpoint passes them."""
        query = "SELECT 1 FROM checkpoints WHERE shard = ?"
        return self._connection.execute(query, (shard,)).fetchone() is not None

    def save(self, shard: int, offset: int, states: Mapping[str, bytes]) -> None:
        """Replace the offset, and the states that are given."""
        self._connection.execute("REPLACE INTO checkpoints VALUES (?, ?)", (shard, offset))
        self._connection.executemany(
            "INSERT INTO states (shard, key, crc32, state) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (shard, key) DO UPDATE SET crc32 = excluded.crc32, state = excluded.state",
            ((shard, key, crc32(state), bytearray(state)) for key, state in states.items()),
        )

    def pages(self, shard: int) -> Iterator[list[tuple[str, bytes]]]:
        """All states of the shard, some at a time. Raises `LogCorrupt`."""
        states = self._states(shard)
        while page := list(islice(states, PAGE_STATES)):
            yield page

    def _states(self, shard: int) -> Iterator[tuple[str, bytes]]:
        query = "SELECT id, key, crc32, state FROM states WHERE shard = ? AND id > ? ORDER BY id LIMIT ?"
        last = 0
        try:
            while page := self._connection.execute(query, (shard, last, PAGE_STATES)).fetchall():
                for number, key, crc, state in page:
                    if crc32(state) != crc:
                        raise LogCorrupt(
                            f"the journal {self._path} is damaged: the state of van {key!r} is not what was "
                            f"written; {file.HOW_TO_SALVAGE}"
                        )
                    last = number
                    yield key, state
        except sqlite3.Error as error:
            raise file.translate(self._path, error) from error
