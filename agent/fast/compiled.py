"""Functions that are compiled from source made at the start, as `dataclasses` and `attrs` make theirs."""

from collections.abc import Callable
from typing import Any


def compile_function(source: str, names: dict[str, object]) -> Callable[..., Any]:
    """The function `compiled` that the source defines, with `names` as its globals.

    Callers make the source from the names of fields and from numbers, never from text of a payload or of the settings:
    such text is a value in `names`.
    """
    scope = dict(names)
    exec(source, scope)  # noqa: S102  # made from our own names, see above
    function: Callable[..., Any] = scope["compiled"]  # type: ignore[assignment]
    return function


def variables(count: int) -> list[str]:
    """So many names of variables."""
    return [f"v{index}" for index in range(count)]
