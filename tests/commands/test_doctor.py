import json
import math
import re
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.commands.doctor_outage import Outage, duration
from agent.commands.ports import free_port
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs


def outage(**values: float) -> Outage:
    defaults = {
        "rate_per_s": 50.0,
        "queue": 1000,
        "window": 20,
        "ack_s": 0.2,
        "session_expiry_s": math.inf,
        "journal_free_bytes": 2**30,
        "bytes_per_message": 300.0,
    }
    return Outage(**(defaults | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "values", "agent_away_s", "store_away_s"),
    [
        ("a default Mosquitto at 50 messages/s", {}, 19.6, 19.9 * 3600),
        ("the same at 1000 messages/s", {"rate_per_s": 1000.0}, 0.98, 59.7 * 60),
        ("a queue of half a million", {"queue": 500_000}, 2.78 * 3600, 19.9 * 3600),
        ("a short session", {"queue": 500_000, "session_expiry_s": 60.0}, 60.0, 19.9 * 3600),
        ("more under way than the queue holds", {"rate_per_s": 1e6, "window": 5000}, 0.0, 3.58),
    ],
)
def test_worked_values(title: str, values: dict[str, float], agent_away_s: float, store_away_s: float) -> None:
    assert outage(**values).agent_away_s == pytest.approx(agent_away_s, rel=0.01), title
    assert outage(**values).store_away_s == pytest.approx(store_away_s, rel=0.01), title


def test_the_queue_it_recommends_is_long_enough() -> None:
    advised = outage()._replace(queue=outage().queue_for(600.0))
    assert advised.agent_away_s >= 600.0


def test_catching_up_never_ends_above_the_agents_own_speed() -> None:
    assert outage(rate_per_s=50_000.0).catch_up_s(60.0) == math.inf
    assert outage().catch_up_s(3600.0) == pytest.approx(4.5, rel=0.02)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (119.0, "119 s"),
        (600.0, "10 min"),
        (71_640.0, "19.9 h"),
        (1e6, "11.6 days"),
        (math.inf, "without limit"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "DoctorCall":
    monkeypatch.chdir(tmp_path)
    return DoctorCall(monkeypatch, capsys)


class DoctorCall:
    """`vanpulse doctor` in an empty directory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.status = -1

    def __call__(self, *options: str, **environment: str) -> str:
        for key, value in environment.items():
            self._monkeypatch.setenv(f"VANPULSE_{key}", value)
        self.status = main(["doctor", *options])
        return self._capsys.readouterr().out

    def findings(self, *options: str, **environment: str) -> dict[str, dict[str, str]]:
        document = json.loads(self("--json", *options, **environment))
        return {finding["subject"]: finding for finding in document["findings"]}


@needs("mosquitto")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_with_a_long_enough_queue_is_good(tmp_path: Path, doctor: DoctorCall, protocol: str) -> None:
    with Mosquitto(tmp_path, max_queued_messages=100_000, extra="sys_interval 1") as broker:
        findings = doctor.findings("--rate", "5", "--queue", "100000", MQTT__URL=broker.url, MQTT__PROTOCOL=protocol)
        log = broker.log
    assert findings["broker"]["value"].startswith("mosquitto version")
    assert findings["session"]["value"] == "kept across a reconnect"
    assert findings["agent may be down"]["origin"] == "computed"
    assert "status" not in findings["agent may be down"]
    assert findings["rate"] == {"subject": "rate", "value": "5 messages/s", "origin": "configured"}
    poor = {subject for subject, finding in findings.items() if finding.get("status") in ("weak", "broken")}
    assert poor <= {"commit", "file system", "free disk"}  # which are this machine's own
    assert doctor.status == (1 if poor else 0)
    assert " vanpulse " not in log.replace("vanpulse-doctor", ""), "a running agent must not be disturbed"


@needs("mosquitto")
def test_a_short_queue_is_weak_and_comes_with_its_cure(tmp_path: Path, doctor: DoctorCall) -> None:
    with Mosquitto(tmp_path) as broker:
        text = doctor("--rate", "50", MQTT__URL=broker.url)
    assert doctor.status == 1
    assert "WEAK   agent may be down" in text
    assert re.search(r"→ mosquitto.conf: max_queued_messages 30\d\d\d\n", text), (
        "600 s at 50 messages/s, and a few more"
    )
    assert text.endswith("verdict: weak\n")


@needs("mosquitto")
def test_nothing_is_left_behind(tmp_path: Path, doctor: DoctorCall) -> None:
    with Mosquitto(tmp_path) as broker:
        for protocol in ("5", "3.1.1"):
            doctor("--rate", "1", MQTT__URL=broker.url, MQTT__PROTOCOL=protocol)
            before = len(broker.log.splitlines())
            doctor("--rate", "1")
            connack = next(line for line in broker.log.splitlines()[before:] if "Sending CONNACK" in line)
            assert "(0, 0)" in connack, "the first connection found a session of the run before"
    assert not (tmp_path / "data" / "journal.db").exists()
    assert not list(tmp_path.glob("**/.vanpulse-doctor-*"))


def test_an_absent_broker_is_broken(doctor: DoctorCall) -> None:
    findings = doctor.findings("--rate", "1", MQTT__URL=f"mqtt://127.0.0.1:{free_port()}")
    assert findings["broker"]["status"] == "broken"
    assert "nobody listens" in findings["broker"]["value"]
    assert doctor.status == 1


def test_an_absent_store_is_broken(doctor: DoctorCall) -> None:
    port = free_port()
    findings = doctor.findings(
        "--rate", "1", MQTT__URL=f"mqtt://127.0.0.1:{port}", STORE__URL=f"influxdb://127.0.0.1:{port}?org=o&bucket=b"
    )
    assert findings["store"]["status"] == "broken"


def test_a_wrong_setting_is_status_2(doctor: DoctorCall) -> None:
    doctor("--rate", "1", MQTT__URL="http://127.0.0.1")
    assert doctor.status == 2
