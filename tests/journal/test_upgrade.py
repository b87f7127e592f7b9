"""Journals of older versions are opened, with everything that is in them."""

import contextlib
import sqlite3
from pathlib import Path
from zlib import crc32

import pytest

from agent.journal import Journal, JournalReader, salvage
from agent.journal.batches import checksum, pack
from agent.journal.file import APPLICATION_ID
from agent.log import DeadLetter, StoreRefusal
from agent.messages import Batch, Message

MIB = 1 << 20

FORMAT_2 = """
CREATE TABLE batches (
  "offset" INTEGER PRIMARY KEY,
  received_ms INTEGER NOT NULL,
  listening_since_ms INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc32 INTEGER NOT NULL,
  messages BLOB NOT NULL
) STRICT;
CREATE TABLE checkpoint (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  "offset" INTEGER NOT NULL,
  state_version INTEGER NOT NULL,
  fleet_state BLOB,
  counters BLOB
) STRICT;
INSERT INTO checkpoint VALUES (1, 0, 0, NULL, NULL);
CREATE TABLE vehicle_states (
  id INTEGER PRIMARY KEY,
  vehicle_id TEXT NOT NULL UNIQUE,
  crc32 INTEGER NOT NULL,
  state BLOB NOT NULL
) STRICT;
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
CREATE INDEX dead_letters_by_sender ON dead_letters (sender);
CREATE TABLE losses (
  sender TEXT PRIMARY KEY,
  letters INTEGER NOT NULL,
  messages INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
"""As 80322ca made it."""
TO_FORMAT_1 = """
DROP INDEX dead_letters_by_sender;
DROP TABLE losses;
ALTER TABLE dead_letters DROP COLUMN sender;
ALTER TABLE dead_letters DROP COLUMN retained;
"""

BATCH = Batch(7, 1000, 900, [Message("vans/a/soc", b"1"), Message("vans/a/soc", b"2")])
STATES = {"van-1": b"state one", "/minute": b"29833333"}
LETTERS = [
    DeadLetter(offset=3, reason="schema", topic="t", payload=b"p", received_ms=1, detail="d", sender="van-1"),
    DeadLetter(offset=5, reason="too_old", topic="t", payload=b"q", received_ms=2, detail="e", sender="van-2"),
]
REFUSAL = StoreRefusal(key=77, measurement="battery", line=b"battery soc=1", newest_ms=9, detail="type", sender="van-1")


@pytest.fixture(params=[1, 2])
def old(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A batch, a checkpoint at offset 8, two letters and, between them, a refusal: a letter with a negative offset."""
    path = tmp_path / "journal.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA journal_mode = WAL; {FORMAT_2} PRAGMA application_id = {APPLICATION_ID}")
        head = (BATCH.offset, BATCH.received_ms, BATCH.listening_since_ms, len(BATCH.messages))
        blob = pack(BATCH.messages)
        connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", (*head, checksum(*head, blob), blob))
        connection.execute("UPDATE checkpoint SET \"offset\" = 8, state_version = 11, fleet_state = x'00'")
        for key, state in STATES.items():
            connection.execute(
                "INSERT INTO vehicle_states (vehicle_id, crc32, state) VALUES (?, ?, ?)", (key, crc32(state), state)
            )
        for offset, received_ms, reason, topic, detail, sender, payload in (
            (3, 1, "schema", "t", "d", "van-1", b"p"),
            (-77, 9, "rejected_by_store", "battery", "type", "van-1", b"battery soc=1"),
            (5, 2, "too_old", "t", "e", "van-2", b"q"),
        ):
            connection.execute(
                'INSERT INTO dead_letters ("offset", element, received_ms, bytes, reason, topic, detail, sender, '
                "payload) VALUES (?, 0, ?, 120, ?, ?, ?, ?, ?)",
                (offset, received_ms, reason, topic, detail, sender, payload),
            )
        if request.param == 1:
            connection.executescript(TO_FORMAT_1)
        connection.execute(f"PRAGMA user_version = {request.param}")
        connection.commit()
    return path


def without_senders(items: list[DeadLetter | StoreRefusal]) -> list[tuple[object, ...]]:
    """Format 1 did not know them."""
    return [(item.key, item.detail, item.payload if isinstance(item, DeadLetter) else item.line) for item in items]


EVERYTHING = without_senders([LETTERS[0], REFUSAL, LETTERS[1]])


def check(path: Path) -> None:
    journal = Journal.open(path, max_bytes=16 * MIB, reserve_bytes=0)
    offset, pages = journal.load(0)
    assert (offset, {key: state for page in pages for key, state in page}) == (8, STATES)
    assert journal.read(0, max_messages=99) == [BATCH]
    assert without_senders([*journal.dead_letters()]) == without_senders([*LETTERS])
    assert without_senders([*journal.refusals()]) == without_senders([REFUSAL])
    assert journal.status.dead_letters == 3
    assert (journal.status.checkpoint_offset, journal.status.next_offset) == (8, 9)
    journal.add_dead_letters([LETTERS[0]])
    journal.add_refusals([REFUSAL])
    assert journal.status.dead_letters == 3
    journal.close()


def test_it_is_opened_and_stays_as_it_is_then(old: Path) -> None:
    check(old)
    check(old)
    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 3
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_command_reads_it_as_it_is(old: Path) -> None:
    before = old.read_bytes()
    with JournalReader(old) as reader:
        assert without_senders([*reader.letters_and_refusals()]) == EVERYTHING
        assert without_senders([*reader.dead_letters_by_key([(5, 0)])]) == without_senders([LETTERS[1]])
        assert without_senders([*reader.refusals_by_key([77])]) == without_senders([REFUSAL])
        assert reader.reasons() == {"rejected_by_store": 1, "schema": 1, "too_old": 1}
        assert reader.position() == (8, 9)
    assert old.read_bytes() == before


def test_it_is_salvaged_into_todays_format(old: Path, tmp_path: Path) -> None:
    found = salvage(old, tmp_path / "new.db")
    assert (found.batches, found.states, found.dead_letters, found.checkpoint) == (1, 2, 3, 8)
    check(tmp_path / "new.db")
