"""The figures of a report, from a history with known sums."""

import pytest

from agent.errors import SettingsError
from agent.fleet.records import (
    ChargeSliceRecord,
    DayRecord,
)
from tests.commands.reports import DIESEL, HOUR, JUNE, PERIOD, SETTINGS, as_json, call, counters, trip


async def test_the_figures_of_a_period(tmp_path, capsys):
    summary = (await as_json(tmp_path, capsys))["summary"]
    expected = {
        "vans": 2,
        "distance_km": 120,
        "trips": 3,
        "stops": 70,
        "charges": 2,
        "battery_kwh": 30,
        "idle_kwh": 1,
        "grid_kwh": 40,
        "driving_kwh_per_100km": 100 * 29 / 120,
        "overall_kwh_per_100km": 100 * 30 / 120,
        "co2e_kg": 9,
        "co2e_ttw_kg": 0,
        "co2e_wtt_kg": 9,
        "co2e_by_annual_factor_kg": 30 / 0.89 * 329.65 / 0.93 / 1000,
        "charged_location_based_co2e_kg": 7,
        "charged_market_based_co2e_kg": 0.8,
        "co2e_g_per_km": 75,
        "tours": 3,
        "drops": 70,
        "parcels": 80,
        "tonne_km": 3,
        "co2e_g_per_tkm": (15 + 9) * 300 / 3,
        "co2e_g_per_parcel": (15 + 9) * 300 / 80,
        "co2e_g_per_stop": 9000 / 70,
        "load_factor_pct": 25,
        "empty_km_pct": 60,
        "diesel_co2e_kg": 120 * DIESEL / 1000,
        "diesel_ttw_kg": 120 * 0.1086 * 2490 / 1000,
        "diesel_wtt_kg": 120 * 0.1086 * 766 / 1000,
        "avoided_co2e_kg": (120 * DIESEL - 9000) / 1000,
        "avoided_nox_g": 15,
        "avoided_pm_g": 0.54,
        "avoided_diesel_l": 120 * 0.1086,
        "charged_below_annual_intensity_pct": 75,
        "primary_co2e_pct": 100 * 0.4 * 15 / (15 + 9),
        "primary_km_pct": 50,
        "modelled_km_pct": 100 * 40 / 120,
        "default_km_pct": 100 * 20 / 120,
        "inferred_trips": 1,
        "inferred_charges": 1,
    }
    for name, value in expected.items():
        assert summary[name] == pytest.approx(value), name


async def test_vans_depots_trips_and_charges(tmp_path, capsys):
    content = await as_json(tmp_path, capsys)
    assert [(van["vehicle_id"], van["distance_km"], van["usable_capacity_kwh"]) for van in content["vans"]] == [
        ("van-1", 100.0, 80.0),
        ("van-2", 20.0, 80.0),
    ]
    assert [(depot["depot"], depot["trips"]) for depot in content["depots"]] == [("north", 3)]
    assert [row["end"] for row in content["trips"]] == [f"2026-06-01T{hour}:00:00Z" for hour in ("08", "09", "11")]
    assert [row["grid_kwh"] for row in content["charges"]] == [30.0, 10.0]
    assert content["quality"]["inferred_charges"] == 1


async def test_a_period_without_limits_is_that_of_the_data(tmp_path, capsys):
    records = [counters(3, km=0, used=0), counters(5, km=10, used=2), counters(30, km=20, used=4)]
    header = (await as_json(tmp_path, capsys, [one for some in records for one in some], ()))["header"]
    assert header["period"].startswith("2026-06-01 03:00:00+00:00 to 2026-06-02 06:00:00+00:00, both included (")
    assert "first time of the data" in header["period"]
    assert "last time of the data" in header["period"]


async def test_the_whole_history_without_a_period(tmp_path, capsys):
    content = await as_json(tmp_path, capsys, words=())
    assert content["summary"]["distance_km"] == 1620
    assert content["header"]["from"] is None


async def test_days_stand_in_where_the_store_has_let_the_counters_go(tmp_path, capsys):
    day = DayRecord(
        vehicle_id="van-1",
        time_ms=JUNE,
        distance_km=100,
        used_kwh=25,
        charged_kwh=35,
        grid_kwh=40,
        idle_kwh=1,
        trips=2,
        stops=70,
        charges=1,
        co2e_g=7500,
        diesel_co2e_g=100 * DIESEL,
        avoided_co2e_g=100 * DIESEL - 7500,
    )
    content = await as_json(tmp_path, capsys, [day, trip(9, km=60, kwh=15)])
    summary = content["summary"]
    assert (summary["distance_km"], summary["battery_kwh"], summary["co2e_kg"]) == (100, 25, 7.5)
    assert summary["avoided_nox_g"] == 12.5
    assert summary["trips"] == 1


async def test_what_was_stored_with_the_points_counts_not_the_settings(tmp_path, capsys):
    settings = {"fleet": {"country": "FR", "depot": "south", "model": "renault-kangoo-e-tech"}}
    content = await as_json(tmp_path, capsys, settings=settings)
    assert content["header"]["electricity_g_per_kwh"] == {"DE": 354.5}
    assert content["header"]["diesel_wtw_g_per_km"] == {"eu_van_heavy DE": 353.6}, (
        "the EU's class, as in the header of DE"
    )
    assert {van["depot"] for van in content["vans"]} == {"north"}


async def test_an_empty_history(tmp_path, capsys):
    content = await as_json(tmp_path, capsys, [])
    assert content["summary"]["vans"] == 0
    assert content["trips"] == []
    assert "co2e_g_per_km" not in content["summary"]
    await call(tmp_path, capsys, [])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--from", "yesterday"), "--from 'yesterday' is not a date"),
        (("--from", "2026-06-02", "--to", "2026-06-01"), "is not before"),
    ],
)
async def test_a_bad_period_is_refused(tmp_path, capsys, words, says):
    with pytest.raises(SettingsError, match=says):
        await call(tmp_path, capsys, [], *words)


async def test_a_day_begins_where_the_fleet_says(tmp_path, capsys):
    settings = {"fleet": SETTINGS["fleet"] | {"timezone": "+02:00"}}
    header = (await as_json(tmp_path, capsys, settings=settings))["header"]
    assert header["from"] == "2026-05-31T22:00:00Z"
    words = ("--from", "2026-06-01T00:00:00Z")
    assert (await as_json(tmp_path, capsys, words=words, settings=settings))["header"]["from"] == "2026-06-01T00:00:00Z"


async def test_a_period_is_reported_with_the_factors_of_its_own_year(tmp_path, capsys):
    words = ("--from", "2025-06-01", "--to", "2026-01-01")
    assert (await as_json(tmp_path, capsys, words=words))["header"]["factor_set"].startswith("2025.2@")


async def test_scopes_are_those_of_the_slices_as_stored(tmp_path, capsys):
    """4 kWh: 300, 60 and 40 g/kWh by location, 12 g/kWh by the contract."""
    stored = ChargeSliceRecord(
        vehicle_id="van-1",
        time_ms=JUNE + 2 * HOUR,
        battery_kwh=3.6,
        grid_kwh=4.0,
        meter="charger",
        direct_g=1200.0,
        upstream_g=240.0,
        losses_g=160.0,
        market_g=48.0,
        instrument="contract Green",
        intensity_source="annual",
        factor_set="an older set",
    )
    words = (*PERIOD, "--block", "scopes")
    scopes = (await as_json(tmp_path, capsys, [stored], words))["scopes"]
    assert scopes[-1]["scope_2_location_based_co2e_kg"] == pytest.approx(1.2)
    assert scopes[-1]["scope_2_market_based_co2e_kg"] == pytest.approx(0.048)
    text = await call(tmp_path, capsys, [stored], *PERIOD, "--block", "instruments")
    assert "| contract Green | an older set | 4 | 100.0 | 0.048 | 1.6 |" in text
