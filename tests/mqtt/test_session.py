"""The session through several connections: loss, endings, backoff, stop and publish, against a scripted broker."""

import asyncio
import logging

import mqtt5
import pytest

from agent.backoff import Backoff
from agent.commands.ports import free_port
from agent.mqtt import reasons
from tests.mqtt.conftest import Running
from tests.mqtt.fake_broker import FakeBroker
from tests.mqtt.waiting import until


async def test_an_assigned_client_id_is_kept(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, client_id="") as subject:
        connection = await broker.connection()
        await connection.accept(assigned_client_id="auto-7")
        await subject.subscribed()
        connection.reset()
        connect = await (await broker.connection()).accept()
    assert connect.client_id == "auto-7"


async def test_the_same_refusal_is_logged_once(
    broker: FakeBroker, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(broker.port):
        for _ in range(3):
            connection = await broker.connection()
            await connection.expect(mqtt5.ConnectPacket)
            connection.send(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED))
        await (await broker.connection()).expect(mqtt5.ConnectPacket)
    assert len([record for record in caplog.records if "not authorized" in record.getMessage()]) == 1


async def test_a_session_the_broker_forgot_is_counted_as_possible_loss(
    broker: FakeBroker, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept(session_present=False)
        await subject.subscribed()
        assert subject.counters.sessions_lost == 0, "the first connection expects nothing"
        connection.reset()
        connection = await broker.connection()
        await connection.accept(session_present=True)
        await subject.subscribed()
        assert subject.counters.sessions_lost == 0
        connection.reset()
        await (await broker.connection()).accept(session_present=False)
        await until(lambda: subject.counters.sessions_lost == 1)
    assert "may be lost" in caplog.text


async def test_an_earlier_runs_session_can_be_expected(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, session_expected=True) as subject:
        await (await broker.connection()).accept(session_present=False)
        await subject.subscribed()
    assert subject.counters.sessions_lost == 1


@pytest.mark.parametrize("code", sorted(set(reasons.DISCONNECT) - {0x8E}))
async def test_the_brokers_reason_for_ending_is_told_in_words(
    broker: FakeBroker, running: Running, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        await subject.subscribed()
        connection.send(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(code)))
        await (await broker.connection()).expect(mqtt5.ConnectPacket)
    assert reasons.DISCONNECT[code] in caplog.text


async def test_after_a_takeover_we_wait_long(broker: FakeBroker, running: Running) -> None:
    loop = asyncio.get_running_loop()
    async with running(broker.port, taken_over_s=0.4) as subject:
        connection = await broker.connection()
        await connection.accept()
        await subject.subscribed()
        connection.send(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER))
        at_s = loop.time()
        await (await broker.connection()).accept()
        assert loop.time() - at_s >= 0.4
        assert "mqtt.client_id" in subject.counters.last_error or subject.counters.last_error == ""


async def test_connections_closed_soon_and_without_a_word_raise_suspicion(
    broker: FakeBroker, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(broker.port) as subject:
        for _ in range(3):
            connection = await broker.connection()
            await connection.accept()
            await subject.subscribed()
            connection.close()
            await until(lambda: not subject.counters.connected)
        assert "another client may have our client id" in subject.counters.last_error
        await (await broker.connection()).accept()
    assert caplog.text.count("another client may have our client id") == 1


async def test_stopping_says_goodbye_and_keeps_the_session(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        await subject.subscribed()
    disconnect = await connection.expect(mqtt5.DisconnectPacket)
    assert int(disconnect.reason_code) == 0
    assert disconnect.session_expiry_interval is None
    assert await connection.packet() is None
    assert not subject.counters.connected


async def test_stopping_in_the_middle_of_a_handshake(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port):
        connection = await broker.connection()
        await connection.expect(mqtt5.ConnectPacket)
    await connection.ended()


async def test_stopping_while_waiting_to_try_again(running: Running) -> None:
    async with running(free_port(), backoff=Backoff(first_s=1000.0, cap_s=1000.0)) as subject:
        await until(lambda: subject.counters.last_error)


class CountingBackoff(Backoff):
    """Counts the attempts that failed."""

    failed = 0

    def next_s(self) -> float:
        self.failed += 1
        return super().next_s()


async def test_a_broker_that_comes_later_is_found(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    port = free_port()
    backoff = CountingBackoff(first_s=0.01, cap_s=0.05)
    async with running(port, backoff=backoff) as subject:
        await until(lambda: backoff.failed >= 4)
        assert "nobody listens" in subject.counters.last_error
        broker = FakeBroker()
        broker.port = port
        async with broker:
            await (await broker.connection()).accept()
            await subject.subscribed()
    assert caplog.text.count("nobody listens") == 1


async def test_publish(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        assert not await subject.receiver.publish("alerts/a", b"no connection", retain=True)
        connection = await broker.connection()
        await connection.accept(max_packet_size=100)
        await subject.subscribed()
        assert await subject.receiver.publish("alerts/a", b"hot", retain=True)
        packet = await connection.expect(mqtt5.PublishPacket)
        assert (packet.topic, packet.payload, int(packet.qos), packet.retain) == ("alerts/a", b"hot", 0, True)
        assert not await subject.receiver.publish("alerts/a", b"x" * 200, retain=True), "the broker would end us"
