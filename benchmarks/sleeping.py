"""What it is worth that vans sleep: memory and CPU of one shard, with the sleeping store and without.

`python -m benchmarks.sleeping [--vans 1000,10000,100000]`. Each fleet runs in a process of its own, without log, store
and broker. It starts from a checkpoint. Then a fifth of the fleet is on the road and reports, while the others are
silent for a quarter of an hour. At last all vans report in turn. Without the sleeping store all vans are decoded at the
start and stay in memory as objects.
"""

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from typing import Final, NamedTuple

import msgspec

from agent import malloc
from agent.commands.run import GC_THRESHOLDS
from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.health import memory_bytes
from agent.messages import Batch, Message, MessageKind
from agent.shard.registry import AWAKE_VANS
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from benchmarks.speed.load import PERIOD_MS, payload, topic

START_MS: Final = 1_795_860_000_000
FIRST_TURNS: Final = 3
ROAD_SHARE: Final = 5
ROAD_TURNS: Final = 90
"""A quarter of an hour."""
SMALL_FLEET: Final = 10_000
ROAD_EVERY: Final = 6
"""In a larger fleet, vans on the road report each minute."""
BATCH: Final = 64


class Measured(NamedTuple):
    """One fleet in one process. CPU is that of the process; memory is above that of the process without a van."""

    ready_mb: float
    """After the start from a checkpoint."""
    ready_s: float
    """CPU of that start."""
    road_mb: float
    """After a quarter of an hour with a fifth of the fleet on the road."""
    road_us: float
    """CPU per message then."""
    tick_ms: float
    """CPU per tick then. Each sixth tick makes a roll-up; this is the mean."""
    turn_mb: float
    """After all vans have reported in turn, three times."""
    turn_us: float
    """CPU per message then."""


class Load:
    """A shard, and what its vans have reported so far."""

    def __init__(self, vans: int, *, sleeping: bool) -> None:
        roster = Roster(
            FleetFile(),
            fleet_settings=FleetSettings(max_unknown_vehicles=vans),
            emissions=EmissionsSettings(),
            derived_every_s=10.0,
        )
        self.shard = Shard(Decoder(make_dialects(["native"])), roster, awake_vans=AWAKE_VANS if sleeping else None)
        self.turn = 0
        self._offset = 0

    def report(self, vans: Iterable[int]) -> float:
        """One reading of each of these vans; the CPU time of it."""
        spent = 0.0
        now_ms = START_MS + (self.turn + 1) * PERIOD_MS
        messages = (Message(topic(van), payload(van, self.turn, START_MS)) for van in vans)
        while some := list(islice(messages, BATCH)):
            spent += self._process(now_ms, some)
        self.turn += 1
        return spent

    def tick(self) -> float:
        """The tick that follows the reports; the CPU time of it."""
        now_ms = START_MS + self.turn * PERIOD_MS
        return self._process(now_ms, [Message("", b"%d" % now_ms, kind=MessageKind.TICK)])

    def _process(self, now_ms: int, messages: list[Message]) -> float:
        batch = Batch(self._offset, now_ms, START_MS, messages)
        self._offset = batch.end
        began = time.process_time()
        self.shard.process(batch)
        return time.process_time() - began


def checkpoint(vans: int) -> bytes:
    """The states of a fleet in which every van has reported."""
    load = Load(vans, sleeping=True)
    for _ in range(FIRST_TURNS):
        load.report(range(vans))
        load.tick()
    states = {key: state for part in load.shard.snapshot() for key, state in part.items()}
    return msgspec.msgpack.encode(states)


def measure(vans: int, states: Path, *, sleeping: bool) -> Measured:
    """Start one fleet from its checkpoint in this process, and let it report."""
    gc.set_threshold(*GC_THRESHOLDS)
    load = Load(vans, sleeping=sleeping)
    load.turn = FIRST_TURNS
    before = _memory_bytes()
    began = time.process_time()
    load.shard.restore(msgspec.msgpack.decode(states.read_bytes(), type=dict[str, bytes]).items())
    if not sleeping:
        for vehicle_id in load.shard.vans:
            load.shard.vans.wake(vehicle_id)
    ready_s = time.process_time() - began
    ready_bytes = _memory_bytes() - before
    on_the_road = vans // ROAD_SHARE
    road_s, ticks_s = [], []
    for turn in range(ROAD_TURNS):
        # Of a large fleet each van reports more seldom, so that a run is short.
        reporting = range(turn % ROAD_EVERY, on_the_road, ROAD_EVERY) if vans > SMALL_FLEET else range(on_the_road)
        road_s.append(load.report(reporting) / len(reporting))
        ticks_s.append(load.tick())
    road_bytes = _memory_bytes() - before
    turn_s = min(load.report(range(vans)) for _ in range(3))
    return Measured(
        ready_mb=ready_bytes / 1e6,
        ready_s=ready_s,
        road_mb=road_bytes / 1e6,
        road_us=median(road_s[ROAD_TURNS // 2 :]) * 1e6,
        tick_ms=fmean(ticks_s[ROAD_TURNS // 2 :]) * 1e3,
        turn_mb=(_memory_bytes() - before) / 1e6,
        turn_us=turn_s / vans * 1e6,
    )


def _memory_bytes() -> int:
    gc.collect()
    malloc.give_back()  # as the agent does each ten seconds
    return memory_bytes()


def _apart(*arguments: str) -> bytes:
    """What this program writes when it is run with these arguments in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.sleeping", *arguments], capture_output=True, check=True
    ).stdout


def main() -> None:
    """Print the table of docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sleeping", description=__doc__)
    parser.add_argument("--vans", default="1000,10000,100000", help="sizes of the fleets")
    parser.add_argument("--write", nargs=2, metavar=("VANS", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=3, metavar=("VANS", "FILE", "SLEEPING"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        Path(arguments.write[1]).write_bytes(checkpoint(int(arguments.write[0])))
        return
    if arguments.measure:
        vans, file, sleeping = arguments.measure
        found = measure(int(vans), Path(file), sleeping=sleeping == "yes")
        sys.stdout.buffer.write(msgspec.json.encode(found))
        return
    print("| vans | sleeping | MB, s when ready | a fifth on the road: MB, µs | ms a tick | all in turn: MB, µs |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="vanpulse-sleeping-") as folder:
        for vans in arguments.vans.split(","):
            file = f"{folder}/states-{vans}"
            _apart("--write", vans, file)
            for sleeping in ("yes", "no"):
                found = msgspec.json.decode(_apart("--measure", vans, file, sleeping), type=Measured)
                cells = (
                    f"{int(vans):,}",
                    sleeping,
                    f"{found.ready_mb:.0f}, {found.ready_s:.2f}",
                    f"{found.road_mb:.0f}, {found.road_us:.1f}",
                    f"{found.tick_ms:.1f}",
                    f"{found.turn_mb:.0f}, {found.turn_us:.1f}",
                )
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
