"""`python -m benchmarks.speed [--size small|full] [--only NAME,...]`: the tables of docs/performance.md."""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.speed import history, stages, whole
from benchmarks.speed.peers import killed, peers
from tests.servers.influxdb import Fault, InfluxServer
from tests.servers.victoria import VictoriaServer

SIZES = {"small": 60_000, "full": 400_000}


class Bench:
    """Run the parts. Each part prints its own table."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.parts: dict[str, Callable[[Path], None]] = {
            "stages": self.stages,
            "cpu": self.cpu,
            "rates": self.rates,
            "peers": self.peers,
            "ack": self.ack,
            "readable": self.readable,
            "memory": self.memory,
            "catchup": self.catchup,
            "size": self.size,
            "history": self.history,
            "simulator": self.simulator,
        }

    def stages(self, _directory: Path) -> None:
        """CPU time of each stage alone."""
        head("CPU per message of each stage alone, 1000 vans, µs", "stage", "a reading each 1 s", "each 10 s")
        server = VictoriaServer().start() if VictoriaServer.is_installed() else None
        try:
            url = server.store_url() if server else None
            often, seldom = (
                stages.measure(count=min(self.count, 60_000), vans=1000, period_ms=period_ms, influx_url=url)
                for period_ms in (1000, 10_000)
            )
        finally:
            if server:
                server.stop()
        for (name, value), (_, other) in zip(often, seldom, strict=True):
            row(name, f"{value:.2f}", f"{other:.2f}")
        sums = [
            sum(value for name, value in found if "Influx" not in name and name != stages.MAPPED)
            for found in (often, seldom)
        ]
        row("sum with SQLite", *(f"{value:.2f}" for value in sums))
        ratios = [found[stages.MAPPED] / found["decode"] for found in (dict(often), dict(seldom))]
        row("a mapping / native", *(f"{ratio:.2f}" for ratio in ratios))
        print(
            f"\none turn of a plain loop: {stages.calibration_ns():.0f} ns at best, "
            f"{stages.mean_turn_ns():.0f} ns on average over a second"
        )

    def cpu(self, directory: Path) -> None:
        """CPU time of the agent for all stages."""
        head(
            "CPU per message of the agent, whole way, Mosquitto on the same two cores",
            "store",
            "vans",
            "a reading each",
            "points each",
            "µs",
            "messages/s",
        )

        def measure(store: str, vans: int, period_ms: int, **settings: object) -> None:
            where = directory / f"{store}-{vans}-{period_ms}"
            cpu = whole.agent_cpu(where, count=self.count, vans=vans, period_ms=period_ms, **settings)
            row(
                store, f"{vans:,}", f"{period_ms / 1000:g} s", f"{cpu.points:.1f}", f"{cpu.us:.1f}", f"{cpu.per_s:,.0f}"
            )

        measure("SQLite", 1000, 1000)
        measure("SQLite", 1000, 10_000)
        measure("SQLite", 10_000, 10_000)
        if VictoriaServer.is_installed():
            server = VictoriaServer().start()
            try:
                for period_ms in (1000, 10_000):
                    measure("VictoriaMetrics", 1000, period_ms, store__url=server.store_url())
            finally:
                server.stop()

    def rates(self, directory: Path) -> None:
        """CPU time of the agent for all stages, at rates of real fleets."""
        head("CPU per message of the agent at a rate, SQLite, 1000 vans", "messages/s", "µs", "of a core")
        for per_s in (100.0, 1000.0, 5000.0, 10_000.0, 20_000.0):
            count = int(per_s * (8 if self.count <= SIZES["small"] else 30))
            where = directory / f"{per_s:.0f}"
            cpu = whole.agent_cpu(where, count=count, vans=1000, period_ms=1000, per_s=per_s)
            row(f"{per_s:,.0f}", f"{cpu.us:.0f}", f"{cpu.us * per_s / 1e6:.0%}")

    def peers(self, directory: Path) -> None:
        """The usual Python stack and, if installed, Telegraf, with the same load."""
        head("Peers, same load, VictoriaMetrics as the store", "who", "µs", "ratio to vanpulse", "stored", "MB")
        ours_us = 0.0
        for peer in peers(directory, min(self.count, 40_000)):
            ours_us = ours_us or peer.cpu_us
            ratio = f"{peer.cpu_us / ours_us:.1f}"
            row(peer.name, f"{peer.cpu_us:.1f}", ratio, f"{peer.stored:.1%}", f"{peer.peak_bytes / 1e6:.0f}")
        if not shutil.which("telegraf"):
            row("Telegraf", "not on the path", "", "", "")
        head("Killed in the middle of the load, and started again a second later", "who", "stored")
        for name, share in killed(directory, min(self.count, 40_000)):
            row(name, f"{share:.2%}")

    def ack(self, directory: Path) -> None:
        """Latency from PUBLISH to PUBACK for several rates."""
        head("PUBLISH → PUBACK, ms", "wanted/s", "reached/s", "median", "p99", "largest")
        seconds = 5.0 if self.count <= SIZES["small"] else 20.0
        rates = [100.0, 1000.0, 5000.0, 10_000.0, 20_000.0, 40_000.0]
        for wanted, reached, latencies in whole.ack_latency(directory, rates, seconds=seconds, vans=1000):
            figures = [f"{value * 1000:.1f}" for value in whole.percentiles(latencies)]
            row(f"{wanted:,.0f}", f"{reached:,.0f}", *figures)

    def readable(self, directory: Path) -> None:
        """Latency from PUBLISH until the point is readable."""
        head("PUBLISH → readable in SQLite, ms", "wanted/s", "reached/s", "median", "p99", "largest")
        seconds = 8.0 if self.count <= SIZES["small"] else 30.0
        for per_s in (100.0, 1000.0, 5000.0, 10_000.0):
            reached, latencies = whole.readable_latency(
                directory / f"{per_s:.0f}", per_s=per_s, seconds=seconds, vans=1000
            )
            figures = [f"{value * 1000:.0f}" for value in whole.percentiles(latencies)]
            row(f"{per_s:,.0f}", f"{reached:,.0f}", *figures)

    def memory(self, directory: Path) -> None:
        """Memory, and time to start."""
        head("Memory and start", "vans", "MB when ready", "MB after each has reported", "s from start to ready")
        fleets = (1000, 10_000) if self.count <= SIZES["small"] else (1000, 10_000, 100_000)
        for vans in fleets:
            when_ready, memory, seconds = whole.memory_and_start(directory / str(vans), vans)
            row(f"{vans:,}", f"{when_ready:.0f}", f"{memory:.0f}", f"{seconds:.1f}")

    def catchup(self, directory: Path) -> None:
        """Catching up after an outage of the store."""
        head("Catching up after an outage", "store", "a reading each", "messages/s")
        count = max(self.count, 200_000)
        for period_ms in (1000, 10_000):
            rate = whole.catch_up_sqlite(directory / f"sqlite{period_ms}", count=count, period_ms=period_ms)
            row("SQLite", f"{period_ms / 1000:g} s", f"{rate:,.0f}")
        if VictoriaServer.is_installed():
            rate = whole.catch_up_victoria(directory / "victoria", count=count, period_ms=1000)
            row("VictoriaMetrics", "1 s", f"{rate:,.0f}")
        server = InfluxServer().start()
        try:
            server.create_database("bench")
            with whole.fronted(server) as front:
                rate = whole.catch_up(
                    directory / "influx",
                    lambda: setattr(front, "always", Fault("answer", status=503)),
                    lambda: setattr(front, "always", None),
                    count=count,
                    period_ms=1000,
                    store__url=front.store_url("bench"),
                    store__token="bench",
                )
            row("InfluxDB 1.6.7 behind a front end", "1 s", f"{rate:,.0f}")
        finally:
            server.stop()

    def size(self, directory: Path) -> None:
        """Bytes per van and day."""
        head("Size of the store for one van and day, a reading every 10 s", "store", "kB")
        row("SQLite", f"{whole.sqlite_bytes_per_van_day(directory / 'sqlite') / 1000:,.0f}")
        row("InfluxDB 1.6.7", f"{whole.influx_bytes_per_van_day(directory / 'influx') / 1000:,.0f}")
        if VictoriaServer.is_installed():
            row("VictoriaMetrics", f"{whole.victoria_bytes_per_van_day(directory / 'victoria') / 1000:,.0f}")

    def history(self, directory: Path) -> None:
        """Size and queries of the history file, with their budgets."""
        head("The history file, a reading every 10 s", "what", "measured", "budget", "")
        for figure in history.measure(directory):
            passed = "pass" if figure.value <= figure.budget else "FAIL"
            row(figure.name, f"{figure.value:.3g} {figure.unit}", f"{figure.budget:g} {figure.unit}", passed)

    def simulator(self, _directory: Path) -> None:
        """The number of vans that one core can simulate."""
        head("Simulated seconds of vans in a second of CPU", "vans", "van-seconds")
        for vans in (100, 1000, 20_000):
            row(f"{vans:,}", f"{stages.simulated_per_s(vans):,.0f}")


_widths: list[int] = []


def head(title: str, *columns: str) -> None:
    print(f"\n{title}\n")
    _widths[:] = [max(len(column), 16) for column in columns]
    row(*columns)
    row(*["-" * width for width in _widths])


def row(*cells: str) -> None:
    print("| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, _widths, strict=True)) + " |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--size", choices=tuple(SIZES), default="small")
    bench_parts = tuple(Bench(0).parts)
    parser.add_argument("--only", help="some parts: " + ", ".join(bench_parts))
    arguments = parser.parse_args()
    bench = Bench(SIZES[arguments.size])
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}")
    for name in arguments.only.split(",") if arguments.only else bench_parts:
        with tempfile.TemporaryDirectory(prefix="vanpulse-bench-") as directory:
            bench.parts[name](Path(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
