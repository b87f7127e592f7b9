"""Several ingesting agents that divide the sources, with real brokers and a real Kafka; some are killed or frozen."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kafka.roles import RoleAgent, rows_of
from tests.servers.agent import Agent, wait_for
from tests.servers.kafka import KafkaServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs
from tests.servers.publishing import drive, publish

HOUR_MS = 3_600_000
SESSION_S = 10
VANS = {"east": [f"east-{number}" for number in range(3)], "west": [f"west-{number}" for number in range(3)]}
READINGS = 180


class Cluster:
    """Two sources on brokers of their own, two ingesting agents and one that processes; and one machine beside them."""

    def __init__(self, directory: Path, kafka: KafkaServer, topic: str, stack: ExitStack) -> None:
        self.brokers = {name: stack.enter_context(Mosquitto(directory, persistence=True)) for name in VANS}
        self.one_broker = stack.enter_context(Mosquitto(directory))
        shared = {
            "log__url": f"kafka://{kafka.address}/{topic}",
            "mqtt__url": self.one_broker.url,
            **{f"log__sources__{name}__url": broker.url for name, broker in self.brokers.items()},
        }
        self.whole = Agent(directory / "whole", mqtt__url=self.one_broker.url)
        self.ingest = [RoleAgent(directory / f"ingest-{number}", "ingest", **shared) for number in range(2)]
        self.process = RoleAgent(directory / "process", "process", **shared)
        for agent in (self.whole, *self.ingest, self.process):
            stack.callback(agent.__exit__, None, None, None)
        start_ms = time.time_ns() // 1_000_000 - HOUR_MS
        self._drives = {van: drive(van, start_ms=start_ms) for vans in VANS.values() for van in vans}

    def start(self) -> None:
        """Return when everything is ready and each ingesting agent has a source."""
        for agent in (*self.ingest, self.process):
            agent.launch()
        self.whole.start()
        for agent in (*self.ingest, self.process):
            agent.wait_ready()
        wait_for(lambda: all(len(sources_of(agent)) == 1 for agent in self.ingest), "a source for each")

    def send(self, first: int, last: int) -> None:
        """Publish these readings of every van to the broker of its source, and to the one machine's."""
        for name, vans in VANS.items():
            messages = [message for van in vans for message in self._drives[van][first:last]]
            publish(self.brokers[name].port, messages)
            publish(self.one_broker.port, messages)

    def wait_for_equal_rows(self) -> None:
        """Return when the rows are those of one machine."""
        number = READINGS * sum(len(vans) for vans in VANS.values())
        self.whole.wait_processed(number)
        wait_for(lambda: len(self.process.points("battery")) == number, "all readings")
        assert self.process.stop() == 0
        expected, found = rows_of(self.whole), rows_of(self.process)
        assert len(expected["trip"]) == len(self._drives)
        for name, rows in expected.items():
            assert found[name] == rows, name


def sources_of(agent: Agent) -> set[str]:
    """The sources that an agent is subscribed for."""
    metrics = agent.metrics()
    return {name for name in VANS if metrics.get(f"source_subscribed{{{name}}}")}


@pytest.fixture
def cluster(tmp_path: Path, kafka: KafkaServer, topic: str) -> Iterator[Cluster]:
    with ExitStack() as stack:
        made = Cluster(tmp_path, kafka, topic, stack)
        try:
            yield made
        finally:
            for agent in (*made.ingest, made.process):
                print(agent.directory.name, agent.get("/readyz"), agent.log, sep="\n")


@needs("mosquitto")
def test_rows_are_those_of_one_machine_although_one_agent_is_killed_and_one_wakes_up_after_a_takeover(
    cluster: Cluster,
) -> None:
    cluster.start()
    cluster.send(0, 60)
    killed, other = cluster.ingest
    killed.kill()
    cluster.send(60, 90)
    wait_for(lambda: sources_of(other) == set(VANS), "the other agent to take over")
    cluster.send(90, 110)
    killed.launch()
    wait_for(lambda: all(len(sources_of(agent)) == 1 for agent in cluster.ingest), "a source to move back")
    os.kill(other.pid, signal.SIGSTOP)
    try:
        # They arrive in the socket of the frozen agent, which will read them when it wakes up.
        cluster.send(110, 130)
        wait_for(lambda: sources_of(killed) == set(VANS), "the first agent to take over")
        cluster.send(130, 150)
    finally:
        os.kill(other.pid, signal.SIGCONT)
    cluster.send(150, 160)
    wait_for(lambda: "is lost; another agent has it" in other.log, "the frozen agent to hear of it")
    wait_for(lambda: all(len(sources_of(agent)) == 1 for agent in cluster.ingest), "a source to move back again")
    cluster.send(160, READINGS)
    cluster.wait_for_equal_rows()
    assert [agent.stop() for agent in cluster.ingest] == [0, 0]


@needs("mosquitto")
def test_a_second_agent_for_one_source_is_a_standby_and_says_so(tmp_path: Path, kafka: KafkaServer, topic: str) -> None:
    with Mosquitto(tmp_path, persistence=True) as broker, ExitStack() as stack:
        url = f"kafka://{kafka.address}/{topic}"
        agents = [
            RoleAgent(tmp_path / f"ingest-{number}", "ingest", mqtt__url=broker.url, log__url=url)
            for number in range(2)
        ]
        for agent in agents:
            stack.callback(agent.__exit__, None, None, None)
        agents[0].launch()
        agents[0].wait_ready()
        agents[1].launch()
        agents[1].wait_ready()
        wait_for(lambda: "standby: " in agents[1].get("/readyz")[1], "the note")
        assert "standby: " not in agents[0].get("/readyz")[1]
        assert agents[0].metrics()["source_subscribed{mqtt}"] == 1
        assert agents[0].stop() == 0
        wait_for(lambda: agents[1].metrics().get("source_subscribed{mqtt}"), "the standby to take over")
        assert agents[1].metrics()["mqtt_sessions_lost_total"] == 0
        assert agents[1].get("/readyz")[0] == 200
        assert agents[1].stop() == 0


def test_two_sources_with_the_same_topics_are_refused(tmp_path: Path) -> None:
    agent = Agent(
        tmp_path / "agent",
        log__url="kafka://127.0.0.1:9092/vans",
        log__sources__east__prefix="vans",
        log__sources__west__dialects='["native", "ovms"]',
    )
    result = agent.command("run", "--role", "ingest", check=False)
    assert result.returncode == 2
    assert "log.sources: 'east' and 'west' both receive 'vans/#' from mqtt://127.0.0.1:1883" in result.stderr
