"""Tours, drops, scopes, corrections and implausible data in a real Chromium."""

import asyncio
import time
from datetime import UTC
from pathlib import Path

from agent.fleet.records import ChargeSliceRecord, CorrectionRecord
from agent.points.rows import Series, add_reading, add_records, empty_rows
from agent.readings import Reading
from dashboards.live.hours import midnight_ms
from dashboards.live.units import number
from tests.dashboards.live.browser import Page
from tests.dashboards.live.conftest import live_page, needs_chromium, write
from tests.dashboards.live.test_pages import clean, figure, points, table

pytestmark = needs_chromium


async def test_the_tours_page_shows_every_tour_and_the_newest_drops(page: Page, page_url: str, store_url: str) -> None:
    tours, drops = points(store_url, "tour"), points(store_url, "drop")
    assert tours
    assert drops
    await page.open(f"{page_url}/tours")
    await page.until(f"document.querySelector('[data-figure=tours] dd')?.innerText.trim() === {number(len(tours))!r}")
    items, grams = sum(tour["items"] for tour in tours), sum(tour["co2e_g"] for tour in tours)
    assert await figure(page, "drops") == number(sum(tour["drops"] for tour in tours))
    assert await figure(page, "co2e") == f"{number(grams / 1000, 1)} kg"
    assert await figure(page, "per_item") == f"{number(grams / items)} g"
    rows = await table(page, "Tours", rows=min(25, len(tours)))
    newest_first = sorted(tours, key=lambda tour: (-tour["time_ms"], tour["vehicle_id"]))
    for tour in newest_first[: len(rows)]:
        cells = rows[f"{tour['vehicle_id']}/{tour['time_ms']}"]
        assert (cells[0], cells[3], cells[6]) == (
            tour["vehicle_id"], number(tour["distance_km"], 1), number(tour["drops"])
        )  # fmt: skip
        assert cells[10] == number(tour["co2e_g"] / 1000, 2)
    shown = await table(page, "Drops", rows=min(25, len(drops)))
    by_key = {f"{drop['vehicle_id']}/{drop['time_ms']}": drop for drop in drops}
    assert {key: (cells[3], cells[8]) for key, cells in shown.items()} == {
        key: (by_key[key]["consignment_id"], number(by_key[key]["co2e_g"])) for key in shown
    }
    assert "°" not in await page.evaluate("document.querySelector('.vp-content').innerText")
    await clean(page, page_url)


async def test_the_tours_page_without_a_tour_says_so(page: Page, growing: tuple[str, str]) -> None:
    address, url = growing
    rows = empty_rows()
    series = Series(vehicle_id="van-1", depot="north", model="m", country="DE")
    add_reading(rows, series, Reading(vehicle_id="van-1", time_ms=time.time_ns() // 1_000_000, soc_pct=50.0))
    await asyncio.to_thread(write, url, [rows])
    await page.open(f"{address}/tours")
    await page.until("document.body.innerText.includes('No tour has ended in the last days.')")
    await page.until("document.body.innerText.includes('No drop yet.')")
    await page.until("document.querySelector('[data-figure=tours] dd').innerText.trim() === '0'")
    assert await figure(page, "per_item") == "– g"
    assert await figure(page, "co2e") == "– kg"
    await clean(page, address)


async def test_scopes_corrections_and_implausible_data_are_shown(page: Page, metrics: str, tmp_path: Path) -> None:
    """10 kWh at 300 + 60 + 40 g/kWh, 4 of them by a contract of 20 g/kWh: Scope 2 is 3 kg, market-based 1.88 kg.

    By the market it is 4 * 20 g = 80 g where the contract holds and 6 * 300 g = 1,800 g elsewhere.
    """
    url = f"sqlite:///{tmp_path / 'history.db'}"
    now_ms = time.time_ns() // 1_000_000
    day_ms = midnight_ms(now_ms, UTC)
    rows, series = empty_rows(), Series(vehicle_id="van-1", depot="north", model="m", country="DE")
    add_reading(rows, series, Reading(vehicle_id="van-1", time_ms=now_ms, soc_pct=50.0))
    for time_ms, kwh, instrument, g_per_kwh in (
        (day_ms, 4.0, "contract Green", 20.0),
        (day_ms + 1, 6.0, "location", 400.0),
    ):
        add_records(rows, series, [ChargeSliceRecord(
            vehicle_id="van-1", time_ms=time_ms, battery_kwh=0.9 * kwh, grid_kwh=kwh,
            meter="charger" if kwh == 4.0 else "modelled", efficiency=0.9, direct_g=300.0 * kwh, upstream_g=60.0 * kwh,
            losses_g=40.0 * kwh, market_g=g_per_kwh * kwh, instrument=instrument, intensity_g_per_kwh=400.0,
            intensity_source="annual", factor_set="2026.1",
        )])  # fmt: skip
    nothing = dict.fromkeys(CorrectionRecord.__struct_fields__[7:], 0.0)
    for hour in range(2):  # of one stretch
        record = CorrectionRecord(
            vehicle_id="van-1", time_ms=now_ms - (3 - hour) * 3_600_000, from_ms=now_ms - 3 * 3_600_000,
            to_ms=now_ms - 3_600_000, made_ms=now_ms, reason="on a <b>lorry</b>", made_by="jane.doe",
            **(nothing | {"distance_km": 40.0, "used_kwh": 8.0, "co2e_g": 1500.0}),
        )  # fmt: skip
        add_records(rows, series, [record])
    rows["alert"].append((series, now_ms, "soc_implausible", "warning", "raised", 3.0, "sends states of charge"))
    await asyncio.to_thread(write, url, [rows])
    stack = live_page(store_url=url, http__listen=metrics)
    address = await asyncio.to_thread(stack.__enter__)
    try:
        await page.open(f"{address}/energy")
        await page.until("document.querySelector('[data-figure=scope2_location] dd')?.innerText.startsWith('3.0')")
        assert await figure(page, "scope2_market") == "1.9 kg"
        assert (await figure(page, "upstream"), await figure(page, "losses")) == ("0.6 kg", "0.4 kg")
        assert (await figure(page, "covered"), await figure(page, "metered")) == ("40 %", "40 %")
        await page.until("document.querySelector('[data-figure=balance] dd').innerText.startsWith('0.05')")
        assert await page.evaluate("document.querySelector('[data-figure=balance]').classList.contains('vp-ok')")
        await page.open(f"{address}/quality")
        [cells] = (await table(page, "Corrections by hand", rows=1)).values()
        assert (cells[0], cells[3:7]) == ("van-1", ["80.0", "16.0", "3.00", "on a <b>lorry</b>"])
        [cells] = (await table(page, "Implausible data", rows=1)).values()
        assert cells[:3] == ["van-1", "state of charge", "raised"]
        assert "jane.doe" not in await page.evaluate("document.body.innerText")
        await clean(page, address)
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)
