"""What the measurements run: one machine, agents of both roles, and records on a real Kafka."""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

from agent.kafka.appender import Appender
from agent.kafka.ingest_log import partition_of
from agent.kafka.topics import Topics, TopicShape, ensure
from agent.messages import Message
from benchmarks.speed.load import messages, start_ms
from benchmarks.speed.whole import PAUSE_S, WAIT_S
from tests.servers.agent import Agent, wait_for
from tests.servers.kafka import KafkaServer, settings

PACKED: Final = 64
"""Messages of a record, as an ingesting agent packs them where many come."""
RECORDS_AT_ONCE: Final = 200


class Fleet:
    """The readings of a fleet, in consecutive parts."""

    def __init__(self, vans: int, *, period_ms: int = 10_000) -> None:
        self.vans = vans
        self._period_ms = period_ms
        self._start_ms = start_ms()
        self._turn = 0

    def next(self, count: int) -> Iterator[tuple[str, bytes]]:
        """The next `count` messages; the part after them begins with a new reading of each van."""
        turn = self._turn
        self._turn += -(-count // self.vans)
        return messages(count, self.vans, start_ms=self._start_ms, first_turn=turn, period_ms=self._period_ms)


class Records:
    """Puts messages into the log as an ingesting agent does, without the broker in front of it."""

    def __init__(self, kafka: KafkaServer, topic: str, *, partitions: int, packed: int = PACKED) -> None:
        self.topic = topic
        self.url = f"kafka://{kafka.address}/{topic}"
        self.client = settings(kafka)
        self.topics = Topics.of(topic)
        ensure(self.client, self.topics, TopicShape(partitions, replication=1))
        self._partitions = partitions
        self._packed = packed
        self._appender = Appender(self.client, topic, source="mqtt")

    def put(self, some: Iterable[tuple[str, bytes]]) -> None:
        """Append all of them."""
        full: list[tuple[int, list[Message]]] = []
        open_records: dict[int, list[Message]] = {}
        for name, payload in some:
            partition = partition_of(name.split("/")[1], self._partitions)
            record = open_records.setdefault(partition, [])
            record.append(Message(name, payload))
            if len(record) == self._packed:
                full.append((partition, open_records.pop(partition)))
            if len(full) == RECORDS_AT_ONCE:
                self._append(full)
                full.clear()
        self._append(full + list(open_records.items()))

    def _append(self, records: list[tuple[int, list[Message]]]) -> None:
        now_ms = time.time_ns() // 1_000_000
        self._appender.append(records, received_ms=now_ms, listening_since_ms=now_ms)


class Measured:
    """Agents of one form with their history file, watched from outside: each look at their metrics would cost them."""

    def __init__(self, history_file: Path, agents: list[Agent]) -> None:
        self.agents = agents
        self._history_file = history_file

    @property
    def cpu_s(self) -> float:
        """CPU time of all agents so far."""
        return sum(map(cpu_s, self.agents))

    def wait_stored(self, readings: int) -> None:
        """Return once the store has so many readings."""
        with closing(sqlite3.connect(f"file:{self._history_file}?mode=ro", uri=True)) as history:

            def stored() -> bool:
                found: int = history.execute("SELECT count(*) FROM battery_points").fetchone()[0]
                return found >= readings

            wait_for(stored, f"{readings} readings to be stored", timeout_s=WAIT_S, pause_s=PAUSE_S)

    def stop(self) -> None:
        """End them in order."""
        for agent in self.agents:
            if agent.stop() != 0:
                raise RuntimeError(f"the agent did not end in order:\n{agent.log[-2000:]}")


def one_machine(directory: Path, *, mqtt_url: str) -> Measured:
    """The daemon on its journal."""
    agent = Agent(directory / "machine", mqtt__url=mqtt_url).start()
    return Measured(agent.directory / "history.db", [agent])


def role_agents(
    directory: Path, role: Literal["ingest", "process"], *, mqtt_url: str, log_url: str, count: int = 1
) -> Measured:
    """Agents of one role that share a log and a history file."""
    history_file = directory / f"{role}.db"
    agents = [
        Agent(
            directory / f"{role}-{number}",
            store__url=f"sqlite:///{history_file}",
            mqtt__url=mqtt_url,
            log__url=log_url,
        )
        for number in range(count)
    ]
    for agent in agents:
        agent.start("-m", "agent", "run", "--role", role, wait=False)
    for agent in agents:
        agent.wait_ready()
    return Measured(history_file, agents)


def cpu_s(agent: Agent) -> float:
    """CPU time of the process so far."""
    words = Path(f"/proc/{agent.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def wanted_s(agent: Agent) -> float:
    """Time in which the threads of the process had a core or waited for one, summed up."""
    spent_ns = 0
    for thread in Path(f"/proc/{agent.pid}/task").iterdir():
        running_ns, waiting_ns, _ = (thread / "schedstat").read_text().split()
        spent_ns += int(running_ns) + int(waiting_ns)
    return spent_ns / 1e9
