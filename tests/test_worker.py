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
from agent.errors import StoreUnavailable
from agent.journal import Journal
from agent.journal.file import beside
from agent.journal.sqlite_log import SqliteLog
from agent.messages import Batch, Message
from agent.stores.sqlite import SqliteStore
from agent.worker import TAIL_BYTES, TAIL_MESSAGES, Tail, Worker
from agent.writer import Writer
from tests.doubles import Clock, FakeStore, make_shard, until
from tests.journal.wal import largest_transaction_bytes
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
    """A real journal, shard and writer around the worker; the store is a stand-in."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 64 << 20,
        when_full: str = "pause",
        durable_after_s: float = 0,
        checkpoint_every_s: float = 0.01,
        store: Any = None,
    ) -> None:
        self.journal = Journal.open(path / "journal.db", max_bytes=max_bytes, when_full=when_full, reserve_bytes=0)
        self.thread = SqliteLog(self.journal)
        self.store = store or FakeStore()
        self.clock = Clock()
        self.notified: list[str] = []
        self.shard = make_shard()
        self.writer = Writer(
            self.store,
            self.thread,
            on_checkpoint=lambda: None,
            durable_after_s=durable_after_s,
            clock_s=self.clock,
            sleep=self.clock.sleep,
        )
        self.worker = Worker(
            self.shard,
            self.thread,
            self.writer,
            batch_points=20,
            flush_s=0.005,
            checkpoint_every_s=checkpoint_every_s,
            notify=self._notify,
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def _notify(self, vehicle_ids: list[str]) -> None:
        self.notified += vehicle_ids

    async def start(self) -> None:
        await self.worker.restore()
        self.tasks = [asyncio.create_task(self.writer.run()), asyncio.create_task(self.worker.run())]

    async def append(self, messages: list[Message], *, size: int = 50) -> None:
        for start in range(0, len(messages), size):
            part = messages[start : start + size]
            batch = await self.thread.append(part, received_ms=START_MS + 7_200_000, listening_since_ms=START_MS)
            self.worker.on_batch(batch)

    async def done(self) -> None:
        await until(lambda: not self.worker.backlog and self.writer.counters.confirmed_offset == self.worker.position)

    async def finish(self) -> None:
        self.worker.close()
        await self.tasks[1]
        await self.writer.close()
        await self.tasks[0]
        await self.thread.close()

    async def crash(self) -> None:
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.thread.close()


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
    offset, states = await again.thread.load()
    assert offset == 180
    assert {key for key, _ in states} >= {"van-1"}
    await again.thread.close()


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
    await until(lambda: bench.writer.must_resend)
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
        await until(lambda bench=bench: not bench.worker.backlog and bench.journal.counters.dead_letters == 2)
        await bench.crash()
    bench = make()
    reasons = [letter.reason for letter in bench.journal.dead_letters()]
    assert reasons == ["malformed", "unknown_topic"]
    await bench.thread.close()


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
    bench = make(max_bytes=1 << 20, when_full="drop_oldest")
    big = [Message("vans/van-1/other", b"x" * 60_000) for _ in range(60)]
    for message in big:
        await bench.thread.append([message], received_ms=START_MS, listening_since_ms=START_MS)
    assert bench.journal.counters.dropped_messages > 20
    await bench.start()
    await bench.append(DRIVE)
    await bench.finish()
    assert len(bench.store.of("battery")) == 180
    # What is dropped while it is still in memory is worked through all the same.
    assert 60 + 180 - bench.journal.counters.dropped_messages <= bench.shard.counters.messages < 60 + 180


async def test_a_full_journal_is_emptied_although_nothing_more_comes(make: Make) -> None:
    bench = make()
    bench.worker._checkpoint_every_s = 3600.0
    await bench.start()
    await bench.append(DRIVE)
    await bench.done()
    assert bench.writer.counters.checkpoint_offset == 0
    bench.worker.make_room()
    await until(lambda: bench.writer.counters.checkpoint_offset == 180)
    bench.worker.make_room()  # nothing to do, and no harm
    await bench.finish()


async def test_a_failure_of_the_journal_ends_the_worker(make: Make) -> None:
    bench = make()
    await bench.start()
    bench.journal.close()
    bench.worker.on_batch(Batch(0, 1, 1, [Message("vans/x/tyres", b"{}")]))
    with pytest.raises(Exception, match="closed"):
        await bench.tasks[1]


def test_the_tail_is_bounded_by_messages_and_by_bytes() -> None:
    tail = Tail()
    for number in range(TAIL_MESSAGES + 10):
        tail.add(Batch(number, 1, 1, [Message("t", b"")]))
    assert tail.end == TAIL_MESSAGES + 10
    assert tail.take(0) is None
    assert tail.take(TAIL_MESSAGES) is not None
    assert tail.take(TAIL_MESSAGES - 1) is None  # older ones have been let go
    tail.add(Batch(TAIL_MESSAGES + 10, 1, 1, [Message("t", b"x" * (TAIL_BYTES + 1))]))
    assert tail.take(TAIL_MESSAGES + 10) is None
    assert tail.end == TAIL_MESSAGES + 11


def test_the_tail_gives_only_what_begins_where_it_is_asked_for() -> None:
    tail = Tail()
    tail.add(Batch(0, 1, 1, [Message("t", b"")] * 10))
    assert tail.take(5) is None
    assert tail.take(0) is not None
