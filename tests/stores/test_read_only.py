"""A history in a folder that its reader may not write: a read-only volume, an archive, the folder of another user."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.stores.sqlite import SqliteStore
from agent.stores.sqlite_history import SqliteHistory
from tests.servers.programs import find_program
from tests.stores.rows import VAN_1, battery, rows_of

ROOT = Path(__file__).parents[2]
READ = """
import sys
from agent.stores.sqlite_history import SqliteHistory
history = SqliteHistory(sys.argv[1])
print([point["soc_pct"] for point in history.select("battery")])
"""
IN_A_READ_ONLY_MOUNT = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'


async def write(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.write(rows_of("battery", battery(VAN_1, 1000, soc_pct=50.0), battery(VAN_1, 2000, soc_pct=49.0)))
    await store.close()


def run_read_only(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that cannot write to the folder."""
    if os.geteuid() == 0:  # no permission stops root, a mount does
        command = ("unshare", "--mount", "sh", "-c", IN_A_READ_ONLY_MOUNT, "sh", str(folder), *command)
    else:
        folder.chmod(0o555)
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
    finally:
        folder.chmod(0o755)


async def test_a_history_that_nobody_has_open_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    await write(folder / "history.db")
    if os.geteuid() == 0 and (find_program("unshare") is None or run_read_only(folder, "true").returncode):
        pytest.skip("root may not mount here: run the tests as another user")
    found = run_read_only(folder, sys.executable, "-c", READ, str(folder / "history.db"))
    assert (found.stdout.strip(), found.stderr) == ("[50.0, 49.0]", "")


async def test_a_reader_of_a_still_file_notices_that_somebody_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.db"
    await write(path)
    history = SqliteHistory(path)
    history._is_still = True  # as if the folder had been read-only when it was opened
    store = SqliteStore(path)
    await store.open()
    await store.write(rows_of("battery", battery(VAN_1, 3000, soc_pct=48.0)))
    assert [point["soc_pct"] for point in history.select("battery")] == [50.0, 49.0, 48.0]
    assert not history._is_still
    history.close()
    await store.close()
