"""Rows hold what readings and records say, each value under its own name."""

import pytest

from agent.fleet.records import EnergyRecord
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow, Series, add_reading, add_records, empty_rows
from agent.readings import Reading

SERIES = Series(vehicle_id="van-1")


def fields(name: str, row: PointRow) -> dict[str, object]:
    return {
        field: value for field, value in zip(MEASUREMENTS[name].field_names, row[2:], strict=True) if value is not None
    }


@pytest.mark.parametrize(
    ("title", "said", "battery", "location"),
    [
        ("both", {"soc_pct": 50.0, "latitude_deg": 48.0, "longitude_deg": 9.0}, 1, 1),
        ("battery only", {"soc_pct": 0.0}, 1, 0),
        ("power without a state of charge", {"battery_power_kw": -3.0}, 1, 0),
        ("speed without a position", {"speed_kmh": 0.0}, 0, 1),
        ("a load", {"payload_kg": 300.0}, 0, 0),
    ],
)
def test_a_reading_gives_the_points_it_has_something_for(title, said, battery, location):
    rows = empty_rows()
    assert add_reading(rows, SERIES, Reading(vehicle_id="van-1", time_ms=7, **said)) == battery + location, title
    assert (len(rows["battery"]), len(rows["location"])) == (battery, location)
    for name in ("battery", "location"):
        for row in rows[name]:
            assert row[:2] == (SERIES, 7)
            assert fields(name, row) == {key: said[key] for key in MEASUREMENTS[name].field_names if key in said}


def test_a_record_gives_one_point():
    rows = empty_rows()
    said = {
        "state": "driving",
        "used_kwh_total": 1.0,
        "charged_kwh_total": 2.0,
        "grid_kwh_total": 3.0,
        "idle_kwh_total": 4.0,
        "distance_km_total": 5.0,
    }
    add_records(rows, SERIES, [EnergyRecord(vehicle_id="van-1", time_ms=9, **said)])
    (row,) = rows["energy"]
    assert row[:2] == (SERIES, 9)
    assert fields("energy", row) == said
