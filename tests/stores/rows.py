"""Rows for store tests, by field name."""

from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow, Rows, Series, empty_rows

VAN_1 = Series(vehicle_id="van-1", depot="Nord", model="e-ducato", country="DE")
VAN_2 = Series(vehicle_id="van-2", depot="Süd, Halle 3", model="e transit", country="FR")
NORD = Series(depot="Nord")
AGENT = Series()


def row(measurement: str, series: Series, time_ms: int, **fields: object) -> PointRow:
    names = MEASUREMENTS[measurement].field_names
    assert fields.keys() <= set(names)
    return (series, time_ms, *(fields.get(name) for name in names))


def rows_of(measurement: str, *rows: PointRow) -> Rows:
    found = empty_rows()
    found[measurement] = list(rows)
    return found


def battery(series: Series, time_ms: int, **fields: object) -> PointRow:
    return row("battery", series, time_ms, **fields)
