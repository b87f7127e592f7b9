"""One MQTT 5 connection that publishes at QoS 1 with little CPU time per message."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence

import mqtt5

Numbered = tuple[int, str, bytes]
"""A message's number, topic and payload."""

PUBACK = 0x40
PUBLISH_QOS1 = 0x32
KEEP_ALIVE_S = 30
PROPERTY_LENGTH_NONE = b"\x00"
TAKEN = (mqtt5.PubAckReasonCode.SUCCESS, mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)


class Refused(Exception):
    """The broker refused the connection. The text is the broker's reason."""


class LeanConnection(asyncio.Protocol):
    """Sends within the broker's Receive Maximum. Sends unacknowledged messages again after a reconnect."""

    def __init__(
        self,
        *,
        client_id: str,
        username: str | None,
        password: str | None,
        in_flight: int,
        on_acknowledged: Callable[[int], None],
        retain: bool = False,
    ) -> None:
        self._flags = PUBLISH_QOS1 | retain
        self._connect_packet = mqtt5.ConnectPacket(
            client_id,
            username=username,
            password=password.encode() if password is not None else None,
            clean_start=True,
            keep_alive=KEEP_ALIVE_S,
        ).write()
        self._limit = in_flight
        self._on_acknowledged = on_acknowledged
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._window = 0
        self._next_id = 0
        self._flying: dict[int, Numbered] = {}
        self._again: deque[Numbered] = deque()
        self._changed = asyncio.Event()
        self._connected: asyncio.Future[None] | None = None
        self._ping: asyncio.TimerHandle | None = None
        self._write_paused = False

    async def connect(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect, and send unacknowledged messages again. Raises OSError or `Refused`."""
        loop = asyncio.get_running_loop()
        self._connected = loop.create_future()
        await loop.create_connection(lambda: self, host, port, ssl=tls)
        try:
            await self._connected
        except BaseException:
            self.abort()
            raise
        self._again.extendleft(reversed(self._flying.values()))
        self._flying.clear()
        self._write_paused = False
        self._notify()

    async def send(self, messages: Sequence[Numbered]) -> None:
        """Return when all messages have been sent."""
        start = 0
        while start < len(messages):
            room = self._room()
            if room <= 0:
                await self._change()
                continue
            self._fly(messages[start : start + room])
            start += room

    async def drained(self) -> None:
        """Return when all messages are acknowledged."""
        while self._flying or self._again:
            self._room()
            if self._flying or self._again:
                await self._change()

    async def lost(self) -> None:
        """Return when the connection is closed."""
        while self._transport is not None:
            await self._change()

    async def close(self) -> None:
        """Disconnect with a DISCONNECT packet."""
        transport = self._transport
        if transport is not None:
            transport.write(mqtt5.DisconnectPacket().write())
            transport.close()
            while self._transport is not None:
                await self._change()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the CONNECT packet."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what create_connection gives
        self._transport = transport
        self._buffer = b""
        self._window = 0
        transport.write(self._connect_packet)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake all waiters: the connection is closed."""
        self._transport = None
        self._window = 0
        if self._ping is not None:
            self._ping.cancel()
        if self._connected is not None and not self._connected.done():
            self._connected.set_exception(exc or ConnectionResetError("the broker closed the connection"))
        self._notify()

    def pause_writing(self) -> None:
        """Pause sending, because the socket's buffer is full."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Resume sending, because the socket's buffer has room again."""
        self._write_paused = False
        self._notify()

    def data_received(self, data: bytes) -> None:
        """Count PUBACKs. Other packets, which are rare, go to `_other`."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        end = len(buffer)
        flying = self._flying
        acknowledged = self._on_acknowledged
        view = memoryview(buffer)
        while end - at >= 2:
            if buffer[at] == PUBACK and buffer[at + 1] == 2 and end - at >= 4:
                packet_id = buffer[at + 2] << 8 | buffer[at + 3]
                at += 4
            elif buffer[at] == PUBACK and buffer[at + 1] == 3 and end - at >= 5 and buffer[at + 4] < 0x80:
                packet_id = buffer[at + 2] << 8 | buffer[at + 3]
                at += 5
            else:
                try:
                    packet, size = mqtt5.read(view[at:])
                except IndexError:
                    break
                at += size
                if not isinstance(packet, mqtt5.PubAckPacket):
                    self._other(packet)
                    continue
                packet_id = packet.packet_id
                if packet.reason_code not in TAKEN:
                    # Refused for now (quota, rights). The message is sent again later.
                    self._again.append(flying.pop(packet_id))
                    continue
            message = flying.pop(packet_id, None)
            if message is not None:
                acknowledged(message[0])
        self._buffer = buffer[at:]
        self._notify()

    def _other(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.ConnAckPacket():
                if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
                    if self._connected is not None and not self._connected.done():
                        self._connected.set_exception(Refused(f"connection refused: {packet.reason_code.name}"))
                    return
                self._window = min(self._limit, packet.receive_max)
                keep_alive_s = packet.server_keep_alive or KEEP_ALIVE_S
                self._schedule_ping(keep_alive_s / 2)
                if self._connected is not None and not self._connected.done():
                    self._connected.set_result(None)
            case mqtt5.DisconnectPacket():
                self.abort()
            case _:
                pass

    def _schedule_ping(self, period_s: float) -> None:
        def ping() -> None:
            if self._transport is not None:
                self._transport.write(mqtt5.PingReqPacket().write())
                self._schedule_ping(period_s)

        self._ping = asyncio.get_running_loop().call_later(period_s, ping)

    def _room(self) -> int:
        """How many new messages may be sent now, after those that must be sent again."""
        if self._transport is None or self._write_paused:
            return 0
        room = self._window - len(self._flying)
        if self._again and room > 0:
            some = [self._again.popleft() for _ in range(min(room, len(self._again)))]
            self._fly(some)
            room -= len(some)
        return room

    def _fly(self, messages: Sequence[Numbered]) -> None:
        out = []
        flying = self._flying
        packet_id = self._next_id
        for message in messages:
            packet_id = packet_id % 65535 + 1
            while packet_id in flying:
                packet_id = packet_id % 65535 + 1
            flying[packet_id] = message
            out.append(_publish_packet(self._flags, message[1].encode(), message[2], packet_id))
        self._next_id = packet_id
        if self._transport is not None:
            self._transport.write(b"".join(out))

    def _notify(self) -> None:
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _publish_packet(flags: int, topic: bytes, payload: bytes, packet_id: int) -> bytes:
    """A QoS 1 PUBLISH without properties (MQTT 5, section 3.3)."""
    size = len(topic) + len(payload) + 5
    if size < 128:
        length = bytes((flags, size))
    elif size < 16_384:
        length = bytes((flags, size & 127 | 128, size >> 7))
    else:
        digits = [flags]
        while size >= 128:
            digits.append(size & 127 | 128)
            size >>= 7
        length = bytes((*digits, size))
    return b"".join(
        (length, len(topic).to_bytes(2, "big"), topic, packet_id.to_bytes(2, "big"), PROPERTY_LENGTH_NONE, payload)
    )
