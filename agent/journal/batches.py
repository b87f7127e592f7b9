"""How a batch is kept in a row: the messages packed, and a checksum over everything that is in the row."""

from collections.abc import Sequence
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec

from agent.messages import Batch, Message

_HEAD: Final = Struct("<qqqq")
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(list[Message]).decode

BatchRow = tuple[int, int, int, int, int, bytes]
"""offset, received_ms, listening_since_ms, count, crc32, messages."""


def pack(messages: Sequence[Message]) -> bytes:
    """The messages as one blob."""
    return _ENCODE(messages)


def checksum(offset: int, received_ms: int, listening_since_ms: int, count: int, blob: bytes) -> int:
    """CRC-32 of the row. SQLite has checksums in its WAL, but none for the pages of the file."""
    return crc32(blob, crc32(_HEAD.pack(offset, received_ms, listening_since_ms, count)))


def unpack(row: BatchRow) -> Batch | None:
    """The batch of a row; None if the row is not what was written."""
    offset, received_ms, listening_since_ms, count, crc, blob = row
    if checksum(offset, received_ms, listening_since_ms, count, blob) != crc:
        return None
    try:
        messages = _DECODE(blob)
    except msgspec.DecodeError:
        return None
    return Batch(offset, received_ms, listening_since_ms, messages)
