"""MQTT 5 bytes → messages and packet ids. Every received byte passes here, so `feed` is written for speed."""

from collections.abc import Callable
from typing import Any

import mqtt5

from agent.messages import Message, MessageKind
from agent.mqtt import packets
from agent.mqtt.base import ReceiverCounters
from agent.mqtt.codec import (
    MALFORMED_PACKET,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    QOS,
    QOS_2_REFUSED,
    ProtocolError,
)


class PacketDecoder:
    """Takes the reads of the socket, gives whole messages, and keeps an incomplete packet for the next read.

    A packet longer than `hard_limit_bytes` is refused by its announced length, before its bytes are collected.
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
        """Takes every packet that is no PUBLISH; if it returns True, the bytes behind that packet are held."""
        self._rest = bytearray()
        """An incomplete packet, or bytes that are held."""
        self._wanted = 0
        """How long `_rest` must be before decoding can make progress."""
        self._read: Callable[[memoryview], tuple[Any, int]] = mqtt5.read

    def hold(self, data: bytes) -> None:
        """Keep `data` undecoded until the next `feed`."""
        self._rest += data
        self._wanted = 0

    def forget(self) -> None:
        """Drop what is kept."""
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
            except BaseException as error:  # a panic of the codec is a BaseException, see _on_unreadable
                length = self._on_unreadable(error, data, position, messages, packet_ids)
                if length == 0:
                    return
            else:
                if first == qos1 and length <= max_packet_bytes:
                    append_message(Message(packet.topic, packet.payload))
                    append_id(packet.packet_id)
                elif first & 0xF0 == packets.PUBLISH:
                    self._on_uncommon_publish(packet, first, length, messages, packet_ids)
                elif self._on_control(packet):
                    self.hold(data[position + length :])
                    return
            position += length

    def _on_uncommon_publish(
        self, packet: mqtt5.PublishPacket, first: int, length: int, messages: list[Message], packet_ids: list[int]
    ) -> None:
        """Take a PUBLISH that is redelivered, retained, oversize, or not of QoS 1."""
        qos, retained, payload, kind = (
            first >> 1 & 3,
            bool(first & packets.RETAINED),
            packet.payload,
            MessageKind.PUBLISH,
        )
        if qos > QOS:
            raise ProtocolError(QOS_2_REFUSED, PROTOCOL_ERROR)
        if length > self._max_packet_bytes:
            payload, kind = payload[: self._max_packet_bytes], MessageKind.OVERSIZE
        messages.append(Message(packet.topic, payload, qos, retained, int(kind)))
        if packet.packet_id is not None:
            packet_ids.append(packet.packet_id)
        self._counters.redelivered += bool(first & packets.DUPLICATE)
        self._counters.retained += retained

    def _on_unreadable(
        self, error: BaseException, data: bytes, position: int, messages: list[Message], packet_ids: list[int]
    ) -> int:
        """How many bytes to skip after the codec has refused them; 0 if the packet is not complete yet.

        A whole PUBLISH is handed over raw and gets acknowledged; otherwise the broker would send it again for ever.

        The codec is written in Rust. On text that is not UTF-8 it panics instead of raising ValueError. The exception
        of a panic derives from BaseException, and Rust's bindings export no class to catch it by: it can be recognised
        only by its name. From the first panic on, this connection checks texts before it calls the codec.
        """
        if type(error).__name__ == "PanicException":
            self._read = _read_checked
        elif not isinstance(error, ValueError | IndexError):
            raise error
        try:
            length = packets.frame_length(data, position)
        except ValueError as framing:
            raise ProtocolError(f"the broker sent bytes that are not MQTT: {framing}", MALFORMED_PACKET) from error
        if length is not None and length > self._hard_limit_bytes:
            raise ProtocolError(
                f"the broker announced a packet of {length} bytes; we take up to {self._hard_limit_bytes}",
                PACKET_TOO_LARGE,
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
                MALFORMED_PACKET,
            )
        qos = 1 if frame[0] & packets.QOS_BITS else 0
        messages.append(Message("", frame[: self._max_packet_bytes], qos, kind=int(MessageKind.MALFORMED_PACKET)))
        packet_id = packets.publish_packet_id(frame)
        if packet_id is not None:
            packet_ids.append(packet_id)
        return length


def _read_checked(view: memoryview) -> tuple[Any, int]:
    """Read one packet, after a check that its texts are UTF-8.

    Each panic of the codec prints a trace to stderr; this check avoids it. It is used only on a connection where a
    panic has happened, because it costs time and brokers rarely pass such a text on.
    """
    if view[0] & 0xF0 == packets.PUBLISH:
        head = bytes(view[: packets.LONGEST_HEADER_BYTES])
        length = packets.frame_length(head)
        if length is not None and length <= len(view):
            packets.check_texts(bytes(view[:length]))
    return mqtt5.read(view)
