"""Lines written all at once: as the plain way writes them."""

import math
from typing import Any

from hypothesis import given

from agent.fast.line_writer import line_writer, plain_line_writer
from agent.points.measurements import Measurement
from agent.stores.line_protocol import escape_text
from tests.fast.rows import SERIES, any_rows

TAGS = {SERIES[0]: ",depot=Nord,vehicle_id=van-1", SERIES[1]: ",vehicle_id=van-2", SERIES[2]: ""}
FIELDS = [("used_kwh", "float"), ("stops", "integer"), ("open", "boolean"), ("place", "text")]


def test_the_plain_writer_writes_line_protocol() -> None:
    rows = [
        (SERIES[0], 7, 1.5, 2, True, 'a "b"'),
        (SERIES[1], 8, math.nan, None, False, None),
        (SERIES[2], 9, None, -1, None, ""),
        (SERIES[2], 10, math.inf, None, None, None),
    ]
    assert plain_line_writer("trip", FIELDS, escape_text)(rows, TAGS) == [
        r'trip,depot=Nord,vehicle_id=van-1 used_kwh=1.5,stops=2i,open=true,place="a \"b\"" 7',
        "trip,vehicle_id=van-2 open=false 8",
        'trip stops=-1i,place="" 9',
    ]


@given(any_rows())
def test_lines_are_as_the_plain_writer_writes_them(drawn: tuple[Measurement, list[tuple[Any, ...]]]) -> None:
    measurement, rows = drawn
    fields = [(field.name, field.type) for field in measurement.fields]
    fast = line_writer(measurement.name, fields, escape_text)
    assert fast(rows, TAGS) == plain_line_writer(measurement.name, fields, escape_text)(rows, TAGS)
