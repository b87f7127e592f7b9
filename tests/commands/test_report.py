import argparse
import csv
import io
import json
import re
import sqlite3
import tomllib
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from agent.commands import report
from agent.config import load
from agent.errors import SettingsError
from agent.factors.factor_set import load_factor_set
from agent.fleet.correction_state import Amounts
from agent.fleet.records import (
    AlertRecord,
    ChargeRecord,
    ChargeSliceRecord,
    CorrectionRecord,
    DayRecord,
    DropRecord,
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
VERSION = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
FACTORS = load_factor_set()
DIESEL = FACTORS.diesel("eu_van_heavy", "DE").wtw_g_per_km


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
PERIOD = ("--from", "2026-06-01", "--to", "2026-06-02")
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


async def test_the_header_says_how_it_was_made(tmp_path, capsys):
    header = (await as_json(tmp_path, capsys))["header"]
    assert (header["from"], header["to"]) == ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z")
    assert header["factor_set"].startswith("2026.1@")
    assert "well-to-wheel" in header["boundary"]
    assert header["electricity_g_per_kwh"] == {"DE": 354.5}
    assert header["electricity_mix"]["DE"].startswith("generation mix in place of the consumption mix")
    assert header["diesel_wtw_g_per_km"] == {"eu_van_heavy DE": 353.6}
    assert any("diesel.nox eu_van_heavy" in entry for entry in header["unconfirmed_factors"])
    assert not any(" FR " in entry for entry in header["unconfirmed_factors"])
    assert header["thresholds"]["departure_m"] == 200
    assert "by the instrument of each charge" in header["market_based"]
    assert "Scope 3.3" in header["scopes"]


async def test_the_header_names_period_program_and_factors(tmp_path, capsys):
    """Both ends are included and in local time: Berlin is two hours ahead of UTC in June."""
    berlin = SETTINGS | {"fleet": SETTINGS.get("fleet", {}) | {"timezone": "Europe/Berlin"}}
    header = (await as_json(tmp_path, capsys, settings=berlin))["header"]
    assert header["period"] == "2026-06-01 00:00:00+02:00 to 2026-06-01 23:59:59+02:00, both included"
    assert header["program"] == f"vanpulse {VERSION}"
    assert re.match(r"2026\.1@[0-9a-f]{12}: ", header["factor_set"])
    assert "by the method of EN ISO 14083:2023; not certified, not verified" in header["method"]
    assert "never add them" in header["used_and_charged"]


async def test_a_period_without_limits_is_that_of_the_data(tmp_path, capsys):
    records = [counters(3, km=0, used=0), counters(5, km=10, used=2), counters(30, km=20, used=4)]
    header = (await as_json(tmp_path, capsys, [one for some in records for one in some], ()))["header"]
    assert header["period"].startswith("2026-06-01 03:00:00+00:00 to 2026-06-02 06:00:00+00:00, both included (")
    assert "first time of the data" in header["period"]
    assert "last time of the data" in header["period"]


async def test_markdown_has_the_figures_first(tmp_path, capsys):
    text = await call(tmp_path, capsys, JUNE_OF_TWO_VANS, *PERIOD)
    lines = text.splitlines()
    assert lines.index("## Fleet") < 10
    assert text.index("## Fleet") < text.index("never add them") < text.index("## Depots")
    for said in ("- thresholds: ", "- factors that nobody has confirmed: ", "- uncertainty: "):
        assert text.index(said) > text.index("## Data quality")
    (scopes,) = [line for line in lines if "Scope 3.3 losses" in line]
    for column in ("| modelled, kWh |", "| market based CO2e, kg |", "| Scope 2 market based CO2e, kg |"):
        assert column in scopes


async def test_markdown_is_for_people(tmp_path, capsys):
    text = await call(tmp_path, capsys, JUNE_OF_TWO_VANS, *PERIOD)
    for line in ("# Energy and emissions", "## Fleet", "## Vans", "## Trips", "## Charges", "## Data quality"):
        assert f"{line}\n" in text
    assert "| CO2e, g/km | 75.0 |\n" in text
    assert "| avoided NOx, g | 15.0 |\n" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    assert "None" not in text


async def test_a_long_table_is_cut_and_says_so(tmp_path, capsys):
    records = [trip(i / 20, km=1, kwh=0.2) for i in range(250)]
    text = await call(tmp_path, capsys, records)
    assert "50 more: `vanpulse report --block trips --format csv` has all 250." in text


async def test_csv_is_one_table(tmp_path, capsys):
    text = await call(tmp_path, capsys, JUNE_OF_TWO_VANS, *PERIOD, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["vehicle_id"], row["distance_km"], row["inferred"]) for row in rows] == [
        ("van-2", "20.0", "false"),
        ("van-1", "60.0", "false"),
        ("van-1", "40.0", "true"),
    ]
    summary = await call(tmp_path, capsys, [], *PERIOD, "--format", "csv", "--block", "summary")
    assert "\ndistance_km,120.0\n" in summary
    vans = await call(tmp_path, capsys, [], *PERIOD, "--format", "csv", "--block", "vans")
    assert vans.startswith("vehicle_id,depot,model,country,distance_km")


async def test_one_block_alone_has_its_header(tmp_path, capsys):
    content = await as_json(tmp_path, capsys, words=(*PERIOD, "--block", "vans"))
    assert list(content) == ["header", "vans"]


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


async def test_the_uncertainty_of_a_period(tmp_path, capsys):
    """95 %. Two days of 20 kWh known to 1.645 kWh (90 %) each: sqrt(2) / 40. Charged by a charger, annual factor."""
    days = [
        DayRecord(
            vehicle_id="van-1", time_ms=JUNE + DAY * number, distance_km=100.0, used_kwh=20.0, charged_kwh=0.0,
            grid_kwh=0.0, idle_kwh=0.0, trips=1, stops=1, charges=0, co2e_g=8000.0, diesel_co2e_g=30_000.0,
            avoided_co2e_g=22_000.0, uncertainty_kwh=1.645,
        )
        for number in (0, 1)
    ]  # fmt: skip
    stored = ChargeSliceRecord(
        vehicle_id="van-1", time_ms=JUNE + 2 * HOUR, battery_kwh=3.6, grid_kwh=4.0, meter="charger", direct_g=1200.0,
        upstream_g=240.0, losses_g=160.0, market_g=48.0, instrument="contract Green", intensity_source="annual",
        factor_set="a set",
    )  # fmt: skip
    words = ("--from", "2026-06-01", "--to", "2026-06-03")
    summary = (await as_json(tmp_path, capsys, [*days, stored], words))["summary"]
    assert summary["battery_uncertainty_kwh"] == pytest.approx(1.96 * 2**0.5)
    u = (2 / 40**2 + 0.01**2 + 0.10**2) ** 0.5
    assert summary["co2e_uncertainty_kg"] == pytest.approx(1.96 * u * 16.0)


async def test_a_van_without_a_charge_is_as_uncertain_as_a_modelled_one(tmp_path, capsys):
    """Nothing is known of its charges: 3 % for the efficiency, 10 % for an annual factor, of 8 kg."""
    day = DayRecord(
        vehicle_id="van-1", time_ms=JUNE, distance_km=100.0, used_kwh=20.0, charged_kwh=0.0,
        grid_kwh=0.0, idle_kwh=0.0, trips=1, stops=1, charges=0, co2e_g=8000.0, diesel_co2e_g=30_000.0,
        avoided_co2e_g=22_000.0,
    )  # fmt: skip
    words = ("--from", "2026-06-01", "--to", "2026-06-03")
    summary = (await as_json(tmp_path, capsys, [day], words))["summary"]
    assert summary["co2e_uncertainty_kg"] == pytest.approx(1.96 * (0.03**2 + 0.10**2) ** 0.5 * 8.0)
    assert "co2e_uncertainty_energy_kg" not in summary


async def test_the_uncertainty_of_a_period_from_its_days(tmp_path, capsys):
    """One day of 10 kg: its 90 % become 95 %. Two such days: energy in squares, meter and factor as they are."""
    days = [
        DayRecord(
            vehicle_id="van-1", time_ms=JUNE + DAY * number, distance_km=100.0, used_kwh=40.0, charged_kwh=0.0,
            grid_kwh=0.0, idle_kwh=0.0, trips=1, stops=1, charges=0, co2e_g=10_000.0, diesel_co2e_g=30_000.0,
            avoided_co2e_g=20_000.0, uncertainty_kwh=1.645, uncertainty_g=1.645 * 1158.0,
            uncertainty_energy_g=1.645 * 300.0, uncertainty_meter_g=1.645 * 500.0, uncertainty_factor_g=1.645 * 1000.0,
        )
        for number in (0, 1)
    ]  # fmt: skip
    one = (await as_json(tmp_path, capsys, days[:1], ("--from", "2026-06-01", "--to", "2026-06-02")))["summary"]
    assert one["co2e_uncertainty_kg"] == pytest.approx(1.96 * (0.3**2 + 0.5**2 + 1.0**2) ** 0.5)
    both = (await as_json(tmp_path, capsys, days, ("--from", "2026-06-01", "--to", "2026-06-03")))["summary"]
    assert both["co2e_uncertainty_energy_kg"] == pytest.approx(1.96 * 0.3 * 2**0.5)
    assert both["co2e_uncertainty_meter_kg"] == pytest.approx(1.96 * 1.0)
    assert both["co2e_uncertainty_factor_kg"] == pytest.approx(1.96 * 2.0)
    assert both["co2e_uncertainty_kg"] == pytest.approx(1.96 * (2 * 0.3**2 + 1.0**2 + 2.0**2) ** 0.5)


async def test_the_uncertainty_per_tonne_kilometre(tmp_path, capsys):
    """10 kg over 5 t-km are 2,000 g/t-km.

    The grams: 3, 4 and 12 % make 13 %. Half of the t-km primary (2 %), half modelled (10 %): masses 6 %. Together
    1.96 · sqrt(0.13² + 0.06²) of 2,000.
    """
    day = DayRecord(
        vehicle_id="van-1", time_ms=JUNE, distance_km=100.0, used_kwh=40.0, charged_kwh=0.0, grid_kwh=0.0,
        idle_kwh=0.0, trips=1, stops=1, charges=0, co2e_g=10_000.0, diesel_co2e_g=30_000.0, avoided_co2e_g=20_000.0,
        uncertainty_g=1.645 * 1300.0, uncertainty_energy_g=1.645 * 300.0, uncertainty_meter_g=1.645 * 400.0,
        uncertainty_factor_g=1.645 * 1200.0,
    )  # fmt: skip
    tours = [
        TourRecord(
            vehicle_id="van-1", time_ms=JUNE + hours * HOUR, start_ms=JUNE, duration_s=3600.0, distance_km=50.0,
            co2e_g=5000.0, diesel_co2e_g=15_000.0, trips=1, stops=1, drops=1, activity_tkm=2.5, quality=quality,
        )
        for hours, quality in ((8, "primary"), (12, "modelled"))
    ]  # fmt: skip
    words = ("--from", "2026-06-01", "--to", "2026-06-02")
    summary = (await as_json(tmp_path, capsys, [day, *tours], words))["summary"]
    assert summary["co2e_g_per_tkm"] == pytest.approx(2000.0)
    assert summary["co2e_g_per_tkm_uncertainty"] == pytest.approx(1.96 * (0.13**2 + 0.06**2) ** 0.5 * 2000.0)


async def test_the_mass_of_a_tour_is_as_uncertain_as_its_source_says(tmp_path, capsys):
    """1 t-km whose mass a message stated (2 %), 3 t-km by what was on board (10 %): (0.02 + 3 · 0.10) / 4 = 8 %.

    The grams are 6 % uncertain by their day: together 10 % of 1,000 g/t-km. That the grid energy of both tours was
    modelled is in the grams, and says nothing of the mass.
    """
    day = DayRecord(
        vehicle_id="van-1", time_ms=JUNE, distance_km=100.0, used_kwh=40.0, charged_kwh=0.0, grid_kwh=0.0,
        idle_kwh=0.0, trips=1, stops=1, charges=0, co2e_g=4000.0, diesel_co2e_g=30_000.0, avoided_co2e_g=26_000.0,
        uncertainty_g=1.645 * 240.0, uncertainty_energy_g=0.0, uncertainty_meter_g=1.645 * 240.0,
        uncertainty_factor_g=0.0,
    )  # fmt: skip
    records = [day]
    for hours, tonne_km, source in ((8, 1.0, "message"), (12, 3.0, "load")):
        records += [
            TourRecord(
                vehicle_id="van-1", time_ms=JUNE + hours * HOUR, start_ms=JUNE, duration_s=3600.0, distance_km=50.0,
                co2e_g=1000.0 * tonne_km, diesel_co2e_g=15_000.0, trips=1, stops=1, drops=1, activity_tkm=tonne_km,
                quality="modelled",
            ),
            DropRecord(
                vehicle_id="van-1", time_ms=JUNE + hours * HOUR - 1, action="unload", activity_tkm=tonne_km,
                source=source,
            ),
        ]  # fmt: skip
    summary = (await as_json(tmp_path, capsys, records, ("--from", "2026-06-01", "--to", "2026-06-02")))["summary"]
    assert summary["co2e_g_per_tkm_uncertainty"] == pytest.approx(1.96 * 0.10 * 1000.0)


def correction(hours, *, start, end, vehicle_id="van-1", reason="GPS in a tunnel", **amounts):
    """A slice of the stretch from `start` to `end`, hours like `hours`."""
    return CorrectionRecord(
        vehicle_id=vehicle_id,
        time_ms=JUNE + round(hours * HOUR),
        from_ms=JUNE + round(start * HOUR),
        to_ms=JUNE + round(end * HOUR),
        made_ms=JUNE + 40 * HOUR,
        reason=reason,
        made_by="ann",
        **(dict.fromkeys(Amounts.__struct_fields__, 0.0) | amounts),
    )


CORRECTED = [
    *JUNE_OF_TWO_VANS,
    # Begins before the period: 7 km of it lie before, and take nothing out of it.
    correction(-1, start=-1, end=1, distance_km=7.0, used_kwh=2.0),
    # 40 km and 9 kWh of van-1's 100 and 25, in two hours; the trip from 10 to 11 o'clock lies within.
    correction(10, start=10, end=12, distance_km=30.0, used_kwh=7.0, co2e_g=2100.0, diesel_co2e_g=30 * DIESEL),
    correction(11, start=10, end=12, distance_km=10.0, used_kwh=2.0, co2e_g=600.0, diesel_co2e_g=10 * DIESEL),
    # After the period.
    correction(60, start=60, end=61, distance_km=99.0),
]


async def test_what_was_corrected_by_hand_does_not_count_and_is_shown(tmp_path, capsys):
    found = await as_json(tmp_path, capsys, CORRECTED)
    summary = found["summary"]
    # 60 km and 16 kWh of van-1, 20 km and 5 kWh of van-2.
    assert summary["distance_km"] == pytest.approx(80.0)
    assert summary["battery_kwh"] == pytest.approx(21.0)
    assert summary["co2e_kg"] == pytest.approx(21.0 * 0.3)
    assert summary["diesel_co2e_kg"] == pytest.approx(80.0 * DIESEL / 1000)
    assert summary["trips"] == 2
    assert [trip["corrected"] for trip in found["trips"]] == [False, False, True]
    before, within = found["corrections"]
    assert (before["start"], before["distance_km"]) == ("2026-05-31T23:00:00Z", 0.0)
    assert within == {
        **dict.fromkeys(Amounts.__struct_fields__, 0.0),
        "vehicle_id": "van-1",
        "depot": "north",
        "start": "2026-06-01T10:00:00Z",
        "end": "2026-06-01T12:00:00Z",
        "reason": "GPS in a tunnel",
        "made": "2026-06-02T16:00:00Z",
        "made_by": "ann",
        "distance_km": 40.0,
        "used_kwh": 9.0,
        "co2e_g": 2700.0,
        "diesel_co2e_g": pytest.approx(40 * DIESEL),
    }


def implausible(hours, kind, state="raised", vehicle_id="van-1"):
    return AlertRecord(
        vehicle_id=vehicle_id, time_ms=JUNE + hours * HOUR, kind=kind, severity="warning", state=state, message=""
    )


DOUBTFUL = [
    *JUNE_OF_TWO_VANS,
    implausible(-1, "position_implausible"),
    implausible(1, "position_implausible"),
    implausible(2, "position_implausible", "cleared"),
    implausible(3, "position_implausible"),
    implausible(4, "odometer_implausible"),
    implausible(5, "soc_low"),
    implausible(6, "power_implausible", vehicle_id="van-2"),
    implausible(7, "soc_low", vehicle_id="van-3"),
]


async def test_vans_with_implausible_data_are_listed(tmp_path, capsys):
    assert (await as_json(tmp_path, capsys, DOUBTFUL))["implausible"] == [
        {
            "vehicle_id": "van-1",
            "depot": "north",
            "position_implausible": 2,
            "soc_implausible": 0,
            "odometer_implausible": 1,
            "power_implausible": 0,
            "last": "2026-06-01T04:00:00Z",
        },
        {
            "vehicle_id": "van-2",
            "depot": "north",
            "position_implausible": 0,
            "soc_implausible": 0,
            "odometer_implausible": 0,
            "power_implausible": 1,
            "last": "2026-06-01T06:00:00Z",
        },
    ]


async def test_markdown_has_both_lists(tmp_path, capsys):
    text = await call(tmp_path, capsys, [*CORRECTED, *DOUBTFUL[len(JUNE_OF_TWO_VANS) :]], *PERIOD)
    assert "GPS in a tunnel" in text
    assert "| van-2 | north | 0 | 0 | 0 | 1 | 2026-06-01T06:00:00Z |" in text


async def test_a_history_that_knows_no_corrections_yet_is_reported_all_the_same(tmp_path, capsys):
    await call(tmp_path, capsys, JUNE_OF_TWO_VANS)
    with closing(sqlite3.connect(tmp_path / "history.db")) as file:
        file.execute("DROP VIEW correction")
        file.execute("DROP TABLE correction_points")
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    settings = settings_of(tmp_path, {"store": {"url": f"sqlite:///{tmp_path / 'history.db'}"}} | SETTINGS)
    assert report.run(parser.parse_args([*PERIOD, "--format", "json"]), settings) == 0
    assert json.loads(capsys.readouterr().out)["corrections"] == []
