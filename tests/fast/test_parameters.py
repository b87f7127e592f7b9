"""Parameters made field by field: as the plain way makes them."""

import math
from typing import Any

from hypothesis import given

from agent.fast.parameters import parameter_maker, plain_parameter_maker
from agent.points.measurements import Measurement
from tests.fast.rows import SERIES, any_rows

NUMBERS = {series: number for number, series in enumerate(SERIES, 1)}


def comparable(parameters: list[Any]) -> list[tuple[type, Any]]:
    """Types count, as True is 1; every NaN is the same."""
    return [(type(each), "nan" if isinstance(each, float) and math.isnan(each) else repr(each)) for each in parameters]


def test_the_plain_maker_has_nothing_that_needs_an_adapter() -> None:
    rows = [(SERIES[0], 7, 1.5, None, True), (SERIES[1], 8, None, "text", None)]
    found = plain_parameter_maker(["float", "text", "boolean"])(rows, NUMBERS)
    assert comparable(found) == comparable([7, 1, 1.5, math.nan, 1, 8, 2, math.nan, "text", math.nan])


@given(any_rows())
def test_parameters_are_as_the_plain_maker_makes_them(drawn: tuple[Measurement, list[tuple[Any, ...]]]) -> None:
    measurement, rows = drawn
    types = [field.type for field in measurement.fields]
    fast, plain = parameter_maker(types), plain_parameter_maker(types)
    assert comparable(fast(rows, NUMBERS)) == comparable(plain(rows, NUMBERS))
