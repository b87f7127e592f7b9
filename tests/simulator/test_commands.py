"""The commands as a user calls them, against a real broker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.agent import wait_for
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

pytestmark = needs("mosquitto")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory):
    with Mosquitto(tmp_path_factory.mktemp("broker")) as running:
        yield running


def simulator(*words: str, url: str | None = None, **mqtt: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VANPULSE_")}
    environment |= {f"VANPULSE_MQTT__{name}": value for name, value in mqtt.items()}
    if url is not None:
        environment["VANPULSE_MQTT__URL"] = url
    return subprocess.run(
        [sys.executable, "-m", "simulator", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("connections", ["0", "3"])
def test_simulate_ends_after_so_many_messages(broker: Mosquitto, connections: str) -> None:
    done = simulator(
        "simulate", "--vans", "5", "--hours", "1", "--messages", "200", "--connections", connections, url=broker.url
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("200 messages of 5 vans in ")


def test_simulate_in_real_time_stops_when_told(broker: Mosquitto, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    words = ("--rate", "2", "--speedup", "100", "--faults", "all", "--broker", broker.url, "--truth", str(truth))
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "simulate", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    wait_for(lambda: process.poll() is not None or (truth.exists() and b"\n" in truth.read_bytes()), "the first truth")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "all acknowledged" in out
    kinds = [json.loads(line)["kind"] for line in truth.read_text().splitlines()]
    assert kinds.count("total") >= 25


def test_the_fleet_file_alone_needs_no_broker(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    done = simulator("simulate", "--vans", "3", "--fleet-file", str(file), "--seconds", "0")
    assert done.returncode == 0
    assert file.read_text().count("[vans.") == 3


def test_replay(broker: Mosquitto, tmp_path: Path) -> None:
    file = tmp_path / "drive.jsonl"
    file.write_text('{"vehicle_id":"a","time":1000,"soc_pct":50.0}\n{"vehicle_id":"a","time":2000,"soc_pct":49.0}\n')
    done = simulator("replay", str(file), "--speedup", "10", "--broker", broker.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 messages of 1 vans in ")


def test_replay_with_faults(broker: Mosquitto, tmp_path: Path) -> None:
    file = tmp_path / "drive.jsonl"
    line = '{"vehicle_id":"a","time":%d,"soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5,"speed_kmh":30.0}\n'
    file.write_text("".join(line % (second * 10_000) for second in range(400)))
    done = simulator("replay", str(file), "--faults", "teleports,duplicates", "--seed", "3", "--broker", broker.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[0]) > 400
    done = simulator("replay", str(file), "--faults", "gremlins", "--broker", broker.url)
    assert done.returncode == 2
    assert "unknown fault gremlins" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("simulate", "--vans", "0"), 2, "not a whole number above 0"),
        (("simulate", "--vans", "ten"), 2, "--vans"),
        (("simulate", "--faults", "gremlins"), 2, "unknown fault gremlins"),
        (("simulate", "--clock", "25h"), 2, "--clock"),
        (("simulate", "--clock", "25:00"), 2, 'neither HH:MM nor "real"'),
        (("simulate", "--start", "yesterday"), 2, "not RFC 3339"),
        (("simulate", "--start", "2026-03-09T06:00:00"), 2, "not RFC 3339"),
        (("simulate", "--hours", "-1"), 2, "not a number of 0 or more"),
        (("simulate", "--seconds", "soon"), 2, "not a number of 0 or more"),
        (("simulate", "--prefix", "vans/#"), 2, "cannot begin a topic"),
        (("simulate", "--truth", "/no/such/folder/truth.jsonl"), 2, "/no/such/folder/truth.jsonl"),
        (("simulate", "--fleet-file", "/no/such/folder/fleet.toml"), 2, "/no/such/folder/fleet.toml"),
        (("replay", "--hide", "soc_pct,power", "drive.csv"), 2, "'power' is not a field of a reading"),
        (("replay", "--soc-step", "half", "drive.csv"), 2, "not a number above 0"),
        (("simulate", "--dialect", "klingon"), 2, "klingon"),
        (("simulate", "--broker", "localhost"), 2, "mqtt://HOST"),
        (("replay", "no-such-file"), 2, "no-such-file: No such file or directory"),
        (("replay",), 2, "FILE"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], status: int, said: str) -> None:
    done = simulator(*words)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [(), ("--broker", "mqtts://127.0.0.1")])
@pytest.mark.parametrize("setting", ["CA_FILE", "PASSWORD_FILE"])
def test_a_file_in_the_environment_that_is_not_there(words: tuple[str, ...], setting: str) -> None:
    done = simulator("simulate", "--vans", "1", *words, url="mqtts://127.0.0.1", **{setting: "/no/such.file"})
    assert done.returncode == 2
    assert f"VANPULSE_MQTT__{setting} = '/no/such.file': No such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broker_in_the_environment_that_is_none() -> None:
    done = simulator("simulate", "--vans", "1", url="http://127.0.0.1")
    assert done.returncode == 2
    assert (
        done.stderr
        == "vanpulse simulate: broker URL 'http://127.0.0.1': give mqtt://HOST[:PORT] or mqtts://HOST[:PORT]\n"
    )
