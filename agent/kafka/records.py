"""How a batch becomes records of Kafka, and how a record becomes a batch again.

A record holds one or more messages of one partition that were received together. Kafka counts records, the agent counts
messages: the offset of a message is `record offset * MESSAGES_PER_RECORD + index`. The offsets of a partition therefore
have gaps, and the order of the messages is the order of their offsets.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from agent.messages import Batch, Message

MESSAGES_PER_RECORD: Final = 1 << 14
RECORD_BYTES: Final = 256 * 1024
"""A record is closed beyond this many bytes of payload; a broker takes 1 MB by default."""
FORMAT: Final = 1
"""The first byte of every record: the version of its layout."""


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one record holds. `source` and `term` are those of a `Batch`.

    The records of a term of a source in a partition keep their order.
    """

    received_ms: int
    listening_since_ms: int
    source: str
    messages: list[Message]
    term: int = 0


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(Record).decode


def pack(record: Record) -> bytes:
    """The value of a record in Kafka."""
    return bytes([FORMAT]) + _ENCODE(record)


def unpack(value: bytes | None, *, record_offset: int) -> Batch | None:
    """The batch of a record; None for a foreign record, which holds no messages of ours."""
    if not value or value[0] != FORMAT:
        return None
    try:
        record = _DECODE(memoryview(value)[1:])
    except msgspec.DecodeError:
        return None
    if len(record.messages) > MESSAGES_PER_RECORD:
        return None
    offset = record_offset * MESSAGES_PER_RECORD
    return Batch(offset, record.received_ms, record.listening_since_ms, record.messages, record.source, record.term)


def split(messages: Sequence[Message]) -> list[list[Message]]:
    """The messages in parts that fit a record each, in their order."""
    parts: list[list[Message]] = []
    size = RECORD_BYTES
    for message in messages:
        if size >= RECORD_BYTES or len(parts[-1]) >= MESSAGES_PER_RECORD:
            parts.append([])
            size = 0
        parts[-1].append(message)
        size += len(message.payload) + len(message.topic)
    return parts


def offset_of(record_offset: int) -> int:
    """The offset of the first message of a record."""
    return record_offset * MESSAGES_PER_RECORD


def record_offset_of(offset: int) -> int:
    """The record that holds the message with this offset."""
    return offset // MESSAGES_PER_RECORD
