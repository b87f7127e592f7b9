"""The agent seen from outside, and what it says about itself."""

import json
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from agent.health import COMMIT_STALLED_AFTER_S, WRITE_STALLED_AFTER_S, Vitals, make_app
from agent.intake import IntakeCounters
from agent.messages import Batch, Message
from agent.mqtt.base import ReceiverCounters
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow
from agent.self_report import POINT_EVERY_S, SILENCE_S, SelfReport
from agent.units import StoreState
from agent.writer import WriterCounters
from tests.doubles import Clock, make_shard
from tests.memory_log import MemoryLog


@dataclass
class FakeWorker:
    backlog: int = 0
    ahead: bool = False
    rewinds: int = 0


class Bench:
    def __init__(self) -> None:
        self.shard = make_shard()
        self.log = MemoryLog()
        self.said: dict[str, str] = {}
        """What the dialects find."""
        self.vitals = Vitals(
            receiver=ReceiverCounters(connected=True, subscribed_since_ms=1),
            intake=IntakeCounters(),
            refused={},
            log=self.log,
            worker=FakeWorker(),
            store=StoreState(),
            writer=WriterCounters(),
            shard=self.shard.counters,
            vans=self.shard.vans,
            totals=self.shard.totals,
            findings=lambda: self.said,
        )
        self.clock = Clock(1_790_000_000.0)
        self.rows: list[tuple[str, PointRow]] = []
        self.self_report = SelfReport(
            self.vitals, put_aside=lambda name, row: self.rows.append((name, row)), clock_s=self.clock
        )

    def process(self, *payloads: bytes, topic: str = "vans/van-1/soc") -> None:
        messages = [Message(topic, payload) for payload in payloads]
        now_ms = round(self.clock() * 1000)
        self.shard.process(Batch(0, now_ms, now_ms, messages), 0, len(messages))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_ready_when_everything_is_there(bench: Bench) -> None:
    assert bench.vitals.problems() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: setattr(v.receiver, "connected", False), "broker: not connected (connecting)"),
        (
            lambda v: (setattr(v.receiver, "connected", False), setattr(v.receiver, "last_error", "refused")),
            "broker: not connected (refused)",
        ),
        (lambda v: setattr(v.receiver, "subscribed_since_ms", 0), "broker: not subscribed (subscribing)"),
        (
            lambda v: (setattr(v.store, "failing_since_s", 1.0), setattr(v.store, "last_error", "answered 503")),
            "store: answered 503",
        ),
        (lambda v: setattr(v.intake, "journal_full", True), "journal: full, reading has stopped"),
        (lambda v: setattr(v.intake, "log_problem", "Kafka is away"), "log: Kafka is away"),
        (lambda v: setattr(v.log.status, "out_of_room", True), "journal: the disk is full, processing has stopped"),
        (
            lambda v: setattr(v.intake, "commit_started_s", time.monotonic() - COMMIT_STALLED_AFTER_S - 5),
            f"journal: a commit has been running for {COMMIT_STALLED_AFTER_S + 5:.0f} s",
        ),
        (
            lambda v: setattr(v.store, "write_started_s", time.monotonic() - WRITE_STALLED_AFTER_S - 5),
            f"store: a write has been running for {WRITE_STALLED_AFTER_S + 5:.0f} s",
        ),
    ],
)
async def test_not_ready_says_why(bench: Bench, change: object, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change(bench.vitals)
    now_s = time.monotonic()
    monkeypatch.setattr("agent.health.time", SimpleNamespace(monotonic=lambda: now_s, time=time.time))
    async with TestClient(TestServer(make_app(bench.vitals))) as client:
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "reasons": [reason]}
        # Only what a restart may mend is no longer alive.
        alive = await client.get("/healthz")
        assert alive.status == (503 if "running for" in reason else 200)


async def test_endpoints_of_a_healthy_agent(bench: Bench) -> None:
    async with TestClient(TestServer(make_app(bench.vitals))) as client:
        assert (await client.get("/healthz")).status == 200
        assert await (await client.get("/readyz")).json() == {"ready": True, "reasons": []}
        assert (await client.get("/")).status == 404
        assert (await client.post("/readyz")).status == 405


async def test_what_cannot_be_true_is_counted_by_what_it_is(bench: Bench) -> None:
    """900 kW once, 500 km of odometer a second twice, and three seconds on the other side of the world."""
    start_ms = round(bench.clock() * 1000)
    good = {"soc_pct": 60.0, "latitude_deg": 52.0, "longitude_deg": 13.0, "odometer_km": 5000.0, "battery_power_kw": -1}
    bad: list[dict[str, float]] = [{} for _ in range(20)]
    bad += [{"battery_power_kw": -900.0}]
    bad += [{"odometer_km": 5500.0}, {"odometer_km": 6000.0}]
    bad += [{"latitude_deg": -40.0}, {"latitude_deg": -41.0}, {"latitude_deg": -42.0}]
    for second, fields in enumerate(bad):
        content = {"time": start_ms + second * 1000, **good, **fields}
        bench.process(json.dumps(content).encode(), topic="vans/van-1/telemetry")
    async with TestClient(TestServer(make_app(bench.vitals))) as client:
        text = await (await client.get("/metrics")).text()
    found = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    names = ("positions", "soc", "odometer", "power")
    assert [found[f"vanpulse_{name}_rejected_total"] for name in names] == [3, 0, 2, 1]


async def test_metrics_are_what_the_stages_counted(bench: Bench) -> None:
    bench.process(b'{"time": 1790000000000, "soc_pct": 50}', b"{", b'{"time": 1790000000000, "soc_pct": 500}')
    bench.vitals.intake.ack_delay_s.add(0.0015, 2)
    batch = await bench.log.append([Message("t", b"")] * 7, received_ms=1, listening_since_ms=1)
    bench.vitals.store.confirmed_offset = batch.offset + 4
    bench.vitals.number_of_findings = 2
    async with TestClient(TestServer(make_app(bench.vitals))) as client:
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert all(name.startswith("vanpulse_") for name, *_ in found)
    assert found["vanpulse_readings_accepted_total",] == 1
    assert found["vanpulse_messages_rejected_total", "malformed"] == 1
    assert found["vanpulse_messages_rejected_total", "out_of_range"] == 1
    assert found["vanpulse_messages_rejected_total", "journal_corrupt"] == 0
    assert found["vanpulse_ack_delay_seconds_bucket", "0.002"] == 2
    assert found["vanpulse_ack_delay_seconds_count",] == 2
    assert found["vanpulse_unconfirmed_messages",] == 3
    assert found["vanpulse_dialect_findings",] == 2
    assert found["vanpulse_vans",] == 1
    assert found["vanpulse_memory_bytes",] > 1_000_000


# -- the self-report


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    messages = [record.message for record in caplog.records if record.name == "agent.self_report"]
    caplog.clear()
    return messages


def test_silence_after_there_was_something_is_said_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.clock.now_s += 10_000
    bench.self_report.look()
    assert not bench.vitals.silent  # nothing has ever arrived
    bench.vitals.intake.last_message_ms = round(bench.clock() * 1000)
    bench.clock.now_s += SILENCE_S + 1
    bench.self_report.look()
    bench.self_report.look()
    assert bench.vitals.silent
    assert ["nothing has arrived for 301 s" in line for line in said(caplog)] == [True]
    bench.vitals.intake.last_message_ms = round(bench.clock() * 1000)
    bench.self_report.look()
    assert not bench.vitals.silent
    assert said(caplog) == ["messages arrive again, or the connection was lost"]


def test_a_fleet_with_long_pauses_is_not_suspected(bench: Bench) -> None:
    for _ in range(20):
        bench.vitals.intake.last_message_ms = round(bench.clock() * 1000)
        bench.clock.now_s += 200
        bench.self_report.look()
    bench.clock.now_s += 1500
    bench.self_report.look()
    assert not bench.vitals.silent
    bench.clock.now_s += 500
    bench.self_report.look()
    assert bench.vitals.silent


def test_no_connection_is_no_silence(bench: Bench) -> None:
    bench.vitals.intake.last_message_ms = round(bench.clock() * 1000)
    bench.vitals.receiver.connected = False
    bench.clock.now_s += 10_000
    bench.self_report.look()
    assert not bench.vitals.silent


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_a_stage_that_hangs_gives_no_sign_of_life(
    bench: Bench, manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.self_report.look()
    assert manager.recv(100) == b"WATCHDOG=1"
    bench.vitals.intake.commit_started_s = time.monotonic() - COMMIT_STALLED_AFTER_S - 1
    bench.self_report.look()
    bench.self_report.look()
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    assert ["stalled: journal: a commit" in line for line in said(caplog)] == [True]
    bench.vitals.intake.commit_started_s = None
    bench.self_report.look()
    assert manager.recv(100) == b"WATCHDOG=1"
    assert said(caplog) == ["goes on again: journal: a commit"]


def test_a_van_beyond_its_rate_is_named_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for refused in (20, 50):
        bench.vitals.refused = {"van-1": refused}
        bench.self_report.look()
    assert ["van 'van-1' sends more" in line for line in said(caplog)] == [True]
    bench.self_report.look()
    assert said(caplog) == ["van 'van-1' keeps to its rate again; 50 of its messages were refused"]


def test_not_ready_and_no_point_while_the_clock_cannot_be_right(bench: Bench) -> None:
    bench.vitals.intake.clock_problem = "it shows 1970-01-01 00:00:12 UTC"
    bench.clock.now_s += POINT_EVERY_S
    bench.self_report.look()
    assert bench.vitals.problems() == ["clock: it shows 1970-01-01 00:00:12 UTC"]
    assert bench.rows == []
    bench.vitals.intake.clock_problem = None
    bench.self_report.look()
    assert bench.vitals.problems() == []
    assert len(bench.rows) == 1


def test_when_all_vans_are_ahead_it_is_our_clock_that_is_behind(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    day_ms = 86_400_000
    for beat in range(3):
        bench.process(*[b'{"time": %d, "soc_pct": 50}' % (1_790_000_000_000 + day_ms + i + beat) for i in range(20)])
        bench.self_report.look()
    assert ["the clock of this machine is behind" in line for line in said(caplog)] == [True]
    assert bench.vitals.problems() == [
        "clock: all readings are from the future, so the clock of this machine is behind"
    ]
    bench.self_report.look()  # nothing has arrived: nothing is known that was not known before
    assert bench.vitals.problems()
    bench.process(*[b'{"time": %d, "soc_pct": 50}' % (1_790_000_000_000 + i * day_ms) for i in range(20)])
    bench.self_report.look()
    assert bench.vitals.problems() == []


def test_dropped_messages_are_said_at_their_beginning_and_end(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for dropped in (0, 10, 20, 20, 20):
        bench.vitals.log.status.dropped_messages = dropped
        bench.self_report.look()
    first, last = said(caplog)
    assert "10 so far" in first
    assert "20 messages were dropped in all" in last


def test_findings_of_the_dialects_are_said_when_they_change(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.said = {"gbt32960/van-1": "its clock is 8 hours off"}
    for _ in range(3):
        bench.clock.now_s += POINT_EVERY_S
        bench.self_report.look()
    assert said(caplog) == ["gbt32960/van-1: its clock is 8 hours off"]
    assert bench.vitals.number_of_findings == 1
    bench.said = {f"ovms/van-{number}": "text" for number in range(100)}
    bench.clock.now_s += POINT_EVERY_S
    bench.self_report.look()
    lines = said(caplog)
    assert len(lines) == 21
    assert lines[-1].startswith("80 more")


def test_its_own_point_each_minute(bench: Bench) -> None:
    bench.vitals.intake.messages = 600
    bench.clock.now_s += POINT_EVERY_S - 1
    bench.self_report.look()
    assert bench.rows == []
    bench.clock.now_s += 1
    bench.self_report.look()
    bench.self_report.look()
    ((name, row),) = bench.rows
    assert name == "agent"
    values = dict(zip(MEASUREMENTS["agent"].field_names, row[2:], strict=True))
    assert row[1] == round(bench.clock() * 1000)
    assert values["messages_total"] == 600
    assert values["messages_per_s"] == pytest.approx(10.0)
    assert values["lag_s"] is None  # nothing has been stored yet: not known
    bench.clock.now_s -= 3600  # a clock that is set back
    bench.self_report.look()
    assert len(bench.rows) == 2


def test_one_of_several_agents_names_itself_in_its_points(bench: Bench) -> None:
    report = SelfReport(
        bench.vitals,
        put_aside=lambda name, row: bench.rows.append((name, row)),
        clock_s=bench.clock,
        instance="process-1",
    )
    bench.clock.now_s += POINT_EVERY_S
    report.look()
    ((name, row),) = bench.rows
    assert name == "agent"
    assert row[0].tags() == (("instance", "process-1"),)


def test_an_agent_that_only_processes_is_ready_without_a_subscription(bench: Bench) -> None:
    bench.vitals.receiver.subscribed_since_ms = 0
    assert bench.vitals.problems() != []
    bench.vitals.receives = False
    assert bench.vitals.problems() == []
