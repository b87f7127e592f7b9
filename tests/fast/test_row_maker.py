"""Rows made field by field: as the plain way makes them."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given

from agent.fast.row_maker import plain_row_maker, row_maker
from agent.points.measurements import Measurement
from tests.fast.rows import any_rows


@given(any_rows())
def test_a_row_is_as_the_plain_maker_makes_it(drawn: tuple[Measurement, list[tuple[Any, ...]]]) -> None:
    measurement, rows = drawn
    fast, plain = row_maker(measurement.field_names), plain_row_maker(measurement.field_names)
    for row in rows:
        series, time_ms, *values = row
        source = SimpleNamespace(time_ms=time_ms, **dict(zip(measurement.field_names, values, strict=True)))
        found = fast(series, source)
        assert len(found) == len(row)
        assert all(one is other for one, other in zip(found, plain(series, source), strict=True))
        assert all(one is other for one, other in zip(found, row, strict=True))
