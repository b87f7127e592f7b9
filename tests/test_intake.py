"""Receive, journal, acknowledge: in this order, whatever happens in between."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from agent import intake as module
from agent.errors import JournalBroken, JournalFull
from agent.intake import AckDelay, Intake
from agent.messages import Batch, Kind, Message
from agent.mqtt.base import Delivery
from tests.doubles import FakeJournal, FakeReceiver, until


def delivery(*payloads: bytes) -> Delivery:
    return Delivery([Message("t", payload) for payload in payloads], [1] * len(payloads), 1)


class Bench:
    """An intake between a fake receiver and a fake journal."""

    def __init__(self, *, commit_bytes: int = 1000) -> None:
        self.receiver = FakeReceiver()
        self.journal = FakeJournal()
        self.passed_on: list[Batch] = []
        self.now_ms = 5_000
        self.intake = Intake(
            self.receiver,
            self.journal,
            on_batch=self.passed_on.append,
            commit_bytes=commit_bytes,
            clock_ms=lambda: self.now_ms,
        )
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.intake.run(), name="intake")

    async def finish(self) -> None:
        self.intake.close()
        await self.task


@pytest.fixture
async def make_bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Bench]]:
    monkeypatch.setattr(module, "PACE_S", 0.0)
    monkeypatch.setattr(module, "FULL_RETRY_S", 0.001)
    benches: list[Bench] = []

    def make(**options: int) -> Bench:
        benches.append(Bench(**options))
        benches[-1].start()
        return benches[-1]

    yield make
    for bench in benches:
        if not bench.task.done():
            bench.task.cancel()


async def test_nothing_is_acknowledged_before_it_is_committed(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.journal.gate.clear()
    first, second = delivery(b"1", b"2"), delivery(b"3")
    bench.intake.on_delivery(first)
    bench.intake.on_delivery(second)
    await until(lambda: bench.intake.counters.commit_started_s is not None)
    assert bench.receiver.acknowledged == []
    assert bench.passed_on == []
    bench.journal.gate.set()
    await bench.finish()
    assert bench.receiver.acknowledged == [first, second]
    assert bench.passed_on == bench.journal.batches
    assert bench.intake.counters.messages == 3
    assert bench.intake.counters.commit_started_s is None


async def test_what_arrives_during_a_commit_is_the_next_batch(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.journal.gate.clear()
    bench.intake.on_delivery(delivery(b"1"))
    await until(lambda: bench.intake.counters.commit_started_s is not None)
    for payload in (b"2", b"3", b"4"):
        bench.intake.on_delivery(delivery(payload))
    bench.journal.gate.set()
    await bench.finish()
    payloads = [[message.payload for message in batch.messages] for batch in bench.journal.batches]
    assert payloads == [[b"1"], [b"2", b"3", b"4"]]
    assert bench.intake.counters.commits == 2


async def test_a_batch_is_closed_at_its_size(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(commit_bytes=1000)
    for _ in range(5):
        bench.intake.on_delivery(delivery(b"x" * 600))
    await bench.finish()
    assert [len(batch.messages) for batch in bench.journal.batches] == [2, 2, 1]


async def test_reading_pauses_while_too_much_waits(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(commit_bytes=1024 * 1024)
    bench.journal.gate.clear()
    for _ in range(6):
        bench.intake.on_delivery(delivery(b"x" * 1024 * 1024))
    assert bench.receiver.counters.paused
    bench.journal.gate.set()
    await until(lambda: not bench.receiver.counters.paused)
    await bench.finish()
    assert bench.intake.counters.messages == 6


async def test_a_tick_follows_what_arrived_before_it(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.intake.on_delivery(delivery(b"1"))
    bench.intake.tick()
    await bench.finish()
    (batch,) = bench.journal.batches
    assert [(message.kind, message.payload) for message in batch.messages] == [
        (Kind.PUBLISH, b"1"),
        (Kind.TICK, b"5000"),
    ]
    assert batch.received_ms == 5000


async def test_ticks_alone_are_journaled_and_are_no_messages(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.intake.tick()
    await bench.finish()
    assert len(bench.journal.batches) == 1
    assert bench.intake.counters.messages == 0
    assert bench.intake.counters.last_message_ms == 0


async def test_a_full_journal_stops_reading_and_goes_on_by_itself(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench()
    bench.journal.full = JournalFull("holds its limit")
    given = delivery(b"1")
    with caplog.at_level(logging.INFO):
        bench.intake.on_delivery(given)
        await until(lambda: bench.intake.counters.journal_full)
        assert bench.receiver.counters.paused
        bench.intake.tick()
        await asyncio.sleep(0.01)  # several attempts
        assert bench.receiver.acknowledged == []
        bench.journal.full = None
        bench.intake.room_made()
        await until(lambda: bench.receiver.acknowledged)
    assert bench.receiver.acknowledged == [given]
    assert not bench.receiver.counters.paused
    assert not bench.intake.counters.journal_full
    # Time that passed while nobody could be heard is no silence of the vans.
    assert all(message.kind == Kind.PUBLISH for batch in bench.journal.batches for message in batch.messages)
    assert [record.levelname for record in caplog.records if record.name == "agent.intake"] == ["ERROR", "INFO"]
    await bench.finish()


async def test_closing_while_the_journal_is_full_acknowledges_nothing(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.journal.full = JournalFull("holds its limit")
    bench.intake.on_delivery(delivery(b"1"))
    await until(lambda: bench.intake.counters.journal_full)
    await bench.finish()
    assert bench.receiver.acknowledged == []


async def test_a_broken_disk_ends_it(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.journal.failures.append(JournalBroken("disk I/O error"))
    bench.intake.on_delivery(delivery(b"1"))
    with pytest.raises(JournalBroken):
        await bench.task
    assert bench.receiver.acknowledged == []


async def test_replayed_dead_letters_are_passed_on(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    again = Batch(100, 1, 1, [Message("t", b"again")])
    bench.journal.tidied.append(again)
    bench.intake.on_delivery(delivery(b"1"))
    await bench.finish()
    assert bench.passed_on == [*bench.journal.batches, again]


def test_the_delay_of_acknowledgements_is_a_histogram() -> None:
    delay = AckDelay()
    delay.add(0.0015, 3)
    delay.add(7.0, 2)
    assert delay.counts[delay.BOUNDS_S.index(0.002)] == 3
    assert delay.counts[-1] == 2
    assert delay.sum_s == pytest.approx(3 * 0.0015 + 2 * 7.0)
