"""Sums over tours, the newest of them, and their drops."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.fleet.records import DropRecord, TourRecord
from agent.points.rows import Series, add_records, empty_rows
from agent.stores import make_history
from agent.stores.base import History
from dashboards.live.channel import Channel
from dashboards.live.delivered import Delivered, sums_of
from dashboards.live.hours import HOUR_MS
from tests.dashboards.live.conftest import write

FRONT_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS + 10 * 60_000


def tour(time_ms: int, *, van: str = "van-1", items: int = 4, co2e_g: float = 100.0) -> list[Any]:
    """A tour of an hour with a drop in its middle."""
    return [
        TourRecord(
            vehicle_id=van, time_ms=time_ms, start_ms=time_ms - HOUR_MS, duration_s=3600.0, distance_km=10.0,
            empty_km=2.0, energy_kwh=2.0, co2e_g=co2e_g, diesel_co2e_g=900.0, trips=1, stops=1, drops=1, items=items,
            activity_tkm=0.5, quality="primary",
        ),
        DropRecord(
            vehicle_id=van, time_ms=time_ms - HOUR_MS // 2, action="unload", items=items, co2e_g=co2e_g,
            consignment_id=f"c-{time_ms}", source="message",
        ),
    ]  # fmt: skip


async def store(url: str, records: list[Any]) -> None:
    rows = empty_rows()
    for record in records:
        add_records(rows, Series(vehicle_id=record.vehicle_id), [record])
    await asyncio.to_thread(write, url, [rows])


class Clock:
    """A clock that moves only when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path) -> tuple[str, Callable[[], History]]:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    write(url, [])
    return url, lambda: make_history(url)


def test_what_is_delivered_is_summed_and_unknown_stays_unknown() -> None:
    """300 g + 100 g over 4 + 1 items are 80 g each; 25 % of 300 g and 75 % of 100 g are 150 g of 400 g: 37.5 %."""
    known = {"empty_km": 0.0, "distance_km": 1.0}
    sums = sums_of(
        [
            {"co2e_g": 300.0, "items": 4, "primary_share_pct": 25.0, **known},
            {"co2e_g": 100.0, "items": 1, "primary_share_pct": 75.0, **known},
            {"co2e_g": 50.0, "distance_km": 1.0},
        ]
    )
    assert (sums.tours, sums.per("items"), sums.primary_pct) == (3, 80.0, 37.5)
    assert sums.amounts["co2e_g"] == 450.0
    assert (sums.per("activity_tkm"), sums.amounts.get("mass_kg")) == (None, None)
    assert sums_of([]).per("items") is None


async def test_a_past_that_is_filled_in_fast_is_read_whole(
    clock: Clock, opened: tuple[str, Callable[[], History]]
) -> None:
    """Rows that were written behind the last front count, although the front is six hours further now."""
    url, open_history = opened
    channel, book = Channel(open_history, "test"), Delivered(clock)
    try:
        await store(url, tour(FRONT_MS - 6 * HOUR_MS))
        await book.read(channel, FRONT_MS - 6 * HOUR_MS)
        assert (book.sums().tours, book.complete, len(book.drops)) == (1, True, 1)
        assert not book.due()
        await store(url, [record for hour in range(6) for record in tour(FRONT_MS - hour * HOUR_MS - 1)])
        clock.now_s += 11
        assert book.due()
        await book.read(channel, FRONT_MS)
        assert book.sums().tours == 7
        assert [point["time_ms"] for point in book.tours()][:2] == [FRONT_MS - 1, FRONT_MS - HOUR_MS - 1]
        assert [drop["time_ms"] for drop in book.drops] == sorted((d["time_ms"] for d in book.drops), reverse=True)
        assert len(book.drops) == 7
    finally:
        await channel.close()


async def test_a_late_drop_changes_its_tour(clock: Clock, opened: tuple[str, Callable[[], History]]) -> None:
    url, open_history = opened
    channel, book = Channel(open_history, "test"), Delivered(clock)
    try:
        await store(url, tour(FRONT_MS - 10 * HOUR_MS, items=4))
        await book.read(channel, FRONT_MS)
        version = book.version
        await store(url, tour(FRONT_MS - 10 * HOUR_MS, items=5))
        clock.now_s += 601
        await book.read(channel, FRONT_MS)
        assert (book.sums().amounts["items"], book.sums().tours) == (5, 1)
        assert book.version > version
        assert book.drops[0]["items"] == 5
    finally:
        await channel.close()


async def test_of_many_tours_all_count_and_the_newest_are_kept(
    clock: Clock, opened: tuple[str, Callable[[], History]]
) -> None:
    url, open_history = opened
    channel, book = Channel(open_history, "test"), Delivered(clock)
    try:
        vans = [f"van-{number:04d}" for number in range(200)]
        await store(url, [r for hour in range(4) for van in vans for r in tour(FRONT_MS - hour * HOUR_MS - 1, van=van)])
        await book.read(channel, FRONT_MS)
        assert (book.sums().tours, len(book.tours()), len(book.drops)) == (800, 300, 300)
        assert {point["time_ms"] for point in book.tours()} == {FRONT_MS - 1, FRONT_MS - HOUR_MS - 1}
        assert sum(map(len, book._tours.values())) <= 400
    finally:
        await channel.close()
