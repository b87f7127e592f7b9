"""MQTT 5 on an asyncio transport: the `mqtt5` codec reads and writes the packets."""

import asyncio
import socket
from typing import ClassVar, Final, cast

import mqtt5

from agent.messages import Message
from agent.mqtt import packets, reasons
from agent.mqtt.base import BrokerLimits, ReceiverCounters
from agent.mqtt.options import MqttOptions
from agent.mqtt.packet_decoder import PacketDecoder, ProtocolError
from agent.mqtt.wire import QOS, Ending, Wire, WireEvents

CLOSE_TIMEOUT_S: Final = 1.0
"""How long the broker may take to accept our last bytes before the socket is closed without them."""
GATHER_S: Final = 0.004
"""Least time between two reads while messages arrive in quick succession.

Brokers send each message on its own. A read, a commit and a write for every few messages would cost far more than the
messages themselves.
"""


class Wire5(Wire, asyncio.Protocol):
    """One MQTT 5 socket."""

    gathers: ClassVar[bool] = True
    no_connack_hint: ClassVar[str] = ' (if it does not know MQTT 5, set mqtt.protocol = "3.1.1")'

    def __init__(self, options: MqttOptions, events: WireEvents, counters: ReceiverCounters) -> None:
        super().__init__(options, events, counters)
        self._decoder = PacketDecoder(
            max_packet_bytes=options.max_packet_bytes,
            hard_limit_bytes=options.hard_limit_bytes,
            counters=counters,
            on_control=self._on_control,
        )
        self._transport: asyncio.Transport | None = None
        self._is_accepted = False
        self._is_over = False
        self._paused = False
        self._write_blocked = False
        self._subscription_id = 0
        self._read_at_s = 0.0
        self._gathering: asyncio.TimerHandle | None = None

    # What the connection calls.

    async def open(self) -> None:
        """Connect the socket; `connection_made` sends CONNECT."""
        await self._loop.create_connection(lambda: self, self._options.host, self._options.port, ssl=self._options.tls)

    def subscribe(self) -> int:
        """Send SUBSCRIBE for all filters; returns its packet id."""
        self._subscription_id += 1
        filters = [
            mqtt5.TopicFilter(
                pattern,
                max_qos=mqtt5.QoS(QOS),
                # As in MQTT 3.1.1: RETAIN then marks only what the broker had stored before the subscription.
                retain_as_published=False,
                retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
            )
            for pattern in self._options.filters
        ]
        self._write(mqtt5.SubscribePacket(self._subscription_id, filters).write())
        return self._subscription_id

    def ping(self) -> None:
        """Send PINGREQ."""
        self._write(packets.PINGREQ)

    def pause(self) -> None:
        """Read nothing more, and hold what was read."""
        self._paused = True
        self._update_reading()

    def resume(self) -> None:
        """Decode what was held in the next turn of the event loop, and read again."""
        self._paused = False
        self._loop.call_soon(self._take, b"")
        self._update_reading()

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int]) -> None:
        """Write all acknowledgements in one go."""
        self._write(packets.acknowledgements(packet_ids, refused))

    def publish(self, topic: str, payload: bytes, *, retain: bool, max_packet_bytes: int | None) -> bool:
        """Send a PUBLISH at QoS 0, if the broker takes it now."""
        if self._transport is None or self._write_blocked:
            return False
        packet = mqtt5.PublishPacket(topic, payload, retain=retain).write()
        if max_packet_bytes is not None and len(packet) > max_packet_bytes:
            return False
        self._transport.write(packet)
        return True

    def close(self, reason_code: int | None) -> None:
        """Send DISCONNECT if there is a reason code, and close once the broker has taken it."""
        self._stop()
        transport = self._transport
        if transport is not None:
            if reason_code is not None:
                transport.write(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(reason_code)).write())
            transport.resume_reading()  # the transport notices the end of the stream only while it reads
            transport.close()
            self._loop.call_later(CLOSE_TIMEOUT_S, transport.abort)

    def abort(self) -> None:
        """Close at once."""
        self._stop()
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's has only the same methods
        self.closed.clear()
        if self._is_over:
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        options = self._options
        packet = mqtt5.ConnectPacket(
            options.client_id,
            username=options.username,
            password=None if options.password is None else options.password.encode(),
            clean_start=False,
            keep_alive=options.keepalive_s,
            session_expiry_interval=options.session_expiry_s,
            receive_max=options.receive_maximum,
            topic_alias_max=0,
            max_packet_size=options.hard_limit_bytes,
        )
        transport.write(packet.write())
        self._events.on_connect_sent()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report why the socket is gone."""
        self._transport = None
        self.closed.set()
        if exc is None:
            self._events.end(Ending("the broker closed the connection", without_reason=True))
        elif isinstance(exc, OSError):
            self._events.end(Ending(reasons.connect_error(exc)))
        else:
            self._events.end(Ending(f"receiving failed: {exc!r}", error=exc))

    def pause_writing(self) -> None:
        """The broker does not take our bytes as fast as we write them."""
        self._write_blocked = True

    def resume_writing(self) -> None:
        """The broker has caught up."""
        self._write_blocked = False

    def data_received(self, data: bytes) -> None:
        """Decode every whole packet and report the messages together."""
        self._events.on_bytes()
        now_s = self._loop.time()
        if now_s - self._read_at_s < GATHER_S and self._gathering is None:
            self._gathering = self._loop.call_later(GATHER_S, self._on_gathered)
            self._update_reading()
        self._read_at_s = now_s
        self._take(data)

    # Reading.

    def _on_gathered(self) -> None:
        self._gathering = None
        self._read_at_s = self._loop.time()
        self._update_reading()

    def _update_reading(self) -> None:
        """Read unless paused or gathering."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._gathering is None and not self._paused:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._paused:
            self._decoder.hold(data)
            return
        messages: list[Message] = []
        packet_ids: list[int] = []
        violation: ProtocolError | None = None
        try:
            self._decoder.feed(data, messages, packet_ids)
        except ProtocolError as error:
            violation = error
        if messages:
            self._events.on_messages(messages, packet_ids)
        if violation is not None:
            self._events.end(Ending(str(violation)), int(violation.reason))

    def _on_control(self, packet: mqtt5.Packet) -> bool:
        """Handle a packet that is no PUBLISH; True when the packets behind it have to wait."""
        match packet:
            case mqtt5.ConnAckPacket() if not self._is_accepted:
                self._on_connack(packet)
            case mqtt5.SubAckPacket():
                self._events.on_suback(packet.packet_id, [int(code) for code in packet.reason_codes], packet.reason_str)
            case mqtt5.PingRespPacket() | mqtt5.PubAckPacket():
                pass
            case mqtt5.DisconnectPacket():
                code = int(packet.reason_code)
                reason = reasons.reason_text(reasons.DISCONNECT, code, packet.reason_str)
                taken_over = code == reasons.SESSION_TAKEN_OVER
                self._events.end(Ending(f"the broker ended the connection: {reason}", taken_over=taken_over))
            case _:
                name = type(packet).__name__.removesuffix("Packet").upper()
                ending = Ending(f"the broker sent a packet that is not allowed here: {name}")
                self._events.end(ending, int(mqtt5.DisconnectReasonCode.PROTOCOL_ERROR))
        return self._is_over or self._paused

    def _on_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        code, options = int(packet.reason_code), self._options
        if code:
            self._events.on_refused(reasons.reason_text(reasons.CONNACK, code, packet.reason_str))
            return
        self._is_accepted = True
        keepalive_s, expiry_s = packet.server_keep_alive, packet.session_expiry_interval
        self._events.on_accepted(
            BrokerLimits(
                session_present=packet.session_present,
                client_id=packet.assigned_client_id or options.client_id,
                keepalive_s=options.keepalive_s if keepalive_s is None else keepalive_s,
                session_expiry_s=options.session_expiry_s if expiry_s is None else expiry_s,
                receive_maximum=options.receive_maximum,
                max_packet_bytes=packet.max_packet_size,
                retain_available=packet.retain_available,
            )
        )

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _stop(self) -> None:
        """Decode nothing more."""
        self._is_over = True
        self._decoder.forget()
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
