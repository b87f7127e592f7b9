"""Agents that find no Kafka, or find that its topics change: what they say, and that they go on by themselves."""

import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from agent.commands.kafka_node import what_is_missing
from agent.kafka.topics import Topics, TopicShape, ensure
from tests.kafka.roles import RoleAgent
from tests.kafka.test_roles import HOUR_MS
from tests.servers.agent import wait_for
from tests.servers.kafka import KafkaServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs
from tests.servers.publishing import drive, publish


def role_agent(directory: Path, role: str, server: KafkaServer, topic: str, broker: Mosquitto) -> RoleAgent:
    log_url = f"kafka://{server.address}/{topic}"
    return RoleAgent(directory / role, role, mqtt__url=broker.url, log__url=log_url)


def says(agent: RoleAgent, words: str) -> bool:
    return words in agent.get("/readyz")[1]


@needs("mosquitto")
def test_agents_wait_for_a_kafka_that_is_away_at_their_start(tmp_path: Path, topic: str) -> None:
    missing = what_is_missing()
    if missing is not None:
        pytest.skip(missing)
    server = KafkaServer()
    with Mosquitto(tmp_path) as broker:
        agents = [role_agent(tmp_path, role, server, topic, broker) for role in ("ingest", "process")]
        ingest, process = agents
        try:
            for agent in agents:
                agent.launch()
            reason = f"log: Kafka at {server.address} does not answer (Connect to ipv4#{server.address} failed"
            for agent in agents:
                wait_for(lambda agent=agent: says(agent, reason), "the reason")  # type: ignore[misc]
                assert agent.get("/readyz")[0] == 503
                assert agent.get("/healthz")[0] == 200
                assert agent.get("/metrics")[0] == 200
                assert agent.log.count("waiting for Kafka") == 1
            server.start()
            for agent in (ingest, process):
                agent.wait_ready()
                assert "Kafka answers: the agent starts" in agent.log
            sent = publish(broker.port, drive("van-1", start_ms=time.time_ns() // 1_000_000 - HOUR_MS, readings=30))
            wait_for(lambda: len(process.points("battery")) == sent, "all rows")
            assert [ingest.stop(), process.stop()] == [0, 0]
        finally:
            server.stop()
            for agent in agents:
                agent.__exit__(None, None, None)


def admin_client(server: KafkaServer) -> AdminClient:
    return AdminClient({"bootstrap.servers": server.address, "log_level": 0})


def change(server: KafkaServer, topic: str, **config: str) -> None:
    entries = [
        ConfigEntry(key.replace("_", "."), text, incremental_operation=AlterConfigOpType.SET)
        for key, text in config.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = admin_client(server)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(60)


def delete(server: KafkaServer, *topics: str) -> None:
    admin = admin_client(server)
    for future in admin.delete_topics(list(topics)).values():
        future.result(60)


@needs("mosquitto")
def test_topics_that_change_while_agents_run_are_said_and_nothing_unsafe_is_acknowledged(
    tmp_path: Path, kafka: KafkaServer, topic: str
) -> None:
    start_ms = time.time_ns() // 1_000_000 - HOUR_MS
    readings: list[tuple[str, Any]] = drive("van-1", start_ms=start_ms)
    with Mosquitto(tmp_path) as broker:
        agents = [role_agent(tmp_path, role, kafka, topic, broker) for role in ("ingest", "process")]
        ingest, process = agents
        foreign = Producer({"bootstrap.servers": kafka.address, "log_level": 0})
        ensure({"bootstrap.servers": kafka.address}, Topics.of(topic), TopicShape(partitions=4, replication=1))
        foreign.produce(f"{topic}-states", b"hello", key=b"somebody", partition=3)
        assert foreign.flush(60) == 0
        try:
            for agent in agents:
                agent.launch()
            ingest.wait_ready()
            reason = "log: partition 3 is not processed: the state of van 'somebody' cannot be read"
            wait_for(lambda: says(process, reason), "the reason")
            assert process.returncode is None
            foreign.produce(f"{topic}-states", None, key=b"somebody", partition=3)
            assert foreign.flush(60) == 0
            process.wait_ready()

            foreign.produce(topic, b"hello", partition=1)
            assert foreign.flush(60) == 0
            wait_for(lambda: says(process, "log: 1 records of the topic are none of ours"), "the note")
            assert process.get("/readyz")[0] == 200
            assert process.metrics()["foreign_records_total"] == 1
            assert "partition 1: records that are none of ours" in process.log

            change(kafka, topic, cleanup_policy="compact")
            wait_for(lambda: says(ingest, f"log: topic '{topic}' must not be compacted"), "the reason")
            acknowledged = ingest.metrics()["acks_sent_total"]
            publish(broker.port, readings[:10])
            wait_for(lambda: "reading stops, nothing is acknowledged" in ingest.log, "the pause")
            assert ingest.metrics()["acks_sent_total"] == acknowledged
            change(kafka, topic, cleanup_policy="delete")
            wait_for(lambda: ingest.get("/readyz")[0] == 200, "the agent to go on")
            wait_for(lambda: len(process.points("battery")) == 10, "the rows")

            delete(kafka, f"{topic}-states")
            for agent in agents:
                wait_for(lambda agent=agent: says(agent, f"topic '{topic}-states' is gone"), "it")  # type: ignore[misc]
                assert f"ERROR agent.kafka.topic_watch: topic '{topic}-states' is gone" in agent.log

            delete(kafka, topic)
            wait_for(lambda: says(ingest, f"log: topic '{topic}' is gone"), "the reason")
            acknowledged = ingest.metrics()["acks_sent_total"]
            publish(broker.port, readings[10:20])
            wait_for(lambda: ingest.log.count("reading stops, nothing is acknowledged") == 2, "the pause")
            assert ingest.metrics()["acks_sent_total"] == acknowledged
            wait_for(lambda: says(process, f"log: topic '{topic}' is gone"), "the reason")
            assert all(agent.returncode is None for agent in agents)
        finally:
            for agent in agents:
                agent.__exit__(None, None, None)
