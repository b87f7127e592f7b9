"""Short torture of the scaled-out form, and flawed agents of each kind, which the oracle has to find out."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from agent.commands.kafka_node import what_is_missing
from agent.kafka.appender import Appender
from agent.kafka.topics import TopicShape, ensure
from agent.messages import Message
from tests.servers.agent import wait_for
from tests.servers.kafka import KafkaServer, kafka_server, settings
from tests.servers.programs import needs
from tests.torture.cluster import Cluster
from tests.torture.kafka_points import NOWHERE
from tests.torture.kafka_run import KafkaTorture
from tests.torture.load import Load, message
from tests.torture.oracle import Key, Values, undisturbed

pytestmark = [pytest.mark.timeout(300), needs("mosquitto")]

VANS = 4
_numbers = count(1)


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaServer]:
    missing = what_is_missing()
    if missing is not None:
        pytest.skip(missing)
    with kafka_server() as server:
        yield server


@pytest.fixture
def cluster(tmp_path: Path, kafka: KafkaServer) -> Iterator[Cluster]:
    """A cluster of one partition, so that whichever agent dies has it."""
    with Cluster(tmp_path, kafka, f"flawed-{next(_numbers)}", partitions=1) as made:
        yield made
        print(made.what_they_say())  # shown when the test has failed


class Readings:
    """The readings of a few vans, which go to the log without a broker in between."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._client = settings(cluster.kafka)
        ensure(self._client, cluster.topics, TopicShape(cluster.partitions, replication=1))
        self._appender = Appender(self._client, cluster.topics.messages, source="load")
        self._start_ms = time.time_ns() // 1_000_000 - 86_400_000
        self.sent: list[tuple[str, bytes]] = []

    def send(self, readings: int) -> None:
        """The next readings of each van, a record for each turn."""
        for _ in range(readings):
            turn = [message(len(self.sent) + van, self._start_ms, VANS) for van in range(VANS)]
            self.sent += turn
            now_ms = time.time_ns() // 1_000_000
            self._appender.append(
                [(0, [Message(*each) for each in turn])], received_ms=now_ms, listening_since_ms=now_ms
            )

    def send_until(self, condition: Callable[[], bool]) -> None:
        """Send readings until something has happened."""

        def happened() -> bool:
            self.send(1)
            return condition()

        wait_for(happened, "what the readings lead to")

    def expected(self) -> dict[str, dict[Key, Values]]:
        """The rows of all that was sent."""
        return undisturbed(self.sent)

    def wait_stored(self) -> None:
        """Return once the store has the readings of all that was sent."""
        wanted = len(self.expected()["battery"])
        wait_for(lambda: self._cluster.readings() >= wanted, "the readings to be stored")


def assert_found(cluster: Cluster, readings: Readings) -> None:
    """The oracle finds rows that differ from those of an undisturbed run."""
    found = cluster.differences(readings.expected())
    assert found != []
    assert all("different" in each or "missing" in each or "invented" in each for each in found)


def test_an_offset_before_the_states_is_found(cluster: Cluster) -> None:
    """The agent dies between the two. Its successor goes on with states that are older than its offset."""
    readings = Readings(cluster)
    dying, successor = cluster.add("process"), cluster.add("process")
    readings.send(20)
    dying.launch("after a transaction", flaw="offset before the states")
    readings.send_until(lambda: not dying.runs)
    successor.launch(flaw="offset before the states")
    readings.send(5)
    readings.wait_stored()
    assert successor.stop() == 0
    assert_found(cluster, readings)


def test_transactions_of_the_group_are_found(cluster: Cluster) -> None:
    """One agent dies inside a transaction, its successor behind a later one, which nobody can see yet."""
    readings = Readings(cluster)
    agents = [cluster.add("process") for _ in range(3)]
    readings.send(20)
    for agent, point in zip(agents, ("inside a transaction", "after a transaction", NOWHERE), strict=True):
        agent.launch(point, 3, flaw="transactions of the group")
        if point != NOWHERE:
            readings.send_until(lambda agent=agent: not agent.runs)
    readings.send(5)
    readings.wait_stored()
    assert_found(cluster, readings)


def test_rewritten_rows_are_found(cluster: Cluster) -> None:
    """The agent freezes ahead of a write. Its successor writes the same rows again and then the exact ones."""
    readings = Readings(cluster)
    frozen, successor = cluster.add("process"), cluster.add("process")
    frozen.launch("before a write", 2, by="STOP", flaw="rewritten rows")
    readings.send_until(frozen.is_frozen)
    successor.launch(flaw="rewritten rows")
    readings.send(50)
    readings.wait_stored()
    assert successor.stop() == 0
    late = cluster.readings()
    frozen.go_on()
    wait_for(lambda: "are lost" in frozen.log or "has taken over" in frozen.log, "the former owner to notice")
    assert frozen.stop() == 0
    assert cluster.readings() == late
    assert_found(cluster, readings)


def test_an_acknowledgement_before_the_replicas_is_found(cluster: Cluster) -> None:
    """The broker forgets what was acknowledged, and the agent dies with it."""
    ingest, process = cluster.add("ingest"), cluster.add("process")
    process.launch()
    ingest.launch("acknowledged", 10, flaw="acknowledges before the replicas")
    wait_for(lambda: ingest.is_ready() and process.is_ready(), "the agents to be ready", pause_s=0.1)
    load = Load(cluster.broker.url, per_s=100, start_ms=time.time_ns() // 1_000_000 - 86_400_000, vans=VANS)
    try:
        wait_for(lambda: not ingest.runs, "the end")
        issued = load.issued
        wait_for(lambda: load.issued > issued + 2 * VANS, "messages that are not lost")
    finally:
        load.finish()
    ingest.launch()
    expected = undisturbed(load.messages())
    last = max(expected["battery"], key=lambda key: key[1])
    wait_for(lambda: last in {(row["vehicle_id"], row["time_ms"]) for row in process.points("battery")}, "the last one")
    assert process.stop() == 0
    assert any("missing" in each for each in cluster.differences(expected))


def test_kills_of_each_role_and_a_frozen_agent(tmp_path: Path, kafka: KafkaServer) -> None:
    faults = ("kill_ingesting", "kill_with_successor", "freeze_before_a_write")
    report = KafkaTorture(tmp_path, kafka, "tortured", kills=3, seed=5, faults=faults).run()
    assert report.differences == []
    assert report.redelivered > 0
    assert report.messages > 1000
    assert report.kills["inside a transaction"] == 1
    assert report.faults["frozen between processing and write"] == 1
