"""Checks that a change of the code does not change results: run `record FILE` before it and `compare FILE` after it.

The recording has the messages of simulated fleets with every fault, and all results of the agent as lines: rows, dead
letters and changed alerts. `compare` processes the same messages with the present code and compares line by line. The
states are saved and restored several times during the run, as in a restart.
"""

import argparse
import gzip
import sys
import tomllib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

import msgspec

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.messages import Batch, Message, MessageKind
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from simulator.faults import NAMES
from simulator.fleet_file import fleet_file
from simulator.simulation import Plan, Simulation

LIVE_S: Final = 1_790_000_000
HOURS: Final = 20.0
BATCH_S: Final = 10
SILENCE_MS: Final = 1_200_000
RESTART_EVERY: Final = 1500
"""Number of batches between two restarts from a snapshot."""
SHOWN: Final = 5

DIALECTS: Final = (("native", 25), ("gbt32960", 6), ("vss", 6))
"""The fleets: dialect and number of vans."""


class SimulatedFleet(msgspec.Struct):
    """A fleet of one dialect: its fleet file and all messages of its vans."""

    dialect: str
    fleet_file: str
    batches: list[Batch]


class RecordedRun(msgspec.Struct):
    """Messages and results."""

    fleets: list[SimulatedFleet]
    lines: list[str]
    restart_every: int = RESTART_EVERY


def simulate(dialect: str, vans: int, *, hours: float = HOURS) -> SimulatedFleet:
    """The messages of a fleet in the hours before `LIVE_S`, as one batch per ten seconds with a tick at its end."""
    plan = Plan(vans=vans, hours=hours, live_s=LIVE_S, dialect=dialect, faults=tuple(NAMES))
    simulation = Simulation(plan)
    batches: list[Batch] = []
    waiting: list[Message] = []
    offset, time_s = 0, 0
    for time_s, messages in simulation.history():
        waiting += [Message(topic, payload) for topic, payload in messages]
        if time_s % BATCH_S == 0:
            waiting.append(_tick(time_s * 1000))
            batches.append(Batch(offset, time_s * 1000, 0, waiting))
            offset += len(waiting)
            waiting = []
    last = [*waiting, *(Message(topic, payload) for topic, payload in simulation.last())]
    batches.append(Batch(offset, time_s * 1000, 0, [*last, _tick(time_s * 1000)]))
    end_ms = time_s * 1000 + SILENCE_MS
    batches.append(Batch(batches[-1].end, end_ms, 0, [_tick(end_ms)]))
    return SimulatedFleet(dialect, fleet_file(simulation.fleet), batches)


def _tick(time_ms: int) -> Message:
    return Message("", b"%d" % time_ms, qos=0, kind=MessageKind.TICK)


def new_shard(fleet: SimulatedFleet, *, is_whole: bool = True) -> Shard:
    """A shard for the vans of this fleet, before their first message."""
    roster = Roster(
        FleetFile.model_validate(tomllib.loads(fleet.fleet_file)),
        fleet_settings=FleetSettings(),
        emissions=EmissionsSettings(),
        derived_every_s=10.0,
    )
    return Shard(Decoder(make_dialects([fleet.dialect], identities=roster.identities)), roster, is_whole=is_whole)


def lines_of(fleet: SimulatedFleet, *, restart_every: int = RESTART_EVERY) -> Iterator[str]:
    """Each row, dead letter and changed alert as one line, in the order in which they come."""
    shard = new_shard(fleet)
    states: dict[str, bytes] = {}
    for number, batch in enumerate(fleet.batches, 1):
        out = shard.process(batch)
        for measurement, rows in out.rows.items():
            for series, *values in rows:
                yield f"{fleet.dialect} {measurement} {series.tags()} {values}"
        for letter in out.dead_letters:
            yield f"{fleet.dialect} letter {letter.offset} {letter.reason} {letter.topic!r} {letter.detail!r}"
        for vehicle_id in out.alerting:
            yield f"{fleet.dialect} alerts {vehicle_id} {shard.active_alerts(vehicle_id)!r}"
        if number % restart_every == 0:
            for part in shard.snapshot():
                states.update(part)
            shard = new_shard(fleet)
            shard.restore(states.items())
        if shard.counters.internal_errors:
            raise RuntimeError("the agent met errors of its own")


def record(
    path: Path,
    *,
    dialects: Sequence[tuple[str, int]] = DIALECTS,
    hours: float = HOURS,
    restart_every: int = RESTART_EVERY,
) -> int:
    """Write the recording. Returns the number of its lines."""
    fleets = [simulate(dialect, vans, hours=hours) for dialect, vans in dialects]
    lines = [line for fleet in fleets for line in lines_of(fleet, restart_every=restart_every)]
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(msgspec.msgpack.encode(RecordedRun(fleets, lines, restart_every)))
    return len(lines)


def compare(path: Path) -> Iterator[tuple[str | None, str | None]]:
    """The lines that differ: the recorded line and the present line. A missing line is None."""
    with gzip.open(path, "rb") as file:
        recording = msgspec.msgpack.decode(file.read(), type=RecordedRun)
    now = (line for fleet in recording.fleets for line in lines_of(fleet, restart_every=recording.restart_every))
    return ((before, after) for before, after in zip_longest(recording.lines, now) if before != after)


def main(words: Sequence[str] | None = None) -> int:
    """Returns 0 if all lines are the same or the recording is written, 1 if there are differences."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_rows", description=__doc__)
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--hours", type=float, default=HOURS, help="how long the recorded run is (default %(default)g)")
    parser.add_argument("--vans", type=int, help="vans of each dialect, instead of the usual number")
    arguments = parser.parse_args(words)
    if arguments.action == "record":
        dialects = [(dialect, arguments.vans or usual) for dialect, usual in DIALECTS]
        lines = record(arguments.file, dialects=dialects, hours=arguments.hours)
        print(f"{lines} lines recorded in {arguments.file}")
        return 0
    differences = 0
    for before, after in compare(arguments.file):
        differences += 1
        if differences <= SHOWN:
            print(f"before: {before}\nnow:    {after}")
    print("every line is the same" if not differences else f"{differences} lines differ")
    return int(differences > 0)


if __name__ == "__main__":
    sys.exit(main())
