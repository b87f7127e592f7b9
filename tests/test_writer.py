"""The store's one line of order: written until the store has it, then checkpointed."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points.rows import Series, empty_rows
from agent.stores.base import RejectedRow
from agent.units import STUCK_AFTER_S, Unit, UnitQueue
from agent.writer import RETRY_CAP_S, Writer
from tests.doubles import Clock, FakeStore, rows_of, until
from tests.memory_log import MemoryLog

VAN = Series(vehicle_id="van-1")
STATES = {"van-1": b"state"}


def unit(end: int, *, states: dict[str, bytes] | None = None, empty: bool = False) -> Unit:
    rows = empty_rows() if empty else rows_of("battery", (VAN, end, 50.0))
    return Unit(rows=rows, points=0 if empty else 1, end=end, newest_ms=end, states=states)


class Bench:
    def __init__(self, *, durable_after_s: float = 0.0) -> None:
        self.store = FakeStore()
        self.log = MemoryLog()
        self.clock = Clock()
        self.units = UnitQueue(clock_s=self.clock)
        self.writer = Writer(
            self.store,
            self.log,
            self.units,
            durable_after_s=durable_after_s,
            clock_s=self.clock,
            sleep=self.clock.sleep,
        )
        self.task = asyncio.create_task(self.writer.run(), name="writer")

    async def write(self, *units: Unit) -> None:
        for each in units:
            await self.units.put(each)
        await until(lambda: self.units.is_idle)

    async def finish(self) -> None:
        await self.units.close()
        await self.task


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.task.cancel()


@pytest.fixture
async def forgetful() -> AsyncIterator[Bench]:
    """With a store that may lose what it has confirmed within a minute."""
    made = Bench(durable_after_s=60.0)
    yield made
    made.task.cancel()


async def test_a_checkpoint_follows_the_store(bench: Bench) -> None:
    bench.store.gate.clear()
    await bench.units.put(unit(10, states=STATES))
    await until(lambda: bench.store.writes)
    assert bench.log.checkpoints == []
    assert bench.units.store.confirmed_offset == 0
    bench.store.gate.set()
    await bench.finish()
    assert bench.log.checkpoints == [(10, STATES)]
    assert bench.units.store.confirmed_offset == bench.writer.counters.checkpoint_offset == 10
    assert bench.units.is_idle


async def test_no_checkpoint_without_states(bench: Bench) -> None:
    await bench.write(unit(10), unit(20))
    assert bench.log.checkpoints == []
    assert bench.units.store.confirmed_offset == 20


async def test_a_checkpoint_where_there_was_nothing_to_write(bench: Bench) -> None:
    await bench.write(unit(10, states={}, empty=True))
    assert bench.store.writes == 0
    assert bench.log.checkpoints == [(10, {})]


async def test_an_absent_store_is_tried_for_ever_and_nothing_overtakes(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.store.failures.extend([StoreUnavailable("refused")] * 30)
    with caplog.at_level(logging.INFO):
        await bench.write(unit(10, states=STATES), unit(20))
    assert bench.writer.counters.retries_unavailable == 30
    assert len(bench.clock.slept) == 30
    assert all(0 <= pause_s <= RETRY_CAP_S for pause_s in bench.clock.slept)
    assert len(set(bench.clock.slept)) > 20  # jitter
    assert [key[2] for key in bench.store.points] == [10, 20]
    assert [record.levelname for record in caplog.records if record.name == "agent.writer"] == ["WARNING", "INFO"]


async def test_the_store_says_when_to_come_back(bench: Bench) -> None:
    bench.store.failures.append(StoreUnavailable("busy", retry_after_s=7.0))
    await bench.write(unit(10))
    assert bench.clock.slept == [7.0]


async def test_a_store_that_refuses_us_is_waited_for_and_named(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.store.away = StoreMisconfigured("401 unauthorized")
    await bench.units.put(unit(10, states=STATES))
    await until(lambda: bench.writer.counters.retries_misconfigured > 3)
    assert bench.units.store.misconfigured
    assert bench.units.store.last_error == "401 unauthorized"
    assert bench.log.checkpoints == []
    assert not bench.log.refusals
    bench.store.away = None
    await bench.finish()
    assert not bench.units.store.misconfigured
    assert bench.units.store.last_error == ""
    assert bench.log.checkpoints == [(10, STATES)]
    assert sum("refuses us" in record.message for record in caplog.records) == 1


async def test_refused_rows_are_kept_and_the_same_one_again_after_a_crash(bench: Bench) -> None:
    bench.store.refused = [RejectedRow("battery", "battery,vehicle_id=van-1 soc_pct=1 5", "type conflict")]
    await bench.write(unit(10))
    bench.store.refused = [RejectedRow("battery", "battery,vehicle_id=van-1 soc_pct=1 5", "type conflict")]
    await bench.write(unit(20))
    (refusal,) = bench.log.refusals.values()
    assert (refusal.measurement, refusal.detail) == ("battery", "type conflict")
    assert refusal.line == b"battery,vehicle_id=van-1 soc_pct=1 5"
    assert bench.writer.counters.rejected == 2


async def test_the_agents_own_points_go_out_with_the_next_unit(bench: Bench) -> None:
    (row,) = rows_of("agent", (Series(), 5, 1))["agent"]
    for _ in range(40):
        bench.units.put_aside("agent", row)
    assert bench.store.writes == 0
    await bench.write(unit(10, empty=True))
    assert len(bench.store.of("agent")) == 1
    assert bench.writer.counters.points == 16  # only the newest few wait


async def test_how_long_the_store_has_been_failing(bench: Bench) -> None:
    assert bench.units.failing_for_s() == 0.0
    bench.store.gate.clear()
    await bench.units.put(unit(10))
    await until(lambda: bench.store.writes)
    assert bench.units.failing_for_s() == 0.0
    bench.clock.now_s += STUCK_AFTER_S + 1  # no answer at all
    assert bench.units.failing_for_s() == STUCK_AFTER_S + 1
    bench.store.failures.append(StoreUnavailable("timeout", retry_after_s=3.0))
    bench.store.gate.set()
    await until(lambda: bench.units.is_idle)
    assert bench.units.failing_for_s() == 0.0


async def test_a_unit_waits_while_another_one_waits(bench: Bench) -> None:
    bench.store.gate.clear()
    await bench.units.put(unit(10))
    await until(lambda: bench.store.writes)
    assert not bench.units.busy
    await bench.units.put(unit(20))
    assert bench.units.busy
    bench.store.gate.set()
    await bench.units.wait_free(5.0)
    assert not bench.units.busy


async def test_a_forgetful_store_is_believed_after_a_while(forgetful: Bench) -> None:
    await forgetful.write(unit(10, states=STATES))
    assert forgetful.log.checkpoints == []
    assert forgetful.units.store.confirmed_offset == 10
    forgetful.clock.now_s += 59.0
    await forgetful.write(unit(20))
    assert forgetful.log.checkpoints == []
    forgetful.clock.now_s += 1.0
    await forgetful.write(unit(30))
    assert forgetful.log.checkpoints == [(10, STATES)]
    assert not forgetful.units.store.must_resend


async def test_a_forgetful_store_that_was_away_gets_everything_again(forgetful: Bench) -> None:
    await forgetful.write(unit(10, states=STATES))
    forgetful.store.failures.append(StoreUnavailable("connection refused"))
    await forgetful.write(unit(20, states={"van-2": b"state"}))
    assert forgetful.units.store.must_resend
    forgetful.clock.now_s += 100.0
    await forgetful.write(unit(30))
    assert forgetful.log.checkpoints == []
    forgetful.units.start_anew()
    assert not forgetful.units.store.must_resend
    await forgetful.write(unit(20, states=STATES))
    forgetful.clock.now_s += 60.0
    await forgetful.write(unit(30))
    assert forgetful.log.checkpoints == [(20, STATES)]


async def test_a_lasting_store_that_was_away_gets_nothing_twice(bench: Bench) -> None:
    bench.store.failures.append(StoreUnavailable("connection refused"))
    await bench.write(unit(10, states=STATES))
    assert not bench.units.store.must_resend
