"""MQTT 3.1.1 against amqtt, the broker that the demo embeds."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator

import aiomqtt
import pytest

from agent.commands.ports import free_port
from agent.mqtt import connection
from tests.mqtt.conftest import Running
from tests.mqtt.waiting import until


class Amqtt:
    """The demo's broker process. It may listen later than it starts; the receiver tries again until then."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "agent.commands.demo_broker", str(self.port)])

    def end(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait(20)


@pytest.fixture
def amqtt() -> Iterator[Amqtt]:
    broker = Amqtt()
    yield broker
    broker.end(signal.SIGKILL)


async def send(port: int, payloads: list[bytes]) -> None:
    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=100) as client, asyncio.TaskGroup() as group:
        for payload in payloads:
            group.create_task(client.publish("vans/a/soc", payload, qos=1))


async def test_messages_arrive_and_are_acknowledged(amqtt: Amqtt, running: Running) -> None:
    async with running(amqtt.port, protocol="3.1.1", on_delivery=lambda _: None) as subject:
        await subject.subscribed()
        await send(amqtt.port, [b"%d" % number for number in range(100)])
        await subject.received(100)
        subject.acknowledge_all()
        assert sorted(subject.payloads, key=int) == [b"%d" % number for number in range(100)]
        assert {message.qos for message in subject.messages} == {1}


async def test_it_outlives_the_broker(amqtt: Amqtt, running: Running) -> None:
    async with running(amqtt.port, protocol="3.1.1") as subject:
        await subject.subscribed()
        amqtt.end(signal.SIGKILL)
        await until(lambda: not subject.counters.connected)
        amqtt.start()
        await subject.subscribed()
        await send(amqtt.port, [b"after"])
        await subject.received(1)
        assert subject.counters.sessions_lost == 1


async def test_mqtt_5_gets_no_answer_and_the_error_names_the_setting(
    amqtt: Amqtt, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.5)
    async with running(amqtt.port, protocol="5") as subject:
        await until(lambda: "mqtt.protocol" in subject.counters.last_error)
        assert subject.receiver.limits is None
