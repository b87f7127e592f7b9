from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from agent.errors import JournalCorrupt
from agent.fleet import STATE_VERSION, Verdict, decode_state, encode_state, new_state, step
from agent.fleet.modes import PARKED
from agent.fleet.records import DayRecord, EmissionsRecord, EnergyRecord
from agent.readings import Reading
from tests.fleet.drives import START_MS, Van, make_context

DAY_S = 86_400
Scenario = tuple[str, Callable[[Van], None], int, int, int]


def one_trip(van: Van) -> None:
    van.rest(60)
    van.drive(600)
    van.rest(600)


def trip_then_key_off(van: Van) -> None:
    van.rest(60)
    van.drive(600)
    van.rest(30)
    van.silence(1200)


def trip_with_delivery(van: Van) -> None:
    van.rest(60)
    van.drive(300)
    van.rest(150)
    van.drive(300)
    van.rest(600)


def red_light(van: Van) -> None:
    van.rest(60)
    van.drive(300)
    van.rest(40)
    van.drive(300)
    van.rest(600)


def next_door(van: Van) -> None:
    """Two deliveries, 40 m apart, that a message each 10 s hardly shows."""
    van.rest(60)
    van.drive(300)
    van.rest(200)
    van.drive(10, speed_kmh=14.4)
    van.rest(200)
    van.drive(300)
    van.rest(600)


def two_trips(van: Van) -> None:
    one_trip(van)
    van.drive(600)
    van.rest(600)


def two_short_trips(van: Van) -> None:
    """The second does not reach back to the waking up before the first."""
    van.rest(20)
    van.drive(60)
    van.rest(310)
    van.drive(60)
    van.rest(400)


def one_fast_glitch(van: Van) -> None:
    van.rest(600)
    van.say(speed_kmh=30.0)
    van.rest(600)


def drift_while_parked(van: Van) -> None:
    for metres in (0, 30, -40, 60, -20, 80, 0) * 10:
        van.time_s += 10
        van.km = metres / 1000.0
        van.say(speed_kmh=None)


def flagged_charge(van: Van) -> None:
    van.soc_pct = 40.0
    van.rest(600)
    van.rest(3600, every_s=60, kw=-11.0, charging=True)
    van.rest(600, charging=False)


def rising_charge(van: Van) -> None:
    van.soc_pct = 40.0
    van.rest(600)
    van.rest(3600, every_s=60, kw=-11.0)
    van.rest(3600, every_s=60)


def long_descent(van: Van) -> None:
    """Recuperation fills the battery by 1.5 %: no charge, and a trip of negative energy."""
    van.rest(60)
    van.drive(600, kwh_per_km=-0.125)
    van.rest(600)


def flag_while_driving(van: Van) -> None:
    van.rest(60)
    van.drive(600, charging=True)
    van.rest(600, charging=False)


def charged_while_offline(van: Van) -> None:
    van.soc_pct = 40.0
    van.rest(600)
    van.silence(8 * 3600)
    van.soc_pct = 90.0
    van.rest(600)


def charged_elsewhere_while_offline(van: Van) -> None:
    """Back 2 km from where it was last seen: while the position waits for a second one, no charge begins."""
    van.soc_pct = 40.0
    van.rest(600)
    van.silence(8 * 3600)
    van.soc_pct = 90.0
    van.km += 2.0
    van.rest(600, every_s=1)


def driven_while_offline(van: Van) -> None:
    van.rest(600)
    van.silence(3600)
    van.km += 20.0
    van.soc_pct -= 10.0
    van.rest(600)


SCENARIOS: list[Scenario] = [
    ("a trip ends 300 s after the van came to rest", one_trip, 1, 0, 0),
    ("a trip ends with the last reading when the van falls silent", trip_then_key_off, 1, 0, 0),
    ("a rest of 150 s is a stop", trip_with_delivery, 1, 1, 0),
    ("a red light is none", red_light, 1, 0, 0),
    ("two doors are two stops, not parking", next_door, 1, 2, 0),
    ("parking between two trips", two_trips, 2, 0, 0),
    ("two short trips after one waking up", two_short_trips, 2, 0, 0),
    ("one fast reading is no departure", one_fast_glitch, 0, 0, 0),
    ("a wandering position is no trip", drift_while_parked, 0, 0, 0),
    ("the flag begins and ends a charge", flagged_charge, 0, 0, 1),
    ("a rise at rest is a charge", rising_charge, 0, 0, 1),
    ("regeneration is no charge", long_descent, 1, 0, 0),
    ("a flag while driving is no charge", flag_while_driving, 1, 0, 0),
    ("a charge nobody reported", charged_while_offline, 0, 0, 1),
    ("a charge and a trip nobody reported", charged_elsewhere_while_offline, 1, 0, 1),
    ("a trip nobody reported", driven_while_offline, 1, 0, 0),
]


@pytest.mark.parametrize(("title", "happen", "trips", "stops", "charges"), SCENARIOS, ids=[row[0] for row in SCENARIOS])
def test_what_happened(title: str, happen: Callable[[Van], None], trips: int, stops: int, charges: int):
    van = Van()
    happen(van)
    assert (len(van.trips), len(van.stops), len(van.charges)) == (trips, stops, charges), title


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


def verdict_of(van: Van, reading: Reading) -> Verdict:
    step(van.state, reading, reading.time_ms, van.context)
    return Verdict(van.state.verdict)


def test_verdicts():
    van = Van()
    van.rest(60)
    seen = van.readings[-2]
    assert verdict_of(van, van.readings[-1]) is Verdict.DUPLICATE
    assert verdict_of(van, seen) is Verdict.DUPLICATE
    older = Reading(vehicle_id="van-1", time_ms=seen.time_ms - 3, soc_pct=10.0, latitude_deg=1.0, longitude_deg=1.0)
    assert verdict_of(van, older) is Verdict.LATE
    retained = Reading(vehicle_id="van-1", time_ms=seen.time_ms + 60_000, soc_pct=10.0, stale=True)
    assert verdict_of(van, retained) is Verdict.STALE
    assert (van.state.duplicates, van.state.late) == (2, 1)
    assert van.state.soc.soc_pct == 80.0


@pytest.mark.parametrize(
    "value",
    [
        {"soh_pct": 97.0},
        {"ambient_temp_c": -4.0},
        {"heading_deg": 90.0},
        {"battery_temp_c": 46.0},
        {"plugged_in": True},
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_value_alone_is_not_late(value: dict[str, Any]):
    """Vans with a topic for each value, and each of these values between two others."""
    van = Van()
    for _ in range(30):
        van.time_s += 9
        reading = Reading(vehicle_id="van-1", time_ms=START_MS + van.time_s * 1000, **value)
        assert verdict_of(van, reading) is Verdict.ACCEPTED
        assert verdict_of(van, reading) is Verdict.DUPLICATE
        van.time_s += 1
        van.say()
        assert van.state.verdict == Verdict.ACCEPTED
    assert van.state.late == 0
    older = Reading(vehicle_id="van-1", time_ms=START_MS + 5000, **value)
    assert verdict_of(van, older) is Verdict.LATE
    for name, number in value.items():
        assert getattr(van.state.soc, name, number) == number


def test_a_restarted_sequence_is_taken():
    van = Van()
    for seq in (100, 101, 0, 1):
        van.time_s += 10
        van.say(seq=seq)
        assert van.state.verdict == Verdict.ACCEPTED


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


def test_the_state_is_small_and_survives_its_encoding():
    van = Van()
    two_trips(van)
    flagged_charge(van)
    encoded = encode_state(van.state)
    assert len(encoded) < 2700
    assert decode_state(encoded) == van.state
    assert van.state.motion.mode == PARKED


def test_another_version_is_refused_in_words():
    state = new_state("van-1")
    state.version = STATE_VERSION + 1
    with pytest.raises(JournalCorrupt, match="version 2, this program reads version 1"):
        decode_state(encode_state(state))
    with pytest.raises(JournalCorrupt, match="cannot be read"):
        decode_state(b"\x93nonsense")


# -- silence


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
