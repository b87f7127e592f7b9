"""Rows of every measurement with any values that the agent may put into them."""

from typing import Any

from hypothesis import strategies as st

from agent.points.measurements import MEASUREMENTS, Measurement
from agent.points.rows import Series

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "float": st.floats() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0.0, -0.0, 5e-324, 1e16, 1e22, 0.1]),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "text": st.text(max_size=8) | st.sampled_from(["null", 'say "no"', "a,b=c d", "{0}", "\\", "\n", '\'"""\'']),
}
SERIES = [Series(vehicle_id="van-1", depot="Nord"), Series(vehicle_id="van-2"), Series()]


@st.composite
def any_rows(draw: st.DrawFn) -> tuple[Measurement, list[tuple[Any, ...]]]:
    """A measurement and up to four of its rows."""
    measurement = MEASUREMENTS[draw(st.sampled_from(sorted(MEASUREMENTS)))]
    values = [st.none() | VALUES[field.type] for field in measurement.fields]
    row = st.tuples(st.sampled_from(SERIES), st.integers(0, 2**53), *values)
    return measurement, draw(st.lists(row, max_size=4))
