"""A fleet of more vans than the live page keeps in memory: depots first, and vans by the page."""

import time
from collections.abc import Iterator

import pytest

from dashboards.live.large_fleet import LARGE_FLEET, VANS_OF_A_PAGE
from tests.dashboards.live import large_fleet_rows as fleet
from tests.dashboards.live.browser import Page
from tests.dashboards.live.conftest import live_page, needs_chromium, write
from tests.dashboards.live.test_pages import clean, figure, table

pytestmark = needs_chromium

VANS = LARGE_FLEET + 500
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
OF_A_DEPOT = VANS // fleet.DEPOTS
"""500 vans in each of five depots."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yesterday evening every van had driven 1,000 km with 250 kWh, and now 1,040 km with 260 kWh."""
    store_url = f"sqlite:///{tmp_path_factory.mktemp('large') / 'history.db'}"
    now_ms = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS
    midnight_ms = now_ms // DAY_MS * DAY_MS
    before = {"distance_km": 1000.0, "used_kwh": 250.0}
    now = {"distance_km": 1040.0, "used_kwh": 260.0}
    batches = [
        fleet.vans(range(VANS), midnight_ms - MINUTE_MS, **before),
        fleet.depots(VANS, midnight_ms - MINUTE_MS, **before),
        fleet.vans(range(VANS), now_ms, **now),
        *([fleet.depots(VANS, midnight_ms, **before)] if midnight_ms < now_ms - MINUTE_MS else []),
        fleet.depots(VANS, now_ms, **now),
    ]
    write(store_url, batches)
    with live_page(store_url=store_url) as page_url:
        yield page_url


async def test_the_fleet_page_shows_depots(page: Page, url: str) -> None:
    await page.open(url)
    rows = await table(page, "Depots", rows=fleet.DEPOTS)
    # Depot 0 has the vans 0, 5, 10, …: a quarter of them in each state, charges of 40, 45, … 85 %, 62.5 % in the mean.
    assert rows["depot-0"][:7] == ["depot-0", "500", "375", "125", "125", "62.5", "40.0"]
    await page.until("document.querySelector('[data-figure=distance] dd').innerText.startsWith('100')")
    assert await figure(page, "vans") == "1,875 of 2,500"
    assert await figure(page, "distance") == "100,000 km"
    assert await figure(page, "energy") == "25,000 kWh"
    assert list(await table(page, "Active alerts", rows=1)) == ["van-000007/soc_low"]
    await clean(page, url)


async def test_the_vans_of_a_depot_come_page_by_page(page: Page, url: str) -> None:
    await page.open(f"{url}/depot/depot-3")
    first = await table(page, "Vans", rows=VANS_OF_A_PAGE)
    assert list(first) == [fleet.name(number) for number in range(3, 5 * VANS_OF_A_PAGE, 5)]
    assert first["van-000003"][:3] == ["van-000003", "offline", "43.0"]
    await page.until(
        "[...document.querySelectorAll('tbody tr')].every((row) => row.children[6].textContent === '40.0')"
    )
    await page.open(f"{url}/depot/depot-3?page=5")
    last = await table(page, "Vans", rows=VANS_OF_A_PAGE)
    assert list(last)[-1] == fleet.name(VANS - 2)
    links = "[...document.querySelectorAll('nav[aria-label=\"Pages of vans\"] a')].map((a) => a.getAttribute('href'))"
    assert await page.evaluate(links) == ["/depot/depot-3?page=4"] * 2
    await clean(page, url)


async def test_a_van_is_found_by_a_part_of_its_name(page: Page, url: str) -> None:
    await page.open(f"{url}/vans?text=VAN-00123")
    assert list(await table(page, "Vans", rows=10)) == [fleet.name(number) for number in range(1230, 1240)]
    await page.open(f"{url}/vans?text=%3Cscript%3E")
    await page.until("document.querySelector('h1').textContent === 'Vans with “<script>”'")
    await clean(page, url)


async def test_a_single_van_is_read_for_its_page(page: Page, url: str) -> None:
    await page.open(f"{url}/van/van-001234")
    await page.until("document.querySelector('[data-figure=distance] dd').innerText.startsWith('40')")
    assert await figure(page, "soc") == "74.0 %"
    assert await figure(page, "energy") == "10.0 kWh"
    await clean(page, url)


async def test_energy_is_by_depot_and_what_needs_all_vans_is_left_out(page: Page, url: str) -> None:
    await page.open(f"{url}/energy")
    rows = await table(page, "Today by depot", rows=fleet.DEPOTS)
    assert rows["depot-1"][:4] == ["depot-1", "500", "20,000.0", "5,000.0"]
    for path in ("/tours", "/charging", "/quality"):
        await page.open(url + path)
        await page.until("document.querySelector('.vp-state-panel h2').textContent === 'This page is left out'")
    await clean(page, url)
