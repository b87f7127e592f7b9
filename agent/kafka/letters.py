"""How dead letters and refusals of the store are kept in a compacted topic, each under a key that identifies it."""

from typing import Final

import msgspec

from agent.log import DeadLetter, StoreRefusal

LETTER: Final = b"letter/"
REFUSAL: Final = b"refusal/"

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_LETTER: Final = msgspec.msgpack.Decoder(DeadLetter).decode
_REFUSAL: Final = msgspec.msgpack.Decoder(StoreRefusal).decode


def pack_letter(letter: DeadLetter) -> tuple[bytes, bytes]:
    """Key and value."""
    return LETTER + b"%d/%d" % letter.key, _ENCODE(letter)


def pack_refusal(refusal: StoreRefusal) -> tuple[bytes, bytes]:
    """Key and value."""
    return REFUSAL + b"%d" % refusal.key, _ENCODE(refusal)


def unpack(key: bytes, value: bytes) -> DeadLetter | StoreRefusal:
    """From key and value. Raises `msgspec.DecodeError` for a record that is none of ours."""
    return _REFUSAL(value) if key.startswith(REFUSAL) else _LETTER(value)
