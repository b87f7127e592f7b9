"""`vanpulse check-config --sample`: what it shows of a message, and its exit status."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from tests.dialects.mapping.test_presets import blocks

PAGE = Path(__file__).parents[2] / "docs" / "dialects-mapping.md"
AT = "2026-03-09T14:05:31Z"
NOW_MS = 1_773_065_131_000


@pytest.fixture(autouse=True)
def _in_a_folder_with_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vanpulse.toml").write_text(blocks(PAGE.read_text(encoding="utf-8"), "toml")[0])


def shown(capsys: pytest.CaptureFixture[str], topic: str, payload: Any, *options: str) -> tuple[int, str]:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    Path("status.json").write_bytes(content)
    status = main(["check-config", "--sample", topic, "status.json", "--at", AT, *options])
    return status, capsys.readouterr().out


GOOD: dict[str, Any] = {
    "ts": 1_773_065_130.5,
    "ev": {"soc": 62, "p": 18_500, "state": "IDLE"},
    "gps": {"ok": True, "lat": 52.52, "lon": 13.405, "v": 11.5},
    "odo": 12_883_400,
}


def line_of(output: str, start: str) -> str:
    (line,) = [line for line in output.splitlines() if line.startswith(start)]
    return re.sub(r" {2,}", "  ", line)


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (documented,) = re.findall(r"^(\$ vanpulse check-config --sample .*?)^```", text, re.MULTILINE | re.DOTALL)
    command, _, output = documented.partition("\n")
    Path("status.json").write_text(blocks(text, "json")[0])
    assert main(command.removeprefix("$ vanpulse ").split()) == 0
    assert capsys.readouterr().out == output


@pytest.mark.parametrize(
    ("change", "field", "shows", "verdict"),
    [
        ({"odo": "far"}, "odometer_km", "schema: odometer_km at odo: a number is expected, not 'far'", "schema"),
        ({"odo": -5}, "odometer_km", "out_of_range: odometer_km at odo: -0.005 from -5 is not within", "out_of_range"),
        ({"ev": {"soc": 255}}, "soc_pct", "255  unknown: a sentinel", None),
        ({"gps": {"lat": 5}}, "latitude_deg", "5  unknown: gps.ok does not hold", None),
        ({"ev": {"state": "LIMP"}}, "charging", "'LIMP'  unknown: not among values", None),
        ({"odo": None}, "odometer_km", "unknown: not there", None),
        ({"can": {"odo": 5000}}, "odometer_km", "can.odo  5000  5 km", None),
        (
            {"ts": 1_773_065_130_500},
            "time",
            "out_of_range: the time at ts is beyond the year 9999 in s",
            "out_of_range",
        ),
        ({"ts": 1_773_065_830}, "verdict", "in_future: 0 d 0 h 11 min after its arrival", "in_future"),
        ({"ts": None}, "time", "schema: the time is not there at ts", "schema"),
    ],
)
def test_each_field_is_told(
    capsys: pytest.CaptureFixture[str], change: dict[str, Any], field: str, shows: str, verdict: str | None
) -> None:
    status, output = shown(capsys, "acme/van-007/status", GOOD | change)
    assert shows in line_of(output, field)
    assert status == (0 if verdict is None else 1)
    assert verdict is None or f"a dead letter, {verdict}" in output


@pytest.mark.parametrize(
    ("topic", "payload", "status", "verdict"),
    [
        ("acme/van-007/status", b'{"ts":', 1, "a dead letter, malformed: "),
        ("acme/van-007/status", b"[]", 1, "a dead letter, schema: an array without a reading"),
        ("acme/van-007/status", {"x": 1}, 1, "a dead letter, schema: none of the mapping's paths is in it"),
        ("acme/van 7/status", GOOD, 1, "a dead letter, unknown_vehicle: 'van 7' cannot be a vehicle_id"),
        ("acme/van-007/other", GOOD, 1, "a dead letter, unknown_topic: "),
        (
            "acme/van-007/status",
            [GOOD, GOOD | {"odo": "x"}],
            1,
            "a dead letter, schema: odometer_km at odo: a number is",
        ),
        ("acme/van-007/status", [GOOD, GOOD], 0, "usable, 2 readings"),
        (
            "acme/van-007/status",
            GOOD | {"gps": {}, "ev": {"soc": 255}, "odo": None},
            0,
            "ignored: it says nothing of a van",
        ),
        ("acme/van-007/status", b" " * 70_000, 1, "a dead letter, oversize: larger than mqtt.max_packet_bytes"),
        ("vans/van-007/soc", {"time": NOW_MS, "soc_pct": 50}, 0, "usable"),
        ("vans/van-007/soc", {"time": NOW_MS, "soc_pct": 500}, 1, "a dead letter, out_of_range: soc_pct"),
    ],
)
def test_the_verdict(capsys: pytest.CaptureFixture[str], topic: str, payload: Any, status: int, verdict: str) -> None:
    found, output = shown(capsys, topic, payload)
    assert found == status
    assert output.splitlines()[-1].startswith(f"verdict  {verdict}")
    assert max(map(len, output.splitlines())) < 200, "a long value is cut"


def test_a_programmed_dialect_shows_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    status, output = shown(capsys, "vans/van-007/soc", {"time": NOW_MS, "soc_pct": 50, "charging": False})
    assert status == 0
    assert (line_of(output, "soc_pct"), line_of(output, "charging")) == ("soc_pct  50 %", "charging  false")


def test_a_van_that_is_not_in_the_fleet_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VANPULSE_FLEET__UNKNOWN_VEHICLES", "reject")
    assert shown(capsys, "acme/van-007/status", GOOD)[0] == 1
    Path("fleet.toml").write_text("[vans.van-007]\n")
    assert shown(capsys, "acme/van-007/status", GOOD)[0] == 0


def test_the_payload_may_come_from_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(GOOD).encode())))
    assert main(["check-config", "--sample", "acme/van-007/status", "-", "--at", AT]) == 0
    assert "verdict  usable" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--sample", "acme/van-007/status", "missing.json"], ["--at", AT], ["--sample", "a", ".", "--at", AT]]
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", *words]) == 2
    assert capsys.readouterr().out == ""


def test_a_mapping_that_is_not_in_use_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("vanpulse.toml").open("a") as settings:
        settings.write('[dialects.spare]\ntopic = "s/{vehicle_id}"\nfields.soc_pct.path = "s"\n')
    assert main(["check-config"]) == 0
    assert "warning: [dialects.spare] is not in mqtt.dialects" in capsys.readouterr().out
