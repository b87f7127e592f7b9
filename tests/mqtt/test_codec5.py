"""Messages, acknowledgements and malformed bytes on one MQTT 5 connection, against a scripted broker."""

import asyncio
import struct

import mqtt5
import pytest

from agent.messages import MessageKind
from agent.mqtt import wire
from tests.mqtt.conftest import Running
from tests.mqtt.fake_broker import FakeBroker, publish
from tests.mqtt.waiting import until


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


async def test_a_message_above_the_granted_qos_ends_the_connection(broker: FakeBroker, running: Running) -> None:
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        connection.send(publish(4, b"one"), publish(5, b"two", qos=mqtt5.QoS.EXACTLY_ONCE))
        assert int((await connection.expect(mqtt5.DisconnectPacket)).reason_code) == 0x82
        assert subject.payloads == [b"one"]
        await until(lambda: "at QoS 2" in subject.counters.last_error)
        await (await broker.connection()).accept()
        await subject.subscribed()


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


async def test_messages_that_follow_each_other_closely_are_read_together(
    broker: FakeBroker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "READ_EVERY_S", 0.2)
    async with running(broker.port) as subject:
        connection = await broker.connection()
        await connection.accept()
        await subject.subscribed()
        for number in range(1, 41):
            connection.send(publish(number, b"%d" % number))
            await asyncio.sleep(0.005)
        await subject.received(40)
        assert subject.payloads == [b"%d" % number for number in range(1, 41)]
        # At least 0.2 s of messages, 5 ms apart: one or two reads at the beginning, then one each 0.2 s.
        assert len(subject.deliveries) < 15
        # A single message is held back for no longer than that.
        connection.send(publish(41, b"last"))
        await subject.received(41)
