"""How dead letters and refusals of the store are kept in a compacted topic, each under a key that identifies it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from agent.kafka.reader import whole
from agent.kafka.topics import Topics
from agent.log import DeadLetter, Key, StoreRefusal

LETTER: Final = b"letter/"
REFUSAL: Final = b"refusal/"

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_LETTER: Final = msgspec.msgpack.Decoder(DeadLetter).decode
_REFUSAL: Final = msgspec.msgpack.Decoder(StoreRefusal).decode


def letter_key(key: Key) -> bytes:
    """The key in Kafka of a dead letter."""
    return LETTER + b"%d/%d" % key


def refusal_key(key: int) -> bytes:
    """The key in Kafka of a refusal."""
    return REFUSAL + b"%d" % key


def pack_letter(letter: DeadLetter) -> tuple[bytes, bytes]:
    """Key and value."""
    return letter_key(letter.key), _ENCODE(letter)


def pack_refusal(refusal: StoreRefusal) -> tuple[bytes, bytes]:
    """Key and value."""
    return refusal_key(refusal.key), _ENCODE(refusal)


def unpack(key: bytes, value: bytes) -> DeadLetter | StoreRefusal:
    """From key and value. Raises `msgspec.DecodeError` for a record that is none of ours."""
    return _REFUSAL(value) if key.startswith(REFUSAL) else _LETTER(value)


def kept(settings: Mapping[str, Any], topics: Topics, partition: int) -> list[DeadLetter | StoreRefusal]:
    """What a partition keeps now, in the order it was added. Records of other programs are left out.

    Raises `LogUnavailable`.
    """
    found: dict[bytes, bytes] = {}
    for key, value in whole(settings, topics.letters, partition):
        if value is None:
            found.pop(key, None)
        elif key.startswith((LETTER, REFUSAL)):
            found[key] = value
    items: list[DeadLetter | StoreRefusal] = []
    for key, value in found.items():
        try:
            items.append(unpack(key, value))
        except msgspec.MsgspecError:
            continue
    return items
