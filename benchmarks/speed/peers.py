"""The same load for those one would use instead: the obvious Python stack and, where it is on the path, Telegraf.

Each writes into a VictoriaMetrics of its own, in which is counted what arrived: whoever loses a third saves a third.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.speed.load import PERIOD_MS
from benchmarks.speed.whole import Load, agent_cpu, peak_bytes
from tests.servers.agent import ROOT, wait_for
from tests.servers.mosquitto import Mosquitto
from tests.servers.victoria import VictoriaServer, victoria_server

VANS: Final = 1000
SETTLED_S: Final = 10.0
"""When for so long nothing more has arrived, nothing more will."""


class Peer(NamedTuple):
    """What one of them took for the load."""

    name: str
    cpu_us: float
    """Per message sent."""
    stored: float
    """Fraction of the messages that the store holds."""
    peak_bytes: int
    """The largest resident memory."""


def peers(directory: Path, count: int) -> Iterator[Peer]:
    """Vanpulse and every peer there is, one after the other."""
    for period_ms in (PERIOD_MS, 1000):
        yield ours(directory / f"ours-{period_ms}", count, period_ms)
    with victoria_server() as server:
        yield obvious(directory, server, count)
    if shutil.which("telegraf"):
        for name in ("default", "tuned"):
            with victoria_server() as server:
                yield telegraf(directory, name, server, count)


def ours(directory: Path, count: int, period_ms: int) -> Peer:
    """The agent; how often a van reports decides how many points are derived from a reading."""
    with victoria_server() as server:
        cpu = agent_cpu(directory, count=count, vans=VANS, period_ms=period_ms, store__url=server.store_url())
        arrived = stored(server, "battery_soc_pct") - 3 * VANS  # those went ahead of what was measured
    return Peer(f"vanpulse, a reading each {period_ms // 1000} s", cpu.us, arrived / count, cpu.peak_bytes)


def obvious(directory: Path, server: VictoriaServer, count: int) -> Peer:
    """`benchmarks.peers.obvious`, which ends by itself."""
    with Mosquitto(directory / "obvious", max_queued_messages=10_000_000) as broker:
        words = [sys.executable, "-m", "benchmarks.peers.obvious", str(broker.port), server.url, str(count)]
        peer = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert peer.stdout is not None
        peer.stdout.readline()
        Load(broker.port, VANS).publish(count)
        spent_s, peak = peer.communicate(timeout=300)[0].split()
    arrived = stored(server, "battery_soc_pct")
    return Peer("aiomqtt + pydantic + influxdb-client", float(spent_s) / count * 1e6, arrived / count, int(peak))


def telegraf(directory: Path, name: str, server: VictoriaServer, count: int) -> Peer:
    """Telegraf with one of its configurations, until everything or nothing more has arrived."""
    config = ROOT / "benchmarks" / "peers" / f"telegraf-{name}.conf"
    with Mosquitto(directory / name, max_queued_messages=10_000_000, max_inflight_messages=20_000) as broker:
        environment = os.environ | {"MQTT_PORT": str(broker.port), "INFLUX_URL": server.url}
        with (directory / f"telegraf-{name}.log").open("wb") as log:
            peer = subprocess.Popen(["telegraf", "--config", str(config), "--quiet"], env=environment, stderr=log)
        try:
            wait_for(lambda: f"Received SUBSCRIBE from telegraf-{name}" in broker.log, "Telegraf's subscription")
            before_s = cpu_s(peer.pid)
            Load(broker.port, VANS).publish(count)
            arrived, since_s = 0, time.monotonic()
            while arrived < count and time.monotonic() - since_s < SETTLED_S:
                time.sleep(0.5)
                before, arrived = arrived, stored(server, "mqtt_consumer_soc_pct")
                if arrived > before:
                    since_s = time.monotonic()
            spent_s = cpu_s(peer.pid) - before_s
            peak = peak_bytes(peer.pid)
        finally:
            peer.terminate()
            peer.wait(20)
    return Peer(f"Telegraf, {name}", spent_s / count * 1e6, arrived / count, peak)


def stored(server: VictoriaServer, series: str) -> int:
    """How many values of all series of a name the store holds."""
    server.flush()
    return sum(len(each["timestamps"]) for each in server.export(f'{{__name__="{series}"}}'))


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
