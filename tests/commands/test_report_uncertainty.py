"""The uncertainty of a report's figures, worked by hand."""

import pytest

from agent.fleet.records import (
    ChargeSliceRecord,
    DayRecord,
    DropRecord,
    TourRecord,
)
from tests.commands.reports import DAY, HOUR, JUNE, as_json


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
