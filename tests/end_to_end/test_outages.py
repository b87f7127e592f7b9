"""Store, broker and disk fail and come back. Afterwards nothing is missing."""

import json
import os
import queue
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from agent.journal import JournalReader
from tests.servers.agent import Agent, wait_for
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs
from tests.servers.publishing import drive, publish
from tests.servers.victoria import VictoriaServer
from tests.torture.disk import SmallDisk, may_mount

HOUR_MS = 3_600_000
COMPARED = ("battery", "location", "energy", "emissions", "trip", "stop", "alert")

pytestmark = needs("mosquitto")


def some_hours_ago() -> int:
    return time.time_ns() // 1_000_000 - 6 * HOUR_MS


@contextmanager
def store_held(agent: Agent) -> Iterator[None]:
    """Another program holds a lock on the history file: the store does not answer."""
    with closing(sqlite3.connect(agent.directory / "history.db", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def ready(agent: Agent) -> dict[str, Any]:
    return json.loads(agent.get("/readyz")[1] or "{}")


def reasons(agent: Agent) -> str:
    return " ".join(ready(agent).get("reasons", []))


@contextmanager
def alerts(broker: Mosquitto) -> Iterator["queue.Queue[tuple[str, bytes]]"]:
    """The alerts that a subscriber gets from the broker."""
    heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: heard.put((message.topic, message.payload))
    client.connect("127.0.0.1", broker.port)
    client.subscribe("vans-alerts/#", qos=1)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def test_the_store_is_away_under_load(tmp_path: Path) -> None:
    """Vans and alerts stay live from memory. Later the store gets everything, with the same numbers."""
    start_ms = some_hours_ago()
    vans = [drive(f"van-{number}", start_ms=start_ms + number) for number in range(20)]
    messages = [reading for turn in zip(*vans, strict=True) for reading in turn]
    third = len(messages) // 3
    low = [("vans/low/soc", {"time": start_ms + n * 2_400_000, "soc_pct": soc}) for n, soc in enumerate((21, 19))]
    with Mosquitto(tmp_path, max_queued_messages=100_000) as broker, alerts(broker) as heard:
        small = {"store__batch_points": 200, "journal__checkpoint_every_s": 0.5}
        whole = Agent(tmp_path / "whole", mqtt__url=broker.url, mqtt__client_id="whole", mqtt__prefix="vans")
        cut = Agent(tmp_path / "cut", mqtt__url=broker.url, mqtt__client_id="cut", **small)
        with whole, cut:
            publish(broker.port, messages[:third])
            cut.wait_processed(third)
            memory = cut.metrics()["memory_bytes"]
            with store_held(cut):
                publish(broker.port, messages[third : 2 * third])
                wait_for(lambda: cut.metrics()["running_ahead"] == 1, "the worker to run ahead")
                while not heard.empty():
                    heard.get()
                whole.stop()  # so that only the other one is heard
                publish(broker.port, low)
                topic, payload = heard.get(timeout=30)
                assert topic == "vans-alerts/low"
                assert b"soc_low" in payload
                assert "store:" in reasons(cut)
                assert cut.get("/healthz")[0] == 200
                metrics = wait_for(lambda: (m := cut.metrics())["journal_backlog_messages"] == 0 and m, "live vans")
                assert metrics["memory_bytes"] < memory + 40e6
                assert metrics["unconfirmed_messages"] > third / 2
            publish(broker.port, messages[2 * third :])
            whole.start()
            cut.wait_processed(len(messages) + 2)
            wait_for(lambda: cut.metrics()["running_ahead"] == 0, "the end of running ahead")
            metrics = cut.metrics()
            assert metrics["rewinds_total"] >= 1
            assert metrics["readings_accepted_total"] == len(messages) + 2
            wait_for(lambda: cut.get("/readyz")[0] == 200, "ready again")
            whole.wait_processed(len(messages) + 2 - 2 * third)
            for measurement in COMPARED:
                assert cut.points(measurement) == whole.points(measurement), measurement
            assert cut.stop() == whole.stop() == 0


def test_the_broker_restarts(tmp_path: Path) -> None:
    messages = drive("van-1", start_ms=some_hours_ago())
    with Mosquitto(tmp_path, persistence=True) as broker, Agent(tmp_path / "agent", mqtt__url=broker.url) as agent:
        publish(broker.port, messages[:60])
        broker.restart()
        publish(broker.port, messages[60:120])
        broker.save()
        broker.kill()
        wait_for(lambda: "broker:" in reasons(agent), "the loss to be seen")
        assert agent.get("/healthz")[0] == 200
        broker.start()
        publish(broker.port, messages[120:])
        # Duplicates count as processed, too.
        wait_for(lambda: len(agent.points("battery")) == 180, "all of them")
        agent.wait_processed(180)
        assert agent.points("trip")[0]["distance_km"] == pytest.approx(6.0, rel=0.02)
        assert agent.metrics()["mqtt_reconnects_total"] >= 1
        assert agent.stop() == 0


def test_broker_and_store_may_come_later(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, persistence=True)
    agent = Agent(tmp_path / "agent", mqtt__url=broker.url)
    agent.start(wait=False)
    wait_for(lambda: "broker: not connected" in reasons(agent), "its word on the broker")
    wait_for(lambda: (agent.directory / "history.db").exists(), "the history file")
    agent.kill()
    with store_held(agent):
        agent.start(wait=False)
        with broker:
            wait_for(lambda: ready(agent).get("ready"), "the broker")
            publish(broker.port, drive("van-1", start_ms=some_hours_ago()))
            wait_for(lambda: "store:" in reasons(agent), "its word on the store")
            assert "broker:" not in reasons(agent)
            assert agent.stop() == 0
    with broker:
        agent.start()
        wait_for(lambda: len(agent.points("battery")) == 180, "what waited in the journal")
        assert agent.stop() == 0


def test_a_stop_without_the_store_is_bounded(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Agent(tmp_path / "agent", mqtt__url=broker.url) as agent:
        publish(broker.port, drive("van-1", start_ms=some_hours_ago(), readings=60))
        agent.wait_processed(60)
        with store_held(agent):
            publish(broker.port, drive("van-2", start_ms=some_hours_ago()))
            wait_for(lambda: agent.metrics()["messages_journaled_total"] == 240, "the journal")
            assert agent.stop() == 0  # within the 30 s that `stop` allows; the store stays away for as long as it takes
        assert "keeps the rest for the next start" in agent.log
        agent.start()
        wait_for(lambda: len(agent.points("battery")) == 240, "the rest")
        # A second signal ends it at once.
        with store_held(agent):
            publish(broker.port, drive("van-3", start_ms=some_hours_ago()))
            wait_for(lambda: "store:" in reasons(agent), "its word on the store")
            os.kill(agent.pid, signal.SIGTERM)
            wait_for(lambda: agent.log.count("stopping:") == 2, "the first signal")
            os.kill(agent.pid, signal.SIGTERM)
            assert wait_for(lambda: agent.returncode, "the end") == 1
        agent.start()
        wait_for(lambda: len(agent.points("battery")) == 420, "everything")
        assert agent.stop() == 0


def test_two_agents_on_one_journal(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Agent(tmp_path / "agent", mqtt__url=broker.url) as agent:
        second = agent.command("run", check=False)
        assert second.returncode == 1
        assert "in use by another process" in second.stderr
        assert len(second.stderr.splitlines()) == 1
        assert agent.returncode is None


def bulky(vehicle_id: str, number: int, start_ms: int) -> list[tuple[str, Any]]:
    return [
        (f"vans/{vehicle_id}/soc", {"time": start_ms + n * 1000, "soc_pct": 50.0, "note": "x" * 2000})
        for n in range(number)
    ]


def test_a_full_journal_stops_reading_and_loses_nothing(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path, max_queued_messages=100_000) as broker,
        Agent(tmp_path / "agent", mqtt__url=broker.url, journal__max_bytes=1 << 20) as agent,
    ):
        publish(broker.port, drive("van-1", start_ms=some_hours_ago(), readings=60))
        agent.wait_processed(60)
        with store_held(agent):
            publish(broker.port, bulky("van-2", 1500, some_hours_ago()))
            wait_for(lambda: "journal: full, reading has stopped" in reasons(agent), "a full journal")
            metrics = agent.metrics()
            assert metrics["mqtt_reading_paused"] == 1
            assert metrics["messages_journaled_total"] == metrics["acks_sent_total"] < 1560
            assert metrics["journal_bytes"] <= 1 << 20
        agent.wait_processed(1560)
        assert len(agent.points("battery")) == 1560
        assert agent.metrics()["journal_dropped_messages_total"] == 0
        assert "the log takes messages again" in agent.log
        assert agent.stop() == 0


@pytest.mark.parametrize("when_full", ["pause", "drop_oldest"])
def test_a_flood_while_the_store_is_away_takes_nobody_s_room(tmp_path: Path, when_full: str) -> None:
    vans, settings = ["van-1", "van-2", "van-3"], {"journal__max_bytes": 1 << 20, "journal__when_full": when_full}
    start_ms = some_hours_ago()
    with (
        Mosquitto(tmp_path, max_queued_messages=100_000) as broker,
        Agent(tmp_path / "agent", mqtt__url=broker.url, **settings) as agent,
    ):
        with store_held(agent):
            flood = bulky("van-bad", 3000, start_ms)
            drives = [drive(vehicle_id, start_ms=start_ms, readings=150) for vehicle_id in vans]
            for part in range(50):
                publish(broker.port, flood[60 * part : 60 * (part + 1)])
                publish(broker.port, [each for one in drives for each in one[3 * part : 3 * (part + 1)]])
            wait_for(lambda: agent.metrics()["acks_sent_total"] == 3450, "an answer to every message")
            metrics = agent.metrics()
            assert (metrics["journal_full"], metrics["journal_dropped_messages_total"]) == (0, 0)
        wait_for(lambda: agent.metrics()["journal_refused_messages_total"] > 1500, "what was refused to be counted")
        wait_for(lambda: [len(agent.points("battery", vehicle_id=van)) for van in vans] == [150] * 3, "the others")
        assert "van 'van-bad' has more than its share of a journal that fills up" in agent.log
        assert agent.stop() == 0
        with JournalReader(agent.directory / "journal.db") as reader:
            assert list(reader.losses()) == ["van-bad"]


def test_a_full_journal_may_drop_its_oldest_and_counts_them(tmp_path: Path) -> None:
    settings = {"journal__max_bytes": 1 << 20, "journal__when_full": "drop_oldest"}
    with (
        Mosquitto(tmp_path, max_queued_messages=100_000) as broker,
        Agent(tmp_path / "agent", mqtt__url=broker.url, store__batch_points=50, **settings) as agent,
    ):
        publish(broker.port, drive("van-1", start_ms=some_hours_ago(), readings=60))
        agent.wait_processed(60)
        with store_held(agent):
            publish(broker.port, bulky("van-2", 1500, some_hours_ago()))
            wait_for(lambda: agent.metrics()["messages_journaled_total"] == 1560, "all of it")
            wait_for(lambda: agent.metrics()["running_ahead"] == 1, "the worker to let points go")
            dropped = agent.metrics()["journal_dropped_messages_total"]
            assert dropped > 500
        agent.wait_processed(1560)
        points = agent.points("battery", vehicle_id="van-2")
        assert 1500 - dropped <= len(points) < 1500
        assert points[-1]["time_ms"] - points[-100]["time_ms"] == 99_000  # the newest are all there
        assert agent.stop() == 0


BROKEN_DISK = """
import resource, sys
from agent.__main__ import main
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
sys.exit(main(["run"]))
"""
"""An agent that cannot write files beyond 400 kB. SQLite sees an I/O error."""


def test_a_disk_that_fails_ends_the_process_with_one_line(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, max_queued_messages=100_000) as broker:
        agent = Agent(tmp_path / "agent", mqtt__url=broker.url, journal__max_bytes=16 << 20)
        agent.start()  # makes the files
        assert agent.stop() == 0
        agent.log_file.unlink()
        agent.start("-c", BROKEN_DISK)
        publish(broker.port, bulky("van-1", 2000, some_hours_ago()))
        assert wait_for(lambda: agent.returncode, "the end") == 1
        assert "Traceback" not in agent.log
        (line,) = [line for line in agent.log.splitlines() if line.startswith("vanpulse: ")]
        assert "cannot be written" in line
        agent.start()
        wait_for(lambda: len(agent.points("battery")) == 2000, "everything, by a disk that works")
        assert agent.stop() == 0


def test_a_full_disk_stops_reading_and_loses_nothing(tmp_path: Path) -> None:
    if not may_mount():
        pytest.skip("needs the right to mount a tmpfs: run as root")
    with SmallDisk(tmp_path / "disk") as disk, Mosquitto(tmp_path, max_queued_messages=100_000) as broker:
        settings = {"journal__path": disk.path / "journal.db", "journal__max_bytes": 16 << 20}
        with Agent(tmp_path / "agent", mqtt__url=broker.url, **settings) as agent:
            publish(broker.port, drive("van-1", start_ms=some_hours_ago(), readings=60))
            agent.wait_processed(60)
            disk.fill()
            publish(broker.port, bulky("van-2", 3000, some_hours_ago()))
            wait_for(lambda: "journal:" in reasons(agent), "its word on the disk")
            assert agent.get("/healthz")[0] == 200
            assert agent.returncode is None
            metrics = agent.metrics()
            assert metrics["messages_journaled_total"] == metrics["acks_sent_total"] < 3060
            disk.free()
            agent.wait_processed(3060)
            assert len(agent.points("battery")) == 3060
            wait_for(lambda: agent.get("/readyz")[0] == 200, "ready again")
            assert agent.stop() == 0


@needs("victoria-metrics")
def test_a_store_that_forgets_what_it_confirmed(tmp_path: Path) -> None:
    """VictoriaMetrics has no log. A crash loses the writes of the last seconds."""
    server = VictoriaServer().start()
    start_ms = some_hours_ago()
    messages = drive("van-1", start_ms=start_ms)
    settings = {"store__url": server.store_url(), "store__durable_after_s": 60, "journal__checkpoint_every_s": 1}
    try:
        with Mosquitto(tmp_path) as broker, Agent(tmp_path / "agent", mqtt__url=broker.url, **settings) as agent:
            publish(broker.port, messages[:120])
            agent.wait_processed(120)
            server.kill()
            publish(broker.port, messages[120:])
            wait_for(lambda: "store:" in reasons(agent), "its word on the store")
            server.start()
            agent.wait_processed(180)
            wait_for(lambda: agent.metrics()["rewinds_total"] >= 1, "everything to be sent again")
            agent.wait_processed(180)
            server.flush()
            (series,) = server.export('{__name__="battery_soc_pct",vehicle_id="van-1"}')
            assert len(set(series["timestamps"])) == 180
            assert agent.stop() == 0
    finally:
        server.stop()


def test_systemd_is_told_when_it_runs_and_when_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, Mosquitto(tmp_path) as broker:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with Agent(tmp_path / "agent", mqtt__url=broker.url) as agent:
            assert manager.recv(100) == b"READY=1"
            assert manager.recv(100) == b"WATCHDOG=1"
            assert agent.stop() == 0
            while (said := manager.recv(100)) == b"WATCHDOG=1":
                pass  # the next full ten seconds came first
            assert said == b"STOPPING=1"
