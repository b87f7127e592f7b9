"""MQTT 3.1.1: its few packets, read and written here.

No library reads them without owning the socket as well. The protocol knows no Receive Maximum, session expiry or packet
limit; the broker's settings decide them.
"""

import struct
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from agent.messages import Message, MessageKind
from agent.mqtt import packets, reasons
from agent.mqtt.base import BrokerLimits, ReceiverCounters
from agent.mqtt.codec import (
    MALFORMED_PACKET,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    QOS,
    QOS_2_REFUSED,
    Codec,
    ProtocolError,
    WireEvents,
)
from agent.mqtt.credentials import Login
from agent.mqtt.options import MqttOptions

CONNECT: Final = 0x10
CONNACK: Final = 0x20
PUBACK: Final = 0x40
SUBSCRIBE: Final = 0x82
SUBACK: Final = 0x90
UNSUBSCRIBE: Final = 0xA2
UNSUBACK: Final = 0xB0
PINGRESP: Final = 0xD0
DISCONNECT: Final = b"\xe0\x00"

CLEAN_SESSION: Final = 0x02
HAS_PASSWORD: Final = 0x40
HAS_USERNAME: Final = 0x80

REFUSALS: Final[dict[int, str]] = {
    1: 'it may not speak MQTT 3.1.1: set mqtt.protocol = "5"',
    2: reasons.CONNACK[0x85],
    3: reasons.CONNACK[0x88],
    4: reasons.CONNACK[0x86],
    5: reasons.CONNACK[0x87],
}


class Codec311(Codec):
    """MQTT 3.1.1 on one connection.

    A whole PUBLISH that cannot be read is handed over raw and gets acknowledged; otherwise the broker would send it
    again for ever. A packet longer than the hard limit is refused by its announced length, before it is collected.
    """

    no_connack_hint: ClassVar[str] = ' (if it knows only MQTT 5, set mqtt.protocol = "5"; or set mqtt.client_id)'

    def __init__(
        self, options: MqttOptions, events: WireEvents, counters: ReceiverCounters, must_hold: Callable[[], bool]
    ) -> None:
        super().__init__(options, events, counters, must_hold)
        self._is_accepted = False
        self._rest = bytearray()
        """An incomplete packet, or bytes that are held."""
        self._wanted = 0
        """How long `_rest` must be before decoding can make progress."""

    # Writing.

    def connect(self, login: Login) -> bytes:
        """CONNECT."""
        flags = CLEAN_SESSION if self._options.clean_start else 0
        fields = [_text(self._options.client_id)]
        if login.username is not None:
            flags |= HAS_USERNAME
            fields.append(_text(login.username))
            if login.password is not None:
                flags |= HAS_PASSWORD
                fields.append(_field(login.password))
        head = struct.pack(">6sBBH", b"\x00\x04MQTT", 4, flags, self._options.keepalive_s)
        return packets.frame(CONNECT, head + b"".join(fields))

    def subscribe(self, packet_id: int, filters: Sequence[str]) -> bytes:
        """SUBSCRIBE."""
        wanted = b"".join([_text(pattern) + bytes([QOS]) for pattern in filters])
        return packets.frame(SUBSCRIBE, packet_id.to_bytes(2, "big") + wanted)

    def unsubscribe(self, packet_id: int, filters: Sequence[str]) -> bytes:
        """UNSUBSCRIBE."""
        return packets.frame(UNSUBSCRIBE, packet_id.to_bytes(2, "big") + b"".join(map(_text, filters)))

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int]) -> bytes:
        """One PUBACK per packet id.

        MQTT 3.1.1 has no negative acknowledgement. The `refused` messages get a positive one: without any, the broker
        would send them again for ever.
        """
        del refused
        return packets.acknowledgements(packet_ids)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bytes:
        """PUBLISH at QoS 0."""
        return packets.frame(packets.PUBLISH | (packets.RETAINED if retain else 0), _text(topic) + payload)

    def disconnect(self, reason_code: int) -> bytes:
        """DISCONNECT."""
        del reason_code
        return DISCONNECT

    # Reading.

    def hold(self, data: bytes) -> None:
        """Keep `data` for the next `feed`."""
        self._rest += data
        self._wanted = 0

    def forget(self) -> None:
        """Drop what is kept."""
        self._rest.clear()

    def feed(self, data: bytes, messages: list[Message], packet_ids: list[int]) -> None:
        """Decode all whole packets. Raises ProtocolError."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data = bytes(self._rest)
            self._rest.clear()
        size, position = len(data), 0
        while position < size:
            length = self._length_of_next(data, position)
            if length is None or position + length > size:
                self._rest += data[position:]
                self._wanted = length or 0
                return
            frame = data[position : position + length]
            position += length
            if frame[0] & 0xF0 == packets.PUBLISH:
                self._on_publish(frame, messages, packet_ids)
            else:
                self._on_control(frame)
                if self._must_hold():
                    self.hold(data[position:])
                    return

    def _length_of_next(self, data: bytes, position: int) -> int | None:
        try:
            length = packets.frame_length(data, position)
        except ValueError as error:
            raise ProtocolError(f"the broker sent bytes that are not MQTT: {error}", MALFORMED_PACKET) from error
        limit = self._options.hard_limit_bytes
        if length is not None and length > limit:
            raise ProtocolError(
                f"the broker announced a packet of {length} bytes; we take up to {limit}", PACKET_TOO_LARGE
            )
        return length

    def _on_publish(self, frame: bytes, messages: list[Message], packet_ids: list[int]) -> None:
        first, limit = frame[0], self._options.max_packet_bytes
        qos = first >> 1 & 3
        if qos == QOS + 1:
            raise ProtocolError(QOS_2_REFUSED, PROTOCOL_ERROR)
        at = packets.body_at(frame)
        end = at + 2 + int.from_bytes(frame[at : at + 2], "big")
        payload_at = end + 2 * qos
        packet_id = packets.publish_packet_id(frame)
        try:
            if qos > QOS or payload_at > len(frame) or (qos and packet_id is None):
                raise ValueError("not a PUBLISH of this protocol")  # noqa: TRY301  as text that is not UTF-8
            topic, payload, kind = frame[at + 2 : end].decode(), frame[payload_at:], MessageKind.PUBLISH
        except ValueError:
            topic, payload, kind = "", frame[:limit], MessageKind.MALFORMED_PACKET
        if kind == MessageKind.PUBLISH and len(frame) > limit:
            payload, kind = payload[:limit], MessageKind.OVERSIZE
        retained = bool(first & packets.RETAINED)
        messages.append(Message(topic, payload, min(qos, QOS), retained, int(kind)))
        if packet_id is not None:
            packet_ids.append(packet_id)
        self._counters.redelivered += bool(first & packets.DUPLICATE)
        self._counters.retained += retained

    def _on_control(self, frame: bytes) -> None:
        """Handle a packet that is no PUBLISH."""
        kind, body = frame[0], frame[packets.body_at(frame) :]
        if kind == CONNACK and len(body) == 2 and not self._is_accepted:
            self._on_connack(body[1], session_present=bool(body[0] & 1))
        elif kind == SUBACK and len(body) > 2:
            self._events.on_suback(int.from_bytes(body[:2], "big"), list(body[2:]))
        elif kind == UNSUBACK and len(body) == 2:
            self._events.on_unsuback(int.from_bytes(body, "big"), ())
        elif kind not in {PUBACK, PINGRESP}:
            raise ProtocolError(f"the broker sent a packet that cannot be read: {frame[:16].hex()}", MALFORMED_PACKET)

    def _on_connack(self, code: int, *, session_present: bool) -> None:
        if code:
            self._events.on_refused(REFUSALS.get(code, f"return code {code}"))
            return
        self._is_accepted = True
        self._events.on_accepted(
            BrokerLimits(
                session_present=session_present,
                client_id=self._options.client_id,
                keepalive_s=self._options.keepalive_s,
                session_expiry_s=0 if self._options.clean_start else None,
            )
        )


def _text(text: str) -> bytes:
    return _field(text.encode())


def _field(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
