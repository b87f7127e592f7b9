"""A disk that is really full, and one that fails: a small tmpfs, and a limit on the size of files."""

import contextlib
import errno
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import LogBroken, LogFull
from agent.journal import Journal
from agent.log import DeadLetter
from agent.messages import Batch, Message

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill_journal(journal: Journal, *, size: int = 20_000) -> list[Batch]:
    """Append until the journal refuses twice: the first refusal empties the WAL, which may have made room."""
    batches: list[Batch] = []
    refused = 0
    while refused < 2:
        try:
            batch = journal.append([Message("t", b"x" * size)], received_ms=1, listening_since_ms=0)
        except LogFull:
            refused += 1
        else:
            refused = 0
            batches.append(batch)
            journal.tidy()
        assert len(batches) < 1000
    return batches


def fill_disk(disk: Path) -> Path:
    hog = disk / "log"
    with contextlib.suppress(OSError), hog.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return hog


def append_until_it_fails(journal: Journal) -> None:
    for _ in range(100):
        journal.append([Message("t", b"x" * 100_000)], received_ms=1, listening_since_ms=0)


def test_a_full_disk_can_be_emptied_again_and_again(small_disk: Path) -> None:
    journal = Journal.open(small_disk / "journal.db", max_bytes=64 * MIB, reserve_bytes=4 * MIB)
    assert journal.status.reserve_bytes == 4 * MIB
    for _ in range(5):
        start = journal.status.next_offset
        batches = fill_journal(journal)
        assert len(batches) > 10
        assert journal.read(start, max_messages=10**6) == batches
        with pytest.raises(LogFull):
            journal.append([Message("t", b"x" * 20_000)], received_ms=1, listening_since_ms=0)
        letter = DeadLetter(offset=start, reason="schema", topic="t", payload=b"p", received_ms=1, detail="d")
        journal.add_dead_letters([letter])
        journal.checkpoint(0, batches[-1].end, {"van": b"s" * 1000})
    assert journal.status.dead_letters == 5
    assert journal.status.checkpoint_offset == journal.status.next_offset
    journal.close()


def test_others_fill_the_disk(small_disk: Path) -> None:
    journal = Journal.open(small_disk / "journal.db", max_bytes=64 * MIB, reserve_bytes=4 * MIB)
    batch = journal.append([Message("t", b"x" * 500_000)], received_ms=1, listening_since_ms=0)
    hog = fill_disk(small_disk)
    with pytest.raises(LogFull):
        append_until_it_fails(journal)
    states = {f"van-{number}": b"s" * 1000 for number in range(100)}
    journal.checkpoint(0, batch.end, states)
    assert journal.status.reserve_bytes == 0
    hog.unlink()
    journal.checkpoint(0, batch.end, {})
    assert journal.status.reserve_bytes == 4 * MIB
    journal.append([Message("t", b"x" * 500_000)], received_ms=1, listening_since_ms=0)
    journal.close()
    journal = Journal.open(small_disk / "journal.db", max_bytes=64 * MIB, reserve_bytes=4 * MIB)
    _, pages = journal.load(0)
    assert {key: state for page in pages for key, state in page} == states
    journal.close()


def test_no_room_to_make_a_journal(small_disk: Path) -> None:
    hog = fill_disk(small_disk)
    with pytest.raises(LogFull):
        Journal.open(small_disk / "journal.db", max_bytes=MIB)
    assert not (small_disk / "journal.db").exists()
    hog.unlink()
    Journal.open(small_disk / "journal.db", max_bytes=MIB).close()


def test_an_error_of_the_disk_is_no_matter_of_room(tmp_path: Path) -> None:
    """A write beyond the limit of a file's size is EFBIG, which SQLite reports as an I/O error."""
    journal = Journal.open(tmp_path / "journal.db", max_bytes=64 * MIB, reserve_bytes=0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        with pytest.raises(LogBroken, match="SQLITE_IOERR_WRITE"):
            append_until_it_fails(journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.close()


def test_a_file_system_that_cannot_promise_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    journal = Journal.open(tmp_path / "journal.db", max_bytes=4 * MIB)
    assert journal.status.reserve_bytes == MIB == (tmp_path / "journal.db-reserve").stat().st_size
    journal.append([Message("t", b"x")], received_ms=1, listening_since_ms=0)
    journal.close()
