import pytest

from agent.fleet import Thresholds
from agent.fleet.distance import advance
from agent.fleet.modes import DRIVING, PARKED
from agent.fleet.position_state import Position
from agent.fleet.sphere import KM_PER_DEGREE, between_km
from agent.readings import Reading

THRESHOLDS = Thresholds()


def reading(second: float, **fields: float) -> Reading:
    return Reading(vehicle_id="van-1", time_ms=int(second * 1000), **fields)


def total(readings: list[Reading], mode: int = DRIVING) -> tuple[float, Position]:
    position = Position()
    km, last_ms = 0.0, 0
    for each in readings:
        km += advance(position, each, each.time_ms - last_ms, mode, THRESHOLDS)
        last_ms = each.time_ms
    return km, position


def north(second: float, km: float, **fields: float) -> Reading:
    return reading(second, latitude_deg=48.0 + km / KM_PER_DEGREE, longitude_deg=11.0, **fields)


def test_the_distance_of_two_places():
    assert between_km(48.0, 11.0, 49.0, 11.0) == pytest.approx(111.195)
    assert between_km(0.0, 179.9, 0.0, -179.9) == pytest.approx(0.2 * 111.195, rel=1e-6)
    assert between_km(60.0, 10.0, 60.0, 11.0) == pytest.approx(55.6, abs=0.1)


def test_the_odometer_comes_first_then_speed_then_fixes():
    odometer = [north(i * 10, i * 0.1, speed_kmh=72.0, odometer_km=1000.05 + i * 0.15) for i in range(11)]
    assert total(odometer)[0] == pytest.approx(1.5)
    speed = [north(i * 10, i * 0.1, speed_kmh=72.0) for i in range(11)]
    assert total(speed)[0] == pytest.approx(2.0)
    fixes = [north(i * 10, i * 0.1) for i in range(101)]
    assert total(fixes)[0] == pytest.approx(10.0, rel=0.01)


def test_whole_kilometres_do_not_replace_speed():
    readings = [north(i * 10, i * 0.1, speed_kmh=36.0, odometer_km=float(1000 + i // 10)) for i in range(101)]
    assert total(readings)[0] == pytest.approx(10.0, rel=0.01)


def test_an_odometer_that_begins_again_is_left_out():
    readings = [reading(i * 10, speed_kmh=36.0, odometer_km=(1000.05 if i < 5 else 0.05) + i * 0.1) for i in range(11)]
    assert total(readings)[0] == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize(
    ("title", "wild"),
    [
        ("a longitude of another continent", {"latitude_deg": 48.01, "longitude_deg": 155.6333}),
        ("latitude 0 with the right longitude", {"latitude_deg": 0.0, "longitude_deg": 11.0}),
        ("0, 0", {"latitude_deg": 0.0, "longitude_deg": 0.0}),
        ("40 km away", {"latitude_deg": 48.4, "longitude_deg": 11.0}),
    ],
)
def test_impossible_positions_are_refused_and_counted(title: str, wild: dict[str, float]):
    readings = [north(i * 10, i * 0.1) for i in range(20)]
    readings += [reading(200 + i, **wild) for i in range(3)]
    readings += [north(i * 10, i * 0.1) for i in range(21, 40)]
    km, position = total(readings)
    assert km == pytest.approx(3.9, rel=0.04), title
    assert position.rejected == 3
    assert position.latitude_deg == pytest.approx(48.0 + 3.9 / KM_PER_DEGREE)


def test_after_one_wrong_first_fix_the_truth_is_found_again():
    readings = [reading(0, latitude_deg=10.0, longitude_deg=10.0)]
    readings += [north(10 + i * 10, i * 0.1) for i in range(60)]
    km, position = total(readings)
    assert position.latitude_deg == pytest.approx(48.0 + 5.9 / KM_PER_DEGREE)
    assert km == pytest.approx(5.9, abs=0.6)


def test_far_away_after_a_silence_needs_a_second_fix():
    first = [north(0, 0.0), north(10, 0.0)]
    km, position = total([*first, north(3600, 40.0), north(3610, 0.01)], PARKED)
    assert km == 0.0
    assert position.rejected == 1
    km, position = total([*first, north(3600, 40.0), north(3610, 40.0001)], PARKED)
    assert km == pytest.approx(40.0, rel=0.001)
    assert position.rejected == 0


def test_a_parked_van_does_not_wander():
    wander = [north(i * 10, (i * 37 % 11 - 5) / 100.0) for i in range(500)]
    assert total(wander, PARKED)[0] == 0.0


def test_an_uncertain_fix_is_not_used():
    km, position = total([north(0, 0.0), north(10, 0.2, accuracy_m=400.0), north(20, 0.1)])
    assert km < 0.11
    assert position.rejected == 0


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg", "north", "east"),
    [(51.4779, 0.0, 1.0, 0.0), (0.0, 36.8, 0.0, 1.0)],
    ids=["Greenwich", "the equator in Kenya"],
)
def test_a_coordinate_of_zero_is_a_place(latitude_deg: float, longitude_deg: float, north: float, east: float) -> None:
    """5 km along the Greenwich meridian, and 5 km along the equator. A degree is 111.195 km in both directions."""
    degrees = [i * 0.1 / KM_PER_DEGREE for i in range(51)]
    readings = [
        reading(i * 10, latitude_deg=latitude_deg + north * deg, longitude_deg=longitude_deg + east * deg)
        for i, deg in enumerate(degrees)
    ]
    km, position = total(readings)
    assert km == pytest.approx(5.0, abs=0.3)
    assert position.rejected == 0
    there = (position.latitude_deg, position.longitude_deg)
    assert there == (readings[-1].latitude_deg, readings[-1].longitude_deg)


def test_a_receiver_without_a_fix_sends_0_0_which_is_no_place() -> None:
    km, position = total([reading(i * 60, latitude_deg=0.0, longitude_deg=0.0) for i in range(20)])
    assert (km, position.latitude_deg, position.raw_pending) == (0.0, None, False)
