"""The reader on filled stores: it shows what the store holds."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, timedelta, timezone, tzinfo

import pytest

from agent.errors import StoreUnavailable
from agent.fleet.records import EnergyRecord
from agent.points.rows import Series, add_reading, add_records, empty_rows
from agent.readings import Reading
from agent.stores import make_history, make_store
from agent.stores.base import History
from dashboards.live.hours import COUNTERS, midnight_ms, total
from dashboards.live.reading import Reader
from tests.dashboards.live.conftest import fill
from tests.dashboards.live.fleet_rows import FakeFleet
from tests.servers.influxdb import MISSING, FrontEnd, InfluxServer


@pytest.fixture(params=["sqlite", "influxdb"])
async def opened(request: pytest.FixtureRequest, store_url: str) -> AsyncIterator[Callable[[], History]]:
    """Opens the history of a filled store."""
    if request.param == "sqlite":
        yield lambda: make_history(store_url)
        return
    if not InfluxServer.is_installed():
        pytest.skip(MISSING)
    server = InfluxServer().start()
    try:
        async with FrontEnd(server) as front_end:
            server.create_database("vans")
            url = front_end.store_url("vans")
            store = make_store(url, token="test")
            await store.open()
            end_ms = time.time_ns() // 10_000_000_000 * 10_000
            fleet = FakeFleet(4, hour_offset=15.2 - end_ms / 3_600_000 % 24)
            for rows in fleet.rows(end_ms - 3 * 3_600_000, end_ms):
                await store.write(rows)
            await store.close()
        # The front end lives in this loop, so what reads without one asks the server itself.
        address = f"influxdb://127.0.0.1:{server.port}?org=test&bucket=vans"
        yield lambda: make_history(address)
    finally:
        server.stop()


async def followed(open_history: Callable[[], History], *, zone: tzinfo = UTC) -> Reader:
    reader = Reader(open_history, zone=zone)
    await reader.tick()
    await reader.tick()
    await read_all(reader)
    return reader


async def read_all(reader: Reader) -> None:
    """Repeat until it is done. Each turn ends after a fraction of a second."""
    done = False
    while not done:
        await reader.read_slow()
        sweeps = [reader._events, *(watched.sweep for watched in reader._watched.values())]
        done = all(sweep is None or sweep.done for sweep in sweeps)


async def test_the_view_is_what_the_store_holds(opened: Callable[[], History]) -> None:
    reader = await followed(opened)
    history = opened()
    try:
        for measurement in ("battery", "location", "energy", "emissions"):
            for point in history.select(measurement, latest=True):
                held = getattr(reader.view.vans[point["vehicle_id"]], measurement)
                assert held.items() >= point.items()
        vehicles = {point["vehicle_id"] for point in history.select("energy")}
        assert set(reader.view.vans) == vehicles
        for measurement in ("alert", "trip", "charge"):
            stored = {(point["vehicle_id"], point["time_ms"]) for point in history.select(measurement)}
            held = {key[:2] for key in reader.view.recent[measurement]}
            assert held == stored
        assert reader.view.agent == list(history.select("agent"))[-1]
    finally:
        history.close()


@pytest.mark.parametrize("since_midnight_minutes", [1, 25, 61, 170, 600, 1439])
async def test_today_is_the_difference_of_the_counters(
    opened: Callable[[], History], since_midnight_minutes: int
) -> None:
    """At any time of the day: the zone is the one where midnight was so long ago."""
    minute = time.time_ns() // 60_000_000_000 % 1440
    offset = (since_midnight_minutes - minute + 720) % 1440 - 720
    zone = timezone(timedelta(minutes=offset))
    reader = await followed(opened, zone=zone)
    history = opened()
    start_ms = midnight_ms(reader.view.front_ms() or 0, zone)
    base: dict[tuple[str, str], float] = {}
    last: dict[tuple[str, str], float] = {}
    try:
        for measurement in ("energy", "emissions"):
            for point in history.select(measurement):
                for amount, (owner, counter) in COUNTERS.items():
                    if owner == measurement:
                        key = (point["vehicle_id"], amount)
                        if point["time_ms"] < start_ms or key not in base:
                            base[key] = point[counter]
                        last[key] = point[counter]
    finally:
        history.close()
    today = reader.today()
    assert {(van, amount) for van, amounts in today.items() for amount in amounts} == set(last)
    for (van, amount), value in last.items():
        assert today[van][amount] == pytest.approx(value - base[van, amount], abs=1e-6)
    by_hour = total(sums for hour, sums in reader.by_hour() if hour >= start_ms)
    for amount, value in total(today.values()).items():
        assert by_hour[amount] == pytest.approx(value, abs=1e-6)


async def test_a_watched_van_is_read_whole(opened: Callable[[], History]) -> None:
    reader = await followed(opened)
    vehicle_id = min(reader.view.vans)
    history = opened()
    newest_ms = reader.view.newest_ms or 0
    with reader.watching(vehicle_id, 6) as view:
        await read_all(reader)
        speeds = [
            point["speed_kmh"]
            for point in history.select("location", vehicle_id=vehicle_id, start_ms=newest_ms - 6 * 3_600_000)
        ]
        trips = {point["time_ms"] for point in history.select("trip", vehicle_id=vehicle_id)}
        history.close()
        assert sum(mean.count for mean in view.means["speed_kmh"].values()) == len(speeds)
        assert sum(mean.total for mean in view.means["speed_kmh"].values()) == pytest.approx(sum(speeds))
        assert set(view.trips) <= trips
        with reader.watching(vehicle_id, 6) as shared:
            assert shared is view
    assert not reader._watched


def one_row(time_ms: int, soc_pct: float, vehicle_id: str = "late") -> dict[str, list[tuple[object, ...]]]:
    rows = empty_rows()
    series = Series(vehicle_id=vehicle_id, depot="north", model="m", country="DE")
    add_reading(rows, series, Reading(vehicle_id=vehicle_id, time_ms=time_ms, soc_pct=soc_pct))
    record = EnergyRecord(
        vehicle_id=vehicle_id, time_ms=time_ms, state="parked", used_kwh_total=1.0, charged_kwh_total=0.0,
        grid_kwh_total=0.0, idle_kwh_total=0.0, distance_km_total=0.0,
    )  # fmt: skip
    add_records(rows, series, [record])
    return rows


async def test_what_is_written_is_seen_on_the_next_tick(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('tick') / 'history.db'}"
    store = make_store(url)
    await store.open()
    reader = Reader(lambda: make_history(url))
    await reader.tick()
    assert reader.state == "empty"
    now_ms = reader.clock_ms()
    await store.write(one_row(now_ms - 86_400_000, 80.0, "silent"))
    await store.write(one_row(now_ms, 50.0))
    await reader.tick()
    assert reader.state == "live"
    assert reader.view.vans["late"].soc_pct == 50.0
    assert reader.view.vans["silent"].soc_pct == 80.0
    before = reader.view.version
    await store.write(one_row(now_ms + 1000, 49.0))
    await reader.tick()
    assert [van.vehicle_id for van in reader.view.changed_since(before)] == ["late"]
    assert reader.view.vans["late"].soc_pct == 49.0
    await store.close()


class Failing:
    """A store that goes away and comes back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.up = False
        self.opened = 0

    def open(self) -> History:
        self.opened += 1
        if not self.up:
            raise StoreUnavailable("the store does not answer")
        return make_history(self.url)


async def test_a_store_that_is_down_is_said_and_found_again(store_url: str) -> None:
    failing = Failing(store_url)
    reader = Reader(failing.open, tick_s=0.01)
    told: asyncio.Queue[str] = asyncio.Queue()
    with reader.subscription(lambda: told.put_nowait(reader.state)):
        task = asyncio.create_task(reader.run())
        assert await asyncio.wait_for(told.get(), 10) == "unreachable"
        assert reader.problem == "the store does not answer"
        failing.up = True
        while await asyncio.wait_for(told.get(), 20) != "live":
            pass
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert reader.subscribers == 0
    assert reader.problem == ""


async def test_all_pages_share_one_connection_per_kind(store_url: str) -> None:
    failing = Failing(store_url)
    failing.up = True
    reader = Reader(failing.open)
    for _ in range(5):
        await reader.tick()
    await reader.read_slow()
    assert failing.opened == 2


def test_the_made_up_fleet_is_the_same_for_the_same_seed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("seed")
    totals = []
    for name in ("a", "b"):
        url = f"sqlite:///{folder / name}"
        fill(url, vans=2, hours=0.5)
        history = make_history(url)
        totals.append([point["vehicle_id"] for point in history.select("battery")])
        history.close()
    assert totals[0] == totals[1]
