"""Faults in recorded drives: the effect of each on a day whose truth is known."""

import math
from itertools import pairwise
from typing import Any

import pytest

from simulator.faults import NAMES
from simulator.recorded_vans import Timed, with_faults

START_MS = 1_795_000_000_000
DRIVE = range(30)
"""Minutes: 60 km/h, 1 km a minute; the van parks in the first minute without speed."""
PARK = range(30, 90)
CHARGE = range(90, 150)
SILENT = range(150, 330)
WOKEN = range(330, 334)
AGAIN = range(334, 400)


def day(vans: int = 1) -> list[Timed]:
    """A reading a minute: a drive, an hour parked, an hour on the charger, three hours of silence, another drive."""
    readings: list[Timed] = []
    soc_pct, km, out_kwh, in_kwh = 80.0, 1000.0, 400.0, 100.0
    for minute in range(400):
        drives = minute in DRIVE or minute in AGAIN
        charges = minute in CHARGE
        if minute in SILENT:
            continue
        power_kw = -12.0 if drives else 7.5 if charges else 0.0
        km += 1.0 if drives else 0.0
        soc_pct += power_kw / 60.0
        out_kwh += max(-power_kw, 0.0) / 60.0
        in_kwh += max(power_kw, 0.0) / 60.0
        reading = {
            "kind": "telemetry",
            "time": START_MS + minute * 60_000,
            "soc_pct": round(soc_pct, 2),
            "battery_power_kw": power_kw,
            "current_a": power_kw * 2.5,
            "charging": charges,
            "energy_out_total_kwh": round(out_kwh, 3),
            "energy_in_total_kwh": round(in_kwh, 3),
            "latitude_deg": round(48.0 + (km - 1000.0) / 111.195, 6),
            "longitude_deg": 11.0,
            "speed_kmh": 60.0 if drives else 0.0,
            "odometer_km": km,
        }
        readings += [(reading["time"], {"vehicle_id": f"van-{number}", **reading}) for number in range(vans)]
    return readings


def sent_with(fault: str, field: str, *, seed: int = 1, vans: int = 1) -> tuple[dict[int, Any], dict[int, Any]]:
    """The true and the sent values of a field by minute, for the last van."""
    true = {(time_ms - START_MS) // 60_000: reading[field] for time_ms, reading in day()}
    readings = with_faults(day(vans), [fault], seed=seed)
    sent = {
        (reading["time"] - START_MS) // 60_000: reading[field]
        for _, reading in readings
        if reading["vehicle_id"] == f"van-{vans - 1}"
    }
    assert sent.keys() == true.keys()
    return true, sent


def same(true: dict[int, Any], sent: dict[int, Any], *minutes: range) -> bool:
    return all(true[minute] == sent[minute] for some in minutes for minute in some)


def test_the_odometer_is_0_until_the_van_is_woken_up() -> None:
    true, sent = sent_with("odometer-zero-off", "odometer_km")
    assert {sent[minute] for minute in (*PARK, *CHARGE)} == {0.0}
    assert same(true, sent, DRIVE, WOKEN, AGAIN)


def test_the_odometer_stands_still_while_the_van_drives() -> None:
    true, sent = sent_with("odometer-saturated", "odometer_km", seed=3)
    stood = [minute for minute in (*DRIVE, *AGAIN) if sent[minute] < true[minute]]
    assert stood
    assert len({sent[minute] for minute in stood}) == 1
    assert all(before <= after for before, after in pairwise(sent.values()))


def test_each_fourth_odometer_is_behind() -> None:
    true, sent = sent_with("odometer-two-sources", "odometer_km")
    behind = [round(true[minute] - sent[minute], 6) for minute in sent]
    assert behind[:8] == [0.0, 0.0, 0.0, 0.6, 0.0, 0.0, 0.0, 0.6]
    assert set(behind) == {0.0, 0.6}


def test_the_charge_of_the_last_rest_is_sent_while_driving() -> None:
    true, sent = sent_with("soc-frozen", "soc_pct")
    assert {sent[minute] for minute in AGAIN} == {true[WOKEN[-1]]}
    assert same(true, sent, PARK, CHARGE, WOKEN)


def test_a_van_that_sleeps_says_0() -> None:
    """From 30 min after parking on, but not while charging, and not after the van has woken up."""
    true, sent = sent_with("soc-zero-asleep", "soc_pct")
    assert {sent[minute] for minute in range(60, 90)} == {0.0}
    assert same(true, sent, DRIVE, range(30, 60), CHARGE, WOKEN, AGAIN)


def test_the_charging_flag_flickers() -> None:
    true, sent = sent_with("flag-flicker", "charging")
    off = [minute for minute in CHARGE if not sent[minute]]
    assert 1 <= len(off) <= 12
    assert same(true, sent, DRIVE, PARK, WOKEN, AGAIN)


def test_the_last_speed_is_kept() -> None:
    true, sent = sent_with("speed-kept", "speed_kmh")
    assert {sent[minute] for minute in (*PARK, *CHARGE, *WOKEN)} == {60.0}
    assert same(true, sent, DRIVE, AGAIN)


def test_a_parked_van_seems_to_move_now_and_then() -> None:
    _, speeds = sent_with("gps-noise", "speed_kmh")
    true, latitudes = sent_with("gps-noise", "latitude_deg")
    _, longitudes = sent_with("gps-noise", "longitude_deg")
    assert same(true, latitudes, DRIVE, AGAIN)
    parked = (*PARK, *CHARGE)
    away_m = {
        minute: 111_195.0
        * math.hypot(latitudes[minute] - true[minute], (longitudes[minute] - 11.0) * math.cos(math.radians(48.3)))
        for minute in parked
    }
    moving = [minute for minute in parked if speeds[minute] >= 8.0]
    assert 1 <= len(moving) <= 12
    assert all(24.0 <= away_m[minute] <= 45.0 and speeds[minute] <= 14.4 for minute in moving)
    assert all(away_m[minute] <= 9.5 and speeds[minute] <= 1.9 for minute in parked if minute not in moving)


def test_a_young_counter_reads_0_once() -> None:
    for name, first, young_kwh in (("energy_out_total_kwh", 400.2, 180.0), ("energy_in_total_kwh", 100.0, 60.0)):
        true, sent = sent_with("counter-zero", name, seed=2)
        zeros = [minute for minute in sent if sent[minute] == 0.0]
        assert 1 <= len(zeros) <= 5
        right = [minute for minute in sent if minute not in zeros]
        assert all(sent[minute] == pytest.approx(true[minute] - first + young_kwh, abs=2e-3) for minute in right)


def test_a_charger_reports_whole_kw() -> None:
    """7.5 kW into the battery at 89 % are 8.43 kW from the grid. The charger reports 8."""
    readings = list(with_faults(day(), ["charger-whole-kw"], seed=1))
    assert {reading["charger_power_kw"] for _, reading in readings if reading["charging"]} == {8.0}
    assert {reading["charger_power_kw"] for _, reading in readings if not reading["charging"]} == {0.0}


def test_power_comes_in_another_unit() -> None:
    """12 kW are 120 units of 100 W, or 0.012 MW. A van keeps its unit."""
    units = {round(sent_with("power-unit", "battery_power_kw", vans=number)[1][0], 4) for number in range(1, 13)}
    assert units == {-120.0, -0.012}
    true, sent = sent_with("power-unit", "battery_power_kw")
    assert len({sent[minute] / true[minute] for minute in (*DRIVE, *CHARGE)}) == 1


def test_a_van_is_silent_from_the_first_minute_of_its_rest() -> None:
    sent = {reading["time"] for _, reading in with_faults(day(), ["offline-charge"], seed=1)}
    minutes = {(time_ms - START_MS) // 60_000 for time_ms in sent}
    assert minutes == {*DRIVE, *AGAIN}


@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_the_same_seed_gives_the_same(name: str) -> None:
    first = list(with_faults(day(3), [name], seed=5))
    assert first == list(with_faults(day(3), [name], seed=5))
    assert all(before[0] <= after[0] for before, after in pairwise(first))


def test_a_recording_stays_as_it_was() -> None:
    readings = day()
    list(with_faults(readings, ["all"], seed=1))
    assert readings == day()


def test_a_fault_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="unknown fault gremlins"):
        list(with_faults(day(), ["gremlins"], seed=1))
