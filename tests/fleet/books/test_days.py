import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fleet.books import days
from agent.fleet.day_state import NO_TOTALS, DayState, DayTotals
from agent.fleet.day_zone import DayZone
from agent.fleet.tariff import Tariff

HOUR = 3_600_000
DAY = 24 * HOUR
UTC_DAYS = DayZone()


def totals(km, **changes):
    return DayTotals(km, km / 5, None, km / 4, km / 3, 0.0, km * 70, km * 345.9)._replace(**changes)


def turn(state, hour, at, *, heard=True, uncertainty=None):
    return days.roll_over(
        state,
        UTC_DAYS,
        vehicle_id="v",
        time_ms=round(hour * HOUR),
        totals=at,
        heard=heard,
        uncertainty_kwh=uncertainty,
    )


def test_a_day_is_the_difference_of_two_totals():
    state = DayState()
    assert days.is_day_over(state, 10 * HOUR)
    assert turn(state, 10, totals(100)) is None
    assert not days.is_day_over(state, 24 * HOUR - 1)
    assert days.is_day_over(state, 24 * HOUR)
    state.trips, state.stops, state.charges = 3, 40, 1
    days.add_cost(state, Tariff(0.3, UTC_DAYS), grid_kwh=10, start_ms=0, end_ms=HOUR)
    record = turn(state, 25, totals(180), uncertainty=0.4)
    assert record.time_ms == 0
    assert record.vehicle_id == "v"
    assert record.distance_km == 80
    assert record.used_kwh == pytest.approx(16)
    assert record.regenerated_kwh is None
    assert (record.trips, record.stops, record.charges) == (3, 40, 1)
    assert record.co2e_g == pytest.approx(80 * 70)
    assert record.avoided_co2e_g == pytest.approx(80 * (345.9 - 70))
    assert record.energy_cost == pytest.approx(3.0)
    assert record.uncertainty_kwh == 0.4
    following = turn(state, 49, totals(190))
    assert (following.time_ms, following.trips, following.energy_cost) == (DAY, 0, None)


def test_the_uncertainty_of_the_grams_of_a_day():
    """By hand.

    10 kg from 40 kWh known to 2 kWh (90 %): 5 %, 500 g. A quarter by a charger's meter: 1 % · 0.25 + 3 % · 0.75 is
    2.5 %, 250 g. Half by the hour: 5 % · 0.5 + 10 % · 0.5 is 7.5 %, 750 g. Together
    sqrt(500² + (1.645 · 250)² + (1.645 · 750)²).
    """
    state = DayState()
    begun = totals(0)._replace(co2e_g=500.0, net_kwh=3.0, primary_g=100.0, hourly_g=200.0)
    turn(state, 1, begun)
    ended = totals(200)._replace(co2e_g=10_500.0, net_kwh=43.0, primary_g=2600.0, hourly_g=5200.0)
    record = turn(state, 25, ended, uncertainty=2.0)
    assert record.uncertainty_energy_g == pytest.approx(500.0)
    assert record.uncertainty_meter_g == pytest.approx(1.645 * 250.0)
    assert record.uncertainty_factor_g == pytest.approx(1.645 * 750.0)
    assert record.uncertainty_g == pytest.approx((500.0**2 + (1.645 * 250) ** 2 + (1.645 * 750) ** 2) ** 0.5)


def test_a_day_that_an_older_version_began_does_not_state_what_it_cannot_know():
    state = DayState()
    turn(state, 1, totals(0))
    assert turn(state, 25, totals(200)._replace(net_kwh=43.0), uncertainty=2.0).uncertainty_g is None


def test_regenerated_energy_when_it_becomes_known_during_the_day():
    state = DayState()
    turn(state, 1, totals(0))
    assert turn(state, 25, totals(10, regenerated_kwh=2.0)).regenerated_kwh == 2.0
    assert turn(state, 49, totals(20, regenerated_kwh=5.0)).regenerated_kwh == 3.0


def test_a_day_downhill_may_be_negative():
    state = DayState()
    turn(state, 1, totals(0, co2e_g=500.0))
    record = turn(state, 25, totals(10, co2e_g=300.0, diesel_co2e_g=3459.0))
    assert record.co2e_g == -200.0
    assert record.avoided_co2e_g == 3659.0


@pytest.mark.parametrize(
    ("title", "hour", "over"),
    [("at midnight", 24, False), ("some hours later", 29.9, False), ("six hours later", 30, True)],
)
def test_silence_closes_a_day_later(title, hour, over):
    state = DayState()
    turn(state, 20, totals(5))
    assert days.is_day_over(state, round(hour * HOUR), heard=False) is over, title


def test_a_silent_van_has_no_days():
    state = DayState()
    assert not days.is_day_over(state, 100 * DAY, heard=False)
    turn(state, 20, totals(5))
    assert turn(state, 30, totals(9), heard=False).distance_km == 4
    for hour in range(31, 200):
        assert not days.is_day_over(state, hour * HOUR, heard=False)
    assert days.is_day_over(state, 200 * HOUR)
    assert turn(state, 200, totals(9)) is None
    assert turn(state, 217, totals(12)).time_ms == 8 * DAY


def test_a_day_that_silence_closed_goes_on_with_what_was_kept_back():
    """50 km are heard live, silence closes the day at 06:00, and then the other 50 km of it arrive."""
    state = DayState()
    turn(state, 32, totals(100))
    state.trips = 2
    days.add_cost(state, Tariff(0.3, UTC_DAYS), grid_kwh=10, start_ms=32 * HOUR, end_ms=33 * HOUR)
    assert turn(state, 54, totals(150), heard=False, uncertainty=0.4).distance_km == 50
    assert not days.is_day_over(state, 100 * HOUR, heard=False)
    assert turn(state, 41, totals(150)) is None
    state.trips += 1
    whole = turn(state, 55, totals(200))
    assert (whole.time_ms, whole.distance_km, whole.trips) == (DAY, 100, 3)
    assert whole.energy_cost == pytest.approx(3.0)
    following = turn(state, 78, totals(210))
    assert (following.time_ms, following.distance_km, following.trips, following.energy_cost) == (2 * DAY, 10, 0, None)


def test_no_tariff_no_cost():
    state = DayState()
    days.add_cost(state, None, grid_kwh=10, start_ms=0, end_ms=HOUR)
    assert state.energy_cost is None


steps = st.lists(
    st.tuples(st.floats(0.01, 60), st.floats(0, 90), st.floats(-3, 30), st.booleans()), min_size=1, max_size=30
)


@given(steps)
def test_days_add_up_to_the_totals(life):
    state, records, now, at = DayState(), [], 0.0, NO_TOTALS
    heard = 0.0
    for hours, km, kwh, ticking in life:
        if ticking:
            if days.is_day_over(state, round((now + hours) * HOUR), heard=False):
                records.append(turn(state, now + hours, at, heard=False))
            # Every other van has gone on driving out of reach, and sends what it kept back.
            heard = now if round(hours) % 2 else now + hours
            continue
        now = max(now, heard) + hours
        time_ms = round(now * HOUR)
        if days.is_day_over(state, time_ms):
            records.append(turn(state, now, at))
        at = at._replace(distance_km=at.distance_km + km, used_kwh=at.used_kwh + kwh, co2e_g=at.co2e_g + 400 * kwh)
    records.append(turn(state, now + 48, at))
    # As the store has them: a day that is written again takes the place of what was written before.
    closed = list({record.time_ms: record for record in records if record is not None}.values())
    for name in ("distance_km", "used_kwh", "co2e_g"):
        assert sum(getattr(record, name) for record in closed) == pytest.approx(getattr(at, name), abs=1e-6)
    starts = [record.time_ms for record in closed]
    assert starts == sorted(set(starts))
    assert all(start % DAY == 0 for start in starts)
