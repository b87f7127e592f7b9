"""Rows made field by field: as the plain way makes them."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given

from agent.fast.row_maker import pair_adder, plain_pair_adder, plain_row_adder, plain_row_maker, row_adder, row_maker
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


@given(any_rows())
def test_a_pair_of_rows_is_as_the_plain_adder_adds_it(drawn: tuple[Measurement, list[tuple[Any, ...]]]) -> None:
    measurement, rows = drawn
    names = measurement.field_names
    first, second = names[: len(names) // 2 + 1], names[len(names) // 2 :]
    found: tuple[list[Any], list[Any]] = ([], [])
    expected: tuple[list[Any], list[Any]] = ([], [])
    for series, time_ms, *values in rows:
        source = SimpleNamespace(time_ms=time_ms, **dict(zip(names, values, strict=True)))
        pair_adder(first, second)(*found, series, source)
        plain_pair_adder(first, second)(*expected, series, source)
    for fast, plain in zip(found, expected, strict=True):
        assert len(fast) == len(plain) == len(rows)
        assert all(
            one is other for row, same in zip(fast, plain, strict=True) for one, other in zip(row, same, strict=True)
        )


@given(any_rows())
def test_a_row_is_added_as_the_plain_adder_adds_it(drawn: tuple[Measurement, list[tuple[Any, ...]]]) -> None:
    measurement, rows = drawn
    found: dict[str, list[Any]] = {"other": [], measurement.name: []}
    expected: dict[str, list[Any]] = {"other": [], measurement.name: []}
    for series, time_ms, *values in rows:
        source = SimpleNamespace(time_ms=time_ms, **dict(zip(measurement.field_names, values, strict=True)))
        row_adder(measurement.name, measurement.field_names)(found, series, source)
        plain_row_adder(measurement.name, measurement.field_names)(expected, series, source)
    assert [list(map(id, row)) for row in found[measurement.name]] == [
        list(map(id, row)) for row in expected[measurement.name]
    ]
    assert found["other"] == []
