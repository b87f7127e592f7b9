"""`python -m benchmarks.soak [--minutes N] [--rate N]`: a steady load on the real agent, without growth.

Memory, file handles, threads and the size of the journal are sampled from outside. The first third is for warming up.
After that, a straight line through the samples gives the growth per hour. The exit status is 1 if there is growth, or
if the agent does not keep up.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import linear_regression, median
from typing import NamedTuple

from benchmarks.speed.whole import Load
from tests.servers.agent import Agent
from tests.servers.mosquitto import Mosquitto

SAMPLES = 60
ROWS_SHOWN = 20
MEMORY_SLACK = 0.05
"""Growth below this share of the memory over the sampled time is noise."""
KEPT_UP = 0.97
"""Share of the given rate that the agent must process."""


class ResourceSample(NamedTuple):
    """The resources of the agent at one time."""

    seconds: float
    memory_mb: float
    handles: int
    threads: int
    journal_mb: float
    journaled: float
    backlog: float


def sample(agent: Agent, seconds: float) -> ResourceSample:
    """Read /proc, the file system and /metrics."""
    process = Path("/proc") / str(agent.pid)
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    metrics = agent.metrics()
    return ResourceSample(
        seconds=seconds,
        memory_mb=int(status["VmRSS"].split()[0]) / 1000,
        handles=sum(1 for _ in (process / "fd").iterdir()),
        threads=int(status["Threads"]),
        journal_mb=sum(file.stat().st_size for file in agent.directory.glob("journal.db*")) / 1e6,
        journaled=metrics["messages_journaled_total"],
        backlog=metrics["unconfirmed_messages"],
    )


def soak(directory: Path, *, minutes: float, per_s: float, vans: int) -> list[ResourceSample]:
    """The samples of one run, printed as they are taken."""
    seconds = minutes * 60
    samples: list[ResourceSample] = []
    print("| s      | memory MB | handles | threads | journal MB | messages/s | unconfirmed |")
    print("| ------ | --------- | ------- | ------- | ---------- | ---------- | ----------- |")
    with (
        Mosquitto(directory, max_queued_messages=10_000_000) as broker,
        Agent(directory / "agent", mqtt__url=broker.url) as agent,
    ):
        publisher = Load(broker.port, vans, live=True).start(int(per_s * seconds), per_s=per_s)
        began = time.monotonic()
        try:
            for number in range(1, SAMPLES + 1):
                time.sleep(max(0.0, began + seconds * number / SAMPLES - time.monotonic()))
                samples.append(sample(agent, time.monotonic() - began))
                if number % (SAMPLES // ROWS_SHOWN) == 0:
                    show(samples)
        finally:
            publisher.kill()
            publisher.wait()
        agent.stop()
    return samples


def show(samples: list[ResourceSample]) -> None:
    last = samples[-1]
    before = samples[-(SAMPLES // ROWS_SHOWN) - 1] if len(samples) > SAMPLES // ROWS_SHOWN else ResourceSample(*[0] * 7)
    rate = (last.journaled - before.journaled) / (last.seconds - before.seconds)
    cells = (
        f"{last.seconds:6.0f}",
        f"{last.memory_mb:9.1f}",
        f"{last.handles:7}",
        f"{last.threads:7}",
        f"{last.journal_mb:10.1f}",
        f"{rate:10,.0f}",
        f"{last.backlog:11,.0f}",
    )
    print("| " + " | ".join(cells) + " |", flush=True)


def complaints(samples: list[ResourceSample], *, per_s: float) -> list[str]:
    """The values that grew or fell behind."""
    steady = samples[len(samples) // 3 :]
    times = [each.seconds for each in steady]
    span = times[-1] - times[0]
    found = []
    for name in ("memory_mb", "journal_mb"):
        values = [getattr(each, name) for each in steady]
        rise = linear_regression(times, values).slope * span
        print(f"{name}: {median(values):.1f}, {rise:+.2f} over {span:.0f} s, {rise / span * 3600:+.1f} per hour")
        if name == "memory_mb" and rise > MEMORY_SLACK * median(values):
            found.append(f"memory grew by {rise:.1f} MB")
    half = len(steady) // 2
    for name in ("handles", "threads", "journal_mb"):
        early = max(getattr(each, name) for each in steady[:half])
        late = max(getattr(each, name) for each in steady[half:])
        slack = 2 if name != "journal_mb" else max(8.0, 0.5 * early)
        if late > early + slack:
            found.append(f"{name} grew from {early} to {late}")
    rate = (steady[-1].journaled - steady[0].journaled) / span
    if rate < KEPT_UP * per_s:
        found.append(f"{rate:,.0f} messages/s worked through, {per_s:,.0f} wanted")
    if steady[-1].backlog > 5 * per_s:
        found.append(f"{steady[-1].backlog:,.0f} messages are not in the store")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=10_000.0, help="messages per second")
    parser.add_argument("--vans", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vanpulse-soak-") as directory:
        samples = soak(Path(directory), minutes=arguments.minutes, per_s=arguments.rate, vans=arguments.vans)
    found = complaints(samples, per_s=arguments.rate)
    print("\n".join(found) or "nothing grew")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
