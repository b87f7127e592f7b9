"""`python -m benchmarks.scale [--size small|full] [--only NAME,...] [--json FILE]`: the figures of docs/scale.md.

Needs Kafka (Java 17, Maven) and Mosquitto. Each line with a budget says whether it is met; the exit status is 1 if one
is not.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.scale import measure
from benchmarks.speed.__main__ import head, row
from tests.servers.kafka import KafkaServer, kafka_server, what_is_missing

RATIO: Final = 1.25
INGEST_US: Final = 6.0
BUSY: Final = 0.9
RESTORE_S: Final = 3.0


class Size(NamedTuple):
    """How much is measured."""

    count: int
    rounds: int
    table: tuple[tuple[int, int, int], ...]
    """Partitions, agents, vans."""


SIZES: Final = {
    "small": Size(40_000, 3, ((1, 1, 1000), (2, 2, 1000), (8, 1, 1000), (2, 1, 10_000), (8, 1, 10_000))),
    "full": Size(
        100_000,
        7,
        (
            (1, 1, 1000),
            (2, 1, 1000),
            (8, 1, 1000),
            (32, 1, 1000),
            (2, 2, 1000),
            (8, 2, 1000),
            (2, 1, 10_000),
            (8, 1, 10_000),
            (8, 2, 10_000),
            (13, 1, 100_000),
        ),
    ),
}


class Bench:
    """Runs the parts; each prints its own table and notes its figures."""

    def __init__(self, size: Size, kafka: KafkaServer) -> None:
        self.figures: dict[str, Any] = {}
        self.missed: list[str] = []
        self._size = size
        self._kafka = kafka
        self.parts: dict[str, Callable[[Path], None]] = {
            "process": self.process,
            "ingest": self.ingest,
            "cores": self.cores,
            "restore": self.restore,
            "table": self.table,
        }

    def process(self, directory: Path) -> None:
        """A processing agent beside one machine."""
        head(
            "CPU per message, 1,000 vans, a reading each 10 s, 64 messages a record, in turn",
            "one machine, µs",
            "processing agent, µs",
            "ratio",
            f"at most {RATIO}",
        )
        found = measure.beside_one_machine(
            directory, self._kafka, count=self._size.count, vans=1000, partitions=2, rounds=self._size.rounds
        )
        self._note("process", found._asdict())
        met = self._met("process", met=found.ratio <= RATIO)
        row(f"{found.machine_us:.1f}", f"{found.process_us:.1f}", f"{found.ratio:.2f}", met)

    def ingest(self, directory: Path) -> None:
        """An ingesting agent while messages wait for it."""
        head("CPU per message of an ingesting agent at saturation", "µs", f"at most {INGEST_US:g}")
        found = measure.ingest_us(
            directory, self._kafka, count=2 * self._size.count, vans=1000, partitions=8, rounds=self._size.rounds
        )
        self._note("ingest", {"us": found})
        row(f"{found:.1f}", self._met("ingest", met=found <= INGEST_US))

    def cores(self, directory: Path) -> None:
        """Two agents on two partitions with a backlog."""
        head(
            "Two processing agents on two partitions, a backlog",
            "µs",
            "messages/s",
            "cores used or waited for, each",
            f"at least {BUSY}",
        )
        found = measure.backlog(
            directory, self._kafka, count=4 * self._size.count, vans=1000, partitions=2, agents=2, topic="cores"
        )
        self._note("cores", found._asdict())
        row(
            f"{found.us:.1f}",
            f"{found.per_s:,.0f}",
            f"{found.wanted_cores:.2f}",
            self._met("cores", met=found.wanted_cores >= BUSY),
        )

    def restore(self, _directory: Path) -> None:
        """The start with 100,000 vans."""
        head("Restore of 100,000 vans, the best run", "s", "s of CPU", "bytes a van", f"at most {RESTORE_S:g} s")
        found = measure.restore(self._kafka, vans=100_000, rounds=self._size.rounds)
        self._note("restore", found._asdict())
        met = self._met("restore", met=found.seconds <= RESTORE_S)
        row(f"{found.seconds:.1f}", f"{found.cpu_s:.1f}", f"{found.state_bytes:,.0f}", met)

    def table(self, directory: Path) -> None:
        """Cost against partitions, agents and vans."""
        head(
            "Processing agents against partitions, agents and vans",
            "partitions",
            "agents",
            "vans",
            "µs a message",
            "messages/s",
            "MB an agent",
        )
        rows = []
        for partitions, agents, vans in self._size.table:
            name = f"table-{partitions}-{agents}-{vans}"
            (directory / name).mkdir()
            found = measure.backlog(
                directory / name,
                self._kafka,
                count=max(self._size.count, vans),
                vans=vans,
                partitions=partitions,
                agents=agents,
                topic=name,
            )
            rows.append({"partitions": partitions, "agents": agents, "vans": vans} | found._asdict())
            figures = (f"{found.us:.1f}", f"{found.per_s:,.0f}", f"{found.peak_mb:.0f}")
            row(str(partitions), str(agents), f"{vans:,}", *figures)
        self._note("table", rows)

    def _note(self, name: str, figures: Any) -> None:
        self.figures[name] = figures

    def _met(self, name: str, *, met: bool) -> str:
        if not met:
            self.missed.append(name)
        return "pass" if met else "FAIL"


def main() -> int:
    """Run the parts in turn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="Speed of the scaled-out form.")
    parser.add_argument("--size", choices=tuple(SIZES), default="small")
    parser.add_argument("--only", help="some parts: process, ingest, cores, restore, table")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to a file")
    arguments = parser.parse_args()
    missing = what_is_missing()
    if missing is not None:
        sys.stderr.write(f"{missing}\n")
        return 2
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(machine)
    with kafka_server() as kafka:
        bench = Bench(SIZES[arguments.size], kafka)
        for name in arguments.only.split(",") if arguments.only else tuple(bench.parts):
            with tempfile.TemporaryDirectory(prefix="vanpulse-scale-") as directory:
                bench.parts[name](Path(directory))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"machine": machine, "missed": bench.missed} | bench.figures, indent=2))
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
