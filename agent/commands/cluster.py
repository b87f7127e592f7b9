"""`make cluster`: the form for several machines, all on this one, with a simulated fleet.

One Kafka node, one broker, two ingesting and two processing agents, the SQLite history, the live page, and a fleet that
is divided between two sources. The vanpulse settings of this machine are not used.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from agent.commands import kafka_node
from agent.commands.demo import add_fleet_arguments, free_port_from
from agent.commands.ports import free_port
from agent.commands.processes import Processes, TrialError
from agent.errors import VanpulseError

SOURCES: Final = ("east", "west")
INGESTING: Final = ("ingest-1", "ingest-2")
PROCESSING: Final = ("process-1", "process-2")
PARTITIONS: Final = 4
START_S: Final = 60.0
REFRESH_S: Final = 1.0
MOSQUITTO: Final = (
    "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 1000000\n"
)


class Load(NamedTuple):
    """What all agents have done so far, and who has what."""

    journaled: int
    accepted: int
    dead_letters: int
    vans: int
    owners: dict[str, str]
    """The agent that has each source."""


def main() -> int:
    """Run until Ctrl-C or for `--seconds`. Returns the exit status: 2 where a program is missing."""
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    add_fleet_arguments(parser, hours=1.0)
    arguments = parser.parse_args()
    try:
        if (missing := kafka_node.what_is_missing()) is not None:
            sys.stderr.write(f"make cluster: {missing}\n")
            return 2
        with tempfile.TemporaryDirectory(prefix="vanpulse-cluster-") as directory:
            asyncio.run(_Cluster(arguments, Path(directory)).run())
    except VanpulseError as error:
        sys.stderr.write(f"make cluster: {error}\n")
        return 1
    except KeyboardInterrupt:  # before anything was started
        return 0
    return 0


class _Cluster:
    """The processes of the cluster, in the order of their start."""

    def __init__(self, arguments: argparse.Namespace, directory: Path) -> None:
        self._arguments = arguments
        self._directory = directory
        self._stop = asyncio.Event()
        self._processes = Processes(directory, self._stop)
        self._health = {name: free_port() for name in (*INGESTING, *PROCESSING)}
        self._broker_port, self._kafka_port, self._controller_port = free_port(), free_port(), free_port()
        self._live_port = free_port_from(arguments.port)
        self._ended: set[str] = set()
        self._mosquitto: str | None = None

    async def run(self) -> None:
        """Start all processes, show the summary until the end, stop all processes."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        partial = kafka_node.JARS.with_name(f"{kafka_node.JARS.name}.{os.getpid()}")
        try:
            await self._fetch(partial)
            await self._start_servers()
            await self._start_agents()
            await self._start_fleet()
            if not self._stop.is_set():
                self._introduce()
                await self._show()
        finally:
            await self._end()
            shutil.rmtree(partial, ignore_errors=True)

    # -- start

    async def _fetch(self, partial: Path) -> None:
        """The jars of Kafka, if they are not there yet."""
        if kafka_node.JARS.is_dir():
            return
        sys.stdout.write("fetching Kafka with Maven, once: 46 files, 44 MB\n")
        sys.stdout.flush()
        await self._processes.program("folder of Kafka", *kafka_node.fetch_command(partial))
        await self._processes.finish("folder of Kafka")
        if not self._stop.is_set():
            kafka_node.keep_jars(partial)

    async def _start_servers(self) -> None:
        properties = self._directory / "server.properties"
        properties.write_text(
            kafka_node.properties(self._directory, plain=self._kafka_port, controller=self._controller_port),
            encoding="utf-8",
        )
        await self._start_broker()
        await self._simulator("fleet file", "--fleet-file", str(self._fleet_file), "--seconds", "0", "--hours", "0")
        await self._processes.program("storage of Kafka", *kafka_node.FORMAT, str(properties))
        await self._processes.finish("fleet file")
        await self._processes.finish("storage of Kafka")
        await self._processes.program("kafka", *kafka_node.RUN, str(properties))
        await self._processes.reachable("kafka", self._kafka_port, timeout_s=START_S)
        await self._processes.reachable("broker", self._broker_port, timeout_s=START_S)

    async def _start_broker(self) -> None:
        """Mosquitto where it is installed, else the embedded broker of the demo."""
        program = self._mosquitto = shutil.which(
            "mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
        )
        if program is None:
            await self._processes.python("broker", "-m", "agent.commands.demo_broker", str(self._broker_port))
            return
        file = self._directory / "mosquitto.conf"
        file.write_text(MOSQUITTO.format(port=self._broker_port), encoding="utf-8")
        await self._processes.program("broker", program, "-c", str(file))

    async def _start_agents(self) -> None:
        for name, port in self._health.items():
            settings = self._settings | {
                "LOG__INSTANCE": name,
                "HTTP__LISTEN": f"127.0.0.1:{port}",
                "JOURNAL__PATH": str(self._directory / name / "journal.db"),
            }
            await self._processes.python(
                name, "-m", "agent", "run", "--role", name.partition("-")[0], settings=settings
            )
        await self._processes.python(
            "live page", "-m", "agent", "live", "--port", str(self._live_port), settings=self._settings
        )
        for name, port in self._health.items():
            await self._processes.ready(name, port, timeout_s=START_S)

    async def _start_fleet(self) -> None:
        for number, name in enumerate(SOURCES, 1):
            await self._simulator(
                f"fleet {name}",
                *("--share", f"{number}/{len(SOURCES)}", "--prefix", name),
                *("--hours", str(self._arguments.hours), "--speedup", str(self._arguments.speedup)),
                *("--broker", self._broker),
            )

    async def _simulator(self, name: str, *words: str) -> None:
        await self._processes.python(name, "-m", "simulator", "simulate", "--vans", str(self._arguments.vans), *words)

    @property
    def _broker(self) -> str:
        return f"mqtt://127.0.0.1:{self._broker_port}"

    @property
    def _fleet_file(self) -> Path:
        return self._directory / "fleet.toml"

    @property
    def _settings(self) -> dict[str, str]:
        return {
            "MQTT__URL": self._broker,
            "MQTT__PROTOCOL": "3.1.1",
            "MQTT__CLIENT_ID": "vanpulse-cluster",
            "LOG__URL": f"kafka://127.0.0.1:{self._kafka_port}/vans",
            "LOG__PARTITIONS": str(PARTITIONS),
            "LOG__REPLICATION": "1",
            **{f"LOG__SOURCES__{name.upper()}__PREFIX": name for name in SOURCES},
            "STORE__URL": f"sqlite:///{self._directory / 'history.db'}",
            "FLEET__FILE": str(self._fleet_file),
        }

    # -- while it runs

    def _introduce(self) -> None:
        agents = "".join(
            f"  {name:<10} http://127.0.0.1:{port}/readyz   process {self._processes.running[name].pid}\n"
            for name, port in self._health.items()
        )
        sys.stdout.write(
            f"{self._arguments.vans} vans. The last {self._arguments.hours:g} hours are sent first, then the present.\n"
            f"  live page  http://127.0.0.1:{self._live_port}\n"
            f"  broker     {self._broker}   topics {'/#, '.join(SOURCES)}/#\n"
            f"  kafka      127.0.0.1:{self._kafka_port}   topic vans, {PARTITIONS} partitions\n"
            f"{agents}"
            f"  history    {self._directory / 'history.db'}\n"
            "To see a takeover, end an agent of either role: "
            f"kill -9 {self._processes.running[INGESTING[0]].pid}\n"
            f"Its sources or partitions go to the other one within some 15 s{self._promise}.\n"
            "Stop with Ctrl-C.\n"
        )
        sys.stdout.flush()

    @property
    def _promise(self) -> str:
        if self._mosquitto is not None:
            return ", and no row is missing"
        return "; the embedded broker forgets sessions: with Mosquitto installed, no row is missing"

    async def _show(self) -> None:
        """Print the summary: on a terminal one line that changes each second, in a pipe only the last one."""
        ends_s = time.monotonic() + (self._arguments.seconds or float("inf"))
        terminal = sys.stdout.isatty()
        line = ""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            while not self._stop.is_set() and time.monotonic() < ends_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(REFRESH_S, max(0.0, ends_s - time.monotonic()))):
                        await self._stop.wait()
                self._note_ends(terminal=terminal)
                line = _line(await self._load(http))
                if terminal:
                    sys.stdout.write(f"\r\x1b[K{line}")
                    sys.stdout.flush()
        sys.stdout.write("\n" if terminal else f"{line}\n")

    def _note_ends(self, *, terminal: bool) -> None:
        """Say which agents have ended. Raises `TrialError` when all of a role have, or something else has."""
        self._ended.update(self._processes.ended())
        for name in self._ended - self._health.keys():
            raise TrialError(f"the {name} ended early: {self._processes.last_words(name)}")
        for role in (INGESTING, PROCESSING):
            if self._ended.issuperset(role):
                raise TrialError(f"{' and '.join(role)} have ended: {self._processes.last_words(role[0])}")
        for name in sorted(self._ended & self._processes.running.keys()):
            del self._processes.running[name]
            sys.stdout.write(
                ("\r\x1b[K" if terminal else "") + f"{name} has ended; the other agent of its role takes over\n"
            )
            sys.stdout.flush()

    async def _load(self, http: aiohttp.ClientSession) -> Load:
        total: dict[str, float] = {}
        owners: dict[str, str] = {}
        for name in self._health.keys() - self._ended:
            try:
                async with http.get(f"http://127.0.0.1:{self._health[name]}/metrics") as answer:
                    text = await answer.text()
            except (aiohttp.ClientError, TimeoutError):
                continue
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    total[sample.name] = total.get(sample.name, 0.0) + sample.value
                    if sample.name == "vanpulse_source_subscribed" and sample.value:
                        owners[sample.labels["source"]] = name
        return Load(
            journaled=int(total.get("vanpulse_messages_journaled_total", 0)),
            accepted=int(total.get("vanpulse_readings_accepted_total", 0)),
            dead_letters=int(total.get("vanpulse_messages_rejected_total", 0)),
            vans=int(total.get("vanpulse_vans", 0)),
            owners=owners,
        )

    async def _end(self) -> None:
        """Stop the processes in the direction of the messages; what still runs after that, at once."""
        fleet = [f"fleet {name}" for name in SOURCES]
        for names in (fleet, ["live page", *INGESTING], PROCESSING, ["broker", "kafka"]):
            await self._processes.end(names)
        await self._processes.end(list(self._processes.running))


def _line(load: Load) -> str:
    sources = "  ".join(f"{name} at {load.owners.get(name, 'nobody')}" for name in SOURCES)
    return (
        f"{load.vans} vans  {load.journaled:,} messages  {load.accepted:,} readings accepted  "
        f"{load.dead_letters} dead letters  {sources}"
    )
