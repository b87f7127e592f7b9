"""Every query on a real InfluxDB that the agent's own code has filled."""

import math
from typing import Any

import pytest

from agent.points.measurements import MEASUREMENTS
from tests.cases import Cases
from tests.dashboards.grafana import days
from tests.dashboards.grafana.committed import Asked, dashboards, panels, queries
from tests.dashboards.grafana.conftest import DATABASE
from tests.dashboards.grafana.grafana_like import Frame, Range, Value, as_table, expanded, rows, several, transformed
from tests.servers.influxdb import InfluxServer

SHOWN = Range(days.START_MS, days.END_MS)
QUERIES = queries()

NOTHING_HAPPENED: dict[str, str] = {
    "emissions/27 Data quality of the trips/C": "the energy of every trip is known",
    "trips/15 Basis of the figures/C": "the energy of every trip is known",
    "charging/25 Grid energy by meter/A": "no charger says its power in the native messages of these days",
    "tours/12 Basis of the figures/A": "so that no tour's grid energy is measured",
}
"""Queries that find nothing in these days, and the reason."""

PLAUSIBLE: dict[str, tuple[float, float]] = {
    "percent": (0, 100.001),
    "kwatt": (-200, 200),
    "kwatth": (0, 5000),
    "suffix:km": (0, 300_000),
    "lengthm": (-100, 3000),
    "velocitykmh": (0, 130),
    "celsius": (-30, 80),
    "volt": (200, 500),
    "amp": (-500, 500),
    "massg": (0, 120_000),
    "suffix:kg": (0, 20_000),
    "watt": (0, 10_000),
    "dtdurations": (0, 4 * days.LENGTH_S),
    "s": (0, 100_000),
    "bytes": (0, 1e11),
    "suffix:kWh/100 km": (5, 80),
    "suffix:g/km": (1, 500),
    "suffix:g/kWh": (10, 1200),
    "suffix:g/t·km": (1, 20_000),
    "suffix:g": (0, 20_000),
    "suffix:/s": (0, 1000),
    "short": (0, 1_000_000),
}
"""The lowest and the highest plausible value of each unit in these days."""

SIGNED = {
    "energy_kwh",
    "avoided_co2e_g",
    "CO2e avoided",
    "consumption_kwh_per_100km",
    "co2e_g",
    "Energy",
    "Consumption",
    "CO2e",
    "CO2e per item",
    "co2e_g_per_item",
}
"""Columns that may be negative: on a trip downhill or on a day without a drive."""

FIELD_UNITS = {
    "%": "percent",
    "kW": "kwatt",
    "kWh": "kwatth",
    "km": "suffix:km",
    "km/h": "velocitykmh",
    "°C": "celsius",
    "V": "volt",
    "kg": "suffix:kg",
    "kWh/100 km": "suffix:kWh/100 km",
    "g/kWh": "suffix:g/kWh",
}


def unit_of(field: str) -> str | None:
    """The unit of a column that has the name of a field."""
    for measurement in MEASUREMENTS.values():
        for each in measurement.fields:
            if each.name == field:
                return FIELD_UNITS.get(each.unit)
    return None


def numbers(series: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """(column, value) of every number."""
    return [
        (column, value)
        for each in series
        for row in each["values"]
        for column, value in zip(each["columns"][1:], row[1:], strict=True)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


def is_plausible(column: str, value: float, unit: str | None) -> bool:
    low, high = PLAUSIBLE.get(unit or "", (-math.inf, math.inf))
    return (-high if column in SIGNED else low) <= value <= high


def implausible(series: list[dict[str, Any]], asked: Asked) -> list[tuple[str, float]]:
    """The values beyond the limits of their unit."""
    return [
        (column, value)
        for column, value in numbers(series)
        if not is_plausible(column, value, unit_of(column) if asked.table else asked.unit)
    ]


def test_every_query_is_answered_with_plausible_values(influx: InfluxServer) -> None:
    with Cases() as cases:
        for asked in QUERIES:
            with cases.case(asked.where):
                series = influx.query(expanded(asked.query, SHOWN), DATABASE)
                present = [value for each in series for row in each["values"] for value in row[1:] if value is not None]
                assert bool(present) == (asked.where not in NOTHING_HAPPENED), "no data"
                assert implausible(series, asked) == []


SEVERAL_VANS = {"depot": several("berlin", "paris"), "model": ".*", "van": several("berlin-1", "paris-1")}
ONE_VAN = {"depot": "berlin", "model": ".*", "van": "berlin-1"}


@pytest.mark.parametrize(
    ("chosen", "vans"),
    [(SEVERAL_VANS, {"berlin-1", "paris-1"}), (ONE_VAN, {"berlin-1"})],
    ids=["several vans", "one van"],
)
def test_every_query_is_answered_for_the_vans_that_are_chosen(
    influx: InfluxServer, chosen: dict[str, str], vans: set[str]
) -> None:
    shown = SHOWN._replace(variables=chosen | {"min_km": "1"})
    with Cases() as cases:
        for asked in QUERIES:
            with cases.case(asked.where):
                series = influx.query(expanded(asked.query, shown), DATABASE)
                answered = {each["tags"]["vehicle_id"] for each in series if "vehicle_id" in each.get("tags", {})}
                if "$van" in asked.query:
                    assert answered <= vans


PROCESSED = [
    (name, panel)
    for name, dashboard in dashboards().items()
    for panel in panels(dashboard)
    if "transformations" in panel
]


def answers(influx: InfluxServer, panel: dict[str, Any]) -> list[dict[str, list[Value]]]:
    found = [as_table(influx.query(expanded(target["query"], SHOWN), DATABASE)) for target in panel["targets"]]
    return [frame for frame in found if frame]


def test_transformations_find_their_columns_and_leave_plausible_values(influx: InfluxServer) -> None:
    with Cases() as cases:
        for name, panel in PROCESSED:
            with cases.case(f"{name}/{panel['title']}"):
                frame = transformed(answers(influx, panel), panel["transformations"])
                assert rows(frame)
                assert implausible_columns(frame, panel) == []
                assert all(any(value is not None for value in values) for values in frame.values()), "an empty column"


def implausible_columns(frame: Frame, panel: dict[str, Any]) -> list[tuple[str, float]]:
    """The values beyond the limits of their column's unit."""
    units = {
        override["matcher"]["options"]: entry["value"]
        for override in panel["fieldConfig"]["overrides"]
        for entry in override["properties"]
        if entry["id"] == "unit"
    }
    default = panel["fieldConfig"]["defaults"]["unit"] if panel["type"] == "barchart" else "none"
    return [
        (column, value)
        for column, values in frame.items()
        for value in values
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_plausible(column, value, units.get(column, default))
    ]


def panel_of(name: str, title: str, kind: str) -> dict[str, Any]:
    (panel,) = [each for each in panels(dashboards()[name]) if (each["title"], each["type"]) == (title, kind)]
    return panel


def test_temperature_bins_hold_all_the_distance(influx: InfluxServer) -> None:
    panel = panel_of("energy", "By outside temperature", "table")
    bins = rows(transformed(answers(influx, panel), panel["transformations"]))
    edges = [record["From"] for record in bins]
    assert len(edges) >= 3
    assert all(isinstance(edge, (int, float)) and edge % 5 == 0 for edge in edges)
    whole = influx.query(expanded(panel_of("fleet", "Distance", "stat")["targets"][0]["query"], SHOWN), DATABASE)
    distance_km = whole[0]["values"][0][1]
    assert sum(record["Distance"] for record in bins) == pytest.approx(distance_km, rel=0.08)  # type: ignore[misc]


def test_the_fleets_totals_are_the_sum_of_the_vans(influx: InfluxServer) -> None:
    whole = influx.query(expanded(panel_of("fleet", "Energy used", "stat")["targets"][0]["query"], SHOWN), DATABASE)
    table = panel_of("fleet", "Vans", "table")
    vans = rows(transformed(answers(influx, table), table["transformations"]))
    assert sum(record["Used"] for record in vans) == pytest.approx(whole[0]["values"][0][1])  # type: ignore[misc]
