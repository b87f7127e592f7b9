import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from agent.commands.ports import free_port
from tests.faults.mqtt_proxy import (
    BLACK_HOLE,
    HEALTHY,
    MERGE,
    SLOW,
    SPLIT,
    TRICKLE,
    Conditions,
    MqttProxy,
    ThreadedProxy,
)
from tests.mqtt.waiting import until

DATA = bytes(range(256)) * 8


class Echo:
    """Sends back what it receives, and counts its connections."""

    def __init__(self) -> None:
        self.port = self.open = self.lost = 0

    async def on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        except ConnectionError:
            self.lost += 1
        self.open -= 1
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.on_client, "127.0.0.1")
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()
    await server.wait_closed()


async def exchange(port: int, data: bytes = DATA) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.readexactly(len(data))
    writer.close()
    return answer


@pytest.mark.parametrize(
    "conditions", [HEALTHY, SPLIT, MERGE, SLOW, TRICKLE], ids=["healthy", "split", "merge", "slow", "trickle"]
)
async def test_bytes_arrive_unchanged_and_in_order(echo: Echo, conditions: Conditions) -> None:
    async with MqttProxy(echo.port, conditions=conditions) as proxy:
        assert await exchange(proxy.port) == DATA
        assert proxy.count["bytes"] == 2 * len(DATA)
        if conditions is SPLIT:
            assert proxy.count["pieces"] > len(DATA) / SPLIT.split_bytes


async def test_a_stall_holds_the_bytes_until_it_ends(echo: Echo) -> None:
    async with MqttProxy(echo.port, conditions=BLACK_HOLE) as proxy:
        exchanging = asyncio.create_task(exchange(proxy.port))
        await until(lambda: echo.open == 1)
        await until(lambda: proxy.count["stalled"] == 1)
        assert not exchanging.done()
        assert proxy.count["bytes"] == 0
        proxy.conditions = HEALTHY
        assert await exchanging == DATA


async def test_reset(echo: Echo) -> None:
    async with MqttProxy(echo.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"a")
        await reader.readexactly(1)
        assert await proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        await until(lambda: echo.open == 0)


async def test_half_open_is_not_noticed_by_the_client(echo: Echo) -> None:
    async with MqttProxy(echo.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"a")
        await reader.readexactly(1)
        assert await proxy.half_open() == 1
        await until(lambda: echo.open == 0)
        writer.write(b"b")
        await until(lambda: proxy.count["dropped"] == 1)
        assert not reader.at_eof()
        writer.close()


async def test_resets_at_random(echo: Echo) -> None:
    async with MqttProxy(echo.port, conditions=Conditions(split_bytes=50, reset_after_bytes=500)) as proxy:
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await exchange(proxy.port, DATA * 100)
        assert proxy.count["resets"] == 1


async def test_an_absent_broker_and_refusing(echo: Echo) -> None:
    for target, refusing in ((free_port(), False), (echo.port, True)):
        async with MqttProxy(target) as proxy:
            proxy.refusing = refusing
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await reader.read(1) == b""
            writer.close()
            assert proxy.count["refused"] == 1


async def test_random_faults_end_healthy(echo: Echo) -> None:
    async with MqttProxy(echo.port, seed=1) as proxy:
        await proxy.random_faults(0.3, every_s=0.02)
        assert proxy.conditions is HEALTHY
        assert await exchange(proxy.port) == DATA


async def test_from_a_thread(echo: Echo) -> None:
    def use() -> bytes:
        with ThreadedProxy(echo.port) as proxied:
            with socket.create_connection(("127.0.0.1", proxied.port), timeout=5.0) as client:
                client.sendall(b"abc")
                answer = client.recv(3, socket.MSG_WAITALL)
            proxied.call(proxied.proxy.reset)
            return answer

    assert await asyncio.to_thread(use) == b"abc"
