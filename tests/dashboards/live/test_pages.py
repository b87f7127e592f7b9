"""Every page in a real Chromium: it shows the numbers of the store, logs nothing, and loads nothing from elsewhere."""

import asyncio
import time
from datetime import UTC
from typing import Any

import pytest

from agent.commands.ports import free_port
from agent.errors import REASONS
from agent.fleet.records import EmissionsRecord, EnergyRecord, TripRecord
from agent.points.rows import Series, add_reading, add_records, empty_rows
from agent.readings import Reading
from agent.stores import make_history
from dashboards.live.hours import midnight_ms
from dashboards.live.units import number
from tests.dashboards.live.browser import Page
from tests.dashboards.live.conftest import fill, live_page, needs_chromium, write

pytestmark = needs_chromium

PAGES = ("/", "/van/van-0003", "/tours", "/energy", "/charging", "/quality", "/agent")
DRAWN = "document.querySelector('.vp-content')?.offsetHeight > 200"


def points(store_url: str, measurement: str, **options: Any) -> list[dict[str, Any]]:
    history = make_history(store_url)
    try:
        return list(history.select(measurement, **options))
    finally:
        history.close()


def newest(store_url: str, measurement: str) -> dict[str, dict[str, Any]]:
    return {point["vehicle_id"]: point for point in points(store_url, measurement, latest=True)}


def since_midnight(store_url: str, measurement: str, counter: str) -> dict[str, float]:
    """The growth of a counter by van since midnight UTC, from all points."""
    base: dict[str, float] = {}
    last: dict[str, float] = {}
    stored = points(store_url, measurement)
    start_ms = midnight_ms(max(point["time_ms"] for point in stored), UTC)
    for point in stored:
        if point["time_ms"] < start_ms or point["vehicle_id"] not in base:
            base[point["vehicle_id"]] = point[counter]
        last[point["vehicle_id"]] = point[counter]
    return {vehicle_id: value - base[vehicle_id] for vehicle_id, value in last.items()}


async def figure(page: Page, name: str) -> str:
    return str(
        await page.evaluate(f"document.querySelector('[data-figure={name}] dd').innerText.replace(/\\s+/g, ' ').trim()")
    )


async def table(page: Page, title: str, *, rows: int = 0) -> dict[str, list[str]]:
    """A table's cells by row key, once it has so many rows."""
    body = (
        f"[...document.querySelectorAll('.vp-table')].find((t) => t.querySelector('caption').textContent === {title!r})"
    )
    await page.until(f"{body}.querySelectorAll('tbody tr').length >= {rows}")
    code = f"""Object.fromEntries([...{body}.querySelectorAll('tbody tr')]
        .map((row) => [row.dataset.key, [...row.children].map((cell) => cell.textContent)]))"""
    found: dict[str, list[str]] = await page.evaluate(code)
    return found


async def clean(page: Page, url: str) -> None:
    """Nothing on the console, nothing missing, nothing from elsewhere."""
    own = url.removeprefix("http://")
    foreign = [
        each for each in page.requests if not each.startswith(("data:", "blob:", f"http://{own}", f"ws://{own}"))
    ]
    assert (page.console, page.failures, foreign) == ([], [], [])
    assert page.requests


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_drawn_without_a_complaint_or_a_foreign_request(page: Page, page_url: str, path: str) -> None:
    fits = "document.documentElement.scrollWidth <= window.innerWidth"
    await page.open(page_url + path)
    await page.until(DRAWN)
    await page.until("[...document.querySelectorAll('canvas')].every((each) => each.width > 50)")
    assert await page.evaluate("document.documentElement.dataset.theme") == "light"
    assert await page.evaluate(fits)
    assert "Times in UTC" in await page.evaluate("document.body.innerText")
    await page.dark(on=True)
    await page.size(390, 844, phone=True, scale=2)
    await page.until("document.documentElement.dataset.theme === 'dark'")
    await page.until(fits)
    await clean(page, page_url)


async def test_the_fleet_page_shows_what_the_store_holds(page: Page, page_url: str, store_url: str) -> None:
    battery, energy = newest(store_url, "battery"), newest(store_url, "energy")
    distance = since_midnight(store_url, "energy", "distance_km_total")
    used = since_midnight(store_url, "energy", "used_kwh_total")
    co2e = since_midnight(store_url, "emissions", "co2e_g_total")
    avoided = since_midnight(store_url, "emissions", "avoided_co2e_g_total")
    await page.open(page_url)
    await page.until(f"document.querySelectorAll('tr[data-key^=van-]').length >= {len(energy)}")
    await page.until(
        f"document.querySelector('[data-figure=distance] dd').innerText.startsWith({number(sum(distance.values()))!r})"
    )
    states = [point["state"] for point in energy.values()]
    socs = [point["soc_pct"] for point in battery.values()]
    assert await figure(page, "vans") == f"{sum(state != 'offline' for state in states)} of {len(states)}"
    assert await figure(page, "driving") == f"{states.count('driving') + states.count('stopped')} vans"
    assert await figure(page, "charging") == f"{states.count('charging')} vans"
    assert await figure(page, "soc") == f"{number(sum(socs) / len(socs))} %"
    assert await figure(page, "energy") == f"{number(sum(used.values()))} kWh"
    assert await figure(page, "avoided") == f"{number(sum(avoided.values()) / 1000, 1)} kg"
    rows = await table(page, "Vans")
    for vehicle_id, point in energy.items():
        cells = rows[vehicle_id]
        assert cells[:3] == [vehicle_id, point["state"], number(battery[vehicle_id]["soc_pct"], 1)]
        assert cells[6] == number(distance[vehicle_id], 1)
        assert cells[8] == number(co2e[vehicle_id] / 1000, 2)
        assert cells[9] == point["depot"]
    assert await page.evaluate("document.querySelector('.vp-map-canvas').getContext('2d') !== null")
    await clean(page, page_url)


async def test_the_table_searches_sorts_and_filters_from_the_keyboard(page: Page, page_url: str) -> None:
    await page.open(page_url)
    await page.until("document.querySelectorAll('tr[data-key^=van-]').length >= 10")
    await page.key("/", "Slash", "/")
    await page.type("lyon")
    await page.until("document.querySelectorAll('.vp-search')[0].value === 'lyon'")
    rows = await table(page, "Vans")
    assert rows
    assert {cells[9] for cells in rows.values()} == {"Lyon Sud"}
    await page.evaluate(
        "const f = document.querySelector('.vp-search'); f.value = ''; f.dispatchEvent(new Event('input'))"
    )
    sort = "[...document.querySelectorAll('thead button')].find((each) => each.textContent.startsWith('SoC'))"
    await page.evaluate(f"{sort}.focus()")
    await page.key("Enter", "Enter", "\r")
    await page.until(f"{sort}.closest('th').ariaSort === 'descending'")
    socs = await page.evaluate(
        "[...document.querySelectorAll('tr[data-key^=van-] td.vp-type-soc')].map((e) => +e.textContent)"
    )
    assert socs == sorted(socs, reverse=True)
    await page.evaluate(
        "[...document.querySelectorAll('.vp-chip-button')].find((e) => e.textContent.includes('charging')).click()"
    )
    assert {cells[1] for cells in (await table(page, "Vans")).values()} <= {"charging"}


async def test_the_van_page_shows_what_the_store_holds(page: Page, page_url: str, store_url: str) -> None:
    van = "van-0003"
    battery, energy = newest(store_url, "battery")[van], newest(store_url, "energy")[van]
    distance = since_midnight(store_url, "energy", "distance_km_total")[van]
    used = since_midnight(store_url, "energy", "used_kwh_total")[van]
    co2e = since_midnight(store_url, "emissions", "co2e_g_total")[van]
    trips = points(store_url, "trip", vehicle_id=van, start_ms=energy["time_ms"] - 24 * 3_600_000)
    charges = points(store_url, "charge", vehicle_id=van, start_ms=energy["time_ms"] - 24 * 3_600_000)
    await page.open(f"{page_url}/van/{van}?hours=24")
    await page.until(
        f"document.querySelector('[data-figure=distance] dd').innerText.startsWith({number(distance, 1)!r})"
    )
    assert await figure(page, "soc") == f"{battery['soc_pct']:.1f} %"
    assert await figure(page, "energy") == f"{number(used, 1)} kWh"
    assert await figure(page, "co2e") == f"{number(co2e / 1000, 2)} kg"
    assert await page.evaluate("document.querySelector('.vp-state-big').innerText.trim()") == energy["state"]
    if trips:
        await page.until(f"document.querySelector('[data-key=\"{van}/{trips[-1]['time_ms']}\"]')")
    rows = await table(page, "Trips", rows=len(trips))
    assert {key: cells[2:4] for key, cells in rows.items()} == {
        f"{van}/{trip['time_ms']}": [number(trip["distance_km"], 1), number(trip["energy_kwh"], 2)] for trip in trips
    }
    tours = points(store_url, "tour", vehicle_id=van, start_ms=energy["time_ms"] - 24 * 3_600_000)
    rows = await table(page, "Tours", rows=min(10, len(tours)))
    assert {cells[5] for cells in rows.values()} <= {number(tour["drops"]) for tour in tours}
    drops = points(store_url, "drop", vehicle_id=van, start_ms=energy["time_ms"] - 24 * 3_600_000)
    assert set(await table(page, "Drops", rows=min(15, len(drops)))) <= {f"{van}/{drop['time_ms']}" for drop in drops}
    assert set(await table(page, "Charges", rows=len(charges))) == {f"{van}/{charge['time_ms']}" for charge in charges}
    await clean(page, page_url)


async def test_the_energy_page_adds_up(page: Page, page_url: str, store_url: str) -> None:
    distance = since_midnight(store_url, "energy", "distance_km_total")
    diesel = since_midnight(store_url, "emissions", "diesel_co2e_g_total")
    depots = {vehicle_id: point["depot"] for vehicle_id, point in newest(store_url, "energy").items()}
    countries = {vehicle_id: point["country"] for vehicle_id, point in newest(store_url, "energy").items()}
    await page.open(f"{page_url}/energy")
    kilograms = number(sum(diesel.values()) / 1000, 1)
    await page.until(f"document.querySelector('[data-figure=diesel] dd').innerText.startsWith({kilograms!r})")
    for title, groups in (("Today by depot", depots), ("Today by country", countries)):
        sums: dict[str, float] = {}
        for vehicle_id, group in groups.items():
            sums[group] = sums.get(group, 0.0) + distance[vehicle_id]
        rows = await table(page, title, rows=len(sums))
        assert {name: cells[2] for name, cells in rows.items()} == {name: number(km, 1) for name, km in sums.items()}
    await clean(page, page_url)


async def test_the_charging_page_lists_who_charges(page: Page, page_url: str, store_url: str) -> None:
    energy = newest(store_url, "energy")
    charging = {vehicle_id for vehicle_id, point in energy.items() if point["state"] == "charging"}
    await page.open(f"{page_url}/charging")
    await page.until(f"document.querySelector('[data-figure=charging] dd').innerText.startsWith('{len(charging)}')")
    assert set(await table(page, "Charging now", rows=len(charging))) == charging
    late = await table(page, "Not ready by morning")
    assert charging.isdisjoint(late) or any(cells[1] == "late" for cells in late.values())
    kilowatts = -sum(energy[vehicle_id]["power_kw"] for vehicle_id in charging)
    assert await figure(page, "power") == f"{number(kilowatts, 1)} kW"
    await clean(page, page_url)


async def test_quality_and_agent_pages_ask_the_agent(page: Page, store_url: str, metrics: str) -> None:
    stack = live_page(store_url=store_url, http__listen=metrics)
    url = await asyncio.to_thread(stack.__enter__)
    try:
        await page.open(f"{url}/quality")
        await page.until("document.querySelector('[data-figure=accepted] dd').innerText.startsWith('123,456')")
        rows = await table(page, "Rejected by reason", rows=len(REASONS))
        assert {reason: cells[2] for reason, cells in rows.items()} == {
            reason: str(index) for index, reason in enumerate(REASONS)
        }
        await page.open(f"{url}/agent")
        await page.until("document.querySelector('[data-figure=broker] dd').innerText.startsWith('connected')")
        assert await figure(page, "store") == "failing"
        await page.until("!document.querySelector('[data-figure=rate] dd').innerText.startsWith('–')")
        last = points(store_url, "agent")[-1]
        assert await figure(page, "rate") == f"{number(last['messages_per_s'], 1)} 1/s"
        assert (await table(page, "Counters", rows=6))["points_total"][2] == number(last["points_total"])
        await clean(page, url)
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)


async def test_without_the_agent_the_store_is_shown(page: Page, page_url: str, store_url: str) -> None:
    last = points(store_url, "agent")[-1]
    await page.open(f"{page_url}/quality")
    await page.until(
        f"document.querySelector('[data-figure=late] dd').innerText.startsWith({number(last['late_total'])!r})"
    )
    offline = {vehicle_id for vehicle_id, point in newest(store_url, "energy").items() if point["state"] == "offline"}
    assert offline <= set(await table(page, "Silent vans", rows=len(offline)))
    assert {cells[2] for cells in (await table(page, "Rejected by reason", rows=len(REASONS))).values()} == {"–"}
    await clean(page, page_url)


async def test_from_no_store_to_empty_to_live_without_a_reload(page: Page, growing: tuple[str, str]) -> None:
    address, url = growing
    await page.open(address)
    await page.until("document.querySelector('.vp-state-panel h2')?.innerText === 'The store cannot be read'")
    assert "no history file" in await page.evaluate("document.querySelector('.vp-state-panel p').innerText")
    await asyncio.to_thread(write, url, [])
    await page.until("document.querySelector('.vp-state-panel h2').innerText === 'No readings yet'")
    await asyncio.to_thread(fill, url, vans=2, hours=0.2)
    await page.until("document.querySelectorAll('tr[data-key^=van-]').length === 2")
    await page.until("document.querySelector('.vp-fresh').innerText.includes('Live')")
    rows = empty_rows()
    series = Series(vehicle_id="van-0001", depot="Berlin Ost", model="farizon-sv-83", country="DE")
    now_ms = time.time_ns() // 1_000_000 + 20_000
    add_reading(rows, series, Reading(vehicle_id="van-0001", time_ms=now_ms, soc_pct=7.0))
    await asyncio.to_thread(write, url, [rows])
    await page.until("document.querySelector('tr[data-key=van-0001] .vp-type-soc').textContent === '7.0'")
    await clean(page, address)


async def test_the_chips_count_what_the_rows_show(page: Page, growing: tuple[str, str]) -> None:
    """The chips change at the same time as the row, long before the rows are sorted again."""
    address, url = growing
    series = Series(vehicle_id="van-1", depot="north", model="m", country="DE")

    def rows(time_ms: int, state: Any) -> Any:
        batch = empty_rows()
        energy = EnergyRecord(
            vehicle_id="van-1", time_ms=time_ms, state=state, used_kwh_total=0.0, charged_kwh_total=0.0,
            grid_kwh_total=0.0, idle_kwh_total=0.0, distance_km_total=0.0,
        )  # fmt: skip
        add_records(batch, series, [energy])
        add_reading(batch, series, Reading(vehicle_id="van-1", time_ms=time_ms, soc_pct=50.0))
        return batch

    now_ms = time.time_ns() // 1_000_000
    await asyncio.to_thread(write, url, [rows(now_ms, "parked")])
    await page.open(address)
    chip = "[...document.querySelectorAll('.vp-chip-button')].find((e) => e.textContent.includes({!r})).innerText"
    row = "document.querySelector('tr[data-key=van-1]')?.children[1].textContent"
    await page.until(f"{row} === 'parked' && {chip.format('parked')}.endsWith('1')")
    await page.evaluate(
        f"""void (window.said = new Promise((resolve) => new MutationObserver(() => {{
            if ({row} === 'driving') requestAnimationFrame(() => requestAnimationFrame(() =>
                resolve({chip.format("driving")} + {chip.format("parked")})));
        }}).observe(document.querySelector('tr[data-key=van-1]'), {{subtree: true, childList: true}})))"""
    )
    await asyncio.to_thread(write, url, [rows(now_ms + 5000, "driving")])
    assert "".join((await page.evaluate("window.said")).split()) == "driving1parked0"
    await clean(page, address)


async def test_a_figure_is_rounded_once(page: Page, growing: tuple[str, str]) -> None:
    """374.6 g are 0.37 kg and 9.4446 kWh are 9.44, wherever they stand."""
    address, url = growing
    end_ms = time.time_ns() // 1_000_000
    start_ms = max(midnight_ms(end_ms, UTC), end_ms - 60_000)
    rows = empty_rows()
    series = Series(vehicle_id="van-1", depot="north", model="m", country="DE")
    for time_ms, total in ((start_ms, 0.0), (end_ms, 374.6)):
        energy = EnergyRecord(
            vehicle_id="van-1", time_ms=time_ms, state="parked", used_kwh_total=total / 1000, charged_kwh_total=0.0,
            grid_kwh_total=0.0, idle_kwh_total=0.0, distance_km_total=total / 1000,
        )  # fmt: skip
        emissions = EmissionsRecord(
            vehicle_id="van-1", time_ms=time_ms, co2e_g_total=total, diesel_co2e_g_total=0.0, avoided_co2e_g_total=0.0,
            avoided_nox_mg_total=0.0, avoided_pm_mg_total=0.0, grid_g_per_kwh=100.0, intensity_source="annual",
        )  # fmt: skip
        add_records(rows, series, [energy, emissions])
    trip = TripRecord(
        vehicle_id="van-1", time_ms=end_ms, start_ms=start_ms, duration_s=60.0, distance_km=1.0496, stops=0,
        energy_kwh=9.4446, uncertainty_kwh=0.0, co2e_g=374.6, diesel_co2e_g=0.0, avoided_co2e_g=0.0, quality="primary",
    )  # fmt: skip
    add_records(rows, series, [trip])
    await asyncio.to_thread(write, url, [rows])
    await page.open(f"{address}/van/van-1")
    await page.until("document.querySelector('[data-figure=co2e] dd')?.innerText.startsWith('0.37')")
    [cells] = (await table(page, "Trips", rows=1)).values()
    assert (cells[2], cells[3], cells[9]) == ("1.0", "9.44", "0.37")
    await page.open(address)
    await page.until("document.querySelectorAll('tr[data-key^=van-]').length === 1")
    await page.until("document.querySelector('tr[data-key=van-1]').children[8].textContent === '0.37'")
    await clean(page, address)


async def test_the_theme_is_chosen_and_kept(page: Page, page_url: str) -> None:
    await page.open(page_url)
    await page.until(DRAWN)
    await page.evaluate("document.querySelector('.vp-theme-button').click()")
    await page.evaluate("document.querySelector('.vp-theme-button').click()")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.open(f"{page_url}/charging")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_foreign_text_stays_text(page: Page, tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('foreign') / 'history.db'}"
    rows = empty_rows()
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    series = Series(vehicle_id="van-1", depot=hostile, model=hostile, country="DE")
    now_ms = time.time_ns() // 1_000_000
    add_reading(rows, series, Reading(vehicle_id="van-1", time_ms=now_ms, soc_pct=50.0))
    rows["alert"].append((series, now_ms, hostile, "warning", "raised", 1.0, hostile))
    await asyncio.to_thread(write, url, [rows])
    stack = live_page(store_url=url, http__listen=f"127.0.0.1:{free_port()}")
    address = await asyncio.to_thread(stack.__enter__)
    try:
        for path in ("/", "/van/van-1"):
            await page.open(address + path)
            await page.until(DRAWN)
            await page.until(f"document.body.innerText.includes({hostile!r})")
            assert "owned" not in await page.evaluate("document.title")
        await clean(page, address)
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)
