"""JSON by RFC 8259: UTF-8, no NaN, no infinity, no repeated key in an object, numbers of a bounded length."""

import json
from typing import Any, Final

from pydantic_core import from_json

from agent.errors import Rejected


def parse_json(payload: bytes) -> Any:
    """The value of a payload.

    Raises `Rejected`: `malformed`, or `out_of_range` for a number of thousands of digits. Nesting is limited by the
    parser (about 200 levels).
    """
    try:
        value = from_json(payload, cache_strings="keys")
    except ValueError as error:
        text = str(error)
        raise Rejected("out_of_range" if "number out of range" in text else "malformed", text) from error
    check_json(payload)
    return value


def check_json(payload: bytes) -> None:
    """Raise `Rejected("malformed")` for what the fast parser accepts: NaN, infinities, a repeated key.

    The payload has to be one that the fast parser has accepted.
    """
    _STRICT.decode(payload.decode())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise Rejected("malformed", "a key occurs twice in one object")
    return unique


def _no_constant(constant: str) -> None:
    raise Rejected("malformed", f"{constant} is not JSON")


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=float)
