from itertools import pairwise

import pytest

from agent.fleet.records import DayRecord, EmissionsRecord, EnergyRecord
from tests.fleet.drives import START_MS, Van, make_context
from tests.fleet.scenarios import trip_then_key_off

DAY_S = 86_400


def test_states_are_published_when_they_change():
    van = Van()
    trip_then_key_off(van)
    states = [record.state for record in van.of(type(van.energy))]
    assert [state for state, before in zip(states, [None, *states], strict=False) if state != before] == [
        "parked",
        "driving",
        "parked",
        "offline",
    ]


def test_energy_at_most_each_ten_seconds_of_event_time():
    van = Van()
    van.rest(30)
    van.drive(120, every_s=1)
    times = [record.time_ms for record in van.of(type(van.energy)) if record.state == "driving"]
    assert all(later - earlier >= 10_000 for earlier, later in pairwise(times[1:]))


def test_idle_energy_is_what_was_lost_at_rest():
    van = Van()
    van.fields = {"battery_power_kw": -0.5}
    van.rest(7200, kw=0.5)
    assert van.energy.idle_kwh_total == pytest.approx(1.0, rel=0.06)
    assert van.energy.distance_km_total == 0.0


def test_two_streams_out_of_step_are_one_van():
    """State of charge and position in messages of their own, the position 1 s older: nothing of it is late."""
    van = Van()
    for second in range(0, 900, 10):
        van.time_s += 10
        moving = 60 <= second < 600
        van.km += 0.1 if moving else 0.0
        van.soc_pct -= 0.05 if moving else 0.0
        van.say(latitude_deg=None, longitude_deg=None, speed_kmh=None)
        van.time_s -= 1
        van.say(soc_pct=None, speed_kmh=36.0 if moving else 0.0)
        van.time_s += 1
    van.silence(1200)
    assert van.state.late == 0
    (trip,) = van.trips
    assert trip.energy_kwh == pytest.approx(54 * 0.05 / 2.0, abs=0.15)
    assert trip.distance_km == pytest.approx(5.4, rel=0.03)


@pytest.mark.parametrize("soc_every_s", [60, 300, 900])
def test_energy_of_a_trip_whose_state_of_charge_comes_rarely(soc_every_s: int):
    van = Van(step_pct=1.0)
    for second in range(0, 5400, 10):
        van.time_s += 10
        moving = 600 <= second < 2400
        van.km += 0.1 if moving else 0.0
        van.soc_pct -= 0.05 if moving else 0.0
        van.say(soc_pct=None, speed_kmh=36.0 if moving else 0.0)
        if second % soc_every_s == 0:
            van.say(latitude_deg=None, longitude_deg=None, speed_kmh=None)
    (trip,) = van.trips
    assert trip.energy_kwh == pytest.approx(4.5, abs=0.4)
    assert van.energy.regenerated_kwh_total <= 0.25


@pytest.mark.parametrize("odometer", [None, 5000.0, 5000.3])
def test_what_happened_offline_counts_with_any_odometer(odometer: float | None):
    """None, one that shows whole kilometres, one that shows parts of them."""
    van = Van()
    fields = {} if odometer is None else {"odometer_km": odometer}
    van.rest(600, **fields)
    van.silence(3600)
    van.km += 20.0
    van.soc_pct -= 10.0
    fields = {} if odometer is None else {"odometer_km": odometer + 20.0}
    van.rest(600, **fields)
    assert van.energy.distance_km_total == pytest.approx(20.0, rel=0.01)
    assert van.trips[0].energy_kwh == pytest.approx(5.0, abs=0.25)


def test_a_day_is_closed_at_midnight():
    van = Van(make_context())
    van.rest(60)
    van.drive(600)
    van.rest(600)
    van.silence(24 * 3600)
    van.rest(60)
    (day,) = [record for record in van.records if type(record).__name__ == "DayRecord"]
    assert (day.trips, day.charges) == (1, 0)
    assert day.distance_km == pytest.approx(6.0, rel=0.02)
    assert day.used_kwh == pytest.approx(1.5, rel=0.1)


def test_a_day_keeps_both_parts_of_a_drive_over_a_dead_spot() -> None:
    """36 km are heard live on one day, 36 more are driven out of reach; they arrive the next morning, after 06:00."""
    van = Van()
    to_midnight_s = (DAY_S * 1000 - START_MS % (DAY_S * 1000)) // 1000
    van.time_s = to_midnight_s + 8 * 3600
    van.rest(600)
    van.drive(3600)
    heard_s = van.time_s
    van.silence(24 * 3600)
    (partial,) = van.of(DayRecord)
    assert partial.distance_km == pytest.approx(36.0, rel=0.01)
    van.time_s = heard_s
    van.drive(3600)
    van.rest(600)
    van.silence(24 * 3600)
    van.rest(60)
    days = {record.time_ms: record for record in van.of(DayRecord)}
    whole = days[partial.time_ms]
    assert whole.distance_km == pytest.approx(72.0, rel=0.01)
    assert whole.trips == 2  # the dead spot ended the first
    assert sum(day.distance_km for day in days.values()) == pytest.approx(van.state.totals.distance_km)


@pytest.mark.parametrize(
    ("title", "standing_s"), [("offline on the road", 0), ("at a stop, then offline", 200), ("parked", 900)]
)
def test_what_silence_ends_is_no_second_row_at_the_last_readings_time(title: str, standing_s: int) -> None:
    van = Van()
    van.rest(60)
    van.drive(600)
    if standing_s:
        van.rest(standing_s)
    last_ms = START_MS + van.time_s * 1000
    van.silence(3600)
    van.rest(30)
    for kind in (EnergyRecord, EmissionsRecord):
        times = [record.time_ms for record in van.of(kind)]
        assert times == sorted(set(times)), title
    offline = [record for record in van.of(EnergyRecord) if record.state == "offline"]
    assert len(offline) == 1
    assert last_ms <= offline[0].time_ms < last_ms + 1000
