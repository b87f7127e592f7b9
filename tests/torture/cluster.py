"""The scaled-out form under torture: a broker, agents of both roles and one store, on a log of a real Kafka."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from agent.kafka.letters import unpack
from agent.kafka.reader import whole
from agent.kafka.topics import Topics
from agent.log import DeadLetter
from agent.stores.sqlite_history import SqliteHistory
from tests.servers.agent import Agent, wait_for
from tests.servers.kafka import KafkaServer, settings
from tests.servers.mosquitto import Mosquitto
from tests.torture.kafka_points import NOWHERE
from tests.torture.oracle import Key, Values, as_kept, differences

Role = Literal["ingest", "process"]
PARTITIONS: Final = 4
READY_S: Final = 60.0


class RoleAgent(Agent):
    """`vanpulse run --role ROLE`, which may stop itself at a point."""

    def __init__(self, directory: Path, role: Role, **settings: object) -> None:
        super().__init__(directory, **settings)
        self.role: Final = role
        self.point = NOWHERE

    @property
    def runs(self) -> bool:
        """Whether the process is there. A frozen one is."""
        return self._process is not None and self._process.poll() is None

    def launch(
        self, point: str = NOWHERE, count: int = 1, *, by: Literal["KILL", "STOP"] = "KILL", flaw: str | None = None
    ) -> None:
        """Start it without waiting. It is killed, or frozen, when it comes to the point for the COUNTth time."""
        self.point = point
        flaws = [] if flaw is None else [flaw]
        self.start("-m", "tests.torture.kafka_points", self.role, point, str(count), by, *flaws, wait=False)

    def freeze(self) -> None:
        """Stop the process; it keeps its memory and its connections."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a frozen process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def is_frozen(self) -> bool:
        """Whether the process is stopped and could go on."""
        return self.runs and Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def is_ready(self) -> bool:
        """Whether it says so."""
        return self.runs and self.get("/readyz")[0] == 200


class Cluster:
    """Nothing runs at first but the broker. All agents are killed when the block ends."""

    def __init__(self, directory: Path, kafka: KafkaServer, topic: str, *, partitions: int = PARTITIONS) -> None:
        self.kafka = kafka
        self.topics = Topics.of(topic)
        self.partitions = partitions
        self.broker = Mosquitto(directory, persistence=True, max_queued_messages=1_000_000)
        self.history_file = directory / "history.db"
        self.agents: list[RoleAgent] = []
        self._directory = directory
        self._settings: dict[str, object] = {
            "mqtt__url": self.broker.url,
            "mqtt__keepalive_s": 5,
            "log__url": f"kafka://{kafka.address}/{topic}",
            "log__partitions": partitions,
            "log__replication": 1,
            "store__url": f"sqlite:///{self.history_file}",
            "store__flush_ms": 50,
            "journal__checkpoint_every_s": 0.3,
            "fleet__messages_per_s": 400,
        }

    def add(self, role: Role, **settings: object) -> RoleAgent:
        """One more agent. It does not run yet."""
        agent = RoleAgent(self._directory / f"{role}-{len(self.agents)}", role, **(self._settings | settings))
        self.agents.append(agent)
        return agent

    def of(self, role: Role) -> list[RoleAgent]:
        """The agents of a role, whether they run or not."""
        return [agent for agent in self.agents if agent.role == role]

    def wait_ready(self, *agents: RoleAgent) -> None:
        """Return once all of them are ready. One that has ended meanwhile, for want of Kafka, is started again."""

        def ready() -> bool:
            for agent in agents:
                if not agent.runs:
                    agent.launch()
            return all(agent.is_ready() for agent in agents)

        try:
            wait_for(ready, "the agents to be ready", timeout_s=READY_S, pause_s=0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.what_they_say()}") from error

    def readings(self) -> int:
        """How many points of `battery` the store has; those of the last days, which are not closed."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{self.history_file}?mode=ro", uri=True)) as file:
            return int(file.execute("SELECT count(*) FROM battery").fetchone()[0])
        return 0

    def letters(self) -> Iterator[DeadLetter]:
        """All dead letters of the log."""
        for partition in range(self.partitions):
            for key, value in whole(settings(self.kafka), self.topics.letters, partition):
                letter = unpack(key, value or b"")
                if isinstance(letter, DeadLetter):
                    yield letter

    def differences(self, expected: dict[str, dict[Key, Values]]) -> list[str]:
        """What the store holds against what it must hold."""
        with closing(SqliteHistory(self.history_file)) as history:
            return differences(as_kept(expected), history.select)

    def what_they_say(self) -> str:
        """State and log of every agent, for a failure."""
        return "\n".join(
            f"--- {agent.directory.name}: {agent.returncode}"
            f" {'frozen' if agent.is_frozen() else agent.get('/readyz')}\n{agent.log[-3000:]}"
            for agent in self.agents
            if agent.log_file.exists()
        )

    def __enter__(self) -> Self:
        self.broker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for agent in self.agents:
            if agent.runs:
                agent.kill()
        self.broker.kill()
