"""Receive, journal, acknowledge: in this order, whatever happens in between."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agent import intake as module
from agent.admission import Admission
from agent.clock import ClockWatch
from agent.errors import LogBroken, LogFull, LogUnavailable
from agent.intake import AckDelay, Intake
from agent.messages import Batch, Message, MessageKind, tick_times
from agent.mqtt.base import Delivery
from agent.throttle import Throttle
from tests.doubles import FakeReceiver, until
from tests.memory_log import MemoryLog


def delivery(*payloads: bytes) -> Delivery:
    return Delivery([Message("t", payload) for payload in payloads], [1] * len(payloads), 1)


class Bench:
    """An intake between a fake receiver and a fake journal."""

    def __init__(self, *, commit_bytes: int = 1000, earliest_ms: int = 0, throttle: Throttle | None = None) -> None:
        self.receiver = FakeReceiver()
        self.log = MemoryLog()
        self.now_ms = 5_000
        self.steady_s = 100.0
        self.watch = ClockWatch(earliest_ms=earliest_ms, clock_ms=lambda: self.now_ms, steady_s=lambda: self.steady_s)
        self.intake = Intake(
            self.receiver,
            self.log,
            commit_bytes=commit_bytes,
            admission=Admission(self.log, sender_of=lambda topic: None, throttle=throttle),
            watch=self.watch,
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
    monkeypatch.setattr(module, "FULL_RETRY_S", 0.001)
    monkeypatch.setattr(module, "CLOCK_RETRY_S", 0.001)
    benches: list[Bench] = []

    def make(**options: Any) -> Bench:
        benches.append(Bench(**options))
        benches[-1].start()
        return benches[-1]

    yield make
    for bench in benches:
        if not bench.task.done():
            bench.task.cancel()


async def test_nothing_is_acknowledged_before_it_is_committed(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.log.gate.clear()
    first, second = delivery(b"1", b"2"), delivery(b"3")
    bench.intake.on_delivery(first)
    bench.intake.on_delivery(second)
    await until(lambda: bench.intake.counters.commit_started_s is not None)
    assert bench.receiver.acknowledged == []
    assert bench.log.batches == []
    bench.log.gate.set()
    await bench.finish()
    assert bench.receiver.acknowledged == [first, second]
    assert bench.intake.counters.messages == 3
    assert bench.intake.counters.commit_started_s is None


async def test_what_arrives_during_a_commit_is_the_next_batch(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.log.gate.clear()
    bench.intake.on_delivery(delivery(b"1"))
    await until(lambda: bench.intake.counters.commit_started_s is not None)
    for payload in (b"2", b"3", b"4"):
        bench.intake.on_delivery(delivery(payload))
    bench.log.gate.set()
    await bench.finish()
    payloads = [[message.payload for message in batch.messages] for batch in bench.log.batches]
    assert payloads == [[b"1"], [b"2", b"3", b"4"]]
    assert bench.intake.counters.commits == 2


async def test_a_batch_is_closed_at_its_size(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(commit_bytes=1000)
    for _ in range(5):
        bench.intake.on_delivery(delivery(b"x" * 600))
    await bench.finish()
    assert [len(batch.messages) for batch in bench.log.batches] == [2, 2, 1]


async def test_reading_pauses_while_too_much_waits(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(commit_bytes=1024 * 1024)
    bench.log.gate.clear()
    for _ in range(6):
        bench.intake.on_delivery(delivery(b"x" * 1024 * 1024))
    assert bench.receiver.counters.paused
    bench.log.gate.set()
    await until(lambda: not bench.receiver.counters.paused)
    await bench.finish()
    assert bench.intake.counters.messages == 6


async def test_a_tick_follows_what_arrived_before_it(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.intake.on_delivery(delivery(b"1"))
    bench.intake.tick()
    await bench.finish()
    (batch,) = bench.log.batches
    assert [(message.kind, message.payload) for message in batch.messages] == [
        (MessageKind.PUBLISH, b"1"),
        (MessageKind.TICK, b"5000 1"),
    ]
    assert batch.received_ms == 5000


async def test_ticks_alone_are_journaled_and_are_no_messages(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.intake.tick()
    await bench.finish()
    assert len(bench.log.batches) == 1
    assert bench.intake.counters.messages == 0
    assert bench.intake.counters.last_message_ms == 0


async def test_a_full_journal_stops_reading_and_goes_on_by_itself(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench()
    bench.log.full = LogFull("holds its limit")
    given = delivery(b"1")
    with caplog.at_level(logging.INFO):
        bench.intake.on_delivery(given)
        await until(lambda: bench.intake.counters.journal_full)
        assert bench.receiver.counters.paused
        bench.intake.tick()
        attempts = bench.log.appends
        await until(lambda: bench.log.appends > attempts + 2)
        assert bench.receiver.acknowledged == []
        bench.log.full = None
        bench.log.room_made.set()
        await until(lambda: bench.receiver.acknowledged)
    assert bench.receiver.acknowledged == [given]
    assert not bench.receiver.counters.paused
    assert not bench.intake.counters.journal_full
    # Time that passed while nobody could be heard is no silence of the vans.
    assert all(message.kind == MessageKind.PUBLISH for batch in bench.log.batches for message in batch.messages)
    assert [record.levelname for record in caplog.records if record.name == "agent.intake"] == ["ERROR", "INFO"]
    await bench.finish()


async def test_a_log_that_does_not_answer_stops_reading_and_goes_on_by_itself(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.log.full = LogUnavailable("Kafka at k:9092 does not answer")
    given = delivery(b"1")
    bench.intake.on_delivery(given)
    await until(lambda: bench.intake.counters.log_problem == "Kafka at k:9092 does not answer")
    assert bench.receiver.counters.paused
    assert not bench.intake.counters.journal_full
    assert bench.receiver.acknowledged == []
    bench.log.full = None
    bench.log.room_made.set()
    await until(lambda: bench.receiver.acknowledged)
    assert bench.receiver.acknowledged == [given]
    assert not bench.receiver.counters.paused
    assert bench.intake.counters.log_problem is None
    await bench.finish()


async def test_closing_while_the_journal_is_full_acknowledges_nothing(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.log.full = LogFull("holds its limit")
    bench.intake.on_delivery(delivery(b"1"))
    await until(lambda: bench.intake.counters.journal_full)
    await bench.finish()
    assert bench.receiver.acknowledged == []


async def test_a_broken_disk_ends_it(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.log.failures.append(LogBroken("disk I/O error"))
    bench.intake.on_delivery(delivery(b"1"))
    with pytest.raises(LogBroken):
        await bench.task
    assert bench.receiver.acknowledged == []


async def test_what_commands_have_asked_for_is_done_between_batches(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    again = Batch(1000, 1, 1, [Message("t", b"again")])
    bench.log.asked_for.append(again)
    bench.intake.on_delivery(delivery(b"1"))
    await bench.finish()
    assert bench.log.batches[1:] == [again]


# -- the rate limit


async def test_what_is_beyond_the_rate_is_refused_before_the_journal_and_said_to_the_broker(
    make_bench: Callable[..., Bench],
) -> None:
    """Two messages of each van may come at once; the third and fourth of `mad` are not taken in, nor acknowledged."""
    bench = make_bench(throttle=Throttle(lambda topic: topic.split("/")[1], rate_per_s=1e-3, burst=2))
    found = [Message(f"vans/{van}/soc", van.encode()) for van in ("mad", "mad", "calm", "mad", "calm", "mad")]
    unpromised = Message("vans/mad/soc", b"0", qos=0)
    given = Delivery([*found[:4], unpromised, *found[4:]], [11, 12, 13, 14, 15, 16], 1)
    bench.intake.on_delivery(given)
    await bench.finish()
    (batch,) = bench.log.batches
    assert [message.payload for message in batch.messages] == [b"mad", b"mad", b"calm", b"calm"]
    assert bench.receiver.acknowledged == [given]
    assert given.packet_ids == [11, 12, 13, 14, 15, 16]
    assert given.refused == {14, 16}
    assert bench.intake.counters.messages == 4


async def test_a_delivery_of_which_nothing_is_taken_in_is_answered_in_its_turn(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(throttle=Throttle(lambda topic: topic, rate_per_s=1e-3, burst=1))
    deliveries = [delivery(b"1"), delivery(b"2"), delivery(b"3")]
    for each in deliveries:
        bench.intake.on_delivery(each)
        await asyncio.sleep(0)
    await bench.finish()
    assert [len(batch.messages) for batch in bench.log.batches] == [1]
    assert bench.receiver.acknowledged == deliveries
    assert [each.refused for each in deliveries] == [frozenset(), {1}, {1}]


# -- the clock


async def test_readings_wait_for_a_clock_that_can_be_right(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    """The machine starts in 1970; a time server sets its clock later."""
    bench = make_bench(earliest_ms=1_790_000_000_000)
    given = delivery(b"1")
    with caplog.at_level(logging.INFO):
        bench.intake.on_delivery(given)
        bench.intake.tick()
        await until(lambda: bench.receiver.counters.paused)
        bench.intake.tick()
        assert bench.receiver.acknowledged == []
        assert bench.log.batches == []
        assert "1970-01-01 00:00:05 UTC" in str(bench.intake.counters.clock_problem)
        bench.now_ms = 1_790_000_000_000
        await until(lambda: bench.receiver.acknowledged)
    assert bench.intake.counters.clock_problem is None
    assert not bench.receiver.counters.paused
    (batch,) = bench.log.batches
    assert [message.kind for message in batch.messages] == [MessageKind.PUBLISH]  # no time of the wrong clock
    assert (batch.received_ms, batch.listening_since_ms) == (1_790_000_000_000, 1_790_000_000_000)
    assert [record.levelname for record in caplog.records if record.name == "agent.intake"] == ["WARNING", "INFO"]
    await bench.finish()


async def test_closing_while_the_clock_is_wrong_acknowledges_nothing(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(earliest_ms=1_790_000_000_000)
    bench.intake.on_delivery(delivery(b"1"))
    await until(lambda: bench.intake.counters.clock_problem)
    await bench.finish()
    assert bench.receiver.acknowledged == []
    assert bench.log.batches == []


@pytest.mark.parametrize(
    ("title", "clock_moves_ms", "time_passes_s", "listening_since_ms"),
    [
        ("nothing happens", 60_000, 60.0, 1000),
        ("it is brought right by a second", 61_000, 60.0, 1000),
        ("set forward by an hour", 3_660_000, 60.0, 10_000_000 + 3_660_000),
        ("set back by an hour", -3_540_000, 60.0, 10_000_000 - 3_540_000),
        ("the machine was asleep for an hour", 3_600_000, 0.0, 10_000_000 + 3_600_000),
    ],
)
async def test_a_clock_that_is_set_makes_nobody_silent(
    make_bench: Callable[..., Bench],
    title: str,
    clock_moves_ms: int,
    time_passes_s: float,
    listening_since_ms: int,
) -> None:
    bench = make_bench()
    bench.now_ms = 10_000_000
    bench.receiver.counters.subscribed_since_ms = 1000
    bench.intake.on_delivery(delivery(b"1"))
    await until(lambda: bench.receiver.acknowledged)
    bench.now_ms += clock_moves_ms
    bench.steady_s += time_passes_s
    bench.intake.tick()
    await bench.finish()
    before, after = bench.log.batches
    assert before.listening_since_ms == 1000
    assert after.listening_since_ms == listening_since_ms, title
    (tick,) = after.messages
    assert tick_times(tick, before) == (bench.now_ms, listening_since_ms), title


async def test_after_the_clock_was_set_back_a_van_is_judged_by_both_times(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.now_ms = 10_000_000
    bench.intake.on_delivery(delivery(b"1"))
    await until(lambda: bench.receiver.acknowledged)
    bench.now_ms -= 3_600_000
    bench.steady_s += 1.0
    bench.intake.on_delivery(delivery(b"2"))
    bench.intake.tick()
    await bench.finish()
    before, after = bench.log.batches
    assert [message.other_arrival_ms for message in before.messages] == [0]
    assert after.received_ms == 6_400_000
    assert [(message.kind, message.other_arrival_ms) for message in after.messages] == [
        (MessageKind.PUBLISH, 10_001_000),
        (MessageKind.TICK, 0),
    ]


def test_the_delay_of_acknowledgements_is_a_histogram() -> None:
    delay = AckDelay()
    delay.add(0.0015, 3)
    delay.add(7.0, 2)
    assert delay.counts[delay.BOUNDS_S.index(0.002)] == 3
    assert delay.counts[-1] == 2
    assert delay.sum_s == pytest.approx(3 * 0.0015 + 2 * 7.0)
