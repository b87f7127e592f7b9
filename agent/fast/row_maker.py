"""From the attributes of a reading or a record to a row `(series, time_ms, value, value, …)`."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from agent.fast.compiled import compile_function

RowMaker = Callable[[Any, Any], tuple[Any, ...]]
"""From a series and what has `time_ms` and the fields as attributes to a row."""

RowAdder = Callable[[dict[str, list[tuple[Any, ...]]], Any, Any], None]
"""From rows by measurement, a series and what has the fields as attributes: adds a row."""
PairAdder = Callable[[list[tuple[Any, ...]], list[tuple[Any, ...]], Any, Any], None]
"""From two lists, a series and what has the fields as attributes: adds a row to each list."""


def row_maker(fields: Sequence[str]) -> RowMaker:
    """As `plain_row_maker`, with each field spelt out: 0.09 µs a row instead of 0.27 µs.

    A message makes two to four rows, so that this saves 5 % of decode, step and rows.
    """
    values = ", ".join(f"source.{field}" for field in fields)
    return compile_function(
        f"def compiled(series, source):\n    return (series, source.time_ms, {values})\n",
        {},
    )


def row_adder(measurement: str, fields: Sequence[str]) -> RowAdder:
    """As `plain_row_adder`, in one call instead of three. Two of four rows of a message are added by it."""
    values = ", ".join(f"source.{field}" for field in fields)
    return compile_function(
        f"def compiled(rows, series, source):\n    rows[{measurement!r}].append((series, source.time_ms, {values}))\n",
        {},
    )


def plain_row_adder(measurement: str, fields: Sequence[str]) -> RowAdder:
    """A function that adds a row with these fields to the rows of a measurement."""
    make = plain_row_maker(fields)

    def add(rows: dict[str, list[tuple[Any, ...]]], series: Any, source: Any) -> None:
        rows[measurement].append(make(series, source))

    return add


def pair_adder(first: Sequence[str], second: Sequence[str]) -> PairAdder:
    """As `plain_pair_adder`, with each field spelt out: one call instead of five for nearly every message."""
    one, other = (", ".join(f"source.{field}" for field in fields) for fields in (first, second))
    return compile_function(
        "def compiled(rows, more, series, source):\n"
        "    time_ms = source.time_ms\n"
        f"    rows.append((series, time_ms, {one}))\n"
        f"    more.append((series, time_ms, {other}))\n",
        {},
    )


def plain_pair_adder(first: Sequence[str], second: Sequence[str]) -> PairAdder:
    """A function that adds a row with the first fields to one list, and one with the second fields to another list."""
    make, make_other = plain_row_maker(first), plain_row_maker(second)

    def add(rows: list[tuple[Any, ...]], more: list[tuple[Any, ...]], series: Any, source: Any) -> None:
        rows.append(make(series, source))
        more.append(make_other(series, source))

    return add


def plain_row_maker(fields: Sequence[str]) -> RowMaker:
    """A function that makes rows with these fields, in this order."""
    values = attrgetter("time_ms", *fields)

    def make(series: Any, source: Any) -> tuple[Any, ...]:
        return (series, *values(source))

    return make
