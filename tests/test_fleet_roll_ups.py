"""Roll-ups of several shards on their way to the store: what a store that fails or forgets still gets."""

import asyncio
from collections.abc import Sequence

import pytest

from agent import fleet_roll_ups
from agent.errors import LogUnavailable, StoreUnavailable
from agent.fleet_roll_ups import FleetRollUps, say_parts
from agent.log import StoreRefusal
from agent.shard.combiner import CombinerMark
from agent.shard.rollup import DepotPart, RollUpPart
from tests.doubles import FakeStore, until

MINUTE_MS = 60_000


class Topic:
    """What was written, in order; a reader waits for more."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.failures = 0
        self.closed = 0

    async def write(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        if self.failures:
            self.failures -= 1
            raise LogUnavailable("away")
        self.values += [value for _, value in records]

    async def read(self, position: int) -> list[tuple[int, bytes]]:
        await asyncio.sleep(0)
        return list(enumerate(self.values))[position : position + 3]

    async def close(self) -> None:
        self.closed += 1


class Keeper:
    """Keeps the mark as the next checkpoint would."""

    def __init__(self) -> None:
        self.kept: bytes | None = None

    def keep(self, value: bytes) -> None:
        self.kept = value

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        raise AssertionError(refusals)


def part(minute: int, vans: int) -> RollUpPart:
    depot = DepotPart(vans, vans, 0, 0, 0, [], None, 0, [], [0.1] * vans, [], [], [], [])
    return RollUpPart(minute * MINUTE_MS, minute, {"north": depot})


async def say(topic: Topic, *minutes: int) -> None:
    for minute in minutes:
        for shard, vans in ((0, 1), (1, 2)):
            await say_parts(topic, shard, [part(minute, vans)])


def written(store: FakeStore) -> list[tuple[int, object]]:
    return [(time_ms // MINUTE_MS, values[0]) for (_, _, time_ms), values in sorted(store.of("fleet").items())]


async def test_each_minute_is_written_and_a_new_owner_goes_on_behind_it() -> None:
    topic, keeper, store = Topic(), Keeper(), FakeStore()
    for minutes in ((1, 2, 3), (4, 5)):
        owner = FleetRollUps(lambda: topic, keeper, store, shards=2, durable_after_s=0.0)
        running = asyncio.create_task(owner.run())
        await say(topic, *minutes)
        await until(lambda last=minutes[-1]: CombinerMark.decode(keeper.kept).used == [last, last])
        running.cancel()
        await asyncio.wait([running])
    assert written(store) == [(minute, 3) for minute in range(1, 6)]
    assert CombinerMark.decode(keeper.kept).position == len(topic.values)
    assert topic.closed == 2


@pytest.mark.parametrize("has_forgotten", [True, False])
async def test_a_store_that_fails_gets_every_minute(*, has_forgotten: bool) -> None:
    """One that has forgotten what it confirmed gets everything since the last mark again."""
    topic, keeper, store = Topic(), Keeper(), FakeStore()
    owner = FleetRollUps(lambda: topic, keeper, store, shards=2, durable_after_s=60.0 if has_forgotten else 0.0)
    running = asyncio.create_task(owner.run())
    await say(topic, 1, 2)
    await until(lambda: len(store.of("fleet")) == 2)
    if has_forgotten:
        store.points.clear()
    store.failures.append(StoreUnavailable("gone", retry_after_s=0, has_forgotten=has_forgotten))
    await say(topic, 3, 4)
    await until(lambda: written(store) == [(minute, 3) for minute in (1, 2, 3, 4)])
    running.cancel()
    await asyncio.wait([running])


async def test_parts_wait_while_the_topic_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.fleet_roll_ups.RETRY_S", 0.0)
    topic = Topic()
    topic.failures = 2
    await say_parts(topic, 0, [part(1, 1)])
    assert len(topic.values) == 1


async def test_a_partition_that_waits_for_the_topic_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fleet_roll_ups, "RETRY_S", 0.0)
    caplog.set_level("INFO")
    topic = Topic()
    topic.failures = 3
    await say_parts(topic, 5, [part(1, 1)])
    assert len(topic.values) == 1
    assert [record.message for record in caplog.records] == [
        "partition 5 waits: its part of the `fleet` roll-up cannot be written: away",
        "partition 5 goes on: its part of the `fleet` roll-up is written",
    ]
