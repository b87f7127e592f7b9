"""The same load for alternatives: the usual Python stack and, if it is on the path, Telegraf.

Each writes to a separate VictoriaMetrics, where the points are counted, because losing messages also saves CPU time.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

from benchmarks.speed.load import PERIOD_MS
from benchmarks.speed.whole import Load, agent_cpu, peak_bytes
from tests.servers.agent import ROOT, Agent, wait_for
from tests.servers.mosquitto import Mosquitto
from tests.servers.victoria import VictoriaServer, victoria_server

VANS: Final = 1000
KILLED_PER_S: Final = 5000.0
OUR_SERIES: Final = "battery_soc_pct"
TELEGRAF_SERIES: Final = "mqtt_consumer_soc_pct"
SETTLED_S: Final = 25.0
"""If no more points arrive for this long, the run is over.

By default Telegraf writes an incomplete batch every 10 s, and tries again 10 s after a failure.
"""


class Peer(NamedTuple):
    """The cost of one program for the load."""

    name: str
    cpu_us: float
    """Per message sent."""
    stored: float
    """Fraction of the messages that are in the store."""
    peak_bytes: int
    """The largest resident memory."""


def peers(directory: Path, count: int) -> Iterator[Peer]:
    """Run vanpulse and all installed alternatives, one after the other."""
    for period_ms in (PERIOD_MS, 1000):
        yield ours(directory / f"ours-{period_ms}", count, period_ms)
    with victoria_server() as server:
        yield obvious(directory, server, count)
    if shutil.which("telegraf"):
        for name in ("default", "tuned"):
            with victoria_server() as server:
                yield telegraf(directory, name, server, count)


def ours(directory: Path, count: int, period_ms: int) -> Peer:
    """Run the agent. The period of readings decides how many points are derived from a reading."""
    with victoria_server() as server:
        cpu = agent_cpu(directory, count=count, vans=VANS, period_ms=period_ms, store__url=server.store_url())
        arrived = stored(server, OUR_SERIES) - 3 * VANS  # without the messages before the measurement
    return Peer(f"vanpulse, a reading each {period_ms // 1000} s", cpu.us, arrived / count, cpu.peak_bytes)


def obvious(directory: Path, server: VictoriaServer, count: int) -> Peer:
    """Run `benchmarks.peers.obvious`, which ends by itself."""
    with Mosquitto(directory / "obvious", max_queued_messages=10_000_000) as broker:
        words = [sys.executable, "-m", "benchmarks.peers.obvious", str(broker.port), server.url, str(count)]
        peer = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert peer.stdout is not None
        peer.stdout.readline()
        Load(broker.port, VANS).publish(count)
        spent_s, peak = peer.communicate(timeout=300)[0].split()
    arrived = stored(server, OUR_SERIES)
    return Peer("aiomqtt + pydantic + influxdb-client", float(spent_s) / count * 1e6, arrived / count, int(peak))


def telegraf(directory: Path, name: str, server: VictoriaServer, count: int) -> Peer:
    """Run Telegraf with one of its configurations until all messages, or no more, arrive."""
    with telegraf_broker(directory, name) as broker, Telegraf(directory, name, broker, server) as peer:
        before_s = cpu_s(peer.pid)
        Load(broker.port, VANS).publish(count)
        arrived = settled(server, TELEGRAF_SERIES, count)
        return Peer(
            f"Telegraf, {name}", (cpu_s(peer.pid) - before_s) / count * 1e6, arrived / count, peak_bytes(peer.pid)
        )


def killed(directory: Path, count: int) -> Iterator[tuple[str, float]]:
    """Kill each program during a load and start it again after a second. Returns the fraction of the load stored."""
    with (
        victoria_server() as server,
        Mosquitto(directory / "killed", max_queued_messages=10_000_000) as broker,
        Agent(directory / "killed-agent", mqtt__url=broker.url, store__url=server.store_url()) as agent,
    ):
        yield "vanpulse", _killed_once(agent, broker, server, OUR_SERIES, count)
    for name in ("default", "tuned") if shutil.which("telegraf") else ():
        with (
            victoria_server() as server,
            telegraf_broker(directory, f"killed-{name}") as broker,
            Telegraf(directory, name, broker, server) as peer,
        ):
            yield f"Telegraf, {name}", _killed_once(peer, broker, server, TELEGRAF_SERIES, count)


def _killed_once(
    victim: "Agent | Telegraf", broker: Mosquitto, server: VictoriaServer, series: str, count: int
) -> float:
    load = Load(broker.port, VANS).start(count, per_s=KILLED_PER_S)
    time.sleep(count / KILLED_PER_S / 2)
    victim.kill()
    time.sleep(1.0)
    victim.start()
    if load.wait():
        raise RuntimeError("the load could not be published")
    return settled(server, series, count) / count


def telegraf_broker(directory: Path, name: str) -> Mosquitto:
    """A broker whose in-flight window holds a whole batch of Telegraf."""
    return Mosquitto(directory / name, max_queued_messages=10_000_000, max_inflight_messages=20_000)


class Telegraf:
    """Telegraf as a process with one of its configurations. It is ready when it has subscribed."""

    def __init__(self, directory: Path, name: str, broker: Mosquitto, server: VictoriaServer) -> None:
        self._name = name
        self._broker = broker
        self._environment = os.environ | {"MQTT_PORT": str(broker.port), "INFLUX_URL": server.url}
        self._log = directory / f"telegraf-{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it has subscribed, or when its persistent session is resumed."""
        config = ROOT / "benchmarks" / "peers" / f"telegraf-{self._name}.conf"
        first = self._process is None
        seen = f"Received SUBSCRIBE from telegraf-{self._name}" if first else f" as telegraf-{self._name} ("
        before = self._broker.log.count(seen)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["telegraf", "--config", str(config), "--quiet"], env=self._environment, stderr=log
            )
        wait_for(lambda: self._broker.log.count(seen) > before, "Telegraf to be there")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)


def settled(server: VictoriaServer, series: str, count: int) -> int:
    """The number of messages that have arrived, when all have or no more arrive."""
    arrived, since_s = 0, time.monotonic()
    while arrived < count and time.monotonic() - since_s < SETTLED_S:
        time.sleep(0.5)
        before, arrived = arrived, stored(server, series)
        if arrived > before:
            since_s = time.monotonic()
    return arrived


def stored(server: VictoriaServer, series: str) -> int:
    """The number of messages with a value in the store. A duplicate counts once."""
    server.flush()
    return sum(len(set(each["timestamps"])) for each in server.export(f'{{__name__="{series}"}}'))


def cpu_s(pid: int) -> float:
    """CPU time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
