"""The comparison of two versions of the agent: the same code gives the same lines, and every change is found."""

import gzip
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from agent.config import EmissionsSettings
from benchmarks import same_rows
from benchmarks.same_rows import RecordedRun

DIALECTS = (("native", 4), ("gbt32960", 2), ("vss", 2))
HOURS = 1.5
RESTART_EVERY = 100


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "run.gz"
    same_rows.record(path, dialects=DIALECTS, hours=HOURS, restart_every=RESTART_EVERY)
    return path


def read(path: Path) -> RecordedRun:
    return msgspec.msgpack.decode(gzip.decompress(path.read_bytes()), type=RecordedRun)


def test_a_recording_has_something_of_everything(recording: Path) -> None:
    lines = read(recording).lines
    for dialect, _ in DIALECTS:
        assert sum(line.startswith(f"{dialect} battery ") for line in lines) > 100
    for kind in ("trip", "stop", "drop", "emissions", "letter", "alerts"):
        assert any(line.split(" ", 2)[1] == kind for line in lines), kind


def test_the_same_code_gives_the_same_lines(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert same_rows.main(["compare", str(recording)]) == 0
    assert capsys.readouterr().out == "every line is the same\n"


def first_battery_line(lines: list[str]) -> int:
    return next(number for number, line in enumerate(lines) if " battery " in line)


def other_value(lines: list[str]) -> tuple[str | None, str | None]:
    place = first_battery_line(lines)
    right, lines[place] = lines[place], lines[place].replace(" [", " [7, ")
    return lines[place], right


def last_line_missing(lines: list[str]) -> tuple[str | None, str | None]:
    return None, lines.pop()


def one_line_more(lines: list[str]) -> tuple[str | None, str | None]:
    lines.append("native battery of nobody")
    return lines[-1], None


@pytest.mark.parametrize("change", [other_value, last_line_missing, one_line_more])
def test_a_difference_is_found_and_shown(
    recording: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[str]], tuple[str | None, str | None]],
) -> None:
    run = read(recording)
    difference = change(run.lines)
    changed = tmp_path / "changed.gz"
    changed.write_bytes(gzip.compress(msgspec.msgpack.encode(run), compresslevel=1))
    assert list(same_rows.compare(changed)) == [difference]
    assert same_rows.main(["compare", str(changed)]) == 1
    before, now = difference
    assert capsys.readouterr().out == f"before: {before}\nnow:    {now}\n1 lines differ\n"


def test_an_agent_that_computes_otherwise_is_found(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More loss in the charger means more emissions; what the van did and used is the same."""
    monkeypatch.setattr(same_rows, "EmissionsSettings", lambda: EmissionsSettings(charging_efficiency_ac=0.7))
    differing = {(before or now or "").split(" ", 2)[1] for before, now in same_rows.compare(recording)}
    assert "emissions" in differing
    assert not differing & {"battery", "location", "energy", "stop", "letter", "alerts"}


def test_restarts_from_a_snapshot_do_not_show(recording: Path) -> None:
    run = read(recording)
    assert [line for fleet in run.fleets for line in same_rows.lines_of(fleet, restart_every=10**9)] == run.lines


def test_a_run_of_the_size_that_was_asked_for_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.gz"
    assert same_rows.main(["record", str(path), "--hours", "0.2", "--vans", "1"]) == 0
    run = read(path)
    assert capsys.readouterr().out == f"{len(run.lines)} lines recorded in {path}\n"
    assert [fleet.fleet_file.count("[vans.") for fleet in run.fleets] == [1, 1, 1]
    # One batch in ten seconds, and the last one after a silence.
    assert {len(fleet.batches) for fleet in run.fleets} == {0.2 * 360 + 2}
