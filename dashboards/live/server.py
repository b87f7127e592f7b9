"""The web server of the live page. It adds the pages and the access control, and runs the reader."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import app as pages_app
from nicegui import ui

from agent.errors import SettingsError
from agent.stores.base import History
from dashboards.live.access import Access, is_loopback
from dashboards.live.agent_metrics import MetricsClient
from dashboards.live.elements.van_map import Depots
from dashboards.live.pages import agent, charging, depots, energy, quality, tours, van
from dashboards.live.pages.frame import STATIC_PATH, Site
from dashboards.live.reading import Reader

log = logging.getLogger(__name__)

SHUTDOWN_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePage:
    """The options of the live page."""

    open_history: Callable[[], History]
    host: str = "127.0.0.1"
    port: int = 8080
    password: str | None = None
    tiles_url: str | None = None
    zone: tzinfo = UTC
    agent_listen: str | None = None
    depots: Depots | None = None
    tick_s: float = 1.0


def listen(host: str, port: int, password: str | None) -> socket.socket:
    """Open the listening socket. Raises `SettingsError` if this is not allowed or not possible."""
    if not is_loopback(host) and not password:
        raise SettingsError(
            f"listening on {host} lets others in: set live.password (VANPULSE_LIVE__PASSWORD), or use --host 127.0.0.1"
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}: {error.strerror}") from error
    try:
        listener.bind(address)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}; choose another with --port"
        ) from error
    return listener


def serve(page: LivePage) -> None:
    """Serve until SIGINT or SIGTERM. Raises `SettingsError` before anything is started."""
    listener = listen(page.host, page.port, page.password)
    with contextlib.closing(listener):
        application = build(page)
        config = uvicorn.Config(
            application,
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
            ws_max_size=1_000_000,
        )
        log.info("the live page is at http://%s:%d/", page.host, listener.getsockname()[1])
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _already_stopped)
        uvicorn.Server(config).run(sockets=[listener])


def _already_stopped(_number: int, _frame: object) -> None:
    """Ignore the signal that uvicorn raises again after it has stopped because of it."""


def build(page: LivePage) -> FastAPI:
    """Create the application. This is possible once per process, because NiceGUI keeps pages per process."""
    reader = Reader(
        page.open_history,
        zone=page.zone,
        metrics=MetricsClient(page.agent_listen) if page.agent_listen else None,
        tick_s=page.tick_s,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(reader.run(), name="live-reader")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    application = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    pages_app.add_static_files(STATIC_PATH, Path(__file__).parent / "static", max_cache_age=3600)
    site = Site(reader=reader, tiles_url=page.tiles_url, depots=page.depots or [])
    for module in (depots, van, tours, energy, charging, quality, agent):
        module.add(site)
    ui.run_with(
        application,
        title="vanpulse",
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,
        reconnect_timeout=10.0,
        message_history_length=100,
        favicon=Path(__file__).parent / "static" / "favicon.svg",
    )
    application.add_middleware(Access, password=page.password, tiles_url=page.tiles_url)
    return application
