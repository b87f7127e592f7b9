import os
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.errors import LogCorrupt, SettingsError
from agent.journal import Journal
from agent.journal.salvage import salvage
from agent.log import DeadLetter
from agent.messages import Batch, Message

MIB = 1 << 20


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    path = tmp_path / "damaged.db"
    journal = Journal.open(path, max_bytes=16 * MIB, reserve_bytes=0)
    letter = DeadLetter(offset=3, reason="schema", topic="t", payload=b"p", received_ms=1, detail="d")
    states = {f"van-{number}": b"{%02d}" % number * 200 for number in range(40)}
    for number in range(40):
        journal.append([Message("t", b"[%02d]" % number * 1250)] * 2, received_ms=number, listening_since_ms=0)
    journal.add_dead_letters([letter])
    journal.checkpoint(0, 7, states)
    journal.close()
    return path


def read_all(path: Path) -> tuple[int, list[Batch], dict[str, bytes]]:
    journal = Journal.open(path, max_bytes=16 * MIB, reserve_bytes=0)
    offset, pages = journal.load(0)
    states = {key: state for page in pages for key, state in page}
    read = journal.read(0, max_messages=10**6)
    journal.close()
    return offset, read, states


def test_a_whole_journal_is_copied_whole(damaged: Path, tmp_path: Path) -> None:
    found = salvage(damaged, tmp_path / "new.db")
    assert (found.batches, found.messages, found.states, found.dead_letters, found.checkpoint) == (37, 74, 40, 1, 7)
    assert not found.unreadable
    assert read_all(tmp_path / "new.db") == read_all(damaged)


def test_what_is_before_and_behind_the_damage_is_copied(damaged: Path, tmp_path: Path) -> None:
    offset, everything, states = read_all(damaged)
    content = bytearray(damaged.read_bytes())
    for text in (b"[20]" * 700, b"{07}" * 150):
        content[content.index(text) + 100] ^= 1
    damaged.write_bytes(content)
    found = salvage(damaged, tmp_path / "new.db")
    assert found.damaged_batches == 1
    assert found.lost_states == ["van-7"]
    states.pop("van-7")
    assert read_all(tmp_path / "new.db") == (offset, [b for b in everything if b.received_ms != 20], states)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_journal_that_was_cut_off(
    damaged: Path, tmp_path: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    _, everything, _ = read_all(damaged)
    os.truncate(damaged, int(damaged.stat().st_size * share))
    with pytest.raises(LogCorrupt, match="salvage"):
        Journal.open(damaged, max_bytes=16 * MIB)
    assert main(["salvage", str(damaged), str(tmp_path / "new.db")]) == 0
    assert "not read to the end" in capsys.readouterr().out
    _, read, _ = read_all(tmp_path / "new.db")
    assert read
    assert all(batch in everything for batch in read)


def test_what_is_no_journal_is_refused(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="exists"):
        salvage(damaged, damaged)
    with pytest.raises(SettingsError, match="there is no"):
        salvage(tmp_path / "none.db", tmp_path / "new.db")
    (tmp_path / "text").write_text("text" * 1000)
    with pytest.raises(LogCorrupt, match="nothing of"):
        salvage(tmp_path / "text", tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
