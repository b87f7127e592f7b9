"""Bytes of MQTT handled without the `mqtt5` library: frames, acknowledgements, and packets that it refuses."""

import struct
from collections.abc import Sequence
from typing import Final

PUBLISH: Final = 0x30
"""High half of the first byte of a PUBLISH; the low half holds DUP (8), QoS (6) and RETAIN (1)."""
PUBLISH_QOS1: Final = 0x32
"""First byte of the common case: PUBLISH, QoS 1, neither redelivered nor retained."""
DUPLICATE: Final = 0x08
QOS_BITS: Final = 0x06
RETAINED: Final = 0x01

PINGREQ: Final = b"\xc0\x00"

_PUBACK: Final = 0x4002_0000
_LONGER_BY_ONE: Final = 0x0001_0000
_QUOTA_EXCEEDED: Final = 0x97
_LENGTH_BYTES: Final = 4
LONGEST_HEADER_BYTES: Final = 1 + _LENGTH_BYTES

_TEXTS: Final = {0x03: 1, 0x08: 1, 0x26: 2}
"""Properties of a PUBLISH that are texts, and how many: content type, response topic, user property."""
_FIXED_BYTES: Final = {0x01: 1, 0x02: 4, 0x23: 2}
_SUBSCRIPTION_ID: Final = 0x0B


def frame_length(data: bytes | bytearray, position: int = 0) -> int | None:
    """Length in bytes of the whole packet that begins at `position`; None if its length field is incomplete.

    Raises ValueError when the length field is invalid.
    """
    remaining = 0
    for index in range(_LENGTH_BYTES):
        at = position + 1 + index
        if at >= len(data):
            return None
        byte = data[at]
        remaining |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return 2 + index + remaining
    raise ValueError("the length field of a packet is longer than four bytes")


def body_at(frame: bytes | bytearray | memoryview) -> int:
    """Where the bytes behind the length field of a complete packet begin."""
    position = 1
    while frame[position] >= 0x80:
        position += 1
    return position + 1


def frame(first: int, body: bytes) -> bytes:
    """A packet: its first byte, its length, its body."""
    length, rest = bytearray(), len(body)
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    length.append(rest)
    return bytes([first]) + bytes(length) + body


def publish_packet_id(frame: bytes | bytearray | memoryview) -> int | None:
    """Packet id of a complete PUBLISH, also one that cannot be read; None if there is none, or it cannot be found."""
    if not frame[0] & QOS_BITS:
        return None
    topic_at = body_at(frame)
    id_at = topic_at + 2 + int.from_bytes(frame[topic_at : topic_at + 2], "big")
    if topic_at + 2 > len(frame) or id_at + 2 > len(frame):
        return None
    return int.from_bytes(frame[id_at : id_at + 2], "big") or None


def check_texts(frame: bytes) -> None:
    """Raise ValueError if any text of a complete PUBLISH is not UTF-8: its topic, or one among its properties."""
    _, position = _variable_integer(frame, 1)
    position = _check_text(frame, position)
    if frame[0] & QOS_BITS:
        position += 2
    length, position = _variable_integer(frame, position)
    end = position + length
    while position < end:
        identifier = frame[position]
        position += 1
        if identifier in _TEXTS:
            for _ in range(_TEXTS[identifier]):
                position = _check_text(frame, position)
        elif identifier in _FIXED_BYTES:
            position += _FIXED_BYTES[identifier]
        elif identifier == _SUBSCRIPTION_ID:
            _, position = _variable_integer(frame, position)
        else:  # binary data; the codec refuses anything else
            position += 2 + int.from_bytes(frame[position : position + 2], "big")


def _check_text(frame: bytes, position: int) -> int:
    end = position + 2 + int.from_bytes(frame[position : position + 2], "big")
    if end > len(frame):
        raise ValueError("a text is longer than its packet")
    frame[position + 2 : end].decode()
    return end


def _variable_integer(frame: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _LENGTH_BYTES, 7):
        if position >= len(frame):
            break
        byte = frame[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of variable length has no end")


def is_connack_311(frame: bytes) -> bool:
    """Whether this is the CONNACK of a broker that does not know MQTT 5.

    It has no properties, or (Moquette) an empty list of them behind a return code of MQTT 3.1.1, which are 1 to 5.
    """
    if len(frame) == 4:
        return frame[:2] == b"\x20\x02"
    return len(frame) == 5 and frame[:2] == b"\x20\x03" and 1 <= frame[3] <= 5 and frame[4] == 0


def acknowledgements(packet_ids: Sequence[int], refused: frozenset[int] = frozenset()) -> bytes:
    """One PUBACK per packet id, in order, joined; "success", or "quota exceeded" for those `refused`."""
    if refused:
        return b"".join([_refusal(each) if each in refused else acknowledgements([each]) for each in packet_ids])
    return struct.pack(f">{len(packet_ids)}I", *[_PUBACK + packet_id for packet_id in packet_ids])


def _refusal(packet_id: int) -> bytes:
    """A PUBACK with a reason code, which makes it one byte longer."""
    return struct.pack(">IB", _PUBACK + packet_id + _LONGER_BY_ONE, _QUOTA_EXCEEDED)
