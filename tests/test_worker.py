"""From the journal to the writer; ahead of an absent store and back again, with the same result."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from agent import worker as module
from agent.errors import LogFull, StoreUnavailable
from agent.journal import Journal, SqliteLog
from agent.journal.file import beside
from agent.log import Log
from agent.messages import Message
from agent.stores.sqlite import SqliteStore
from agent.units import UnitQueue
from agent.worker import Worker
from agent.writer import Writer
from tests.doubles import Clock, FakeStore, make_shard, until
from tests.journal.wal import largest_transaction_bytes
from tests.memory_log import MemoryLog
from tests.servers.publishing import drive

START_MS = 1_790_000_000_000
COUNTED = ("battery", "location", "energy", "emissions", "trip", "stop", "alert")


def encoded(messages: list[tuple[str, object]]) -> list[Message]:
    return [Message(topic, json.dumps(payload).encode()) for topic, payload in messages]


DRIVE = encoded(drive("van-1", start_ms=START_MS))
LOW = encoded(
    [
        ("vans/van-2/soc", {"time": START_MS + n * 2_400_000, "soc_pct": soc, "charging": soc > 30})
        for n, soc in enumerate((21, 19, 40))
    ]
)
"""Raises an alert and clears it again."""


class Bench:
    """A real journal (or the log that is given), shard and writer around the worker; the store is a stand-in."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 64 << 20,
        when_full: str = "pause",
        durable_after_s: float = 0,
        checkpoint_every_s: float = 0.01,
        store: Any = None,
        log: Log | None = None,
    ) -> None:
        if log is None:
            self.journal = Journal.open(path / "journal.db", max_bytes=max_bytes, when_full=when_full, reserve_bytes=0)
        self.log = log or SqliteLog(self.journal)
        self.store = store or FakeStore()
        self.clock = Clock()
        self.notified: list[str] = []
        self.shard = make_shard()
        self.units = UnitQueue(clock_s=self.clock)
        self.writer = Writer(
            self.store,
            self.log,
            self.units,
            durable_after_s=durable_after_s,
            clock_s=self.clock,
            sleep=self.clock.sleep,
        )
        self.worker = Worker(
            self.shard,
            self.log,
            self.units,
            batch_points=20,
            flush_s=0.005,
            checkpoint_every_s=checkpoint_every_s,
            publish_alerts=self._publish_alerts,
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def _publish_alerts(self, vehicle_ids: list[str]) -> None:
        self.notified += vehicle_ids

    async def start(self) -> None:
        await self.worker.restore()
        self.tasks = [asyncio.create_task(self.writer.run()), asyncio.create_task(self.worker.run())]

    async def append(self, messages: list[Message], *, size: int = 50) -> None:
        for start in range(0, len(messages), size):
            part = messages[start : start + size]
            await self.log.append(part, received_ms=START_MS + 7_200_000, listening_since_ms=START_MS)

    async def done(self) -> None:
        await until(lambda: not self.worker.backlog and self.units.store.confirmed_offset == self.worker.position)

    async def finish(self) -> None:
        self.worker.close()
        await self.tasks[1]
        await self.units.close()
        await self.tasks[0]
        await self.log.close()

    async def crash(self) -> None:
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.log.close()


Make = Callable[..., Bench]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setattr(module, "STORE_POLL_S", 0.002)
    made: list[Bench] = []

    def new(**options: object) -> Bench:
        made.append(Bench(tmp_path, **options))
        return made[-1]

    yield new
    for bench in made:
        for task in bench.tasks:
            task.cancel()


async def undisturbed(
    directory: Path, messages: list[Message]
) -> dict[tuple[str, str | None, int], tuple[object, ...]]:
    bench = Bench(directory)
    await bench.start()
    await bench.append(messages)
    await bench.finish()
    return bench.store.points


async def test_messages_become_points_and_a_checkpoint(make: Make) -> None:
    bench = make()
    await bench.start()
    await bench.append(DRIVE)
    await bench.finish()
    assert len(bench.store.of("battery")) == 180
    assert len(bench.store.of("trip")) == 1
    assert bench.writer.counters.checkpoint_offset == 180
    again = make()
    checkpoint = await again.log.load(0)
    assert checkpoint.offset == 180
    assert {key for key, _ in checkpoint.states} >= {"van-1"}
    await again.log.close()


async def test_after_a_crash_it_goes_on_from_the_checkpoint_with_the_same_numbers(make: Make, tmp_path: Path) -> None:
    expected = await undisturbed(tmp_path / "whole", DRIVE)
    points = {}
    first = make()
    await first.start()
    await first.append(DRIVE[:70])
    await first.done()
    await first.append(DRIVE[70:110])  # journaled; how much of it is processed is a matter of luck
    await first.crash()
    points |= first.store.points
    second = make()
    await second.start()
    assert second.worker.position <= 110
    await second.append(DRIVE[110:])
    await second.finish()
    assert points | second.store.points == expected


async def test_a_log_with_gaps_gives_the_same_points(make: Make, tmp_path: Path) -> None:
    """Its offsets are no count of messages, and behind a batch comes the next one, wherever that begins."""
    messages = DRIVE + LOW
    expected = await undisturbed(tmp_path / "whole", messages)
    log = MemoryLog()
    first = make(log=log)
    await first.start()
    await first.append(messages[:60])
    await first.done()
    first.store.away = StoreUnavailable("connection refused")
    await first.append(messages[60:], size=10)
    await until(lambda: first.worker.ahead and not first.worker.backlog)
    first.store.away = None
    await until(lambda: first.worker.rewinds)
    await first.done()
    await first.crash()
    second = make(log=log)
    await second.start()
    await second.done()
    await second.finish()
    assert first.store.points | second.store.points == expected
    assert first.shard.counters.messages == len(messages)
    assert log.messages_from(second.worker.position) == 0
    assert (await log.load(0)).offset == second.worker.position > len(messages)


async def test_the_backlog_of_a_log_with_gaps_counts_messages(make: Make) -> None:
    bench = make(log=MemoryLog())
    await bench.worker.restore()
    await bench.append(DRIVE[:100], size=7)
    assert bench.worker.backlog == 100


async def test_only_duplicates_move_the_checkpoint_too(make: Make) -> None:
    bench = make(checkpoint_every_s=0.0)
    await bench.start()
    await bench.append(DRIVE)
    await bench.done()
    await bench.append(DRIVE[-5:])
    await until(lambda: bench.writer.counters.checkpoint_offset == 185)
    assert bench.shard.counters.duplicates == 5
    await bench.finish()


async def test_ahead_of_an_absent_store_and_back(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    messages = DRIVE + LOW
    expected = await undisturbed(tmp_path / "whole", messages)
    bench = make()
    with caplog.at_level(logging.INFO):
        await bench.start()
        await bench.append(DRIVE[:60])
        await bench.done()
        bench.store.away = StoreUnavailable("connection refused")
        await bench.append(messages[60:], size=10)
        await until(lambda: bench.worker.ahead and not bench.worker.backlog)
        # The vans are live and who waits for alerts has been told.
        assert bench.shard.vans.state("van-2").soc.soc_pct == 40
        assert bench.notified == ["van-2"]
        assert bench.worker._output.row_count == 0
        bench.store.away = None
        await until(lambda: not bench.worker.ahead)
        await bench.done()
    await bench.finish()
    assert bench.worker.rewinds == 1
    assert {k: v for k, v in bench.store.points.items() if k[0] in COUNTED} == {
        k: v for k, v in expected.items() if k[0] in COUNTED
    }
    # Nobody is told twice, and nothing is counted twice.
    assert bench.notified == ["van-2"]
    assert bench.shard.counters.accepted == bench.shard.counters.messages == len(messages)
    said = [record.message for record in caplog.records if record.name == "agent.worker"]
    assert ["stays away" in said[0], "is back" in said[1]] == [True, True]


async def test_a_forgetful_store_gets_everything_since_the_checkpoint_again(make: Make) -> None:
    bench = make(durable_after_s=60.0, checkpoint_every_s=0.0)
    await bench.start()
    await bench.append(DRIVE[:60])
    await bench.done()
    bench.store.points.clear()  # a crash of the store
    bench.store.failures.append(StoreUnavailable("connection refused", retry_after_s=0.1))
    await bench.append(DRIVE[60:])
    await until(lambda: bench.worker.rewinds == 1)
    await bench.done()
    assert len(bench.store.of("battery")) == 180
    bench.clock.now_s += 61.0
    await bench.append(DRIVE[:1])
    await until(lambda: bench.writer.counters.checkpoint_offset >= 60)
    await bench.finish()


async def test_a_history_file_that_was_removed_gets_everything_since_the_checkpoint_again(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.db"
    bench = make(store=SqliteStore(path), checkpoint_every_s=3600.0)
    await bench.store.open()
    await bench.start()
    await bench.append(DRIVE[:100])
    await bench.done()
    path.unlink()
    await bench.append(DRIVE[100:])
    await until(lambda: bench.units.store.must_resend)
    await bench.append(DRIVE[:1])  # as a tick would, it makes the worker look around
    await until(lambda: bench.worker.rewinds)
    await bench.done()
    await bench.finish()
    await bench.store.close()
    with closing(sqlite3.connect(path)) as history:
        assert history.execute("SELECT count(*), sum(soc_pct NOTNULL) FROM battery").fetchone() == (180, 180)
    assert "was removed or replaced while the agent was running" in caplog.text


async def test_dead_letters_are_kept_once_however_often_the_message_is_worked_through(make: Make) -> None:
    bad = [Message("vans/van-1/soc", b"{"), Message("vans/van-1/tyres", b"{}")]
    for _ in range(3):
        bench = make()
        bench.store.away = StoreUnavailable("connection refused")
        await bench.start()
        if bench.worker.backlog == 0:
            await bench.append(DRIVE[:20] + bad)
        await until(lambda bench=bench: not bench.worker.backlog and bench.journal.status.dead_letters == 2)
        await bench.crash()
    bench = make()
    reasons = [letter.reason for letter in bench.journal.dead_letters()]
    assert reasons == ["malformed", "unknown_topic"]
    await bench.log.close()


async def test_messages_of_thousands_of_bad_elements_fill_nothing(make: Make) -> None:
    """Twelve messages of 60 kB made 5,000 dead letters of 60 kB each: 11 GB, and processing stopped for ever."""
    bench = make(max_bytes=64 << 20)
    attack = Message("vans/van-evil/soc", b"[" + b",".join([b"1"] * 5000).ljust(59_998) + b"]")
    mixed = [{"time": START_MS, "soc_pct": 50.0}, 1, 1, {"time": START_MS + 1000, "soc_pct": 51.0}, 2]
    await bench.start()
    await bench.append([*[attack] * 12, Message("vans/van-odd/soc", json.dumps(mixed).encode()), *DRIVE], size=1000)
    await bench.done()
    letters = list(bench.journal.dead_letters())
    assert [(letter.key, letter.sender) for letter in letters] == [
        *[((number, 0), "van-evil") for number in range(12)],
        ((12, 0), "van-odd"),
    ]
    assert {(letter.reason, len(letter.detail) < 200) for letter in letters} == {("schema", True)}
    assert "(5000 of 5000 elements, counted from 0: 0-4999)" in letters[0].detail
    assert letters[0].payload == attack.payload
    assert "(3 of 5 elements, counted from 0: 1-2, 4)" in letters[12].detail
    # The messages themselves take 0.8 MB, their letters as much again; the rest is the file's own overhead.
    files = [path.stat().st_size for path in bench.journal.path.parent.glob("journal.db*")]
    assert sum(files) < 5 << 20
    assert largest_transaction_bytes(beside(bench.journal.path, "wal")) < 1.5 * (1 << 20)
    # The others are worked through, and so are the good elements.
    assert len([key for key in bench.store.of("battery") if key[1] == "van-1"]) == 180
    assert len([key for key in bench.store.of("battery") if key[1] == "van-odd"]) == 2
    await bench.finish()


async def test_what_was_dropped_from_the_journal_is_passed_over(make: Make) -> None:
    first = make(max_bytes=1 << 20, when_full="drop_oldest")
    big = [Message("vans/van-1/other", b"x" * 60_000) for _ in range(60)]
    for message in big:
        await first.log.append([message], received_ms=START_MS, listening_since_ms=START_MS)
    dropped = first.journal.status.dropped_messages
    assert dropped > 20
    await first.log.close()  # what is dropped while it is still in memory is worked through all the same
    bench = make(max_bytes=1 << 20, when_full="drop_oldest")
    await bench.start()
    await bench.append(DRIVE)
    await bench.finish()
    assert len(bench.store.of("battery")) == 180
    dropped += bench.journal.status.dropped_messages
    assert 60 + 180 - dropped <= bench.shard.counters.messages < 60 + 180 - 20


async def test_a_full_journal_is_emptied_although_nothing_more_comes(make: Make) -> None:
    bench = make(max_bytes=1 << 20)
    bench.worker._checkpoint_every_s = 3600.0
    await bench.start()
    await bench.append(DRIVE)
    await bench.done()
    assert bench.writer.counters.checkpoint_offset == 0
    too_large = [Message("t", b"x" * (2 << 20))]
    with pytest.raises(LogFull):
        await bench.log.append(too_large, received_ms=START_MS, listening_since_ms=START_MS)
    await until(lambda: bench.writer.counters.checkpoint_offset == 180)
    assert bench.log.room_made.is_set()
    with pytest.raises(LogFull):  # nothing to checkpoint, and no harm
        await bench.log.append(too_large, received_ms=START_MS, listening_since_ms=START_MS)
    await bench.finish()


async def test_a_failure_of_the_journal_ends_the_worker(make: Make) -> None:
    bench = make()
    await bench.start()
    await bench.log.append([Message("vans/x/tyres", b"{}")], received_ms=1, listening_since_ms=1)
    bench.journal.close()
    with pytest.raises(Exception, match="closed"):
        await bench.tasks[1]
