"""One torture run of the scaled-out form: agents of both roles are killed and frozen, and what they use goes away."""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.servers.agent import wait_for
from tests.servers.kafka import KafkaServer
from tests.torture.cluster import Cluster, RoleAgent
from tests.torture.kafka_points import INGESTING, PROCESSING, SESSION_MS
from tests.torture.load import LAST, VANS, Load
from tests.torture.oracle import sizes, undisturbed
from tests.torture.run import Report, hold_lock

MESSAGES_PER_S: Final = 200.0
DAYS_MS: Final = 6 * 24 * 3_600_000
LIFE_S: Final = 20.0
"""An agent that has not come to its point by then is killed from outside."""
SETTLE_S: Final = 600.0
SESSION_S: Final = SESSION_MS / 1000
FAULTS: Final = (
    "kill_ingesting",
    "kill_with_successor",
    "freeze_before_a_write",
    "kill_processing",
    "restart_kafka",
    "kill_processing",
    "kill_at_any_moment",
    "freeze_beyond_the_session",
    "kill_ingesting",
    "add_and_remove",
    "store_away",
    "kill_processing",
)


class KafkaTorture:
    """Each fault is a method that counts itself in the report."""

    def __init__(
        self,
        directory: Path,
        kafka: KafkaServer,
        topic: str,
        *,
        kills: int,
        seed: int,
        faults: Sequence[str] = FAULTS,
    ) -> None:
        """The faults happen in turn, each at least once, until there were so many kills."""
        self.report = Report("sqlite, log kafka", seed)
        self._kafka = kafka
        self._kills = kills
        self._random = random.Random(seed)
        self._cluster = Cluster(directory, kafka, topic)
        self._points = {"ingest": _in_turn(INGESTING), "process": _in_turn(PROCESSING)}
        self._faults: list[Callable[[], None]] = [getattr(self, name) for name in faults]

    def run(self, *, progress: bool = False) -> Report:
        """Do all kills and faults, wait until everything is stored, compare."""
        began = time.monotonic()
        start_ms = time.time_ns() // 1_000_000 - DAYS_MS
        with self._cluster as cluster:
            for role in ("ingest", "ingest", "process", "process"):
                cluster.add(role).launch()
            cluster.wait_ready(*cluster.agents)  # the subscription has to exist before the first message does
            load = Load(cluster.broker.url, per_s=MESSAGES_PER_S, start_ms=start_ms, vans=VANS)
            try:
                self._torture(load, progress=progress)
                load.finish()
                self.report.messages = load.issued
                self._judge(load)
            finally:
                load.finish()
        self.report.redelivered = cluster.broker.log.count("Sending PUBLISH to vanpulse (d1")
        self.report.seconds = time.monotonic() - began
        return self.report

    def _torture(self, load: Load, *, progress: bool) -> None:
        number = 0
        while sum(self.report.kills.values()) < self._kills or number < len(self._faults):
            self._faults[number % len(self._faults)]()
            number += 1
            self._start_what_ended()
            if number % 2:  # otherwise the next fault comes while the agents still recover
                self._cluster.wait_ready(*self._cluster.agents)
            if progress:
                done = sum(self.report.kills.values())
                sys.stderr.write(f"\rkafka: {done} of {self._kills} kills, {number} faults, {load.issued:,} messages")
        if progress:
            sys.stderr.write("\n")

    # -- faults

    def kill_ingesting(self) -> None:
        """Kill the agent that receives, and the one that takes over from it at the next point."""
        agents = self._cluster.of("ingest")
        self._cluster.wait_ready(*agents)
        standby = min(agents, key=lambda agent: agent.metrics().get("mqtt_connected", 0))
        self._to_its_point(standby, meanwhile=[agent for agent in agents if agent is not standby])

    def kill_processing(self) -> None:
        """Kill an agent that processes at the next point."""
        self._to_its_point(self._random.choice(self._cluster.of("process")))

    def kill_with_successor(self) -> None:
        """Kill an agent inside a transaction, then the one that has taken its partitions over."""
        victim, successor = self._random.sample(self._cluster.of("process"), 2)
        self._to_its_point(victim, "inside a transaction")
        self._cluster.wait_ready(successor)
        time.sleep(SESSION_S + self._random.uniform(0.0, 2.0))
        self._kill(successor, "the successor")

    def kill_at_any_moment(self) -> None:
        """Kill an agent wherever it is."""
        time.sleep(self._random.uniform(0.0, 2.0))
        self._kill(self._random.choice(self._cluster.agents), "any moment")

    def freeze_beyond_the_session(self) -> None:
        """Stop an agent until others have its partitions; it then goes on as if nothing had happened."""
        frozen = self._random.choice(self._cluster.agents)
        frozen.freeze()
        time.sleep(2 * SESSION_S + self._random.uniform(0.0, 2.0))
        frozen.go_on()
        self.report.faults["frozen beyond its session"] += 1

    def freeze_before_a_write(self) -> None:
        """The same, between the processing of messages and the write of their rows."""
        frozen = self._random.choice(self._cluster.of("process"))
        self._kill(frozen, "any moment")
        frozen.launch("before a write", self._random.randint(1, 6), by="STOP")
        if not _soon(frozen.is_frozen):
            self._kill(frozen, "any moment")
            return
        time.sleep(2 * SESSION_S + self._random.uniform(0.0, 2.0))
        frozen.go_on()
        self.report.faults["frozen between processing and write"] += 1

    def add_and_remove(self) -> None:
        """One more agent comes; when it has partitions, one of the others leaves in order and comes back later."""
        more = self._cluster.add("process")
        more.launch()
        self._cluster.wait_ready(*self._cluster.of("process"))
        leaving = self._random.choice(self._cluster.of("process"))
        if leaving.stop() != 0:
            raise AssertionError(f"it did not end in order:\n{leaving.log[-2000:]}")
        self._cluster.agents.remove(leaving)
        self.report.faults["agent added and another one removed"] += 1

    def restart_kafka(self) -> None:
        """The only broker of Kafka dies and comes back."""
        self._kafka.kill()
        time.sleep(self._random.uniform(0.0, 2.0))
        self._kafka.start()
        self.report.faults["Kafka killed and restarted"] += 1

    def store_away(self) -> None:
        """Another program holds the history file while the next faults happen."""
        held_s = self._random.uniform(1.0, 6.0)
        threading.Thread(target=hold_lock, args=(self._cluster.history_file, held_s)).start()
        self.report.faults["history file locked"] += 1

    # -- what they are made of

    def _to_its_point(self, agent: RoleAgent, point: str | None = None, *, meanwhile: Sequence[RoleAgent] = ()) -> None:
        """Start the agent anew, kill others, and let it die at the point, or at the next one of its role."""
        if agent.runs:
            self._kill(agent, "any moment")
        point = point or next(self._points[agent.role])
        agent.launch(point, self._random.randint(1, 8))
        for other in meanwhile:
            self._kill(other, "any moment")
        if _soon(lambda: not agent.runs):
            if agent.returncode != -9:
                raise AssertionError(f"the agent ended by itself with {agent.returncode}:\n{agent.log[-2000:]}")
            self.report.kills[point] += 1
        else:
            self._kill(agent, "any moment")

    def _kill(self, agent: RoleAgent, what: str) -> None:
        agent.kill()
        self.report.kills[f"{what}, {agent.role}"] += 1

    def _start_what_ended(self) -> None:
        for agent in self._cluster.agents:
            if not agent.runs:
                agent.launch()

    # -- the end

    def _judge(self, load: Load) -> None:
        """Wait until all readings are stored, let all agents leave in order, and compare every row."""
        cluster = self._cluster
        expected = undisturbed(load.messages())
        cluster.wait_ready(*cluster.agents)
        with_readings = len(expected["battery"])
        try:
            wait_for(lambda: cluster.readings() >= with_readings, "all readings", timeout_s=SETTLE_S, pause_s=0.5)
        except TimeoutError as error:
            self.report.differences.append(f"{error}: {cluster.readings():,} of {with_readings:,}")
        for agent in cluster.agents:
            if agent.stop() != 0:
                self.report.differences.append(f"{agent.directory.name} did not end in order: {agent.log[-500:]}")
        self.report.differences += cluster.differences(expected)
        letters = [letter for letter in cluster.letters() if letter.topic != LAST[0]]
        if letters:
            self.report.differences.append(f"{len(letters)} dead letters, as {letters[0]}")
        self.report.compared = sizes(expected)


def _in_turn(points: Iterable[str]) -> Iterator[str]:
    points = list(points)
    while True:
        yield from points


def _soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within the life of an agent that dies at a point."""
    try:
        wait_for(condition, "the point", timeout_s=LIFE_S)
    except TimeoutError:
        return False
    return True
