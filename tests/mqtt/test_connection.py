"""One connection, from CONNECT to SUBACK and through silence, against a scripted MQTT 5 broker."""

import mqtt5
import pytest

from agent.mqtt import connection as connection_module
from agent.mqtt import reasons
from tests.mqtt.conftest import Running
from tests.mqtt.fake_broker import FakeBroker, publish
from tests.mqtt.waiting import until

SUBACK = mqtt5.SubAckReasonCode


async def test_connect_asks_for_a_lasting_session_and_states_every_limit(broker: FakeBroker, running: Running) -> None:
    async with running(
        broker.port,
        username="agent",
        password="sesame",
        keepalive_s=42,
    ) as subject:
        connect = await (await broker.connection()).accept()
        await subject.subscribed()
    assert connect.client_id == "agent"
    assert connect.clean_start is False
    assert connect.keep_alive == 42
    assert connect.session_expiry_interval == 600
    assert connect.receive_max == 100
    assert connect.topic_alias_max == 0
    assert connect.max_packet_size == 1024 * 1024, "an oversize message must reach us, to be reported"
    assert (connect.username, connect.password) == ("agent", b"sesame")


async def test_subscribes_to_every_filter_at_every_connect(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, filters=("vans/#", "ovms/#")) as subject:
        for _ in range(2):
            connection = await broker.connection()
            await connection.expect(mqtt5.ConnectPacket)
            connection.send(mqtt5.ConnAckPacket(session_present=True))
            subscribe = await connection.grant()
            assert [topic_filter.pattern for topic_filter in subscribe.topic_filters] == ["vans/#", "ovms/#"]
            await subject.subscribed()
            connection.reset()
            await until(lambda: not subject.counters.connected)
    assert subject.counters.reconnects == 1


async def test_limits_are_what_the_broker_granted(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept(
            session_present=True,
            session_expiry_interval=300,
            server_keep_alive=7,
            max_packet_size=2000,
            assigned_client_id="you",
        )
        await subject.subscribed()
        limits = subject.receiver.limits
    assert limits is not None
    assert (limits.session_present, limits.session_expiry_s, limits.keepalive_s) == (True, 300, 7)
    assert (limits.max_packet_bytes, limits.client_id) == (2000, "you")
    assert limits.granted_qos == (1,)


@pytest.mark.parametrize("code", sorted(reasons.CONNACK))
async def test_each_refusal_is_told_in_words_and_tried_again(broker: FakeBroker, running: Running, code: int) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.expect(mqtt5.ConnectPacket)
        connection.send(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode(code), reason_str="no\nway"))
        connection = await broker.connection()
        assert reasons.CONNACK[code] in subject.counters.last_error
        assert "no\\nway" in subject.counters.last_error, "foreign text is quoted"
        await connection.accept()
        await subject.subscribed()
        assert subject.counters.last_error == ""


async def test_a_broker_that_knows_only_mqtt_3_is_recognised(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.expect(mqtt5.ConnectPacket)
        connection.send(b"\x20\x02\x00\x01")
        await until(lambda: 'mqtt.protocol = "3.1.1"' in subject.counters.last_error)


async def test_an_unanswered_connect_is_given_up(
    broker: FakeBroker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_TIMEOUT_S", 0.05)
    async with running(broker.port) as subject:
        await (await broker.connection()).ended()
        await (await broker.connection()).expect(mqtt5.ConnectPacket)
        assert subject.counters.last_error.startswith("the broker did not answer CONNECT within 0.05 s")


async def test_a_refused_subscription_is_not_ready_and_asked_for_again(
    broker: FakeBroker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "RESUBSCRIBE_FIRST_S", 0.02)
    async with running(broker.port, filters=("vans/#", "ovms/#")) as subject:
        connection = await broker.connection()
        await connection.expect(mqtt5.ConnectPacket)
        connection.send(mqtt5.ConnAckPacket())
        for _ in range(2):
            await connection.grant(SUBACK.GRANTED_QOS_AT_LEAST_ONCE, SUBACK.NOT_AUTHORIZED)
        connection.send(publish(1))
        await subject.received(1)
        assert subject.counters.connected
        assert subject.counters.subscribed_since_ms == 0
        assert "'ovms/#': not authorized" in subject.counters.last_error
        await connection.grant()
        await subject.subscribed()
        assert subject.counters.last_error == ""


async def test_a_lowered_qos_is_warned_of(
    broker: FakeBroker, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.expect(mqtt5.ConnectPacket)
        connection.send(mqtt5.ConnAckPacket())
        await connection.grant(SUBACK.GRANTED_QOS_AT_MOST_ONCE)
        await subject.subscribed()
    assert "at QoS 0 only" in caplog.text


async def test_server_keep_alive_is_obeyed(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, keepalive_s=3600):
        connection = await broker.connection()
        await connection.accept(server_keep_alive=1)
        await connection.expect(mqtt5.PingReqPacket)


async def test_a_broker_that_no_longer_answers_is_left(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, keepalive_s=3600) as subject:
        connection = await broker.connection()
        await connection.accept(server_keep_alive=1)
        await connection.ended()
        assert subject.counters.last_error.startswith("the broker did not answer a ping")
        await (await broker.connection()).accept()
        await subject.subscribed()


async def test_while_paused_pings_go_on_and_silence_proves_nothing(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, keepalive_s=3600) as subject:
        connection = await broker.connection()
        await connection.accept(server_keep_alive=1)
        await subject.subscribed()
        subject.receiver.pause()
        connection.send(publish(1, b"waiting"))
        for _ in range(4):  # 3 s: more than twice the time after which silence ends a connection
            await connection.expect(mqtt5.PingReqPacket)
            connection.send(mqtt5.PingRespPacket())
        assert subject.messages == []
        assert subject.counters.connected
        subject.receiver.resume()
        await subject.received(1)
        assert subject.counters.connected
        assert subject.counters.reconnects == 0


async def test_after_a_pause_silence_counts_again(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, keepalive_s=3600) as subject:
        connection = await broker.connection()
        await connection.accept(server_keep_alive=1)
        await subject.subscribed()
        subject.receiver.pause()
        await connection.expect(mqtt5.PingReqPacket)
        subject.receiver.resume()
        await connection.ended()
        await until(lambda: "did not answer a ping" in subject.counters.last_error)


async def test_a_connection_made_while_paused_finishes_its_handshake_and_delivers_nothing(
    broker: FakeBroker, running: Running
) -> None:
    async with running(broker.port) as subject:
        subject.receiver.pause()
        connection = await broker.connection()
        await connection.expect(mqtt5.ConnectPacket)
        connection.send(mqtt5.ConnAckPacket(session_present=True), publish(1, b"1"), publish(2, b"2"))
        await connection.grant()
        assert subject.counters.connected
        assert subject.messages == []
        subject.receiver.resume()
        await subject.received(2)
        await subject.subscribed()
        assert subject.payloads == [b"1", b"2"]


async def test_pausing_from_within_a_delivery_holds_the_next(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, on_delivery=lambda _: subject.receiver.pause()) as subject:  # type: ignore[has-type]
        connection = await broker.connection()
        await connection.accept()
        connection.send(publish(1, b"1"))
        await subject.received(1)
        connection.send(publish(2, b"2"))
        connection.send(mqtt5.PingRespPacket())
        for _ in range(3):  # what goes the other way takes its turn in the same loop
            assert await subject.receiver.publish("alerts/a", b"hot", retain=True)
            await connection.expect(mqtt5.PublishPacket)
        assert subject.payloads == [b"1"]
        subject.receiver.resume()
        await subject.received(2)
