"""Publishing to a real broker, which stops and comes back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from agent.commands.ports import free_port
from simulator.publisher import Broker, Outgoing, Unreachable, make_sender, publish
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

pytestmark = needs("mosquitto")

MESSAGES = [(f"vans/van-{i % 7:03d}/soc", b'{"n":%d}' % i) for i in range(3000)]
SENDERS = [0, 1, 5]
"""Connections; 0 is aiomqtt."""


class Listener:
    """Subscribes and counts payloads until it is stopped."""

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self.seen: Counter[bytes] = Counter()
        self.order: dict[str, list[int]] = {}
        self.ready = asyncio.Event()

    async def listen(self, wanted: int) -> None:
        async with aiomqtt.Client("127.0.0.1", self._broker.port) as client:
            await client.subscribe("vans/#", qos=1)
            self.ready.set()
            async for message in client.messages:
                payload = bytes(message.payload)  # type: ignore[arg-type]
                self.seen[payload] += 1
                self.order.setdefault(str(message.topic), []).append(int(payload[5:-1]))
                if len(self.seen) == wanted:
                    return


@pytest.fixture
def broker(tmp_path: Path):
    with Mosquitto(tmp_path, max_queued_messages=100_000) as running:
        yield running


@pytest.mark.parametrize("connections", SENDERS)
async def test_everything_arrives_in_order_and_is_acknowledged_once(broker: Mosquitto, connections: int) -> None:
    listener = Listener(broker)
    listening = asyncio.create_task(listener.listen(len(MESSAGES)))
    await listener.ready.wait()
    acknowledged: Counter[int] = Counter()
    summary = await publish(
        MESSAGES, broker.url, connections=connections, on_acknowledged=lambda n: acknowledged.update([n])
    )
    await listening
    assert summary.messages == summary.acknowledged == len(MESSAGES)
    assert acknowledged == Counter(range(len(MESSAGES)))
    assert set(listener.seen.values()) == {1}
    assert all(numbers == sorted(numbers) for numbers in listener.order.values())


@pytest.mark.parametrize("connections", SENDERS)
async def test_a_broker_that_is_killed_and_comes_back(tmp_path: Path, connections: int) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    acknowledged: set[int] = set()
    sender = make_sender(broker.url, connections=connections, on_acknowledged=acknowledged.add)
    try:
        async with sender:
            await sender.send(MESSAGES[:500])
            await asyncio.to_thread(broker.kill)
            sending = asyncio.create_task(sender.send(MESSAGES[500:]))
            await asyncio.to_thread(broker.start)
            await sending
            await sender.drain()
            assert sender.summary.reconnects >= 1
    finally:
        broker.kill()
    assert acknowledged == set(range(len(MESSAGES)))


async def test_batches_that_come_with_time(broker: Mosquitto) -> None:
    async def batches() -> AsyncIterator[list[Outgoing]]:
        for start in range(0, 100, 10):
            yield MESSAGES[start : start + 10]

    assert (await publish(batches(), broker.url)).acknowledged == 100


@pytest.mark.parametrize("connections", SENDERS)
async def test_a_broker_that_is_not_there(connections: int) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        await publish(MESSAGES, f"mqtt://127.0.0.1:{free_port()}", connections=connections, give_up_s=0.0)


@pytest.mark.parametrize("connections", SENDERS)
async def test_a_wrong_password_is_told(tmp_path: Path, connections: int) -> None:
    with Mosquitto(tmp_path, users={"van": "right"}) as broker:
        good = f"mqtt://van:right@127.0.0.1:{broker.port}"
        assert (await publish(MESSAGES[:10], good, connections=connections)).acknowledged == 10
        with pytest.raises(Unreachable, match=r"(?i)refused|authori[sz]ed|password"):
            await publish(MESSAGES, good.replace("right", "wrong"), connections=connections, give_up_s=0.0)


@pytest.mark.parametrize("connections", [0, 1])
async def test_retained_values_stay_at_the_broker(broker: Mosquitto, connections: int) -> None:
    sender = make_sender(broker.url, connections=connections, retain=True)
    async with sender:
        await sender.send([("ovms/van-001/van-001/metric/v/b/soc", b"55.5")])
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("ovms/#", qos=1)
        async for message in client.messages:
            assert message.retain
            assert message.payload == b"55.5"
            break


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("mqtt://broker", "broker", 1883),
        ("mqtts://broker", "broker", 8883),
        ("mqtt://u:p%40ss@[::1]:1884", "::1", 1884),
    ],
)
def test_broker_urls(url: str, host: str, port: int) -> None:
    broker = Broker.from_url(url)
    assert (broker.host, broker.port) == (host, port)
    if "@" in url:
        assert (broker.username, broker.password) == ("u", "p@ss")


@pytest.mark.parametrize("url", ["broker:1883", "http://broker", "mqtt://"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://HOST"):
        Broker.from_url(url)


def test_the_password_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    monkeypatch.setenv("VANPULSE_MQTT__USERNAME", "sim")
    monkeypatch.setenv("VANPULSE_MQTT__PASSWORD_FILE", str(secret))
    broker = Broker.from_url("mqtt://broker")
    assert (broker.username, broker.password) == ("sim", "s3cret")


async def test_large_payloads(broker: Mosquitto) -> None:
    sizes = (0, 1, 100, 127, 128, 16_000, 16_384, 300_000, 2_200_000)
    messages = [(f"large/{size}", b"x" * size) for size in sizes]
    arrived: dict[str, int] = {}
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("large/#", qos=1)
        await publish(messages, broker.url)
        async for message in client.messages:
            arrived[str(message.topic)] = len(message.payload)  # type: ignore[arg-type]
            if len(arrived) == len(sizes):
                break
    assert arrived == {f"large/{size}": size for size in sizes}
