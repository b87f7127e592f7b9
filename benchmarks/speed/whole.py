"""All stages with real servers: CPU time of the agent per message, latencies, memory, start, catching up."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from benchmarks.speed.broker import MeasuringBroker
from benchmarks.speed.load import PERIOD_MS, messages, start_ms
from tests.servers.agent import ROOT, Agent, wait_for
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.victoria import VictoriaServer

WAIT_S = 300.0
PAUSE_S = 0.25
"""The agent's metrics cost it CPU, which is to be measured without."""


class Load:
    """The readings of a fleet in consecutive parts, published by a separate process."""

    def __init__(self, port: int, vans: int, *, period_ms: int = PERIOD_MS, live: bool = False) -> None:
        self._port = port
        self._vans = vans
        self._period_ms = period_ms
        self._start_ms = 0 if live else start_ms()
        self._turn = 0

    def start(self, count: int, *, per_s: float = 0) -> subprocess.Popen[bytes]:
        """Begin to publish this many more messages, as fast as the broker accepts them or at a given rate."""
        numbers = (self._port, count, self._vans, per_s, self._start_ms, self._turn, self._period_ms)
        self._turn += -(-count // self._vans)
        words = [sys.executable, "-m", "benchmarks.speed.publisher", *map(str, numbers)]
        return subprocess.Popen(words, cwd=ROOT)

    def publish(self, count: int, *, per_s: float = 0) -> float:
        """The same, and wait until all are acknowledged. Returns the seconds."""
        began = time.monotonic()
        if self.start(count, per_s=per_s).wait():
            raise RuntimeError("the load could not be published")
        return time.monotonic() - began


class AgentCpu(NamedTuple):
    """The cost of the agent for a load."""

    us: float
    """CPU per message."""
    per_s: float
    points: float
    """Per message."""
    peak_bytes: int
    """The largest resident memory so far."""


def agent_cpu(
    directory: Path, *, count: int, vans: int, period_ms: int = PERIOD_MS, per_s: float = 0, **settings: object
) -> AgentCpu:
    """CPU time of the agent for all stages, at full speed or at a given rate."""
    with (
        Mosquitto(directory, max_queued_messages=10_000_000) as broker,
        Agent(directory / "agent", mqtt__url=broker.url, **settings) as agent,
    ):
        load = Load(broker.port, vans, period_ms=period_ms)
        load.publish(3 * vans)  # now all vans are known and driving, and all caches are warm
        agent.wait_processed(3 * vans, timeout_s=WAIT_S, pause_s=PAUSE_S)
        before = agent.metrics()
        began = time.monotonic()
        load.publish(count, per_s=per_s)
        agent.wait_processed(3 * vans + count, timeout_s=WAIT_S, pause_s=PAUSE_S)
        seconds = time.monotonic() - began
        after = agent.metrics()
        if after["messages_rejected_total"]:
            raise RuntimeError(f"dead letters: {agent.dead_letters()[:1]}")
        if after["readings_accepted_total"] - before["readings_accepted_total"] != count:
            raise RuntimeError("not every reading was new to its van")
        peak = peak_bytes(agent.pid)
        agent.stop()
    cpu_s, points = (after[name] - before[name] for name in ("cpu_seconds_total", "points_written_total"))
    return AgentCpu(cpu_s / count * 1e6, count / seconds, points / count, peak)


def peak_bytes(pid: int) -> int:
    """The largest resident memory of a process so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def percentiles(values: list[float]) -> tuple[float, float, float]:
    """Median, 99th percentile, largest."""
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[98], max(values)


def ack_latency(
    directory: Path, rates: list[float], *, seconds: float, vans: int
) -> list[tuple[float, float, list[float]]]:
    """Latency from PUBLISH to PUBACK for each rate: (given rate, rate reached, latencies in s)."""

    async def run() -> list[tuple[float, float, list[float]]]:
        broker = MeasuringBroker()
        await broker.start()
        agent = Agent(directory / "agent", mqtt__url=f"mqtt://127.0.0.1:{broker.port}")
        agent.start(wait=False)
        found = []
        try:
            start = start_ms()
            await broker.send(list(messages(3 * vans, vans, start_ms=start)), per_s=2000)
            turn = 3
            for rate in rates:
                broker.latencies_s.clear()
                load = list(messages(int(rate * seconds), vans, start_ms=start, first_turn=turn))
                turn += len(load) // vans + 1
                reached = await broker.send(load, per_s=rate)
                found.append((rate, reached, broker.latencies_s.copy()))
        finally:
            await asyncio.to_thread(agent.stop)
            await broker.stop()
        return found

    return asyncio.run(run())


def readable_latency(directory: Path, *, per_s: float, seconds: float, vans: int) -> tuple[float, list[float]]:
    """Latency from PUBLISH until readable in SQLite: rate reached in messages/s, latencies in s.

    The time of each reading is its sending time. A reader polls the file.
    """
    with (
        Mosquitto(directory, max_queued_messages=10_000_000) as broker,
        Agent(directory / "agent", mqtt__url=broker.url) as agent,
    ):
        began = time.monotonic()
        publisher = Load(broker.port, vans, live=True).start(int(per_s * seconds), per_s=per_s)
        found: list[float] = []
        reader = sqlite3.connect(f"file:{agent.directory / 'history.db'}?mode=ro", uri=True)
        seen_ms = 0
        query = "SELECT time_ms FROM battery WHERE time_ms > ?"
        while publisher.poll() is None:
            rows = [row[0] for row in reader.execute(query, (seen_ms,))]
            now_ms = time.time() * 1000
            found += [(now_ms - time_ms) / 1000 for time_ms in rows]
            seen_ms = max(rows, default=seen_ms)
            time.sleep(0.02)
        reached = per_s * seconds / (time.monotonic() - began)
        reader.close()
        agent.stop()
    return reached, found


def memory_and_start(directory: Path, vans: int) -> tuple[float, float, float]:
    """For this many known vans: resident MB when ready and after a reading of each, and seconds from start to ready."""
    with Mosquitto(directory, max_queued_messages=10_000_000) as broker:
        agent = Agent(directory / "agent", mqtt__url=broker.url)
        with agent:
            load = Load(broker.port, vans)
            for turn in range(1, 4):
                load.publish(vans)
                agent.wait_processed(turn * vans, timeout_s=WAIT_S, pause_s=PAUSE_S)
            agent.stop()
            began = time.monotonic()
            agent.start()
            seconds = time.monotonic() - began
            when_ready = agent.metrics()["memory_bytes"] / 1e6
            load.publish(vans)
            agent.wait_processed(vans, timeout_s=WAIT_S, pause_s=PAUSE_S)
            memory = agent.metrics()["memory_bytes"] / 1e6
            agent.stop()
    return when_ready, memory, seconds


def catch_up(
    directory: Path,
    break_store: Callable[[], None],
    heal_store: Callable[[], None],
    *,
    count: int,
    period_ms: int,
    **settings: object,
) -> float:
    """The rate in messages/s at which the journal is processed after an outage of the store."""
    vans = 1000
    with (
        Mosquitto(directory, max_queued_messages=10_000_000) as broker,
        Agent(directory / "agent", mqtt__url=broker.url, **settings) as agent,
    ):
        load = Load(broker.port, vans, period_ms=period_ms)
        load.publish(3 * vans)
        agent.wait_processed(3 * vans, timeout_s=WAIT_S, pause_s=PAUSE_S)
        break_store()
        load.publish(count)
        wait_for(
            lambda: agent.metrics()["messages_journaled_total"] >= 3 * vans + count,
            "the journal to take it all",
            timeout_s=WAIT_S,
            pause_s=1,
        )
        behind = agent.metrics()["unconfirmed_messages"]
        heal_store()
        wait_for(
            lambda: agent.metrics()["unconfirmed_messages"] < behind,
            "the store to be found again",
            timeout_s=WAIT_S,
            pause_s=0.2,
        )
        began = time.monotonic()
        behind = agent.metrics()["unconfirmed_messages"]
        wait_for(lambda: agent.metrics()["unconfirmed_messages"] == 0, "catching up", timeout_s=WAIT_S, pause_s=0.2)
        seconds = time.monotonic() - began
        agent.stop()
    return float(behind / seconds)


def catch_up_sqlite(directory: Path, *, count: int, period_ms: int) -> float:
    """The same if another program holds the write lock of the history file."""
    history = directory / "agent" / "history.db"
    other: list[sqlite3.Connection] = []

    def lock() -> None:
        other.append(sqlite3.connect(history, isolation_level=None, timeout=30))
        other[0].execute("BEGIN IMMEDIATE")

    def unlock() -> None:
        other[0].close()

    return catch_up(directory, lock, unlock, count=count, period_ms=period_ms)


def catch_up_victoria(directory: Path, *, count: int, period_ms: int) -> float:
    """The same if the server is stopped, like a machine without memory."""
    server = VictoriaServer().start()
    try:
        return catch_up(
            directory,
            lambda: os.kill(server.pid, signal.SIGSTOP),
            lambda: os.kill(server.pid, signal.SIGCONT),
            count=count,
            period_ms=period_ms,
            store__url=server.store_url(),
        )
    finally:
        server.stop()


SIZE_VANS, SIZE_TURNS = 20, 8640
"""The number of readings of a day with one every 10 s."""


def sqlite_bytes_per_van_day(directory: Path) -> float:
    """Size of the history file for one van and day."""
    return _a_day(directory, lambda: (directory / "agent" / "history.db").stat().st_size)


def victoria_bytes_per_van_day(directory: Path) -> float:
    """Size of the data of VictoriaMetrics for one van and day, after it has settled."""
    server = VictoriaServer().start()
    try:
        return _a_day(directory, lambda: _settled_bytes(server.folder / "data"), store__url=server.store_url())
    finally:
        server.stop()


def influx_bytes_per_van_day(directory: Path) -> float:
    """Size of the data of InfluxDB for one van and day, after compaction."""
    server = InfluxServer('cache-snapshot-write-cold-duration = "2s"\ncompact-full-write-cold-duration = "4s"').start()
    try:
        server.create_database("bench")
        with fronted(server) as front:
            settings = {"store__url": front.store_url("bench"), "store__token": "bench"}
            return _a_day(directory, lambda: _settled_bytes(server.folder / "data" / "bench"), **settings)
    finally:
        server.stop()


def _a_day(directory: Path, size: Callable[[], int], **settings: object) -> float:
    with (
        Mosquitto(directory, max_queued_messages=10_000_000) as broker,
        Agent(directory / "agent", mqtt__url=broker.url, **settings) as agent,
    ):
        Load(broker.port, SIZE_VANS).publish(SIZE_VANS * SIZE_TURNS)
        agent.wait_processed(SIZE_VANS * SIZE_TURNS, timeout_s=WAIT_S, pause_s=PAUSE_S)
        agent.stop()
        return size() / SIZE_VANS


def _settled_bytes(folder: Path) -> int:
    """Size of all files in bytes, when it has not changed for ten seconds."""
    sizes: list[int] = []
    while len(sizes) < 10 or len(set(sizes[-10:])) > 1:
        time.sleep(1.0)
        sizes.append(_bytes(folder))
    return sizes[-1]


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # removed by the compaction
            total += path.stat().st_size if path.is_file() else 0
    return total


@contextlib.contextmanager
def fronted(server: InfluxServer) -> Iterator[FrontEnd]:
    """Serves `/api/v2/write` in front of an InfluxDB 1.6.7, in a thread."""
    loop = asyncio.new_event_loop()
    in_background(loop.run_forever)
    front = FrontEnd(server)
    asyncio.run_coroutine_threadsafe(front.__aenter__(), loop).result(30)
    try:
        yield front
    finally:
        asyncio.run_coroutine_threadsafe(front.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)


def in_background(work: Callable[[], None]) -> threading.Thread:
    """Start a thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
