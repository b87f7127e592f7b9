"""How readings and records become rows.

A row is `(series, time_ms, value, value, …)`. The values are in the order of the measurement's fields; `None` means
that the field is absent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from agent.fast.row_maker import RowAdder, pair_adder, row_adder, row_maker
from agent.fleet.records import (
    AlertRecord,
    ChargeRecord,
    ChargeSliceRecord,
    CorrectionRecord,
    DayRecord,
    DropRecord,
    EmissionsRecord,
    EnergyRecord,
    FleetRecord,
    Record,
    StopRecord,
    TourRecord,
    TripRecord,
)
from agent.points.measurements import MEASUREMENTS, TAGS
from agent.readings import Reading


class Series(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """The tags of a row. Two objects with the same tags are equal, so that stores key their caches by them.

    The hash is computed once for each object, and a dictionary compares objects by identity first: a look-up takes no
    longer than one by identity.
    """

    vehicle_id: str | None = None
    depot: str | None = None
    model: str | None = None
    country: str | None = None
    instance: str | None = None
    """Which of several agents writes an `agent` point. It is a tag in InfluxDB, and not kept in SQLite."""

    def tags(self) -> tuple[tuple[str, str], ...]:
        """The tags that are set, as (name, value), in the order of `TAGS`."""
        values = (self.vehicle_id, self.depot, self.model, self.country)
        found = tuple((name, value) for name, value in zip(TAGS, values, strict=True) if value)
        return found if self.instance is None else (*found, ("instance", self.instance))


PointRow = tuple[Any, ...]
Rows = dict[str, list[PointRow]]
"""Rows by the name of their measurement; a store takes them in this form."""

_BATTERY: Final = row_maker(MEASUREMENTS["battery"].field_names)
_LOCATION: Final = row_maker(MEASUREMENTS["location"].field_names)
_ADD_BOTH: Final = pair_adder(MEASUREMENTS["battery"].field_names, MEASUREMENTS["location"].field_names)
_EMPTY_BATTERY: Final = len(MEASUREMENTS["battery"].fields)
_EMPTY_LOCATION: Final = len(MEASUREMENTS["location"].fields)
"""The number of absent values in a row that has none."""

_ADD_RECORD: Final[dict[type, RowAdder]] = {
    record: row_adder(name, MEASUREMENTS[name].field_names)
    for record, name in (
        (EnergyRecord, "energy"),
        (EmissionsRecord, "emissions"),
        (TripRecord, "trip"),
        (TourRecord, "tour"),
        (DropRecord, "drop"),
        (ChargeRecord, "charge"),
        (ChargeSliceRecord, "charge_slice"),
        (StopRecord, "stop"),
        (DayRecord, "day"),
        (AlertRecord, "alert"),
        (CorrectionRecord, "correction"),
        (FleetRecord, "fleet"),
    )
}


def add_reading(rows: Rows, series: Series, reading: Reading) -> int:
    """Append a `battery` and a `location` row of one reading, each only if it has a value; returns how many."""
    if reading.soc_pct is not None and reading.latitude_deg is not None:
        _ADD_BOTH(rows["battery"], rows["location"], series, reading)
        return 2
    count = 0
    row = _BATTERY(series, reading)
    if reading.soc_pct is not None or row.count(None) < _EMPTY_BATTERY:
        rows["battery"].append(row)
        count = 1
    row = _LOCATION(series, reading)
    if reading.latitude_deg is not None or row.count(None) < _EMPTY_LOCATION:
        rows["location"].append(row)
        count += 1
    return count


def add_records(rows: Rows, series: Series, records: Sequence[Record | FleetRecord]) -> None:
    """Append the row of each record."""
    for record in records:
        _ADD_RECORD[type(record)](rows, series, record)


def partial_row(measurement: str, series: Series, time_ms: int, values: Mapping[str, Any]) -> PointRow:
    """A row with these fields alone. A store replaces them in the point of the same time and keeps its other fields."""
    return (series, time_ms, *(values.get(name) for name in MEASUREMENTS[measurement].field_names))


def empty_rows() -> Rows:
    """An empty list for every measurement."""
    return {name: [] for name in MEASUREMENTS}
