"""The agent as a separate process, with its settings in the environment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from agent.commands.ports import free_port
from agent.journal import JournalReader
from agent.log import DeadLetter, StoreRefusal
from agent.stores import make_history

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0


def wait_for(condition: Callable[[], Any], what: str, *, timeout_s: float = WAIT_S, pause_s: float = 0.02) -> Any:
    """Call the condition at intervals until it is true, and return its value."""
    deadline = time.monotonic() + timeout_s
    while True:
        if found := condition():
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(pause_s)


class Agent:
    """`python -m agent run` in a directory; settings are given as `mqtt__url=…`."""

    def __init__(self, directory: Path, **settings: object) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.health_port = free_port()
        self.settings = {
            "journal__path": directory / "journal.db",
            "store__url": f"sqlite:///{directory / 'history.db'}",
            "http__listen": f"127.0.0.1:{self.health_port}",
        } | settings
        self.log_file = directory / "agent.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this agent and of commands about it."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("VANPULSE_")}
        return own | {f"VANPULSE_{key.upper()}": str(value) for key, value in self.settings.items()}

    @property
    def log(self) -> str:
        """Its stderr of all starts."""
        return self.log_file.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self, *words: str, wait: bool = True) -> Self:
        """Start it and return once it is ready, or at once with `wait=False`. `words` replace `-m agent run`."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(words or ("-m", "agent", "run"))],
                cwd=self.directory,
                env=self.environment | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Return once it is connected, subscribed, and its store answers."""

        def ready() -> bool:
            if self.returncode is not None:
                raise RuntimeError(f"the agent ended with {self.returncode}:\n{self.log}")
            return self.get("/readyz")[0] == 200

        try:
            wait_for(ready, "the agent to be ready")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.get('/readyz')}\n{self.log}") from error

    def stop(self) -> int:
        """Send SIGTERM and return the exit status. It must end within 30 s."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Send SIGKILL and return the exit status."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a health endpoint; (0, "") when nobody answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except URLError as error:
            if hasattr(error, "code"):
                return error.code, error.read().decode()  # type: ignore[attr-defined]
            return 0, ""
        except OSError:
            return 0, ""

    def metrics(self) -> dict[str, float]:
        """All metrics; labelled ones as `name{value}` and, summed, as `name`."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                name = sample.name.removeprefix("vanpulse_")
                found[name] = found.get(name, 0.0) + sample.value
                for value in sample.labels.values():
                    found[f"{name}{{{value}}}"] = sample.value
        return found

    def wait_processed(self, messages: int, *, timeout_s: float = WAIT_S, pause_s: float = 0.02) -> None:
        """Return once so many messages are journaled and everything journaled is in the store.

        Each check costs the agent some 2 ms of CPU. Benchmarks therefore use a longer pause.
        """

        def done() -> bool:
            if self.returncode is not None:
                raise RuntimeError(f"the agent ended with {self.returncode}:\n{self.log}")
            metrics = self.metrics()
            return bool(
                metrics
                and metrics["messages_journaled_total"] >= messages
                and metrics["journal_backlog_messages"] == 0
                and metrics["unconfirmed_messages"] == 0
            )

        try:
            wait_for(done, f"{messages} messages to be processed", timeout_s=timeout_s, pause_s=pause_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.get('/metrics')[1]}\n{self.log}") from error

    def points(self, measurement: str, **options: Any) -> list[dict[str, Any]]:
        """What the store holds."""
        history = make_history(str(self.settings["store__url"]))
        try:
            return list(history.select(measurement, **options))
        finally:
            history.close()

    def dead_letters(self) -> list[DeadLetter]:
        """All dead letters, read while the agent runs."""
        with JournalReader(str(self.settings["journal__path"])) as reader:
            return list(reader.dead_letters())

    def refusals(self) -> list[StoreRefusal]:
        """All rows that the store has refused for good, read while the agent runs."""
        with JournalReader(str(self.settings["journal__path"])) as reader:
            return list(reader.refusals())

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Another command with this agent's settings."""
        return subprocess.run(
            [sys.executable, "-m", "agent", *words],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=check,
            timeout=WAIT_S,
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.returncode is None and self._process is not None:
            self.kill()
