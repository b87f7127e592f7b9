"""The start of an agent whose Kafka is away."""

import asyncio
import json
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from agent.commands.ports import free_port
from agent.errors import LogUnavailable, SettingsError
from agent.starting import Starting


class FakeAgent:
    """Runs until it is stopped, and notes where."""

    def __init__(self, place: str, ran: list[str]) -> None:
        self._place = place
        self._ran = ran

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None]) -> None:
        self._ran.append(self._place)
        on_ready()
        await stop.wait()


def readyz(port: int) -> tuple[int, list[str]]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30) as answer:
            return answer.status, json.loads(answer.read())["reasons"]
    except HTTPError as error:
        return error.code, json.loads(error.read())["reasons"]


async def test_it_waits_says_why_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    port, ran, asked = free_port(), [], 0
    waits, answers = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def reach() -> str:
        nonlocal asked
        asked += 1
        if not answers.is_set():
            if asked == 2:
                loop.call_soon_threadsafe(waits.set)
            raise LogUnavailable("Kafka at k:9092 does not answer")
        return "there"

    starting = Starting(reach=reach, build=lambda place: FakeAgent(place, ran), listen=("127.0.0.1", port))
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(starting.run(stop, on_ready=ready.set))
    async with asyncio.timeout(60):
        await waits.wait()
        assert await asyncio.to_thread(readyz, port) == (503, ["log: Kafka at k:9092 does not answer"])
        answers.set()
        await ready.wait()
        assert ran == ["there"]
        stop.set()
        await running
    assert caplog.text.count("waiting for Kafka") == 1


async def test_it_can_be_stopped_while_it_waits() -> None:
    stop, ran = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def reach() -> str:
        loop.call_soon_threadsafe(stop.set)
        raise LogUnavailable("away")

    starting = Starting(reach=reach, build=lambda place: FakeAgent(place, ran), listen=("127.0.0.1", free_port()))
    async with asyncio.timeout(60):
        await starting.run(stop)
    assert ran == []


async def test_a_wrong_setting_ends_it() -> None:
    def reach() -> str:
        raise SettingsError("log.url: the topic 'vans-states' is missing")

    starting = Starting(reach=reach, build=lambda place: FakeAgent(place, []), listen=("127.0.0.1", free_port()))
    with pytest.raises(SettingsError, match="is missing"):
        await starting.run(asyncio.Event())
