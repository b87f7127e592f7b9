"""Recorded drives: the bounds of the accuracy table on a part of them; `make accuracy` takes all."""

import csv
import statistics

import pytest

from agent.fleet import new_state, step, tick
from agent.fleet.records import ChargeRecord, Record, TripRecord
from agent.fleet.state import VanState
from agent.readings import Reading
from tests.fleet.drives import START_MS, make_context
from tests.recorded_drives import DATA, needs_recorded_drives

pytestmark = needs_recorded_drives("i3", "twizy")


def replay(readings: list[Reading], **context: float) -> tuple[VanState, list[Record]]:
    made = make_context(curve_slope_per_pct=0.0019, **context)
    state = new_state("van-1")
    records: list[Record] = []
    for reading in readings:
        records += step(state, reading, reading.time_ms, made)
    return state, records + tick(state, 0, 1_000_000, made)


def drive(name: str, *, period_s: int, step_pct: float, power: bool) -> tuple[list[Reading], float]:
    """One i3 drive, thinned, and the energy between its first and last row."""
    readings, km, used, soc = [], 0.0, 0.0, 0.0
    with (DATA / "i3" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for index, row in enumerate(rows):
        km += float(row["speed_kmh"]) / 3600.0
        used -= float(row["power_kw"]) / 3600.0 if index else 0.0
        soc = float(row["soc_pct"] or soc)
        if index % period_s and index < len(rows) - 1:
            continue
        watts = float(row["voltage_v"]) * float(row["current_a"])
        readings.append(
            Reading(
                vehicle_id="van-1",
                time_ms=START_MS + index * 1000,
                soc_pct=round(soc / step_pct) * step_pct,
                latitude_deg=48.0 + km / 111.195,
                longitude_deg=11.0,
                speed_kmh=float(row["speed_kmh"]),
                battery_power_kw=watts / 1000.0 if power else None,
            )
        )
    return readings, used


@pytest.mark.parametrize(
    ("period_s", "step_pct", "power", "bound"),
    [(30, 1.0, False, 0.045), (30, 0.5, False, 0.025), (2, 1.0, True, 0.015), (10, 1.0, True, 0.04)],
)
def test_energy_of_i3_drives(period_s: int, step_pct: float, power: bool, bound: float):
    errors = []
    for path in sorted((DATA / "i3").glob("Trip*.csv")):
        readings, used = drive(path.stem, period_s=period_s, step_pct=step_pct, power=power)
        _, records = replay(readings, battery_kwh=22.17)
        (trip,) = [record for record in records if isinstance(record, TripRecord)]
        assert not any(isinstance(record, ChargeRecord) for record in records)
        errors.append(abs((trip.energy_kwh or 0.0) / used - 1.0))
    assert statistics.mean(errors) <= bound


@pytest.mark.parametrize(("period_s", "speed"), [(1, True), (10, False), (30, False)])
def test_distance_of_twizy_drives(period_s: int, speed: bool):
    true_km = km = 0.0
    for path in sorted((DATA / "twizy").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        true_km += sum(float(row["Speed"]) for row in rows) / 3600.0
        readings = [
            Reading(
                vehicle_id="van-1",
                time_ms=START_MS + index * 1000,
                soc_pct=float(row["Soc"]),
                latitude_deg=float(row["LAT"]),
                longitude_deg=float(row["LON"]),
                speed_kmh=float(row["Speed"]) if speed else None,
            )
            for index, row in enumerate(rows)
            if index % period_s == 0
        ]
        state, records = replay(readings, battery_kwh=6.1)
        km += state.totals.distance_km
        trips = [record for record in records if isinstance(record, TripRecord)]
        assert all(trip.distance_km < 60.0 for trip in trips)
        assert not any(isinstance(record, ChargeRecord) for record in records)
        if path.stem == "T1_06_30_2021_2" and period_s == 1:
            assert state.position.rejected >= 4
    assert km == pytest.approx(true_km, rel=0.03)
