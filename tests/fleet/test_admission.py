from typing import Any

import pytest

from agent.fleet import Verdict, step
from agent.readings import Reading
from tests.fleet.drives import START_MS, Van


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
