"""What the van's own figures prove: counters, power, capacity, efficiency."""

import pytest

from agent.fleet.evidence import spread_kwh
from tests.fleet.drives import Van, make_context


def cycle(van: Van, days: int, *, real_kwh: float, sign: float = 1.0, counters: bool = False) -> None:
    """Drive 40 % down and charge it again, with a battery that holds `real_kwh`."""
    out = into = 0.0
    share = van.context.vehicle.battery_kwh / real_kwh
    for _ in range(days):
        for kind in ("drive", "rest", "charge", "rest"):
            for _ in range({"drive": 360, "rest": 60, "charge": 360}[kind]):
                van.time_s += 10
                kw = {"drive": -real_kwh * 0.4, "rest": -0.1, "charge": real_kwh * 0.4 / 0.97}[kind]
                kwh = kw / 360.0
                out, into = out + max(0.0, -kwh), into + max(0.0, kwh)
                stored = kwh * 0.97 if kwh > 0 else kwh
                van.soc_pct += stored / real_kwh * 100.0
                van.km += 0.1 if kind == "drive" else 0.0
                fields = {"energy_out_total_kwh": out, "energy_in_total_kwh": into} if counters else {}
                van.say(
                    battery_power_kw=None if counters else sign * kw,
                    speed_kmh=36.0 if kind == "drive" else 0.0,
                    charging=kind == "charge",
                    battery_temp_c=20.0,
                    **fields,
                )
    assert share > 0


def test_the_capacity_is_learnt_from_what_went_through():
    van = Van(make_context(battery_kwh=60.0), soc_pct=90.0, step_pct=0.5)
    cycle(van, 4, real_kwh=50.0)
    capacity = van.state.capacity
    assert capacity.battery_kwh == pytest.approx(50.0, rel=0.02)
    assert len(capacity.samples_kwh) >= 3
    assert spread_kwh(capacity) < 1.0
    assert van.energy.usable_capacity_kwh == capacity.battery_kwh


def test_a_van_with_the_opposite_sign_is_understood():
    van = Van(soc_pct=90.0, step_pct=0.5)
    cycle(van, 1, real_kwh=50.0, sign=-1.0)
    assert van.state.soc.power_sign == -1
    van.records.clear()
    cycle(van, 1, real_kwh=50.0, sign=-1.0)
    (trip,), (charge,) = van.trips, van.charges
    assert trip.energy_kwh == pytest.approx(20.0, rel=0.03)
    assert charge.energy_kwh == pytest.approx(20.0 / 0.97, rel=0.03)


def test_lifetime_counters_are_believed_once_they_agree():
    van = Van(soc_pct=90.0, step_pct=1.0)
    cycle(van, 2, real_kwh=50.0, counters=True)
    assert van.energy.source == "counter"
    assert van.trips[1].energy_kwh == pytest.approx(20.0, rel=0.01)


def test_counters_that_stand_still_are_not_believed():
    van = Van(soc_pct=90.0, step_pct=0.5)
    van.fields = {"energy_out_total_kwh": 1000.0, "energy_in_total_kwh": 500.0}
    van.rest(60)
    van.drive(3600, kwh_per_km=0.3)
    van.rest(600)
    assert van.energy.source == "soc"
    assert van.trips[0].energy_kwh == pytest.approx(10.8, rel=0.05)


def test_power_frozen_at_its_last_charging_value_is_not_believed():
    van = Van(soc_pct=90.0, step_pct=0.5)
    van.rest(60)
    van.drive(3600, kwh_per_km=0.3, battery_power_kw=11.0)
    van.rest(600)
    assert van.trips[0].energy_kwh == pytest.approx(10.8, rel=0.06)
    assert van.energy.regenerated_kwh_total < 1.0


def test_the_efficiency_is_learnt_from_a_charger_that_measures():
    van = Van(soc_pct=30.0)
    for _ in range(3):
        van.rest(600)
        van.rest(3600, every_s=30, kw=-10.0, charging=True, charger_power_kw=10.0 / 0.97 / 0.8)
        van.rest(600, charging=False)
        van.drive(1600)
        van.rest(600)
    assert van.charges[-1].energy_kwh / van.charges[-1].grid_kwh == pytest.approx(0.8, abs=0.02)
    van.rest(3600, every_s=30, kw=-10.0, charging=True)
    van.rest(600, charging=False)
    assert van.charges[-1].energy_kwh / van.charges[-1].grid_kwh == pytest.approx(0.8, abs=0.02)
