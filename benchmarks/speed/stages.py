"""CPU of each stage alone, in this process: microseconds per message, the least of several rounds."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from agent.config import FleetFile, Settings
from agent.dialects import Decoder, make_dialects
from agent.dialects.limits import Throttle
from agent.journal import Journal
from agent.messages import Batch, Message
from agent.points import Rows
from agent.processor import Processor
from agent.roster import Roster
from agent.stores.influxdb import InfluxStore
from agent.stores.sqlite import SqliteStore
from benchmarks.receive import decode_alone
from benchmarks.speed.load import messages

BATCH = 128
ROUNDS = 3
UNIT_POINTS = 10_000


def least(measure: Callable[[], float]) -> float:
    """Noise only ever adds."""
    return min(measure() for _ in range(ROUNDS))


def new_processor() -> Processor:
    settings = Settings()
    roster = Roster(
        FleetFile(),
        fleet_settings=settings.fleet,
        emissions=settings.emissions,
        derived_every_s=settings.store.derived_every_s,
    )
    return Processor(Decoder(make_dialects(["native"])), roster, Throttle())


def journal_us(load: list[Message]) -> float:
    with tempfile.TemporaryDirectory(dir=".") as directory:
        journal = Journal.open(Path(directory) / "journal.db", max_bytes=2**30)
        began = time.process_time()
        for start in range(0, len(load), BATCH):
            journal.append(load[start : start + BATCH], received_ms=start, listening_since_ms=0)
            journal.tidy()
        spent = time.process_time() - began
        journal.close()
    return spent / len(load) * 1e6


def decode_us(load: list[Message], now_ms: int) -> float:
    decode = Decoder(make_dialects(["native"])).decode
    began = time.process_time()
    for message in load:
        decode(message, now_ms)
    return (time.process_time() - began) / len(load) * 1e6


def process(load: list[Message], now_ms: int) -> tuple[float, list[Rows]]:
    """Decode, step and rows together; and the rows in units as the writer gets them."""
    processor = new_processor()
    units = []
    began = time.process_time()
    for start in range(0, len(load), BATCH):
        batch = Batch(start, now_ms, 0, load[start : start + BATCH])
        processor.process(batch, 0, len(batch.messages))
        if processor.points >= UNIT_POINTS:
            units.append(processor.take_rows()[0])
    spent = time.process_time() - began
    units.append(processor.take_rows()[0])
    if processor.counters.accepted != len(load):
        raise RuntimeError(f"only {processor.counters.accepted} of {len(load)} readings were accepted")
    return spent / len(load) * 1e6, units


def sqlite_us(units: list[Rows], count: int) -> float:
    async def write() -> float:
        with tempfile.TemporaryDirectory(dir=".") as directory:
            store = SqliteStore(Path(directory) / "history.db")
            await store.open()
            began = time.process_time()
            for rows in units:
                await store.write(rows)
            spent = time.process_time() - began
            await store.close()
            return spent

    return asyncio.run(write()) / count * 1e6


def influx_us(units: list[Rows], url: str, count: int) -> float:
    """Lines, gzip and the request; the database's own work is another process."""

    async def write() -> float:
        store = InfluxStore(url, token="bench", batch_points=5000)
        await store.open()
        began = time.process_time()
        for rows in units:
            await store.write(rows)
        spent = time.process_time() - began
        await store.close()
        return spent

    return asyncio.run(write()) / count * 1e6


def measure(*, count: int, vans: int, influx_url: str | None) -> list[tuple[str, float]]:
    """Every stage in the order of a message."""
    now_ms = time.time_ns() // 1_000_000
    load = [Message(topic, payload) for topic, payload in messages(count, vans, end_ms=now_ms)]
    _, units = process(load, now_ms)
    decode = least(lambda: decode_us(load, now_ms))
    found = [
        ("receive, acknowledge", least(lambda: decode_alone(count))),
        ("journal", least(lambda: journal_us(load))),
        ("decode", decode),
        ("step and rows", least(lambda: process(load, now_ms)[0]) - decode),
        ("write to SQLite", least(lambda: sqlite_us(units, count))),
    ]
    if influx_url is not None:
        found.append(("write to InfluxDB", least(lambda: influx_us(units, influx_url, count))))
    return found
