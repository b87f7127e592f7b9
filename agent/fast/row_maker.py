"""From the attributes of a reading or a record to a row `(series, time_ms, value, value, …)`."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from agent.fast.compiled import compile_function

RowMaker = Callable[[Any, Any], tuple[Any, ...]]
"""From a series and what has `time_ms` and the fields as attributes to a row."""


def row_maker(fields: Sequence[str]) -> RowMaker:
    """As `plain_row_maker`, with each field spelt out: 0.09 µs a row instead of 0.27 µs.

    A message makes two to four rows, so that this saves 5 % of decode, step and rows.
    """
    values = ", ".join(f"source.{field}" for field in fields)
    return compile_function(
        f"def compiled(series, source):\n    return (series, source.time_ms, {values})\n",
        {},
    )


def plain_row_maker(fields: Sequence[str]) -> RowMaker:
    """A function that makes rows with these fields, in this order."""
    values = attrgetter("time_ms", *fields)

    def make(series: Any, source: Any) -> tuple[Any, ...]:
        return (series, *values(source))

    return make
