"""A history of two vans, and the report of it."""

import argparse
import json
from collections import defaultdict

from agent.commands import report
from agent.config import load
from agent.factors.factor_set import load_factor_set
from agent.fleet.records import (
    ChargeRecord,
    EmissionsRecord,
    EnergyRecord,
    TourRecord,
    TripRecord,
)
from agent.points.rows import Series, add_records, empty_rows
from agent.stores import make_store

HOUR = 3_600_000
DAY = 24 * HOUR
JUNE = 1_780_272_000_000  # 2026-06-01T00:00:00Z
FACTORS = load_factor_set()
DIESEL = FACTORS.diesel("eu_van_heavy", "DE").wtw_g_per_km
PERIOD = ("--from", "2026-06-01", "--to", "2026-06-02")


def counters(hours, *, km, used, grid=0.0, idle=0.0, vehicle_id="van-1"):
    """`energy` and `emissions` of a van that uses energy of 300 g/kWh."""
    time_ms = JUNE + round(hours * HOUR)
    energy = EnergyRecord(
        vehicle_id=vehicle_id,
        time_ms=time_ms,
        state="parked",
        used_kwh_total=used,
        charged_kwh_total=grid * 0.89,
        grid_kwh_total=grid,
        idle_kwh_total=idle,
        distance_km_total=km,
        usable_capacity_kwh=80.0,
    )
    emissions = EmissionsRecord(
        vehicle_id=vehicle_id,
        time_ms=time_ms,
        co2e_g_total=used * 300,
        diesel_co2e_g_total=km * DIESEL,
        avoided_co2e_g_total=km * DIESEL - used * 300,
        avoided_nox_mg_total=km * 125,
        avoided_pm_mg_total=km * 4.5,
        intensity_source="annual",
    )
    return [energy, emissions]


def trip(hours, *, km, kwh, vehicle_id="van-1", **changes):
    return TripRecord(
        vehicle_id=vehicle_id,
        time_ms=JUNE + round(hours * HOUR),
        start_ms=JUNE + round((hours - 1) * HOUR),
        duration_s=3600,
        distance_km=km,
        energy_kwh=kwh,
        co2e_g=kwh * 300,
        **changes,
    )


def tour(hours, *, km, kwh, vehicle_id="van-1", **changes):
    return TourRecord(
        vehicle_id=vehicle_id,
        time_ms=JUNE + round(hours * HOUR),
        start_ms=JUNE + round((hours - 1) * HOUR),
        duration_s=3600,
        distance_km=km,
        energy_kwh=kwh,
        co2e_g=kwh * 300,
        diesel_co2e_g=km * DIESEL,
        trips=1,
        stops=changes.pop("stops", 0),
        drops=changes.pop("drops", 0),
        quality=changes.pop("quality", "modelled"),
        **changes,
    )


def charge(hours, *, kwh, g_per_kwh, vehicle_id="van-1", **changes):
    return ChargeRecord(
        vehicle_id=vehicle_id,
        time_ms=JUNE + round(hours * HOUR),
        start_ms=JUNE + round((hours - 4) * HOUR),
        duration_s=4 * 3600,
        energy_kwh=kwh * 0.89,
        grid_kwh=kwh,
        kind="ac",
        co2e_g=kwh * g_per_kwh,
        **changes,
    )


JUNE_OF_TWO_VANS = [
    # What lies before the period has no part in it.
    *counters(-30, km=1000, used=250, grid=290, idle=10),
    trip(-30, km=50, kwh=12, quality="primary"),
    tour(-30, km=50, kwh=12, drops=9, items=9, activity_tkm=9.0, empty_km=1.0, load_factor_pct=90.0),
    charge(-20, kwh=99, g_per_kwh=100),
    # van-1: 100 km, 25 kWh of which 1 idle.
    trip(9, km=60, kwh=15, stops=70, quality="primary"),
    tour(
        9,
        km=60,
        kwh=15,
        drops=70,
        items=80,
        activity_tkm=3.0,
        empty_km=20.0,
        load_factor_pct=25.0,
        primary_share_pct=40.0,
    ),
    trip(11, km=40, kwh=9, quality="modelled", inferred=True),
    # Known to have been empty: it belongs to what the others have moved.
    tour(11, km=40, kwh=9, empty_km=40.0, primary_share_pct=0.0),
    charge(20, kwh=30, g_per_kwh=100, market_co2e_g=600.0),
    charge(22, kwh=10, g_per_kwh=400, inferred=True, market_co2e_g=200.0),
    *counters(23, km=1100, used=275, grid=330, idle=11),
    # van-2, first heard of in the period, with a tour of which the load is not known: no part of any activity.
    *counters(6, km=0, used=0, vehicle_id="van-2"),
    trip(8, km=20, kwh=5, vehicle_id="van-2"),
    tour(8, km=20, kwh=5, vehicle_id="van-2", quality="default"),
    *counters(12, km=20, used=5, vehicle_id="van-2"),
    # After the period.
    trip(50, km=500, kwh=100, quality="primary"),
    tour(50, km=500, kwh=100, drops=1, items=1, activity_tkm=99.0, empty_km=0.0),
    *counters(50, km=1600, used=375, grid=430, idle=11),
]


SETTINGS = {
    "fleet": {"model": "farizon-sv-83", "payload_kg": 1000.0, "depot": "north", "country": "DE"},
    "emissions": {"market_g_per_kwh": 20.0},
}


def settings_of(tmp_path, sections):
    file = tmp_path / "vanpulse.toml"
    lines = []
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    file.write_text("\n".join(lines))
    return load(file)


async def call(tmp_path, capsys, records, *words, settings=SETTINGS):
    url = f"sqlite:///{tmp_path / 'history.db'}"
    store = make_store(url)
    await store.open()
    rows, series = empty_rows(), defaultdict(dict)
    for record in records:
        van = series[record.vehicle_id] or Series(
            vehicle_id=record.vehicle_id, depot="north", model="farizon-sv-83", country="DE"
        )
        series[record.vehicle_id] = van
        add_records(rows, van, [record])
    await store.write(rows)
    await store.close()
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    assert report.run(parser.parse_args(words), settings_of(tmp_path, {"store": {"url": url}} | settings)) == 0
    return capsys.readouterr().out


async def as_json(tmp_path, capsys, records=JUNE_OF_TWO_VANS, words=PERIOD, **kwargs):
    return json.loads(await call(tmp_path, capsys, records, *words, "--format", "json", **kwargs))
