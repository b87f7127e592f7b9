import csv
import json
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.points.measurements import MEASUREMENTS
from agent.stores.sqlite import SqliteStore
from tests.stores.rows import AGENT, VAN_1, VAN_2, battery, row, rows_of

T0 = 1_772_348_400_000  # 2026-03-01T07:00:00Z


@pytest.fixture
async def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "history.db"
    monkeypatch.setenv("VANPULSE_STORE__URL", f"sqlite:///{path}")
    monkeypatch.chdir(tmp_path)
    store = SqliteStore(path)
    await store.open()
    rows = rows_of(
        "battery",
        battery(VAN_1, T0, soc_pct=80.0, charging=True),
        battery(VAN_2, T0 + 1, soc_pct=79.25, plugged_in=False),
        battery(VAN_1, T0 + 60_000, soc_pct=78.5),
    )
    rows["stop"] = [row("stop", VAN_1, T0, start_ms=T0 - 9, dwell_s=1.5, place='the "Ox", Nord')]
    rows["agent"] = [row("agent", AGENT, T0, vans=2)]
    assert await store.write(rows) == []
    await store.close()
    return path


def test_csv_has_a_column_for_everything(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "battery"]) == 0
    out = capsys.readouterr().out
    measurement = MEASUREMENTS["battery"]
    table = list(csv.reader(out.splitlines()))
    assert table[0] == ["time", *measurement.tags, *measurement.field_names]
    rows = [dict(zip(table[0], cells, strict=True)) for cells in table[1:]]
    assert [cells["time"] for cells in rows] == [
        "2026-03-01T07:00:00.000Z",
        "2026-03-01T07:00:00.001Z",
        "2026-03-01T07:01:00.000Z",
    ]
    first, second, _ = rows
    assert (first["vehicle_id"], first["depot"], first["soc_pct"], first["charging"]) == (
        "van-1",
        "Nord",
        "80.0",
        "true",
    )
    assert (second["depot"], second["plugged_in"], second["voltage_v"]) == ("Süd, Halle 3", "false", "")
    assert main(["export", "stop"]) == 0
    assert next(csv.DictReader(capsys.readouterr().out.splitlines()))["place"] == 'the "Ox", Nord'


def test_a_day_is_one_of_the_fleets_zone(
    history: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VANPULSE_FLEET__TIMEZONE", "+17:00")  # its 2 March begins at T0
    assert main(["export", "battery", "--from", "2026-03-02", "--to", "2026-03-02T00:01"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["export", "battery", "--to", "2026-03-02"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("words", [("--from", "yesterday"), ("--from", "6h", "--to", "7h"), ("--to", "2026")])
def test_a_period_that_is_none(history: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert main(["export", "battery", *words]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)


def test_jsonl_leaves_out_what_is_absent(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "battery", "--format", "jsonl", "--vehicle", "van-2"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "time": "2026-03-01T07:00:00.001Z",
        "vehicle_id": "van-2",
        "depot": "Süd, Halle 3",
        "model": "e transit",
        "country": "FR",
        "soc_pct": 79.25,
        "plugged_in": False,
    }


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ([], 3),
        (["--from", "2026-03-01T08:00:00.001+01:00"], 2),
        (["--from", f"{T0 + 1}", "--to", "2026-03-01T07:01:00Z"], 1),
        (["--to", f"{T0}"], 0),
        (["--from", "30000d"], 3),
        (["--vehicle", "van-1"], 2),
        (["--vehicle", "van-9"], 0),
    ],
)
def test_a_part_of_it(history: Path, capsys: pytest.CaptureFixture[str], options: list[str], lines: int) -> None:
    assert main(["export", "battery", *options]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == lines + 1
    assert err == ""


@pytest.mark.parametrize(
    "words",
    [
        ["export"],
        ["export", "batery"],
        ["export", "battery", "--format", "xml"],
    ],
)
def test_wrong_usage(history: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert capsys.readouterr().err.count("\n") == 1


def test_what_has_no_vans_is_not_asked_for_one(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "agent", "--vehicle", "van-1"]) == 2
    assert "has no vehicle_id" in capsys.readouterr().err
    assert main(["export", "agent"]) == 0


def test_no_store_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VANPULSE_STORE__URL", "sqlite:///none.db")
    assert main(["export", "battery"]) == 1
    assert "no history file" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()
