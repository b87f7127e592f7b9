"""The `demo` command as a user runs it, and a recorded drive that is replayed to an agent."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from urllib.request import urlopen

import pytest

from agent.commands.ports import free_port
from agent.stores import make_history
from simulator.recordings import load
from tests.recorded_drives import DATA, needs_recorded_drives
from tests.servers.agent import ROOT, Agent, wait_for
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

DRIVE = "twizy/T1_06_30_2021_2.csv"


def demo(directory: Path, *words: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agent", "demo", "--port", str(free_port()), "--data", "data", *words],
        cwd=directory,
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_demo_shows_something_and_ends_in_order(tmp_path: Path) -> None:
    terminal, stdout = os.openpty()
    process = demo(tmp_path, "--hours", "1", "--vans", "5", stdout=stdout)
    os.close(stdout)
    said = ""
    while "Ctrl-C" not in said:
        said += os.read(terminal, 4096).decode()
    page = re.search(r"live page +(\S+)", said)
    health = re.search(r"health +(\S+)", said)
    assert page is not None
    assert health is not None
    wait_for(lambda: _status(page[1]) == 200, "the live page")
    with urlopen(health[1], timeout=5) as answer:
        assert json.load(answer)["ready"]
    while not re.search(r"5 vans .* 0 dead letters +[1-9][\d.,]* kWh used .* kg CO2e", said):
        said += os.read(terminal, 4096).decode()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    os.close(terminal)
    assert (process.returncode, errors) == (0, "")
    history = make_history(f"sqlite:///{tmp_path}/data/history.db")
    try:
        assert len({point["vehicle_id"] for point in history.select("battery")}) == 5
        assert sum(1 for _ in history.select("energy")) > 50
    finally:
        history.close()
    assert (tmp_path / "data/journal.db").exists()


def test_it_ends_when_its_time_is_over_and_says_one_line_in_a_pipe(tmp_path: Path) -> None:
    process = demo(tmp_path, "--seconds", "3", "--hours", "0.1", "--vans", "2")
    said, errors = process.communicate(timeout=90)
    assert (process.returncode, errors) == (0, "")
    assert re.fullmatch(r".*Stop with Ctrl-C\.\n\d vans .* kg CO2e\n", said, re.DOTALL)


def _status(url: str) -> int:
    try:
        with urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except OSError:
        return 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--port", "99999"), "'99999' is not a port"),
        (("--seconds", "-1"), "'-1' is not a number"),
        (("--speedup", "0"), "'0' is not a number above 0"),
        (("--hours", "six"), "'six' is not a number"),
        (("--data", "/proc/demo"), "--data '/proc/demo'"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    process = demo(tmp_path, *words)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("after_s", [0.7, 3.0])
def test_ctrl_c_while_it_starts(tmp_path: Path, after_s: float) -> None:
    process = demo(tmp_path, "--vans", "2", "--hours", "0.1")
    # This waits for nothing: the signal may come at any time during the start.
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 1, -signal.SIGINT)
    assert "TrialError" not in errors
    if "KeyboardInterrupt" not in errors:  # Python itself, before our first line
        assert errors == ""


@needs("mosquitto")
@needs_recorded_drives(DRIVE)
def test_a_recorded_drive_has_the_length_it_had(tmp_path: Path) -> None:
    """Its distance against the integral of the car's own speed."""
    (recording,) = load(DATA / DRIVE)
    speeds = [(time_ms, row["speed_kmh"]) for time_ms, row in recording.rows if row.get("speed_kmh") is not None]
    driven_km = sum((a[1] + b[1]) / 2 * (b[0] - a[0]) / 3_600_000 for a, b in pairwise(speeds))
    with (
        Mosquitto(tmp_path, max_queued_messages=1_000_000) as broker,
        Agent(tmp_path / "agent", mqtt__url=broker.url, fleet__battery_kwh=6.1) as agent,
    ):
        replay = agent.command("replay", str(DATA / DRIVE), "--broker", broker.url)
        assert replay.returncode == 0
        agent.wait_processed(len(recording.rows))
        points = agent.points("energy")
        assert max(point["distance_km_total"] for point in points) == pytest.approx(driven_km, rel=0.03)
        assert agent.dead_letters() == []
        assert agent.refusals() == []
        assert agent.stop() == 0
