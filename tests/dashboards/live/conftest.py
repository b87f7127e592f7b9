import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from agent.commands.ports import free_port
from agent.errors import REASONS
from agent.points.rows import Rows
from agent.stores import make_store
from tests.dashboards.live.browser import CHROMIUM, Chromium, Page
from tests.dashboards.live.fleet_rows import FakeFleet
from tests.servers.agent import wait_for

ROOT = Path(__file__).parents[3]
VANS, HOURS, PERIOD_MS = 12, 14, 30_000

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")


def write(url: str, batches: Iterator[Rows] | list[Rows], *, token: str = "") -> None:
    async def writing() -> None:
        store = make_store(url, token=token)
        await store.open()
        for rows in batches:
            assert not await store.write(rows)
        await store.close()

    asyncio.run(writing())


def fill(url: str, *, vans: int = VANS, hours: float = HOURS, token: str = "") -> None:
    """A fleet's last hours, up to now; their working day is such that it is afternoon now."""
    end_ms = time.time_ns() // 1_000_000 // PERIOD_MS * PERIOD_MS
    fleet = FakeFleet(vans, period_ms=PERIOD_MS, hour_offset=15.2 - end_ms / 3_600_000 % 24)
    write(url, fleet.rows(end_ms - int(hours * 60) * 60_000, end_ms), token=token)


@pytest.fixture(scope="package")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('live') / 'history.db'}"
    fill(url)
    return url


@contextmanager
def live_page(*, store_url: str, arguments: tuple[str, ...] = (), **settings: str) -> Iterator[str]:
    """`vanpulse live` as a process of its own; gives its address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VANPULSE_")}
    environment |= {"VANPULSE_STORE__URL": store_url, "VANPULSE_LIVE__TIMEZONE": "UTC"}
    environment |= {f"VANPULSE_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "live", "--port", str(port), *arguments],
        env=environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/healthz", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0, log
    assert "Traceback" not in log, log


def wait_until_up(url: str, process: subprocess.Popen[str]) -> None:
    def answers() -> bool:
        assert process.poll() is None, process.communicate()[1]
        try:
            with urllib.request.urlopen(url, timeout=1):
                return True
        except OSError:
            return False

    wait_for(answers, "the live page", timeout_s=90.0)


@pytest.fixture(scope="package")
def page_url(store_url: str) -> Iterator[str]:
    with live_page(store_url=store_url, http__listen=f"127.0.0.1:{free_port()}") as url:
        yield url


@pytest.fixture(scope="package")
def browser() -> Iterator[Chromium]:
    chromium = Chromium()
    yield chromium
    chromium.stop()


@pytest.fixture
async def page(browser: Chromium) -> AsyncIterator[Page]:
    async with browser.page() as page:
        await page.size(1440, 1000)
        yield page


@pytest.fixture
async def metrics() -> AsyncIterator[str]:
    """An agent's `/metrics`, as far as the page asks for it."""
    lines = [f'vanpulse_messages_rejected_total{{reason="{reason}"}} {index}.0' for index, reason in enumerate(REASONS)]
    text = "\n".join(
        [
            "# TYPE vanpulse_messages_rejected counter", *lines,
            "# TYPE vanpulse_readings_accepted counter", "vanpulse_readings_accepted_total 123456.0",
            "# TYPE vanpulse_mqtt_connected gauge", "vanpulse_mqtt_connected 1.0",
            "# TYPE vanpulse_store_up gauge", "vanpulse_store_up 0.0",
            "# TYPE vanpulse_carbon_imbalance_ratio gauge", "vanpulse_carbon_imbalance_ratio -0.0005",
            "# TYPE vanpulse_carbon_adjusted_ratio gauge", "vanpulse_carbon_adjusted_ratio 0.02", "",
        ]
    )  # fmt: skip

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text)

    app = web.Application()
    app.add_routes([web.get("/metrics", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The live page on a store that does not exist yet."""
    url = f"sqlite:///{tmp_path_factory.mktemp('growing') / 'history.db'}"
    with live_page(store_url=url, http__listen=f"127.0.0.1:{free_port()}") as address:
        yield address, url
