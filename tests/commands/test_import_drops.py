import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.journal import Journal

MIB = 1 << 20
HEADER = "vehicle_id,time,action,mass_kg,items,consignment_id,customer_id,latitude_deg,longitude_deg"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "journal.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VANPULSE_JOURNAL__PATH", str(path))
    monkeypatch.setenv("VANPULSE_JOURNAL__MAX_BYTES", str(16 * MIB))
    return path


def manifest(*lines: str, header: str = HEADER) -> Path:
    file = Path("manifest.csv")
    file.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return file


def now_ms() -> int:
    return time.time_ns() // 1_000_000 - 60_000


def journaled(path: Path) -> list[tuple[str, Any]]:
    journal = Journal.open(path, max_bytes=16 * MIB)
    try:
        found = [message for batch in journal.read(0, max_messages=1000) for message in batch.messages]
    finally:
        journal.close()
    return [(message.topic, json.loads(message.payload)) for message in found]


def test_a_manifest_enters_the_journal(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = now_ms()
    file = manifest(
        f"van-1,{at},unload,12.5,2,c-1,acme,48.1,11.5",
        f"van-2,{at},load,,3,,,,",
        "",
        f"van-1,{at - 1000},load,12.5,2,c-1,acme,,",
    )
    assert main(["import", "drops", str(file)]) == 0
    assert capsys.readouterr().out == "imported 3 drops of 2 vans\n"
    assert journaled(path) == [
        (
            "$manifest/van-1",
            [
                {"time": at - 1000, "seq": 0, "action": "load", "mass_kg": 12.5, "items": 2}
                | {"consignment_id": "c-1", "customer_id": "acme"},
                {"time": at, "seq": 0, "action": "unload", "mass_kg": 12.5, "items": 2}
                | {"consignment_id": "c-1", "customer_id": "acme", "latitude_deg": 48.1, "longitude_deg": 11.5},
            ],
        ),
        ("$manifest/van-2", [{"time": at, "seq": 0, "action": "load", "items": 3}]),
    ]


def test_rows_that_are_alike_are_as_many_drops(path: Path) -> None:
    line = f"van-1,{now_ms()},unload,,1,,,,"
    assert main(["import", "drops", str(manifest(line, line))]) == 0
    ((_, drops),) = journaled(path)
    assert [drop["seq"] for drop in drops] == [0, 1]


def test_bad_rows_are_named_by_line_and_nothing_is_half_done(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = now_ms()
    file = manifest(
        f"van-1,{at},unload,,1,,,,",
        f"van 1,{at},unload,,1,,,,",
        "van-1,yesterday,unload,,1,,,,",
        f"van-1,{at},deliver,,1,,,,",
        f"van-1,{at},unload,heavy,,,,,",
        f"van-1,{at},unload,,,,,,",
        f"van-1,{at},unload,,1,,,48.1,",
        f"van-1,{at},unload,60000,,,,,",
        "van-1,1000,unload,,1,,,,",
        f"van-1,{at},unload,,1,,,,,,",
    )
    assert main(["import", "drops", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(": ")[2] for line in err.splitlines()[:-1]] == [f"line {number}" for number in range(3, 12)]
    assert err.splitlines()[-1] == "vanpulse: manifest.csv: nothing was imported, since 9 rows are bad"
    assert not path.exists()


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("vehicle_id,time", "lacks action"),
        (f"{HEADER},colour", "has 'colour'"),
        (f"{HEADER},time", "has a column twice"),
    ],
)
def test_a_header_that_is_none(path: Path, header: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "drops", str(manifest("a,b,c", header=header))]) == 1
    assert says in capsys.readouterr().err


def test_a_van_that_would_be_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VANPULSE_FLEET__UNKNOWN_VEHICLES", "reject")
    assert main(["import", "drops", str(manifest(f"van-1,{now_ms()},unload,,1,,,,"))]) == 1
    assert "'van-1' is not in the fleet file" in capsys.readouterr().err


def test_while_the_agent_runs_it_is_asked(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal.open(path, max_bytes=16 * MIB)
    found: list[Any] = []
    stop = threading.Event()

    def agent() -> None:
        while not stop.wait(0.05):
            found.extend(journal.tidy())

    thread = threading.Thread(target=agent)
    thread.start()
    try:
        assert main(["import", "drops", str(manifest(f"van-1,{now_ms()},unload,,1,,,,"))]) == 0
    finally:
        stop.set()
        thread.join()
        journal.close()
    assert capsys.readouterr().out == "imported 1 drops of 1 vans\n"
    assert [message.topic for batch in found for message in batch.messages] == ["$manifest/van-1"]
    assert [batch.offset for batch in found] == [0]
    assert [topic for topic, _ in journaled(path)] == ["$manifest/van-1"]


def test_a_file_that_is_not_there(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "drops", "none.csv"]) == 1
    assert "none.csv cannot be read" in capsys.readouterr().err
