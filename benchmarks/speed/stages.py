"""CPU time of each stage alone, in this process, in microseconds per message.

Other work on the machine can only increase the time. Every stage therefore processes the same batches several times.
The result is the sum of the shortest time of each batch.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.commands.run import GC_THRESHOLDS
from agent.config import FleetFile, Settings
from agent.dialects.decoder import Decoder, make_dialects
from agent.journal import Journal
from agent.messages import Batch, Message
from agent.points.rows import Rows
from agent.shard.output import ShardOutput
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from agent.stores.base import Store
from agent.stores.influxdb import InfluxStore
from agent.stores.sqlite import SqliteStore
from benchmarks.receive import decode_alone
from benchmarks.speed.load import messages, start_ms
from benchmarks.speed.mapped import MAPPING, as_gateway
from simulator.fleet import Fleet

BATCH = 128
ROUNDS = 5
WARM_UP_TURNS = 2
"""Number of readings per van before the measurement."""
UNIT_POINTS = 10_000
CALIBRATION_TURNS = 20_000
MAPPED = "decode by a mapping"
"""The same content in a format of its own, in place of `decode`."""


def least(measure: Callable[[], Sequence[float]], count: int) -> float:
    """µs per message: the sum of the shortest time of each batch."""
    rounds: list[Sequence[float]] = [measure() for _ in range(ROUNDS)]
    return sum(min(times) for times in zip(*rounds, strict=True)) / count * 1e6


def calibration_ns() -> float:
    """Time of one pass of a simple loop, as a measure of the present speed of the machine."""

    def loop() -> float:
        began = time.process_time()
        total = 0
        for number in range(CALIBRATION_TURNS):
            total += number * number & 7
        return time.process_time() - began

    return min(loop() for _ in range(100)) / CALIBRATION_TURNS * 1e9


def new_shard() -> Shard:
    settings = Settings()
    roster = Roster(
        FleetFile(),
        fleet_settings=settings.fleet,
        emissions=settings.emissions,
        derived_every_s=settings.store.derived_every_s,
    )
    return Shard(Decoder(make_dialects(["native"])), roster)


def journal_s(load: list[Message]) -> list[float]:
    """Seconds for each batch."""
    spent = []
    with tempfile.TemporaryDirectory(dir=".") as directory:
        journal = Journal.open(Path(directory) / "journal.db", max_bytes=2**30)
        for start in range(0, len(load), BATCH):
            began = time.process_time()
            journal.append(load[start : start + BATCH], received_ms=start, listening_since_ms=0)
            journal.tidy()
            spent.append(time.process_time() - began)
        journal.close()
    return spent


def decode_s(load: list[Message], now_ms: int, decoder: Decoder | None = None) -> list[float]:
    """Seconds for each batch; by the native dialect, if no other decoder is given."""
    decode = (decoder or Decoder(make_dialects(["native"]))).decode
    spent = []
    for start in range(0, len(load), BATCH):
        began = time.process_time()
        for message in load[start : start + BATCH]:
            decode(message, now_ms)
        spent.append(time.process_time() - began)
    return spent


def process_s(
    load: list[Message], warm_up: list[Message], now_ms: int, *, keep: bool = False
) -> tuple[list[float], list[Rows]]:
    """Seconds per batch for decode, step and rows together, and the rows in the units that the writer gets.

    The units are discarded unless they are kept on purpose, because the agent also frees them after the write.
    Otherwise the allocation of new memory would be measured.
    """
    shard = new_shard()
    shard.process(Batch(0, now_ms, 0, warm_up))
    out = ShardOutput()
    spent, units = [], []
    for start in range(0, len(load), BATCH):
        batch = Batch(start, now_ms, 0, load[start : start + BATCH])
        began = time.process_time()
        shard.process(batch, into=out)
        spent.append(time.process_time() - began)
        if out.row_count >= UNIT_POINTS:
            units = [*units, out.take_rows()[0]] if keep else [out.take_rows()[0]]
    units.append(out.rows)
    if shard.counters.accepted != len(load) + len(warm_up):
        raise RuntimeError(f"only {shard.counters.accepted} of {len(load) + len(warm_up)} readings were accepted")
    return spent, units


def sqlite_s(units: list[Rows]) -> list[float]:
    """Seconds for each unit."""

    async def write() -> list[float]:
        with tempfile.TemporaryDirectory(dir=".") as directory:
            store = SqliteStore(Path(directory) / "history.db")
            await store.open()
            spent = [await _timed(store, rows) for rows in units]
            await store.close()
            return spent

    return asyncio.run(write())


def influx_s(units: list[Rows], url: str) -> list[float]:
    """Seconds per unit for lines, gzip and the request. The work of the database is in another process."""

    async def write() -> list[float]:
        store = InfluxStore(url, token="bench", batch_points=5000)
        await store.open()
        spent = [await _timed(store, rows) for rows in units]
        await store.close()
        return spent

    return asyncio.run(write())


async def _timed(store: Store, rows: Rows) -> float:
    began = time.process_time()
    await store.write(rows)
    return time.process_time() - began


def mean_turn_ns() -> float:
    """The mean of the same over a second, which shows how much slower the machine is than at its best."""
    turns = 5_000_000
    began = time.process_time()
    total = 0
    for number in range(turns):
        total += number * number & 7
    return (time.process_time() - began) / turns * 1e9


def measure(*, count: int, vans: int, period_ms: int, influx_url: str | None) -> list[tuple[str, float]]:
    """All stages, in the order of a message."""
    gc.set_threshold(*GC_THRESHOLDS)
    now_ms = time.time_ns() // 1_000_000
    everything = [
        Message(*each)
        for each in messages(count + WARM_UP_TURNS * vans, vans, start_ms=start_ms(), period_ms=period_ms)
    ]
    warm_up, load = everything[: WARM_UP_TURNS * vans], everything[WARM_UP_TURNS * vans :]
    _, units = process_s(load, warm_up, now_ms, keep=True)
    gc.collect()
    gc.freeze()
    decode = least(lambda: decode_s(load, now_ms), count)
    mapped = [as_gateway(message) for message in load]
    found = [
        ("receive, acknowledge", min(decode_alone(count) for _ in range(ROUNDS))),
        ("journal", least(lambda: journal_s(load), count)),
        ("decode", decode),
        (
            MAPPED,
            least(lambda: decode_s(mapped, now_ms, Decoder(make_dialects(["m"], mappings={"m": MAPPING}))), count),
        ),
        ("step and rows", least(lambda: process_s(load, warm_up, now_ms)[0], count) - decode),
        ("write to SQLite", least(lambda: sqlite_s(units), count)),
    ]
    if influx_url is not None:
        found.append(("write to InfluxDB", least(lambda: influx_s(units, influx_url), count)))
    return found


def simulated_per_s(vans: int) -> float:
    """Simulated seconds of one van per second of CPU time, late in the morning when most vans are on tour."""
    fleet = Fleet(vans=vans, seed=1, start_s=start_ms() // 1000, clock="11:00")
    steps = max(20, 40_000 // vans)

    def run() -> float:
        began = time.process_time()
        for _ in range(steps):
            fleet.step()
        return time.process_time() - began

    return vans * steps / min(run() for _ in range(ROUNDS))
