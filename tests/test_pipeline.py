"""Start, stop and sudden ends of the whole pipeline, with stand-ins at its two ends."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import uvloop

from agent import intake as intake_module
from agent import pipeline as module
from agent import ticker as ticker_module
from agent import worker as worker_module
from agent.clock import ClockWatch
from agent.commands.ports import free_port
from agent.errors import LogBroken, SettingsError, StoreUnavailable
from agent.journal import Journal, SqliteLog, WhenFull
from agent.journal.tail import TAIL_BYTES
from agent.messages import Message
from agent.mqtt.base import Delivery
from agent.pipeline import Pipeline
from tests.doubles import FakeReceiver, FakeStore, make_shard, until
from tests.servers.publishing import drive

FRESH_MS = time.time_ns() // 1_000_000 - 6 * 3_600_000


class Bench:
    def __init__(self, directory: Path, *, max_bytes: int = 16 << 20, when_full: WhenFull = "pause") -> None:
        self.receiver = FakeReceiver()
        self.store = FakeStore()
        self.port = free_port()
        path = directory / "journal.db"
        self.journal = Journal.open(path, max_bytes=max_bytes, when_full=when_full, reserve_bytes=0)
        self.pipeline = Pipeline(
            receiver=self.receiver,
            log=SqliteLog(self.journal),
            shard=make_shard(),
            store=self.store,
            batch_points=1000,
            flush_s=0.01,
            checkpoint_every_s=0.02,
            alert_prefix="vans-alerts",
            listen=("127.0.0.1", self.port),
        )
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self.pipeline.run(self.stop), name="pipeline")
        await until(lambda: self.receiver.on_delivery or self.task.done())

    def deliver(self, *messages: tuple[str, object]) -> None:
        found = [Message(topic, json.dumps(payload).encode()) for topic, payload in messages]
        self.receiver.on_delivery(Delivery(found, list(range(len(found))), 1))

    async def finish(self) -> None:
        self.stop.set()
        await self.task


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    if made.task is not None and not made.task.done():
        made.task.cancel()


def low(soc_pct: float, *, minute: int) -> tuple[str, object]:
    return "vans/van-1/soc", {"time": FRESH_MS + minute * 60_000, "soc_pct": soc_pct, "charging": soc_pct > 30}


async def test_a_stop_finishes_what_has_arrived(bench: Bench) -> None:
    await bench.start()
    bench.deliver(*drive("van-1", start_ms=FRESH_MS))
    await bench.finish()
    assert len(bench.receiver.acknowledged) == 1
    assert len(bench.store.of("battery")) == 180
    assert bench.store.closed
    assert bench.pipeline.vitals.writer.checkpoint_offset == 1 + 180  # the fleet's tags come first


async def test_a_stop_without_the_store_is_bounded_and_loses_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "DRAIN_S", 0.2)
    bench.store.away = StoreUnavailable("connection refused")
    await bench.start()
    bench.deliver(*drive("van-1", start_ms=FRESH_MS))
    await until(lambda: bench.receiver.acknowledged)
    await bench.finish()
    assert "keeps the rest for the next start" in caplog.text
    monkeypatch.undo()
    again = Bench(tmp_path)
    await again.start()
    await again.finish()
    assert len(again.store.of("battery")) == 180


async def test_a_broken_disk_ends_everything(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.start()

    def fail(*_: object, **__: object) -> None:
        raise LogBroken("disk I/O error")

    closed = []
    monkeypatch.setattr(bench.journal, "append", fail)
    monkeypatch.setattr(bench.journal, "close", lambda: closed.append(True))
    bench.deliver(low(50, minute=0))
    with pytest.raises(BaseExceptionGroup) as caught:
        await bench.task
    assert caught.group_contains(LogBroken)
    assert bench.receiver.acknowledged == []
    assert bench.store.closed
    assert closed == []  # nothing more is written to such a disk


async def test_a_stage_that_ends_by_itself_ends_everything(bench: Bench) -> None:
    await bench.start()
    bench.receiver.end()
    with pytest.raises(BaseExceptionGroup) as caught:
        await bench.task
    assert caught.group_contains(RuntimeError, match="receiver has ended by itself")


async def test_a_stage_that_fails_ends_everything(bench: Bench) -> None:
    await bench.start()
    bench.receiver.end(ValueError("unexpected"))
    with pytest.raises(BaseExceptionGroup) as caught:
        await bench.task
    assert caught.group_contains(ValueError, match="unexpected")


async def test_a_port_that_is_taken_is_a_wrong_setting(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", bench.port))
        taken.listen()
        await bench.start()
        with pytest.raises(SettingsError, match=r"http\.listen"):
            await bench.task
    assert bench.store.closed


async def test_health_is_there_while_it_runs(bench: Bench) -> None:
    await bench.start()
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{bench.port}/readyz") as answer:
        assert answer.status == 200
    await bench.finish()


async def test_a_machine_whose_clock_shows_1970_says_so_and_takes_nothing_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_ms = 12_000
    monkeypatch.setattr(module, "ClockWatch", lambda: ClockWatch(clock_ms=lambda: clock_ms))
    monkeypatch.setattr(intake_module, "CLOCK_RETRY_S", 0.001)
    bench = Bench(tmp_path)
    await bench.start()
    bench.deliver(low(50, minute=0))
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{bench.port}/readyz") as answer:
        assert answer.status == 503
        (reason,) = (await answer.json())["reasons"]
    assert reason.startswith("clock: it shows 1970-01-01 00:00:12 UTC, before this program was made")
    assert bench.receiver.acknowledged == []
    assert bench.journal.status.next_offset == 0
    clock_ms = time.time_ns() // 1_000_000
    await until(lambda: bench.receiver.acknowledged)
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{bench.port}/readyz") as answer:
        assert answer.status == 200
    await bench.finish()
    assert len(bench.store.of("battery")) == 1


def test_a_full_ten_seconds_brings_one_tick_on_the_daemon_s_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its timers may fire early by a part of a millisecond."""
    tick_s = 1 / 64
    monkeypatch.setattr(ticker_module, "TICK_S", tick_s)
    ticks: list[float] = []

    async def run() -> None:
        bench = Bench(tmp_path)
        monkeypatch.setattr(bench.pipeline._intake, "tick", lambda: ticks.append(time.time() // tick_s))
        await bench.start()
        await until(lambda: len(ticks) >= 100)
        await bench.finish()

    uvloop.run(run())
    assert len(set(ticks)) == len(ticks)


async def test_alerts_reach_the_broker_also_when_it_was_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker_module, "TICK_S", 0.05)
    await bench.start()
    bench.deliver(low(21, minute=0))
    bench.deliver(low(19, minute=40))
    await until(lambda: bench.receiver.published)
    topic, payload = bench.receiver.published[-1]
    assert topic == "vans-alerts/van-1"
    assert b"soc_low" in payload
    # The broker is away while the alert clears.
    bench.receiver.reachable = False
    bench.deliver(low(40, minute=80))
    await until(lambda: bench.pipeline.vitals.shard.accepted == 3)
    await until(lambda: bench.pipeline._ticker._alerts.unsent)
    bench.receiver.reachable = True
    bench.receiver.counters.subscribed_since_ms += 1
    await until(lambda: bench.receiver.published[-1][1] == b"")
    await bench.finish()


async def test_an_unsent_alert_of_a_van_known_only_from_dropped_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store was away for so long that `drop_oldest` gave up all that the van had sent: nobody knows it any more."""
    monkeypatch.setattr(ticker_module, "TICK_S", 0.05)
    monkeypatch.setattr(worker_module, "AHEAD_AFTER_S", 0.0)
    bench = Bench(tmp_path, max_bytes=1 << 20, when_full="drop_oldest")
    bench.store.away = StoreUnavailable("connection refused", retry_after_s=0.05)
    await bench.start()

    async def send_until(condition: Callable[[], object]) -> None:
        while not condition():
            before = bench.pipeline.vitals.intake.messages
            bench.deliver(
                (f"vans/van-{2 + before % 10}/soc", {"time": FRESH_MS + before, "soc_pct": 50.0, "pad": "x" * 50_000})
            )
            await until(lambda before=before: bench.pipeline.vitals.intake.messages > before)

    await send_until(lambda: bench.pipeline.vitals.worker.ahead)
    bench.receiver.reachable = False
    bench.deliver(low(21, minute=0), low(19, minute=40))
    await until(lambda: bench.pipeline._ticker._alerts.unsent)
    beyond = bench.journal.status.next_offset + 2 * TAIL_BYTES // 50_000  # nor is it in memory
    await send_until(lambda: bench.journal.status.dropped_messages >= beyond)
    bench.store.away = None
    await until(lambda: "van-1" not in list(bench.pipeline.vitals.vans))
    bench.receiver.reachable = True
    bench.receiver.counters.subscribed_since_ms += 1
    await until(lambda: bench.receiver.published or bench.task.done())
    assert bench.receiver.published == [("vans-alerts/van-1", b"")]
    await bench.finish()
