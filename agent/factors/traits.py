"""Cells, plug and limits of a van model, from `sets/traits.toml`."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from agent.factors.figures import VanTraits

DEFAULT: Final = "default"


@cache
def traits_of(model: str) -> VanTraits:
    """The traits of a model: the default, with what the longest key says that the name of the model begins with."""
    tables = _tables()
    key = max((key for key in tables if key != DEFAULT and model.startswith(key)), key=len, default=DEFAULT)
    return msgspec.convert({**tables[DEFAULT], **tables[key]}, VanTraits)


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads((files("agent.factors.sets") / "traits.toml").read_text(encoding="utf-8"))
