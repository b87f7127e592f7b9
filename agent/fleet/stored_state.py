"""The state of a van as bytes: encoded for a checkpoint, condensed for the sleeping store, and decoded."""

from typing import Final

import msgspec

from agent.errors import LogCorrupt
from agent.fleet.state import STATE_VERSION, VanState, new_state
from agent.fleet.state_codec import list_van_state, make_van_state
from agent.fleet.state_format import StoredVanState


def encode_state(state: VanState) -> bytes:
    """The state as stored with a checkpoint: MessagePack, about 2.5 kB."""
    return _encoder.encode(list_van_state(state))


def condense(encoded: bytes) -> bytes:
    """The same state in 1.1 to 1.9 kB, by replacing each number 0.0, which takes nine bytes, with one byte.

    That byte occurs nowhere else in the state and is put before it. `decode_state` recognises this form by its first
    byte, which is not the first byte of a state as encoded.
    """
    unused = _ALL_BYTES.translate(None, encoded)[:1]
    return unused + encoded.replace(_ZERO, unused) if unused else encoded


def decode_state(encoded: bytes) -> VanState:
    """The state of a checkpoint, condensed or not. Raises `LogCorrupt` when it is damaged or of another version."""
    if encoded[:1] != _ARRAY:
        encoded = encoded[1:].replace(encoded[:1], _ZERO)
    try:
        check_version(msgspec.msgpack.decode(encoded, type=_Version).version)
        return make_van_state(_decoder.decode(encoded))
    except msgspec.DecodeError as error:
        raise LogCorrupt(f"a van's state cannot be read: {error}") from error


def check_version(version: int) -> None:
    """Raise `LogCorrupt` if this program does not know the version of a state."""
    if version != STATE_VERSION:
        raise LogCorrupt(
            f"a van's state is of version {version}, this program reads version {STATE_VERSION}: "
            "run the version that wrote it, or remove the checkpoint to start the totals anew"
        )


class _Version(msgspec.Struct, array_like=True):
    """The beginning of every version of the state."""

    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredVanState)

_ALL_BYTES: Final = bytes(range(256))
_ZERO: Final = _encoder.encode(0.0)
_ARRAY: Final = encode_state(new_state(""))[:1]
"""The first byte of every state: the head of an array of 16 to 65,535 fields."""
