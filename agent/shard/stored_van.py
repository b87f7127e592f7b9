"""A van as bytes: what a checkpoint holds, and what the sleeping store keeps in memory.

The layout is an array in MessagePack and exists on users' disks: a field is never moved or removed.
"""

from typing import Final

import msgspec

from agent.fleet import VanState, encode_state
from agent.fleet.stored_state import condense
from agent.shard.summary import VanSummary, summarize


class StoredVan(msgspec.Struct, array_like=True, gc=False):
    """One van in a checkpoint, or asleep. Early versions wrote no summary."""

    state: bytes
    """From `agent.fleet.encode_state`."""
    unused: object = None
    """Earlier versions kept the state of the rate limit here."""
    summary: VanSummary | None = None
    source: int = 0
    """The source of the van's last message."""


class _SummaryOnly(msgspec.Struct, array_like=True, gc=False):
    """`StoredVan` of which the state is not decoded."""

    state: msgspec.Raw
    unused: msgspec.Raw
    summary: VanSummary | None = None
    source: int = 0


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(StoredVan)
_SUMMARY_DECODER: Final = msgspec.msgpack.Decoder(_SummaryOnly)


def store_van(state: VanState, summary: VanSummary, source: int) -> bytes:
    """Encode a van for a checkpoint: fast, since this is done for every van on the road."""
    return _encode(StoredVan(encode_state(state), summary=summary, source=source))


def store_van_condensed(state: VanState, summary: VanSummary, source: int) -> bytes:
    """Encode a van for the sleeping store: condensed to half the size, which takes longer than encoding."""
    return _encode(StoredVan(condense(encode_state(state)), summary=summary, source=source))


def load_van(encoded: bytes) -> StoredVan:
    """Decode all of it. Raises `msgspec.DecodeError`."""
    return _DECODER.decode(encoded)


def load_summary(encoded: bytes) -> tuple[VanSummary | None, int]:
    """Decode the summary, None where an early version wrote none, and the source. Raises `msgspec.DecodeError`."""
    stored = _SUMMARY_DECODER.decode(encoded)
    return stored.summary, stored.source


def with_summary(stored: StoredVan, state: VanState) -> tuple[bytes, VanSummary]:
    """Complete what an early version wrote without a summary; `state` is its decoded state."""
    summary = summarize(state)
    return _encode(StoredVan(condense(stored.state), summary=summary)), summary


def _encode(stored: StoredVan) -> bytes:
    """Copy the bytes: those that the encoder returns keep its reserve, half as much again."""
    return bytes(memoryview(_ENCODER.encode(stored)))
