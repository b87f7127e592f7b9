"""From rows to the parameters of a SQLite statement."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.fast.compiled import compile_function, variables

ParametersOf = Callable[[Sequence[tuple[Any, ...]], Mapping[Any, int]], list[Any]]
"""From rows, and the number of each series, to one list: time, series number and values of each row in turn."""


def parameter_maker(types: Sequence[str]) -> ParametersOf:
    """As `plain_parameter_maker`, with each field spelt out: 0.12 µs a row instead of 0.95 µs.

    A message becomes two to four rows, so that this saves at least 14 % of its whole way.
    """
    names = variables(len(types))
    values = ", ".join(
        f"nan if {name} is None else {'+' if kind == 'boolean' else ''}{name}"
        for name, kind in zip(names, types, strict=True)
    )
    source = (
        "def compiled(rows, numbers):\n"
        "    parameters = []\n"
        "    extend = parameters.extend\n"
        f"    for series, time_ms, {', '.join(names)} in rows:\n"
        f"        extend((time_ms, numbers[series], {values}))\n"
        "    return parameters\n"
    )
    return compile_function(source, {"nan": math.nan})


def plain_parameter_maker(types: Sequence[str]) -> ParametersOf:
    """A function that makes the parameters of rows whose fields have these types.

    An absent value becomes NaN, which SQLite keeps as NULL in a column of any type, and a boolean becomes an integer:
    for each None and each bool the sqlite3 module searches an adapter, which costs more than the rest of the insert.
    """

    def parameter(kind: str, value: Any) -> Any:
        if value is None:
            return math.nan
        return int(value) if kind == "boolean" else value

    def make(rows: Sequence[tuple[Any, ...]], numbers: Mapping[Any, int]) -> list[Any]:
        parameters: list[Any] = []
        for series, time_ms, *values in rows:
            parameters += (time_ms, numbers[series])
            parameters += [parameter(kind, value) for kind, value in zip(types, values, strict=True)]
        return parameters

    return make
