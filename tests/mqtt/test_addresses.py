"""Several addresses of one name, and several brokers in `mqtt.url`: a dead one holds up nothing."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import mqtt5
import pytest

from agent.backoff import Backoff
from agent.commands.ports import free_port
from agent.mqtt import session
from agent.mqtt.address import BrokerAddress
from tests.mqtt.conftest import Running
from tests.mqtt.fake_broker import FakeBroker
from tests.mqtt.waiting import until

DEAD_HOST = "127.0.0.2"
NEVER = Backoff(first_s=3600.0, cap_s=3600.0, least=1.0)
"""With this backoff a second round of addresses never comes."""


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of `DEAD_HOST` that does not answer: its queue of connections is full, so that the kernel drops a SYN."""
    with socket.create_server((DEAD_HOST, 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = []
        for _ in range(8):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((DEAD_HOST, port))
            waiting.append(client)
        yield port
        for client in waiting:
            client.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> list[str]:
    """Let every name have these addresses; returns the names that are asked for, as they come."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in hosts]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_name_whose_first_addresses_do_not_answer(
    dead_port: int, running: Running, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    broker = FakeBroker()
    broker.port = dead_port
    resolve_to(monkeypatch, DEAD_HOST, DEAD_HOST, DEAD_HOST, "127.0.0.1")
    async with broker, running(dead_port, host="broker.test", protocol=protocol, backoff=NEVER):
        await broker.connection()


async def test_a_name_is_resolved_anew_for_every_connection(
    broker: FakeBroker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolve_to(monkeypatch, "127.0.0.1")
    async with running(broker.port, host="broker.test"):
        for number in range(1, 4):
            connection = await broker.connection()
            assert asked == ["broker.test"] * number
            connection.reset()


async def test_a_broker_that_does_not_answer_gives_way_to_the_next(
    dead_port: int, broker: FakeBroker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CONNECT_TIMEOUT_S", 0.2)
    brokers = (BrokerAddress(DEAD_HOST, dead_port), BrokerAddress("127.0.0.1", broker.port))
    async with running(0, brokers=brokers, backoff=NEVER) as subject:
        await (await broker.connection()).accept()
        await subject.subscribed()


async def test_a_broker_that_refuses_gives_way_too_and_the_error_says_which(
    broker: FakeBroker, running: Running
) -> None:
    async with FakeBroker() as second:
        brokers = (BrokerAddress("127.0.0.1", broker.port), BrokerAddress("127.0.0.1", second.port))
        async with running(0, brokers=brokers, backoff=NEVER) as subject:
            connection = await broker.connection()
            await connection.expect(mqtt5.ConnectPacket)
            connection.send(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.SERVER_BUSY))
            connection = await second.connection()
            assert subject.counters.last_error.startswith(f"127.0.0.1:{broker.port}: ")
            await connection.accept()
            await subject.subscribed()


async def test_the_broker_that_has_our_session_is_tried_first(broker: FakeBroker, running: Running) -> None:
    async with FakeBroker() as first:
        brokers = (BrokerAddress("127.0.0.1", first.port), BrokerAddress("127.0.0.1", broker.port))
        async with running(0, brokers=brokers) as subject:
            (await first.connection()).reset()
            for _ in range(3):
                connection = await broker.connection()
                await connection.accept()
                await subject.subscribed()
                connection.reset()
                await until(lambda: not subject.counters.connected)
            await broker.connection()
            assert first.waiting == 0


async def test_all_are_tried_before_the_wait(running: Running) -> None:
    brokers = tuple(BrokerAddress("127.0.0.1", free_port()) for _ in range(3))
    async with running(0, brokers=brokers, backoff=NEVER) as subject:
        await until(lambda: f"{brokers[-1]}: nobody listens" in subject.counters.last_error)


async def test_ipv6(running: Running) -> None:
    broker = FakeBroker(host="::1")
    try:
        await broker.__aenter__()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    try:
        async with running(broker.port, host="::1") as subject:
            await (await broker.connection()).accept()
            await subject.subscribed()
    finally:
        await broker.__aexit__(None, None, None)
