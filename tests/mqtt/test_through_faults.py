"""MQTT 5 and 3.1.1 through a faulty network to a real Mosquitto: no message is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.mqtt_proxy import BLACK_HOLE, HEALTHY, MERGE, SLOW, SPLIT, TRICKLE, Conditions, MqttProxy
from tests.mqtt.conftest import Running, Subscriber
from tests.mqtt.test_mosquitto import send
from tests.mqtt.waiting import until
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

pytestmark = [needs("mosquitto"), pytest.mark.parametrize("protocol", ["5", "3.1.1"])]
PAYLOADS = [b"%d" % number for number in range(300)]


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    with Mosquitto(tmp_path, max_queued_messages=10_000) as broker:
        yield broker


async def receive_all(subject: Subscriber) -> None:
    """Acknowledge each delivery soon after it came, until all payloads are there."""
    done = 0

    def complete() -> bool:
        nonlocal done
        for delivery in subject.deliveries[done:]:
            subject.receiver.acknowledge(delivery)
            done += 1
        return set(PAYLOADS) <= set(subject.payloads)

    await until(complete)


@pytest.mark.parametrize("conditions", [SPLIT, MERGE, SLOW, TRICKLE], ids=["split", "merge", "slow", "trickle"])
async def test_pieces_and_delays_lose_and_repeat_nothing(
    mosquitto: Mosquitto, running: Running, protocol: str, conditions: Conditions
) -> None:
    async with (
        MqttProxy(mosquitto.port, conditions=conditions) as proxy,
        running(proxy.port, protocol=protocol) as subject,
    ):
        await subject.subscribed()
        await send(mosquitto, *PAYLOADS)
        await receive_all(subject)
        assert subject.payloads == PAYLOADS
        assert subject.counters.reconnects == 0


async def test_resets_lose_nothing(mosquitto: Mosquitto, running: Running, protocol: str) -> None:
    async with MqttProxy(mosquitto.port, seed=5) as proxy, running(proxy.port, protocol=protocol) as subject:
        await subject.subscribed()
        proxy.conditions = Conditions(split_bytes=200, reset_after_bytes=2000)
        await send(mosquitto, *PAYLOADS)
        await receive_all(subject)
        assert proxy.count["resets"] > 0
        assert subject.counters.reconnects > 0
        assert subject.counters.redelivered > 0
        assert subject.counters.sessions_lost == 0


@pytest.mark.parametrize("fault", ["half open", "black hole"])
async def test_a_connection_that_is_only_half_there_is_left(
    mosquitto: Mosquitto, running: Running, protocol: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with MqttProxy(mosquitto.port) as proxy, running(proxy.port, protocol=protocol, keepalive_s=1) as subject:
        await subject.subscribed()
        if fault == "half open":
            await proxy.half_open()
        else:
            proxy.conditions = BLACK_HOLE
        await until(lambda: "did not answer a ping" in caplog.text)
        proxy.conditions = HEALTHY
        await send(mosquitto, *PAYLOADS)
        await receive_all(subject)
