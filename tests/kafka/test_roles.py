"""Agents that share a log: brokers → ingesting agents → Kafka → processing agents → store, each a real process."""

import queue
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from tests.kafka.roles import RoleAgent
from tests.servers.agent import Agent, wait_for
from tests.servers.kafka import KafkaServer, kafka_server
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs
from tests.servers.publishing import drive, publish

HOUR_MS = 3_600_000


@needs("mosquitto")
def test_a_new_owner_announces_the_alerts_of_its_vans_to_its_broker(
    tmp_path: Path, kafka: KafkaServer, topic: str
) -> None:
    log_url = f"kafka://{kafka.address}/{topic}"
    reading = {"time": time.time_ns() // 1_000_000 - 60_000, "soc_pct": 4.0}
    with Mosquitto(tmp_path) as first, Mosquitto(tmp_path) as second:
        ingest = RoleAgent(tmp_path / "ingest", "ingest", mqtt__url=first.url, log__url=log_url)
        former = RoleAgent(tmp_path / "former", "process", mqtt__url=first.url, log__url=log_url)
        later = RoleAgent(tmp_path / "later", "process", mqtt__url=second.url, log__url=log_url)
        try:
            for agent in (ingest, former):
                agent.launch()
            ingest.wait_ready()
            former.wait_ready()
            publish(first.port, [("vans/low/soc", reading)])
            wait_for(lambda: retained(first.port, "vans-alerts/low"), "the alert")
            assert former.stop() == 0
            later.launch()
            alert = wait_for(lambda: retained(second.port, "vans-alerts/low"), "the alert from its new owner")
            assert alert == retained(first.port, "vans-alerts/low")
        finally:
            for agent in (ingest, former, later):
                agent.__exit__(None, None, None)


def retained(port: int, topic: str) -> bytes:
    """What the broker keeps under this topic; empty for nothing within half a second."""
    found: queue.Queue[bytes] = queue.Queue()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: found.put(message.payload)
    client.connect("127.0.0.1", port)
    client.subscribe(topic, qos=1)
    client.loop_start()
    try:
        return found.get(timeout=0.5)
    except queue.Empty:
        return b""
    finally:
        client.disconnect()
        client.loop_stop()


@needs("mosquitto")
def test_nothing_is_acknowledged_while_kafka_is_away_and_both_roles_say_so(tmp_path: Path, topic: str) -> None:
    start_ms = time.time_ns() // 1_000_000 - HOUR_MS
    with kafka_server() as server, Mosquitto(tmp_path) as broker:
        agent = RoleAgent(
            tmp_path / "ingest", "ingest", mqtt__url=broker.url, log__url=f"kafka://{server.address}/{topic}"
        )
        process = RoleAgent(
            tmp_path / "process", "process", mqtt__url=broker.url, log__url=f"kafka://{server.address}/{topic}"
        )
        try:
            agent.launch()
            process.launch()
            agent.wait_ready()
            process.wait_ready()
            server.kill()
            sent = publish(broker.port, drive("van-1", start_ms=start_ms))
            reason = "log: Kafka does not answer"
            wait_for(lambda: reason in agent.get("/readyz")[1], "the reason in words")
            assert agent.metrics()["acks_sent_total"] == 0
            assert agent.get("/healthz")[0] == 200
            wait_for(lambda: reason in process.get("/readyz")[1], "the reason in words")
            server.start()
            wait_for(lambda: agent.metrics()["acks_sent_total"] == sent, "all acknowledgements")
            wait_for(lambda: agent.get("/readyz")[0] == 200, "the agent to be ready")
            wait_for(lambda: len(process.points("battery")) == sent, "all rows")
            wait_for(lambda: process.get("/readyz")[0] == 200, "the processing agent to be ready")
            assert agent.stop() == 0
            assert process.stop() == 0
        finally:
            agent.__exit__(None, None, None)
            process.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("role", "url", "words"),
    [
        ("ingest", "journal:", "set log.url"),
        ("process", "journal:", "set log.url"),
        ("all", "kafka://127.0.0.1:9092/vans", "--role ingest"),
        ("ingest", "kafka://127.0.0.1:9092", "it ends with the topic"),
        ("ingest", "amqp://127.0.0.1/vans", "log.url"),
    ],
)
def test_a_role_that_does_not_go_with_its_log_is_refused_in_words(
    tmp_path: Path, role: str, url: str, words: str
) -> None:
    agent = Agent(tmp_path / "agent", log__url=url)
    result = agent.command("run", "--role", role, check=False)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
