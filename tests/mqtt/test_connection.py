"""The MQTT 5 session against a broker that is told what to do."""

import asyncio
import logging
import struct

import mqtt5
import pytest

from agent.backoff import Backoff
from agent.commands.ports import free_port
from agent.messages import MessageKind
from agent.mqtt import connection as connection_module
from agent.mqtt import reasons
from tests.mqtt.conftest import Running
from tests.mqtt.fake_broker import FakeBroker, publish
from tests.mqtt.waiting import until

SUBACK = mqtt5.SubAckReasonCode


# Handshake.


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
    async with running(broker.port, filters=["vans/#", "ovms/#"]) as subject:
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
            max_qos=mqtt5.QoS.AT_LEAST_ONCE,
            assigned_client_id="you",
        )
        await subject.subscribed()
        limits = subject.receiver.limits
    assert limits is not None
    assert (limits.session_present, limits.session_expiry_s, limits.keepalive_s) == (True, 300, 7)
    assert (limits.max_packet_bytes, limits.max_qos, limits.client_id) == (2000, 1, "you")
    assert limits.granted_qos == (1,)


async def test_an_assigned_client_id_is_kept(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, client_id="") as subject:
        connection = await broker.connection()
        await connection.accept(assigned_client_id="auto-7")
        await subject.subscribed()
        connection.reset()
        connect = await (await broker.connection()).accept()
    assert connect.client_id == "auto-7"


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


# Subscription.


async def test_a_refused_subscription_is_not_ready_and_asked_for_again(
    broker: FakeBroker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "RESUBSCRIBE_S", (0.02, 0.02))
    async with running(broker.port, filters=["vans/#", "ovms/#"]) as subject:
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


# Messages and acknowledgements.


async def test_all_packets_of_a_read_are_one_delivery(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        await subject.subscribed()
        connection.send(*[publish(number, b"%d" % number) for number in range(1, 51)])
        await subject.received(50)
        assert len(subject.deliveries) == 1
        assert subject.deliveries[0].packet_ids == list(range(1, 51))
        assert subject.payloads == [b"%d" % number for number in range(1, 51)]


async def test_a_packet_may_come_in_pieces(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        data = publish(7, b"x" * 200).write()
        for index in range(len(data)):
            connection.send(data[index : index + 1])
            await asyncio.sleep(0)
        await subject.received(1)
        assert subject.payloads == [b"x" * 200]


async def test_acknowledgements_leave_in_order_and_only_when_told(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(*[publish(number) for number in (9, 3, 65_535, 1)])
        await subject.received(4)
        handshake = bytes(connection.captured)
        subject.acknowledge_all()
        assert await connection.acks(4) == [9, 3, 65_535, 1]
        assert bytes(connection.captured).removeprefix(handshake) == b"".join(
            b"\x40\x02" + struct.pack(">H", number) for number in (9, 3, 65_535, 1)
        )
        assert subject.counters.acks_sent == 4


async def test_nothing_is_acknowledged_for_a_connection_that_has_ended(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        first = await broker.connection()
        await first.accept()
        first.send(publish(1, b"old"), publish(2, b"old"))
        await subject.received(2)
        first.reset()
        second = await broker.connection()
        await second.accept(session_present=False)
        await subject.subscribed()
        second.send(publish(1, b"another message with the same packet id"))
        await subject.received(3)
        for delivery in subject.deliveries[:-1]:
            subject.receiver.acknowledge(delivery)
        assert subject.counters.acks_discarded == 2
        subject.receiver.acknowledge(subject.deliveries[-1])
        assert await second.acks(1) == [1]
        await subject.receiver.stop()
        await second.ended()
        assert bytes(second.captured).count(b"\x40\x02\x00\x01") == 1
        assert bytes(second.captured).count(b"\x40\x02\x00\x02") == 0


async def test_qos_0_retained_and_redelivered_are_told_apart(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(publish(None, b"0"), publish(1, b"r", retain=True), publish(2, b"d", duplicate=True))
        await subject.received(3)
        assert [(message.qos, message.retained) for message in subject.messages] == [(0, False), (1, True), (1, False)]
        assert subject.counters.received_qos0 == 1
        assert subject.counters.received_qos1 == 2
        assert (subject.counters.retained, subject.counters.redelivered) == (1, 1)


async def test_qos_2_from_an_old_subscription_is_carried_through(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(publish(5, b"two", qos=mqtt5.QoS.EXACTLY_ONCE))
        await subject.received(1)
        assert subject.messages[0].qos == 2
        subject.acknowledge_all()
        assert (await connection.expect(mqtt5.PubRecPacket)).packet_id == 5
        connection.send(mqtt5.PubRelPacket(5))
        assert (await connection.expect(mqtt5.PubCompPacket)).packet_id == 5


async def test_an_oversize_message_is_cut_and_acknowledged(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port, max_packet_bytes=1000) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(publish(1, b"a"), publish(2, b"b" * 100_000), publish(3, b"c"))
        await subject.received(3)
        kinds = [message.kind for message in subject.messages]
        assert kinds == [MessageKind.PUBLISH, MessageKind.OVERSIZE, MessageKind.PUBLISH]
        assert subject.payloads == [b"a", b"b" * 1000, b"c"]
        subject.acknowledge_all()
        assert await connection.acks(3) == [1, 2, 3]


async def test_a_packet_beyond_what_we_told_the_broker_ends_the_connection_before_it_is_collected(
    broker: FakeBroker, running: Running
) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(publish(1, b"good"), b"\x32\x80\x80\x80\x01" + b"x" * 10)
        disconnect = await connection.expect(mqtt5.DisconnectPacket)
        assert int(disconnect.reason_code) == 0x95
        await until(lambda: "announced a packet of 2097157 bytes" in subject.counters.last_error)
        assert subject.payloads == [b"good"]
        await (await broker.connection()).accept()
        await subject.subscribed()


MALFORMED = {
    "topic longer than the packet": b"\x32\x07\x00\xff" + b"abcde",
    "topic that is not UTF-8": b"\x32\x08\x00\x03\xff\xfe\xfd\x00\x63\x00",
    "unknown property": b"\x32\x09\x00\x01a\x00\x63\x02\x7f\x00" + b"p",
    "QoS 3": b"\x36\x06\x00\x01a\x00\x63\x00",
    "nothing in it": b"\x32\x00",
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the codec's panic
@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_publish_is_handed_over_raw_and_acknowledged(
    broker: FakeBroker, running: Running, frame: bytes
) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(publish(1, b"before"), frame, publish(2, b"after"))
        await subject.received(3)
        assert subject.payloads == [b"before", frame, b"after"]
        assert [message.kind for message in subject.messages] == [
            MessageKind.PUBLISH,
            MessageKind.MALFORMED_PACKET,
            MessageKind.PUBLISH,
        ]
        subject.acknowledge_all()
        has_id = b"\x00\x63" in frame
        assert await connection.acks(2 + has_id) == [1, *[0x63] * has_id, 2]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_codec_panics_once_a_connection_at_most(
    broker: FakeBroker, running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    not_text = [
        MALFORMED["topic that is not UTF-8"],
        b"\x32\x0b\x00\x01a\x00\x63\x04\x03\x00\x01\xffp",
        b"\x32\x0e\x00\x01a\x00\x63\x07\x26\x00\x01k\x00\x01\xffp",
    ]
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        for _ in range(100):
            connection.send(*not_text, publish(1, b"good", content_type="text/plain", message_expiry_interval=9))
        await subject.received(400)
        kinds = [message.kind for message in subject.messages]
        assert (
            kinds
            == [
                MessageKind.MALFORMED_PACKET,
                MessageKind.MALFORMED_PACKET,
                MessageKind.MALFORMED_PACKET,
                MessageKind.PUBLISH,
            ]
            * 100
        )
    assert capfd.readouterr().err.count("panicked") == 1


NONSENSE = {
    "length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "packet type 0": b"\x00\x00",
    "SUBACK that cannot be read": b"\x90\x01\x00",
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE.keys())
async def test_bytes_that_cannot_be_trusted_end_the_connection(
    broker: FakeBroker, running: Running, data: bytes
) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(publish(1, b"good"), data)
        assert int((await connection.expect(mqtt5.DisconnectPacket)).reason_code) == 0x81
        assert subject.payloads == [b"good"]
        await (await broker.connection()).accept()
        await subject.subscribed()


async def test_an_auth_is_refused(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(mqtt5.AuthPacket())
        assert int((await connection.expect(mqtt5.DisconnectPacket)).reason_code) == 0x82
        await until(lambda: "AUTH" in subject.counters.last_error)


async def test_an_error_of_the_program_behind_ends_the_run(broker: FakeBroker, running: Running) -> None:
    def refuse(_delivery: object) -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with running(broker.port, on_delivery=refuse):
            connection = await broker.connection()
            await connection.accept()
            connection.send(publish(1))
            await connection.ended()


# Liveness.


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
        for _ in range(4):  # 3 s: more than twice the time after which silence would have been death
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
        await asyncio.sleep(0.05)  # there is nothing to wait for: nothing must come
        assert subject.payloads == [b"1"]
        subject.receiver.resume()
        await subject.received(2)


# Endings.


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


async def test_a_broker_that_comes_later_is_found(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    port = free_port()
    async with running(port) as subject:
        await until(lambda: "nobody listens" in subject.counters.last_error)
        await asyncio.sleep(0.1)  # some more attempts, which must not be logged
        broker = FakeBroker()
        broker.port = port
        async with broker:
            await (await broker.connection()).accept()
            await subject.subscribed()
    assert caplog.text.count("nobody listens") == 1


# Publishing.


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


# Few reads.


async def test_messages_that_follow_each_other_closely_are_read_together(
    broker: FakeBroker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "GATHER_S", 0.2)
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        await subject.subscribed()
        for number in range(1, 41):
            connection.send(publish(number, b"%d" % number))
            await asyncio.sleep(0.005)
        await subject.received(40)
        assert subject.payloads == [b"%d" % number for number in range(1, 41)]
        # At least 0.2 s of messages, one each 5 ms: a read at the beginning or two, then one each 0.2 s.
        assert len(subject.deliveries) < 15
        # And a lonely one is not held back for longer than that.
        connection.send(publish(41, b"last"))
        await subject.received(41)
