"""Agents that share a log: brokers → ingesting agents → Kafka → processing agents → store, each a real process."""

import queue
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from tests.kafka.roles import MEASUREMENTS, RoleAgent, rows_of
from tests.servers.agent import Agent, wait_for
from tests.servers.kafka import KafkaServer, kafka_server
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs
from tests.servers.publishing import drive, publish

HOUR_MS = 3_600_000
VANS = [f"van-{number}" for number in range(8)]


def shares(agent: Agent) -> bool:
    """Whether the agent processes some vans."""
    return agent.metrics().get("vans", 0) > 0


@needs("mosquitto")
def test_rows_are_those_of_one_machine_although_one_agent_of_each_role_is_killed(
    tmp_path: Path, kafka: KafkaServer, topic: str
) -> None:
    start_ms = time.time_ns() // 1_000_000 - HOUR_MS
    drives = {van: drive(van, start_ms=start_ms) for van in VANS}
    log_url = f"kafka://{kafka.address}/{topic}"
    store_url = f"sqlite:///{tmp_path / 'history.db'}"

    with Mosquitto(tmp_path) as east, Mosquitto(tmp_path) as west, Mosquitto(tmp_path) as one:
        whole = Agent(tmp_path / "whole", mqtt__url=one.url)
        sources = {"log__sources__east__url": east.url, "log__sources__west__url": west.url}
        ingest = [
            RoleAgent(tmp_path / f"ingest-{number}", "ingest", log__url=log_url, **sources) for number in range(2)
        ]
        process = [
            RoleAgent(
                tmp_path / f"process-{number}",
                "process",
                mqtt__url=east.url,
                log__url=log_url,
                store__url=store_url,
                journal__checkpoint_every_s=1,
                **sources,
            )
            for number in range(2)
        ]
        agents = [*ingest, *process]

        def send(first: int, last: int) -> None:
            for broker, vans in ((east, VANS[:4]), (west, VANS[4:]), (one, VANS)):
                publish(broker.port, [message for van in vans for message in drives[van][first:last]])

        try:
            whole.start()
            for agent in agents:
                agent.launch()
            for agent in agents:
                agent.wait_ready()
            send(0, 70)
            wait_for(lambda: all(map(shares, process)), "both agents to have vans")
            process[0].kill()
            send(70, 110)
            ingest[0].kill()
            send(110, 150)
            ingest[0].launch()
            wait_for(lambda: process[1].metrics().get("vans") == len(VANS), "the other agent to have all vans")
            process[0].launch()
            process[0].wait_ready()
            wait_for(lambda: shares(process[0]), "partitions to come back")
            send(150, 180)
            whole.wait_processed(180 * len(VANS))
            expected = rows_of(whole)
            assert len(expected["battery"]) == 180 * len(VANS)
            assert len(expected["trip"]) == len(VANS)
            wait_for(lambda: len(process[0].points("battery")) == 180 * len(VANS), "all readings")
            assert [agent.stop() for agent in agents] == [0, 0, 0, 0]
            found = rows_of(process[0])
            for name in MEASUREMENTS:
                assert found[name] == expected[name], name
        except BaseException:
            for agent in agents:
                print(agent.directory.name, agent.get("/readyz"), agent.log, sep="\n")
            raise
        finally:
            for agent in (whole, *agents):
                agent.__exit__(None, None, None)


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
