"""`make cluster` as a user runs it, with an agent of each role killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from agent.commands.kafka_node import what_is_missing
from agent.stores import make_history
from tests.servers.agent import ROOT, wait_for


def cluster(directory: Path, *words: str, path: str | None = None) -> subprocess.Popen[str]:
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "TMPDIR": str(directory)}
    return subprocess.Popen(
        [sys.executable, "-m", "agent.commands.start_cluster", "--port", "0", *words],
        cwd=directory,
        env=environment if path is None else environment | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def needs_kafka(test: Callable[..., None]) -> Callable[..., None]:
    missing = what_is_missing()
    return pytest.mark.skipif(missing is not None, reason=missing or "")(test)


@needs_kafka
@pytest.mark.timeout(400)
def test_rows_go_on_when_an_agent_of_each_role_is_killed_and_ctrl_c_ends_all(tmp_path: Path) -> None:
    process = cluster(tmp_path, "--vans", "24", "--hours", "0.1")
    assert process.stdout is not None
    said = ""
    try:
        while "Stop with Ctrl-C." not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            said += line
        pids = {name: int(pid) for name, pid in re.findall(r"(\S+-\d) .* process (\d+)", said)}
        assert pids.keys() == {"ingest-1", "ingest-2", "process-1", "process-2"}
        page, history = re.search(r"live page +(\S+)", said), re.search(r"history +(\S+)", said)
        assert page is not None
        assert history is not None
        with urlopen(page[1], timeout=30) as answer:
            assert answer.status == 200
        health = re.search(r"ingest-2 +(\S+)", said)
        assert health is not None
        wait_for(lambda: is_ready(health[1]), "the second ingesting agent")
        wait_for(lambda: sources_after(history[1], 0) == {"east", "west"}, "rows of both sources")
        os.kill(pids["ingest-1"], signal.SIGKILL)
        os.kill(pids["process-1"], signal.SIGKILL)
        # Nothing that was sent before is so new.
        later_ms = max(last_ms(history[1]).values()) + 20_000
        both = "rows of both sources after the takeover"
        wait_for(lambda: sources_after(history[1], later_ms) == {"east", "west"}, both, timeout_s=120)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "ingest-1 has ended" in rest
    assert "process-1 has ended" in rest
    assert list(tmp_path.iterdir()) == []


def is_ready(url: str) -> bool:
    """Not while sources move."""
    try:
        with urlopen(url, timeout=30) as answer:
            return bool(json.load(answer)["ready"])
    except HTTPError:
        return False


def last_ms(path: str) -> dict[str, int]:
    """The time of the newest position of each van."""
    history = make_history(f"sqlite:///{path}")
    try:
        return {point["vehicle_id"]: point["time_ms"] for point in history.select("battery", latest=True)}
    finally:
        history.close()


def sources_after(path: str, time_ms: int) -> set[str]:
    """The sources whose vans have rows after this time: van-001, van-003 and so on are of the first."""
    return {
        "east" if int(vehicle_id[-3:]) % 2 else "west"
        for vehicle_id, each_ms in last_ms(path).items()
        if each_ms > time_ms
    }


@needs_kafka
@pytest.mark.parametrize("after_s", [1.5, 6.0])
def test_ctrl_c_while_it_starts(tmp_path: Path, after_s: float) -> None:
    process = cluster(tmp_path, "--vans", "2", "--hours", "0.1")
    # This waits for nothing: the signal may come at any time during the start.
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 1, -signal.SIGINT)
    if "KeyboardInterrupt" not in errors:  # Python itself, before our first line
        assert errors == ""
    assert list(tmp_path.iterdir()) == []


def test_without_java_it_says_what_to_install(tmp_path: Path) -> None:
    process = cluster(tmp_path, path="/nowhere")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert re.fullmatch(r"make cluster: java\S*( mvn)? missing: apt-get install default-jre-headless maven\n", errors)
