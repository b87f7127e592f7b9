"""What a process leaves behind when it is killed in the middle of its work."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.journal.attempts import open_attempts
from agent.journal.file import beside
from agent.log import ENDS

KILLED = """
import os, signal, sys
from pathlib import Path
from agent.journal.attempts import open_attempts
attempts = open_attempts(Path(sys.argv[1]), 0, checkpoint_offset=int(sys.argv[2]))
attempts.begin(1, 2)
attempts.end()
if sys.argv[3] != "idle":
    attempts.begin(int(sys.argv[3]), int(sys.argv[4]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill(path: Path, *work: int, checkpoint: int = 0) -> None:
    """One life of a process that is killed while it works on these messages, or on none."""
    where = [str(number) for number in work] or ["idle"]
    process = subprocess.run([sys.executable, "-c", KILLED, str(path), str(checkpoint), *where], check=False)
    assert process.returncode == -9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_a_suspect_is_worked_on_alone_and_set_aside_in_the_end(path: Path) -> None:
    kill(path, 64, 128)
    attempts = open_attempts(path, 0, checkpoint_offset=0)
    assert [attempts.limit(0, 60), attempts.limit(0, 100), attempts.limit(64, 128), attempts.limit(128, 192)] == [
        60,
        64,
        65,
        192,
    ]
    attempts.close()
    for _ in range(ENDS - 1):
        kill(path, 100, 101)
    attempts = open_attempts(path, 0, checkpoint_offset=0)
    assert [offset for offset in range(200) if attempts.is_aside(offset)] == [100]
    assert [attempts.limit(64, 128), attempts.limit(100, 128), attempts.limit(101, 128)] == [100, 101, 128]
    attempts.close()
    # A further process knows it still, until the checkpoint has passed it.
    kill(path)
    assert open_attempts(path, 0, checkpoint_offset=100).is_aside(100)
    assert not open_attempts(path, 0, checkpoint_offset=101).is_aside(100)


def test_ends_at_different_messages_are_chance(path: Path) -> None:
    for offset in range(10, 20):
        kill(path, offset, offset + 1)
    attempts = open_attempts(path, 0, checkpoint_offset=0)
    assert not [offset for offset in range(200) if attempts.is_aside(offset)]


def test_an_end_behind_which_there_is_a_checkpoint_counts_no_more(path: Path) -> None:
    kill(path, 10, 11)
    kill(path, 10, 11)
    open_attempts(path, 0, checkpoint_offset=11).close()
    kill(path, 10, 11)
    assert not open_attempts(path, 0, checkpoint_offset=0).is_aside(10)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 100, b"\0" * 32768])
def test_a_file_that_is_no_good_says_nothing(path: Path, content: bytes) -> None:
    beside(path, "attempt").write_bytes(content)
    attempts = open_attempts(path, 0, checkpoint_offset=0)
    assert attempts.limit(0, 64) == 64
    assert not attempts.is_aside(0)
