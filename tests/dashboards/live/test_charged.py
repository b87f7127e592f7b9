"""What was charged today, by place and instrument."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.fleet.records import ChargeSliceRecord
from agent.points.rows import Series, add_records, empty_rows
from agent.stores import make_history, make_store
from dashboards.live.channel import Channel
from dashboards.live.charged import ChargedToday, ChargeSite, sites_of
from dashboards.live.hours import HOUR_MS
from dashboards.live.pages.charging import scope_row

MIDNIGHT_MS = 1_780_272_000_000
NORTH = Series(vehicle_id="van-1", depot="north")


def piece(hours: float, kwh: float = 1.0, **fields: Any) -> ChargeSliceRecord:
    """A slice of 300, 60 and 40 g/kWh."""
    values: dict[str, Any] = {
        "battery_kwh": 0.9 * kwh,
        "grid_kwh": kwh,
        "meter": "charger",
        "direct_g": 300.0 * kwh,
        "upstream_g": 60.0 * kwh,
        "losses_g": 40.0 * kwh,
        "market_g": 400.0 * kwh,
        "instrument": "location",
        "intensity_source": "annual",
        "factor_set": "2025.1",
        **fields,
    }
    return ChargeSliceRecord(vehicle_id="van-1", time_ms=MIDNIGHT_MS + round(hours * HOUR_MS), **values)


async def write(url: str, *records: ChargeSliceRecord) -> None:
    rows = empty_rows()
    add_records(rows, NORTH, records)
    store = make_store(url)
    await store.open()
    await store.write(rows)
    await store.close()


async def test_the_day_so_far_and_what_is_written_late(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    await write(url, piece(-0.25, 50.0), piece(0.0, 1.0), piece(5.0, 2.0))
    channel = Channel(lambda: make_history(url, token=""), "test")
    charged = ChargedToday()
    try:
        assert charged.due()
        await charged.read(channel, MIDNIGHT_MS, MIDNIGHT_MS + 6 * HOUR_MS)
        assert not charged.due()
        assert charged.sites()[ChargeSite("", "location")]["grid_kwh"] == 3.0
        await write(url, piece(5.75, 4.0))
        await charged.read(channel, MIDNIGHT_MS, MIDNIGHT_MS + 6 * HOUR_MS)
        assert charged.sites()[ChargeSite("", "location")]["grid_kwh"] == 7.0
        await charged.read(channel, MIDNIGHT_MS + 24 * HOUR_MS, MIDNIGHT_MS + 25 * HOUR_MS)
        assert charged.sites() == {}
    finally:
        await channel.close()


async def test_a_past_that_is_filled_in_fast_is_read_whole(tmp_path: Path) -> None:
    """Rows that were written behind the last front count, although the front is ten hours further now."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    await write(url, piece(0.0, 1.0))
    channel = Channel(lambda: make_history(url, token=""), "test")
    charged = ChargedToday()
    try:
        assert charged.total() == {}
        await charged.read(channel, MIDNIGHT_MS, MIDNIGHT_MS)
        await write(url, piece(0.25, 2.0), piece(0.5, 4.0, instrument="contract Green"), piece(10.0, 8.0))
        await charged.read(channel, MIDNIGHT_MS, MIDNIGHT_MS + 10 * HOUR_MS)
        assert charged.total()["grid_kwh"] == 15.0
        assert charged.total()["contract_kwh"] == 4.0
    finally:
        await channel.close()


def test_places_and_instruments_apart() -> None:
    fields = [{"place": "north", "instrument": "contract Green", "market_g": 0.0}, {"place": "north"}, {}]
    slices = [msgspec.structs.asdict(piece(1.0, 10.0, **each)) for each in fields]
    sites = sites_of({name: value for name, value in one.items() if value is not None} for one in slices)
    assert list(sites) == [
        ChargeSite("north", "contract Green"),
        ChargeSite("north", "location"),
        ChargeSite("", "location"),
    ]


def test_a_row_of_the_page() -> None:
    sums = {
        "grid_kwh": 10.0,
        "metered_kwh": 4.0,
        "direct_g": 3000.0,
        "upstream_g": 600.0,
        "losses_g": 400.0,
        "market_g": 120.0,
    }
    row = scope_row(ChargeSite("", "contract Green"), sums)
    assert row[:5] == ["/contract Green", "elsewhere", "contract Green", 10.0, 40.0]
    assert row[5:] == pytest.approx([3.0, 0.6, 0.4, 0.12])
