"""From bytes to messages: the hot path of receiving."""

from collections.abc import Callable
from typing import Any

import mqtt5

from agent.messages import Message, MessageKind
from agent.mqtt import packets
from agent.mqtt.base import ReceiverCounters


class ProtocolError(Exception):
    """The bytes cannot be trusted any further; the connection has to end."""

    def __init__(self, detail: str, reason: mqtt5.DisconnectReasonCode) -> None:
        super().__init__(detail)
        self.reason = reason


class PacketDecoder:
    """Takes the socket's reads, gives whole messages, and keeps the incomplete rest.

    A packet longer than `hard_limit_bytes` is refused by its announced length, before it is collected.
    """

    def __init__(
        self,
        *,
        max_packet_bytes: int,
        hard_limit_bytes: int,
        counters: ReceiverCounters,
        on_control: Callable[[mqtt5.Packet], bool],
    ) -> None:
        self._max_packet_bytes = max_packet_bytes
        self._hard_limit_bytes = hard_limit_bytes
        self._counters = counters
        self._on_control = on_control
        """Takes every packet that is no PUBLISH; True holds back what follows it."""
        self._rest = bytearray()
        self._wanted = 0
        """How many bytes `_rest` must hold before decoding can get any further."""
        self._read: Callable[[memoryview], tuple[Any, int]] = mqtt5.read

    def hold(self, data: bytes) -> None:
        """Keep `data` undecoded until the next `feed`."""
        self._rest += data
        self._wanted = 0

    def forget(self) -> None:
        """Drop the rest."""
        self._rest.clear()

    def feed(self, data: bytes, messages: list[Message], packet_ids: list[int]) -> None:
        """Decode all whole packets into the two lists. Raises ProtocolError; what was appended before it is valid."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data = bytes(self._rest)
            self._rest.clear()
        append_message, append_id = messages.append, packet_ids.append
        qos1, max_packet_bytes = packets.PUBLISH_QOS1, self._max_packet_bytes
        view, size, position = memoryview(data), len(data), 0
        while position < size:
            first = data[position]
            try:
                packet, length = self._read(view[position:])
            except BaseException as error:  # the codec also raises a BaseException of its own
                length = self._unreadable(error, data, position, messages, packet_ids)
                if length == 0:
                    return
            else:
                if first == qos1 and length <= max_packet_bytes:
                    append_message(Message(packet.topic, packet.payload))
                    append_id(packet.packet_id)
                elif first & 0xF0 == packets.PUBLISH:
                    self._special(packet, first, length, messages, packet_ids)
                elif self._on_control(packet):
                    self.hold(data[position + length :])
                    return
            position += length

    def _special(
        self, packet: mqtt5.PublishPacket, first: int, length: int, messages: list[Message], packet_ids: list[int]
    ) -> None:
        """Take a PUBLISH that is redelivered, retained, oversize, or not of QoS 1."""
        qos, retained, payload, kind = (
            first >> 1 & 3,
            bool(first & packets.RETAINED),
            packet.payload,
            MessageKind.PUBLISH,
        )
        if length > self._max_packet_bytes:
            payload, kind = payload[: self._max_packet_bytes], MessageKind.OVERSIZE
        messages.append(Message(packet.topic, payload, qos, retained, int(kind)))
        if packet.packet_id is not None:
            packet_ids.append(packet.packet_id + (packets.QOS2_MARK if qos == 2 else 0))
        self._counters.redelivered += bool(first & packets.DUPLICATE)
        self._counters.retained += retained

    def _unreadable(
        self, error: BaseException, data: bytes, position: int, messages: list[Message], packet_ids: list[int]
    ) -> int:
        """How many bytes to skip behind a packet the codec refused; 0: it is not complete yet.

        A whole PUBLISH is handed over raw and will be acknowledged: otherwise it would come back for ever.
        """
        if type(error).__name__ == "PanicException":
            self._read = _read_carefully
        elif not isinstance(error, ValueError | IndexError):
            raise error
        try:
            length = packets.frame_length(data, position)
        except ValueError as framing:
            raise ProtocolError(
                f"the broker's bytes make no sense: {framing}", mqtt5.DisconnectReasonCode.MALFORMED_PACKET
            ) from error
        if length is not None and length > self._hard_limit_bytes:
            raise ProtocolError(
                f"the broker announced a packet of {length} bytes; we take up to {self._hard_limit_bytes}",
                mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE,
            )
        if length is None or position + length > len(data):
            self._rest += data[position:]
            self._wanted = length or len(self._rest) + 1
            return 0
        frame = data[position : position + length]
        if frame[0] & 0xF0 != packets.PUBLISH:
            raise ProtocolError(
                f"the broker sent a packet that cannot be read: {error} (it begins with {frame[:16].hex()})"
                if not packets.is_connack_311(frame)
                else 'the broker speaks only MQTT 3.1.1: set mqtt.protocol = "3.1.1"',
                mqtt5.DisconnectReasonCode.MALFORMED_PACKET,
            )
        qos = 1 if frame[0] & packets.QOS_BITS else 0
        messages.append(Message("", frame[: self._max_packet_bytes], qos, kind=int(MessageKind.MALFORMED_PACKET)))
        packet_id = packets.publish_packet_id(frame)
        if packet_id is not None:
            packet_ids.append(packet_id)
        return length


def _read_carefully(view: memoryview) -> tuple[Any, int]:
    """Read one packet, but look at its texts first.

    The codec panics on a text that is not UTF-8, which costs a trace on stderr each time. Brokers hardly pass one on,
    so the look is taken only on a connection where it has happened once.
    """
    if view[0] & 0xF0 == packets.PUBLISH:
        head = bytes(view[: packets.LONGEST_HEADER_BYTES])
        length = packets.frame_length(head)
        if length is not None and length <= len(view):
            packets.check_texts(bytes(view[:length]))
    return mqtt5.read(view)
