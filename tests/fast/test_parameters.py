"""Parameters made field by field: as the plain way makes them."""

import math
from typing import Any

from hypothesis import given

from agent.fast.parameters import Kind, parameter_maker, plain_parameter_maker
from agent.points.measurements import Measurement
from tests.fast.rows import SERIES, any_rows

NUMBERS = {series: number for number, series in enumerate(SERIES, 1)}


class Texts(dict[str, int]):
    """A number for each text."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, len(self))


def comparable(parameters: list[Any]) -> list[tuple[type, Any]]:
    """Types count, as True is 1; every NaN is the same."""
    return [(type(each), "nan" if isinstance(each, float) and math.isnan(each) else repr(each)) for each in parameters]


def test_the_plain_maker_has_nothing_that_needs_an_adapter() -> None:
    rows = [(SERIES[0], 7, 1.5, None, True, 1.5, "b"), (SERIES[1], 8, None, "text", None, None, "a")]
    found = plain_parameter_maker(["float", "text", "boolean", 1000, "name"])(rows, NUMBERS, {"a": 1, "b": 2})
    assert comparable(found) == comparable(
        [7, 1, 1.5, math.nan, 1, 1500.0, 2, 8, 2, math.nan, "text", math.nan, math.nan, 1]
    )


@given(any_rows())
def test_parameters_are_as_the_plain_maker_makes_them(drawn: tuple[Measurement, list[tuple[Any, ...]]]) -> None:
    measurement, rows = drawn
    ways: list[list[Kind]] = [
        [field.type for field in measurement.fields],
        [{"float": 1000, "text": "name"}.get(field.type, field.type) for field in measurement.fields],
    ]
    for kinds in ways:
        fast, plain, texts = parameter_maker(kinds), plain_parameter_maker(kinds), Texts()
        assert comparable(fast(rows, NUMBERS, texts)) == comparable(plain(rows, NUMBERS, texts))
