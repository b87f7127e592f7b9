"""What the measurements run: one machine, agents of both roles, and records on a real Kafka."""

import time
from collections.abc import Iterable, Iterator
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


class RoleAgents:
    """Agents of one role that share a log and a history file."""

    def __init__(
        self, directory: Path, role: Literal["ingest", "process"], *, count: int = 1, **options: object
    ) -> None:
        self.agents = [
            Agent(directory / f"{role}-{number}", store__url=f"sqlite:///{directory / 'history.db'}", **options)
            for number in range(count)
        ]
        for agent in self.agents:
            agent.start("-m", "agent", "run", "--role", role, wait=False)
        for agent in self.agents:
            agent.wait_ready()

    def sum(self, name: str) -> float:
        """A metric over all agents."""
        return sum(agent.metrics().get(name, 0.0) for agent in self.agents)

    @property
    def cpu_s(self) -> float:
        """CPU time of all agents so far."""
        return self.sum("cpu_seconds_total")

    def wait_stored(self, accepted: int) -> None:
        """Return once so many readings were accepted and their rows are in the store."""

        def stored() -> bool:
            return self.sum("readings_accepted_total") >= accepted and not self.sum("unconfirmed_messages")

        wait_for(stored, f"{accepted} readings to be stored", timeout_s=WAIT_S, pause_s=PAUSE_S)

    def stop(self) -> None:
        """End them in order."""
        for agent in self.agents:
            if agent.stop() != 0:
                raise RuntimeError(f"the agent did not end in order:\n{agent.log[-2000:]}")
