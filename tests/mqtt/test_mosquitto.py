"""MQTT 5 and 3.1.1 against a real Mosquitto."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from agent.backoff import Backoff
from tests.mqtt.conftest import Running
from tests.mqtt.waiting import until
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

pytestmark = [needs("mosquitto"), pytest.mark.parametrize("protocol", ["5", "3.1.1"])]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, persistence=True, max_queued_messages=10_000) as broker:
        yield broker


async def send(
    broker: Mosquitto, *payloads: bytes, qos: int = 1, retain: bool = False, topic: str = "vans/a/soc"
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for payload in payloads:
            await client.publish(topic, payload, qos=qos, retain=retain)


async def test_messages_arrive_in_order_and_are_acknowledged(
    mosquitto: Mosquitto, running: Running, protocol: str
) -> None:
    payloads = [b"%d" % number for number in range(200)]
    async with running(mosquitto.port, protocol=protocol) as subject:
        await subject.subscribed()
        sending = send(mosquitto, *payloads)
        acknowledged = 0

        def acknowledge() -> bool:
            nonlocal acknowledged
            for delivery in subject.deliveries[acknowledged:]:
                subject.receiver.acknowledge(delivery)
                acknowledged += 1
            return len(subject.messages) >= 200

        await sending
        await until(acknowledge)
        assert subject.payloads == payloads
        assert {message.topic for message in subject.messages} == {"vans/a/soc"}
        assert subject.counters.acks_sent == 200
    await until(lambda: "Client agent disconnected" in mosquitto.log)  # it has read the last acknowledgement
    async with running(mosquitto.port, protocol=protocol) as again:
        await again.subscribed()
        await send(mosquitto, b"new")
        await again.received(1)
        assert again.payloads == [b"new"], "what was acknowledged does not come again"


async def test_what_was_not_acknowledged_comes_again(mosquitto: Mosquitto, running: Running, protocol: str) -> None:
    async with running(mosquitto.port, protocol=protocol) as subject:
        await subject.subscribed()
        await send(mosquitto, b"1", b"2", b"3")
        await subject.received(3)
        subject.receiver.acknowledge(subject.deliveries[0])
        left = subject.payloads[len(subject.deliveries[0].messages) :]
    async with running(mosquitto.port, protocol=protocol) as again:
        await again.received(len(left))
        assert again.payloads == left
        assert again.counters.redelivered == len(left)


async def test_messages_wait_in_the_session_while_we_are_away(
    mosquitto: Mosquitto, running: Running, protocol: str
) -> None:
    async with running(mosquitto.port, protocol=protocol) as subject:
        await subject.subscribed()
    await send(mosquitto, *[b"%d" % number for number in range(15)])
    async with running(mosquitto.port, protocol=protocol, session_expected=True) as again:
        await again.received(15)
        await again.subscribed()
        assert again.counters.sessions_lost == 0
        assert again.receiver.limits is not None
        assert again.receiver.limits.session_present


async def test_a_killed_broker_with_persistence_is_found_again(
    mosquitto: Mosquitto, running: Running, protocol: str
) -> None:
    async with running(mosquitto.port, protocol=protocol) as subject:
        await subject.subscribed()
        await send(mosquitto, b"before")
        await subject.received(1)
        subject.acknowledge_all()
        mosquitto.save()
        mosquitto.kill()
        await until(lambda: not subject.counters.connected)
        mosquitto.start()
        await subject.subscribed()
        await send(mosquitto, b"after")
        await until(lambda: b"after" in subject.payloads)
        assert subject.counters.sessions_lost == 0
        assert subject.counters.reconnects >= 1


async def test_a_broker_that_forgets_is_reported(tmp_path: Path, running: Running, protocol: str) -> None:
    with Mosquitto(tmp_path, persistence=False) as broker:
        async with running(broker.port, protocol=protocol) as subject:
            await subject.subscribed()
            broker.kill()
            await until(lambda: not subject.counters.connected)
            broker.start()
            await subject.subscribed()
            assert subject.counters.sessions_lost == 1


async def test_while_paused_nothing_comes_and_the_connection_lives(
    mosquitto: Mosquitto, running: Running, protocol: str
) -> None:
    async with running(mosquitto.port, protocol=protocol, keepalive_s=2) as subject:
        await subject.subscribed()
        subject.receiver.pause()
        await send(mosquitto, b"waiting")
        before = mosquitto.log.count("Received PINGREQ from agent")
        await until(lambda: mosquitto.log.count("Received PINGREQ from agent") >= before + 4)
        assert subject.messages == []
        assert subject.counters.connected
        subject.receiver.resume()
        await subject.received(1)
        assert subject.counters.reconnects == 0


async def test_a_dead_broker_is_noticed_by_its_silence(mosquitto: Mosquitto, running: Running, protocol: str) -> None:

    async with running(mosquitto.port, protocol=protocol, keepalive_s=1) as subject:
        await subject.subscribed()
        os.kill(mosquitto.pid, signal.SIGSTOP)
        await until(lambda: "did not answer a ping" in subject.counters.last_error)
        os.kill(mosquitto.pid, signal.SIGCONT)
        await subject.subscribed()


async def test_wrong_password_is_told_and_right_one_taken(tmp_path: Path, running: Running, protocol: str) -> None:
    secret = "correct horse"
    with Mosquitto(tmp_path, users={"agent": secret}) as broker:
        async with running(broker.port, protocol=protocol, username="agent", password="wrong") as subject:
            await until(lambda: "refused the connection" in subject.counters.last_error)
            assert "mqtt.password" in subject.counters.last_error
            assert "wrong" not in subject.counters.last_error.split("password")[-1]
        async with running(broker.port, protocol=protocol, username="agent", password=secret) as subject:
            await subject.subscribed()


async def test_oversize_messages_are_cut_and_acknowledged(
    mosquitto: Mosquitto, running: Running, protocol: str
) -> None:
    async with running(mosquitto.port, protocol=protocol, max_packet_bytes=1000) as subject:
        await subject.subscribed()
        await send(mosquitto, b"a", b"b" * 50_000, b"c")
        await subject.received(3)
        assert [(len(message.payload), message.kind) for message in subject.messages] == [(1, 0), (1000, 3), (1, 0)]
        subject.acknowledge_all()
        await send(mosquitto, b"d")
        await subject.received(4)


async def test_retained_messages_are_marked(mosquitto: Mosquitto, running: Running, protocol: str) -> None:
    await send(mosquitto, b"old", retain=True)
    async with running(mosquitto.port, protocol=protocol) as subject:
        await subject.received(1)
        await subject.subscribed()
        await send(mosquitto, b"new", retain=True)
        await subject.received(2)
        assert [(message.payload, message.retained) for message in subject.messages] == [
            (b"old", True),
            (b"new", False),
        ]


async def test_publishing(mosquitto: Mosquitto, running: Running, protocol: str) -> None:
    async with running(mosquitto.port, protocol=protocol) as subject:
        await subject.subscribed()
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.subscribe("alerts/#")
            assert await subject.receiver.publish("alerts/a", b"hot", retain=False)
            message = await anext(client.messages)
            assert (str(message.topic), message.payload) == ("alerts/a", b"hot")


async def test_a_second_agent_with_our_client_id_is_suspected(
    mosquitto: Mosquitto, running: Running, protocol: str
) -> None:
    """Mosquitto 2.0 closes the first one's connection without a DISCONNECT, so the reason is not given."""
    patient = Backoff(first_s=0.0, cap_s=3600.0)
    async with running(mosquitto.port, protocol=protocol, backoff=patient) as subject:
        counters = subject.counters

        def suspects() -> bool:
            return "another client may have our client id" in counters.last_error

        await subject.subscribed()
        for _ in range(3):
            reconnects = counters.reconnects
            async with running(mosquitto.port, protocol=protocol) as second:
                await second.subscribed()
                # The first one has lost its connection, and is connected again or suspects.
                await until(lambda before=reconnects: counters.reconnects > before or suspects())
            await until(lambda: counters.connected or suspects())
        await until(suspects)
        assert not subject.counters.connected
