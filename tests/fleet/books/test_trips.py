"""Trips, stops and charges: their figures in their units."""

import pytest

from tests.fleet.drives import Van
from tests.fleet.scenarios import (
    charged_elsewhere_while_offline,
    charged_while_offline,
    driven_while_offline,
    flagged_charge,
    long_descent,
    one_trip,
    two_short_trips,
)


def test_a_trip_in_its_units():
    van = Van()
    one_trip(van)
    (trip,) = van.trips
    assert trip.distance_km == pytest.approx(6.0, rel=0.02)
    assert trip.energy_kwh == pytest.approx(1.5, rel=0.05)
    assert trip.duration_s == pytest.approx(650, abs=20)
    assert trip.consumption_kwh_per_100km == pytest.approx(25.0, rel=0.06)
    assert trip.start_latitude_deg == pytest.approx(48.0, abs=1e-4)
    assert trip.end_latitude_deg == pytest.approx(48.0 + 6.0 / 111.195, abs=1e-3)
    assert trip.uncertainty_kwh is not None
    assert abs(trip.energy_kwh - 1.5) < trip.uncertainty_kwh
    assert not trip.inferred


def test_trips_share_no_distance():
    van = Van()
    two_short_trips(van)
    assert [trip.distance_km for trip in van.trips] == [pytest.approx(0.6, abs=0.06)] * 2


def test_a_descent_gives_a_trip_of_negative_energy():
    van = Van()
    long_descent(van)
    (trip,) = van.trips
    assert trip.energy_kwh == pytest.approx(-0.75, abs=0.1)
    assert van.energy.regenerated_kwh_total == pytest.approx(0.75, abs=0.15)


def test_a_charge_in_its_units():
    van = Van()
    flagged_charge(van)
    (charge,) = van.charges
    assert charge.energy_kwh == pytest.approx(11.0 / 0.97, rel=0.03)  # what can be taken out is 97 % of it
    assert charge.grid_kwh == pytest.approx(charge.energy_kwh / 0.89, rel=0.01)
    assert charge.kind == "ac"
    assert (charge.soc_start_pct, charge.soc_end_pct) == (pytest.approx(40.0, abs=0.5), pytest.approx(62.0, abs=0.1))
    assert charge.co2e_g == pytest.approx(charge.grid_kwh * 354.4, rel=0.01)


def test_a_fast_charge_is_dc():
    van = Van(soc_pct=20.0)
    van.fields = {"battery_power_kw": 0.0}
    van.rest(600)
    van.rest(1200, kw=-80.0, battery_power_kw=80.0, charging=True)
    van.rest(600, charging=False)
    (charge,) = van.charges
    assert charge.kind == "dc"
    assert charge.max_power_kw == 80.0
    assert charge.grid_kwh == pytest.approx(charge.energy_kwh / 0.93, rel=0.01)


@pytest.mark.parametrize("period_s", [2, 10, 30])
def test_a_stop_lasts_as_long_as_the_van_stood(period_s: int):
    """It begins and ends between two readings: whatever the phase of the readings, the mean has no bias."""
    dwells = []
    for phase_s in range(0, period_s, max(1, period_s // 10)):
        van = Van()
        van.rest(60)
        for second in range(1, 1400):
            van.time_s += 1
            stands = 500 <= second % 600 < 597 or second > 1300
            van.km += 0.0 if stands else 0.01
            if second % period_s == phase_s:
                van.say(speed_kmh=0.0 if stands else 36.0)
        dwells += [stop.dwell_s for stop in van.stops]
    assert sum(dwells) / len(dwells) == pytest.approx(97.0, abs=0.06 * period_s + 0.5)


@pytest.mark.parametrize("start_pct", [80.0, 77.6])
@pytest.mark.parametrize("step_pct", [1.0, 5.0])
def test_energy_of_a_day_by_a_coarse_state_of_charge(step_pct: float, start_pct: float):
    van = Van(soc_pct=start_pct, step_pct=step_pct)
    for _ in range(4):
        van.rest(400)
        van.drive(2400, kwh_per_km=0.28)
    van.rest(1000)
    assert len(van.trips) == 4
    assert van.state.rejected_soc == 0
    used_kwh = van.energy.used_kwh_total - van.energy.regenerated_kwh_total
    assert used_kwh == pytest.approx(4 * 24.0 * 0.28, abs=0.5 * step_pct / 100.0 * 50.0 + 0.4)


def test_what_happened_offline_is_marked():
    van = Van()
    driven_while_offline(van)
    (trip,) = van.trips
    assert trip.inferred
    assert trip.distance_km == pytest.approx(20.0, rel=0.01)
    assert trip.energy_kwh == pytest.approx(5.0, abs=0.4)  # one step of 1 %
    van = Van()
    charged_while_offline(van)
    (charge,) = van.charges
    assert charge.inferred
    assert charge.energy_kwh == pytest.approx(25.0 / 0.97, rel=0.03)
    van = Van()
    charged_elsewhere_while_offline(van)
    assert van.charges[0].inferred
    assert van.trips[0].inferred
