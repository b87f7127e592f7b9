"""The vans of a store, page by page, and the points of some of them: the same from SQLite and from a real InfluxDB."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from agent.points.rows import Series
from agent.stores import make_history, make_store
from agent.stores.base import History
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.stores.rows import row, rows_of

NAMES = [f"van-{number:02d}" for number in range(12)]
ODD = ["a.b-c", "A/b", "x|y"]
Ask = Callable[[Callable[[History], Any]], Awaitable[Any]]


@pytest.fixture(params=["sqlite", "influxdb"])
async def ask(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ask]:
    """Asks a store with vans of two depots; `van-03` has moved from one to the other."""
    if request.param == "sqlite":
        async with filled(f"sqlite:///{tmp_path / 'history.db'}") as history:
            yield lambda question: asyncio.to_thread(question, history)
        return
    influxd: InfluxServer = request.getfixturevalue("influxd")
    name = request.getfixturevalue("bucket")
    async with FrontEnd(influxd) as front_end, filled(front_end.store_url(name)) as history:
        yield lambda question: asyncio.to_thread(question, history)


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[History]:
    store = make_store(url)
    await store.open()
    depots = dict.fromkeys(NAMES[:6], "Nord") | dict.fromkeys(NAMES[6:], "Süd, Halle 3") | dict.fromkeys(ODD, "x/y's")
    first = [row("energy", Series(vehicle_id=van, depot=depot), 5, state="parked") for van, depot in depots.items()]
    await store.write(rows_of("energy", *first))
    moved = Series(vehicle_id="van-03", depot="Süd, Halle 3")
    await store.write(rows_of("energy", row("energy", moved, 9, state="driving")))
    await store.close()
    with closing(make_history(url)) as history:
        yield history


async def test_vans_come_page_by_page_in_order_of_their_names(ask: Ask) -> None:
    everything = sorted([*NAMES, *ODD])
    assert await ask(lambda history: history.vehicle_ids()) == everything
    pages = [await ask(lambda history, at=at: history.vehicle_ids(offset=at, limit=4)) for at in range(0, 16, 4)]
    assert [van for page in pages for van in page] == everything


async def test_vans_of_a_depot(ask: Ask) -> None:
    south = await ask(lambda history: history.vehicle_ids(depot="Süd, Halle 3"))
    assert south == ["van-03", *NAMES[6:]]
    assert await ask(lambda history: history.vehicle_ids(depot="x/y's")) == sorted(ODD)
    assert await ask(lambda history: history.vehicle_ids(depot="nowhere")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("VAN-0", NAMES[:10]),
        ("n-1", NAMES[10:]),
        ("A/B", ["A/b"]),
        (".", ["a.b-c"]),
        ("|", ["x|y"]),
        ("'", []),
        ("%", []),
    ],
)
async def test_vans_whose_name_holds_a_text(ask: Ask, text: str, found: list[str]) -> None:
    assert await ask(lambda history: history.vehicle_ids(containing=text)) == found


async def test_points_of_some_vans(ask: Ask) -> None:
    def found(history: History, **choice: Any) -> list[tuple[str, int]]:
        points = history.select("energy", vehicle_id=["van-03", "x|y", "nobody"], **choice)
        return sorted((point["vehicle_id"], point["time_ms"]) for point in points)

    assert await ask(found) == [("van-03", 5), ("van-03", 9), ("x|y", 5)]
    assert ("van-03", 9) in await ask(lambda history: found(history, latest=True))
    assert await ask(lambda history: found(history, latest=True, end_ms=9)) == [("van-03", 5), ("x|y", 5)]
