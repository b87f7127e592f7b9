"""The backup that the operations page describes, of a journal that is in use."""

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.journal import Journal
from agent.messages import Message
from tests.deploy.stack import ROOT


def test_a_copy_of_a_journal_in_use_holds_what_was_committed(tmp_path: Path) -> None:
    if not shutil.which("sqlite3"):
        pytest.skip("sqlite3 missing: apt-get install sqlite3")
    command = "sqlite3 /var/lib/vanpulse/journal.db \".backup '/backup/journal.db'\""
    assert command in (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    source, copy = tmp_path / "journal.db", tmp_path / "copy.db"
    journal = Journal.open(source, max_bytes=1 << 24)
    journal.append([Message("vans/a/soc", b"1")], received_ms=1, listening_since_ms=0)
    here = command.replace("/var/lib/vanpulse/journal.db", str(source)).replace("/backup/journal.db", str(copy))
    subprocess.run(here, shell=True, check=True, capture_output=True)  # noqa: S602  # the page's own line
    journal.append([Message("vans/a/soc", b"2")], received_ms=2, listening_since_ms=0)
    journal.close()

    restored = Journal.open(copy, max_bytes=1 << 24)
    batches = restored.read(0, max_messages=100)
    restored.close()
    assert [message.payload for batch in batches for message in batch.messages] == [b"1"]
