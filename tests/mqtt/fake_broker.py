"""A scripted MQTT 5 broker: it sends only what the test tells it to, and keeps every byte it received."""

import asyncio
from types import TracebackType
from typing import Any, Self, TypeVar

import mqtt5

PacketT = TypeVar("PacketT")
WITHIN_S = 60.0


class FakeConnection:
    """The broker's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.captured = bytearray()
        self._reader = reader
        self._writer = writer
        self._unread = bytearray()

    async def packet(self) -> mqtt5.Packet | None:
        """The next packet; None at the end of the stream."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    packet, length = mqtt5.read(memoryview(bytes(self._unread)))
                except IndexError:
                    try:
                        data = await self._reader.read(65_536)
                    except ConnectionError:
                        return None
                    if not data:
                        return None
                    self.captured += data
                    self._unread += data
                else:
                    del self._unread[:length]
                    return packet

    async def expect(self, kind: type[PacketT], *, skip_pings: bool = True) -> PacketT:
        """The next packet; AssertionError if it is of another kind."""
        while True:
            packet = await self.packet()
            if isinstance(packet, kind):
                return packet
            if not (skip_pings and isinstance(packet, mqtt5.PingReqPacket)):
                raise AssertionError(f"expected {kind.__name__}, got {packet!r}")

    async def ended(self) -> None:
        """Return once the client has closed; its last bytes are in `captured`."""
        while await self.packet() is not None:
            pass

    def send(self, *packets: Any) -> None:
        """Send packets or raw bytes in one write."""
        self._writer.write(b"".join(packet if isinstance(packet, bytes) else packet.write() for packet in packets))

    def close(self) -> None:
        """Close without a DISCONNECT."""
        self._writer.close()

    def reset(self) -> None:
        """Reset the connection, as a crashed broker does."""
        self._writer.transport.abort()

    async def accept(self, **connack: Any) -> mqtt5.ConnectPacket:
        """Answer CONNECT and SUBSCRIBE, granting everything; returns the CONNECT."""
        connect = await self.expect(mqtt5.ConnectPacket)
        self.send(mqtt5.ConnAckPacket(**connack))
        await self.grant()
        return connect

    async def grant(self, *codes: mqtt5.SubAckReasonCode) -> mqtt5.SubscribePacket:
        """Answer SUBSCRIBE with the given codes, by default granting QoS 1."""
        subscribe = await self.expect(mqtt5.SubscribePacket)
        granted = list(codes) or [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * len(subscribe.topic_filters)
        self.send(mqtt5.SubAckPacket(subscribe.packet_id, granted))
        return subscribe

    async def acks(self, count: int) -> list[int]:
        """The packet ids of the next `count` PUBACKs."""
        return [(await self.expect(mqtt5.PubAckPacket)).packet_id for _ in range(count)]


class FakeBroker:
    """Listens on an address of loopback; `connection()` returns the clients in order of arrival."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.port = 0
        self._host = host
        self._arrived: asyncio.Queue[FakeConnection] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    @property
    def waiting(self) -> int:
        """How many clients have come that the test has not taken yet."""
        return self._arrived.qsize()

    async def connection(self) -> FakeConnection:
        """The next client."""
        async with asyncio.timeout(WITHIN_S):
            return await self._arrived.get()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._on_client, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._server.wait_closed()

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._arrived.put_nowait(FakeConnection(reader, writer))


def publish(
    packet_id: int | None, payload: bytes = b"{}", topic: str = "vans/a/soc", **properties: Any
) -> mqtt5.PublishPacket:
    """A PUBLISH: QoS 1 with a packet id, else QoS 0."""
    qos = mqtt5.QoS.AT_MOST_ONCE if packet_id is None else mqtt5.QoS.AT_LEAST_ONCE
    return mqtt5.PublishPacket(topic, payload, qos=properties.pop("qos", qos), packet_id=packet_id, **properties)
