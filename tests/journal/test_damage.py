"""A journal that is damaged or not ours: what is refused, and what is still read."""

import os
import sqlite3
from pathlib import Path

import pytest

from agent.errors import LogCorrupt
from tests.journal.journals import load, messages, open_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


def test_a_row_that_was_changed_is_skipped_counted_and_kept(path: Path) -> None:
    journal = open_journal(path)
    batches = [journal.append(messages(name, size=9000), received_ms=1, listening_since_ms=0) for name in "abc"]
    journal.close()
    content = bytearray(path.read_bytes())
    content[content.index(b"b" * 3000) + 100] ^= 1
    path.write_bytes(content)
    journal = open_journal(path)
    for _ in range(2):
        assert journal.read(0, max_messages=100) == [batches[0], batches[2]]
    (damaged,) = journal.dead_letters("journal_corrupt")
    assert damaged.offset == 1
    assert len(damaged.payload) > 9000
    assert journal.status.corrupt_batches == 2
    journal.close()


def test_a_changed_van_state_is_refused(path: Path) -> None:
    journal = open_journal(path)
    journal.checkpoint(0, 0, {"van-1": b"s" * 3000, "van-2": b"t" * 3000})
    journal.close()
    content = bytearray(path.read_bytes())
    content[content.index(b"t" * 1000)] ^= 1
    path.write_bytes(content)
    journal = open_journal(path)
    with pytest.raises(LogCorrupt, match=r"van-2.*vanpulse salvage"):
        load(journal)
    journal.close()


def filled_file(path: Path) -> None:
    journal = open_journal(path)
    for number in range(40):
        journal.append(messages(f"{number}", size=5000), received_ms=1, listening_since_ms=0)
    journal.close()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def make_text(path: Path) -> None:
    path.write_text("not a database\n" * 1000)


def make_foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.commit()
    connection.close()


def make_newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def lose_the_file_but_not_the_wal(path: Path) -> None:
    path.rename(path.with_name("journal.db-wal"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "damaged.*vanpulse salvage"),
        (empty, "is empty"),
        (overwrite_header, "damaged"),
        (make_text, "damaged"),
        (make_foreign, "another program"),
        (make_newer, "newer version .format 99"),
        (lose_the_file_but_not_the_wal, "journal.db-wal is there"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_left_as_it_is(path: Path, damage: object, words: str) -> None:
    filled_file(path)
    damage(path)  # type: ignore[operator]
    before = {name: name.read_bytes() for name in path.parent.glob("journal.db*") if not name.name.endswith("-lock")}
    with pytest.raises(LogCorrupt, match=words):
        open_journal(path)
    for name, content in before.items():
        assert name.read_bytes() == content
    with pytest.raises(LogCorrupt):
        open_journal(path)
