"""MQTT 3.1.1 against a scripted broker. Packets are written as bytes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent.messages import MessageKind
from agent.mqtt import connection
from tests.mqtt.conftest import Running
from tests.mqtt.waiting import WITHIN_S, until

CONNACK, CONNACK_PRESENT = b"\x20\x02\x00\x00", b"\x20\x02\x01\x00"
PUBACK = b"\x40\x02"


class Client:
    """One connection as raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.captured = b""

    async def packet(self) -> bytes:
        """The next packet; empty at the end of the stream."""
        async with asyncio.timeout(WITHIN_S):
            try:
                head = await self._reader.readexactly(2)
                assert head[1] < 128, "no packet of these tests is longer"
                packet = head + await self._reader.readexactly(head[1])
            except (asyncio.IncompleteReadError, ConnectionError):
                return b""
        self.captured += packet
        return packet

    def send(self, *packets: bytes) -> None:
        self._writer.write(b"".join(packets))

    def reset(self) -> None:
        self._writer.transport.abort()

    async def accept(self, connack: bytes = CONNACK, granted: bytes = b"\x01") -> bytes:
        """Answer CONNECT and SUBSCRIBE; returns the CONNECT."""
        connect = await self.packet()
        self.send(connack)
        await self.grant(granted)
        return connect

    async def grant(self, granted: bytes = b"\x01") -> None:
        subscribe = await self.packet()
        assert subscribe[0] == 0x82
        self.send(b"\x90" + bytes([2 + len(granted)]) + subscribe[2:4] + granted)


class Broker:
    port: int

    def __init__(self) -> None:
        self.clients: asyncio.Queue[Client] = asyncio.Queue()

    async def client(self) -> Client:
        async with asyncio.timeout(WITHIN_S):
            return await self.clients.get()


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    broker = Broker()
    writers = []

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        broker.clients.put_nowait(Client(reader, writer))

    server = await asyncio.start_server(on_client, "127.0.0.1")
    broker.port = server.sockets[0].getsockname()[1]
    yield broker
    server.close()
    for writer in writers:
        writer.transport.abort()
    await server.wait_closed()


def publish(packet_id: int, payload: bytes = b"{}", topic: bytes = b"vans/a/soc") -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + packet_id.to_bytes(2, "big") + payload
    size, length = len(body), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return b"\x32" + length + bytes([size]) + body


async def test_it_connects_with_a_lasting_session(broker: Broker, running: Running) -> None:
    async with running(broker.port, protocol="3.1.1", keepalive_s=42, username="agent", password="sesame") as subject:
        connect = await (await broker.client()).accept(CONNACK_PRESENT)
        await subject.subscribed()
        assert subject.receiver.limits is not None
        assert subject.receiver.limits.session_present
    assert connect[2:9] == b"\x00\x04MQTT\x04"
    assert connect[9] & 0x02 == 0, "clean session must be off"
    assert connect[10:12] == (42).to_bytes(2, "big")
    assert connect.endswith(b"\x00\x05agent\x00\x05agent\x00\x06sesame")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "may not speak MQTT 3.1.1"),
        (2, "mqtt.client_id"),
        (3, "not available"),
        (4, "mqtt.password"),
        (5, "not authorized"),
    ],
)
async def test_each_refusal_is_told_and_tried_again(broker: Broker, running: Running, code: int, words: str) -> None:
    async with running(broker.port, protocol="3.1.1") as subject:
        client = await broker.client()
        await client.packet()
        client.send(b"\x20\x02\x00" + bytes([code]))
        client = await broker.client()
        assert words in subject.counters.last_error
        await client.accept()
        await subject.subscribed()
        assert subject.counters.last_error == ""


async def test_a_refused_subscription_is_asked_for_again(
    broker: Broker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RESUBSCRIBE_FIRST_S", 0.02)
    async with running(broker.port, protocol="3.1.1") as subject:
        client = await broker.client()
        await client.accept(granted=b"\x80")
        await until(lambda: "refused to subscribe 'vans/#'" in subject.counters.last_error)
        assert subject.counters.subscribed_since_ms == 0
        await client.grant(b"\x80")
        await client.grant()
        await subject.subscribed()


async def test_acknowledgements_leave_in_order_and_only_on_their_connection(broker: Broker, running: Running) -> None:
    async with running(broker.port, protocol="3.1.1") as subject:
        first = await broker.client()
        await first.accept()
        first.send(publish(7), publish(3), publish(9))
        await subject.received(3)
        assert PUBACK not in first.captured
        subject.acknowledge_all()
        assert [await first.packet() for _ in range(3)] == [PUBACK + b"\0\x07", PUBACK + b"\0\x03", PUBACK + b"\0\x09"]
        first.send(publish(4))
        await subject.received(4)
        first.reset()
        second = await broker.client()
        await second.accept(CONNACK_PRESENT)
        await subject.subscribed()
        subject.receiver.acknowledge(subject.deliveries[-1])
        assert subject.counters.acks_discarded == 1
        second.send(publish(5))
        await subject.received(5)
        subject.receiver.acknowledge(subject.deliveries[-1])
        assert await second.packet() == PUBACK + b"\0\x05", "nothing of the first connection came before it"


async def test_a_topic_that_is_not_text(broker: Broker, running: Running) -> None:
    async with running(broker.port, protocol="3.1.1") as subject:
        client = await broker.client()
        await client.accept()
        client.send(publish(1, b"before"), publish(2, b"x", topic=b"\xff\xfe"), publish(3, b"after"))
        await subject.received(3)
        kinds = [message.kind for message in subject.messages]
        assert kinds == [MessageKind.PUBLISH, MessageKind.MALFORMED_PACKET, MessageKind.PUBLISH]
        subject.acknowledge_all()
        assert await client.packet() == PUBACK + b"\0\x01"
        assert await client.packet() == PUBACK + b"\0\x02"


async def test_a_message_above_the_granted_qos_ends_the_connection(broker: Broker, running: Running) -> None:
    async with running(broker.port, protocol="3.1.1") as subject:
        client = await broker.client()
        await client.accept()
        await subject.subscribed()
        client.send(b"\x34" + publish(5)[1:])
        assert await client.packet() == b"\xe0\x00"
        await until(lambda: "at QoS 2" in subject.counters.last_error)
        assert subject.messages == []
        await (await broker.client()).accept()
        await subject.subscribed()


async def test_a_packet_beyond_the_limit_is_refused_before_it_is_collected(broker: Broker, running: Running) -> None:
    async with running(broker.port, protocol="3.1.1") as subject:
        client = await broker.client()
        await client.accept()
        client.send(publish(1, b"good"), b"\x32\x80\x80\x80\x01" + b"x" * 100)
        await until(lambda: "announced a packet of 20971" in subject.counters.last_error)
        assert subject.payloads == [b"good"]
        await (await broker.client()).accept()
        await subject.subscribed()


async def test_nonsense_ends_the_connection(broker: Broker, running: Running) -> None:
    async with running(broker.port, protocol="3.1.1") as subject:
        client = await broker.client()
        await client.accept()
        await subject.subscribed()
        client.send(b"\x30\xff\xff\xff\xff\xff\x01")
        await (await broker.client()).accept()
        await subject.subscribed()


async def test_an_unanswered_connect_is_given_up(
    broker: Broker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.05)
    async with running(broker.port, protocol="3.1.1") as subject:
        await broker.client()
        await until(lambda: "did not answer CONNECT" in subject.counters.last_error)


async def test_an_error_of_the_program_behind_ends_the_run(broker: Broker, running: Running) -> None:
    def refuse(_delivery: object) -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with running(broker.port, protocol="3.1.1", on_delivery=refuse):
            client = await broker.client()
            await client.accept()
            client.send(publish(1))
            while await client.packet():
                pass


async def test_a_connection_made_while_paused_delivers_nothing(broker: Broker, running: Running) -> None:
    async with running(broker.port, protocol="3.1.1") as subject:
        subject.receiver.pause()
        client = await broker.client()
        await client.packet()
        client.send(CONNACK_PRESENT, publish(1, b"1"), publish(2, b"2"))
        await client.grant()
        assert subject.messages == []
        subject.receiver.resume()
        await subject.received(2)
        await subject.subscribed()
