from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fleet import alerts
from agent.fleet.alert_state import AlertInputs, AlertsState
from agent.fleet.alerts import raise_and_clear
from tests.fleet.alert_steps import LIMITS, MINUTE, PLACES, START


def maybe(strategy):
    return st.none() | strategy


lives = st.lists(
    st.fixed_dictionaries(
        {
            "minutes": st.sampled_from([0.1, 1, 7, 16, 45]),
            "state": st.sampled_from(["driving", "stopped", "parked", "charging", "offline"]),
            "soc_pct": maybe(st.sampled_from([3.0, 11.0, 15.0, 22.0, 26.0, 60.0, 70.0, 79.0, 81.0, 100.0])),
            "battery_temp_c": maybe(st.sampled_from([-20.0, -8.0, 20.0, 43.0, 50.0])),
            "plugged_in": st.sampled_from([None, True, False]),
            "range_km": maybe(st.sampled_from([5.0, 32.0, 34.0, 100.0])),
            "home_km": maybe(st.sampled_from([0.0, 20.0])),
            "places": maybe(st.sampled_from([(), ("home",), ("centre",), ("shop", "centre")])),
            "positions": st.sampled_from([0, 0, 1, 4]),
            "socs": st.sampled_from([0, 0, 3]),
        }
    ),
    max_size=40,
)


def walk(life):
    """The records and the state after each check of a life."""
    return ((records, encoded) for _, records, encoded in looks_of(life))


def looks_of(life):
    """The looks of a life, each with its records and the state after it."""
    state, time_ms, positions, socs = AlertsState(), START, 0, 0
    for step in life:
        step = dict(step)
        time_ms += round(step.pop("minutes") * MINUTE)
        positions += step.pop("positions")
        socs += step.pop("socs")
        counts = {"position_refusals": positions, "soc_refusals": socs}
        inputs = AlertInputs(vehicle_id="v", time_ms=time_ms, depot="home", **step, **counts)
        yield inputs, raise_and_clear(state, LIMITS, inputs, PLACES), msgspec.msgpack.encode(state)


@given(lives)
def test_the_quiet_limit_never_misses_anything(life):
    quick = list(walk(life))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerts, "_is_calm", lambda *_: False)
        thorough = list(walk(life))
    assert [records for records, _ in quick] == [records for records, _ in thorough]


@given(lives)
def test_what_is_raised_is_cleared_before_it_is_raised_again(life):
    raised, times = Counter(), []
    for records, encoded in walk(life):
        for record in records:
            times.append(record.time_ms)
            raised[record.kind] += 1 if record.state == "raised" else -1
            several = record.kind.startswith("geofence")  # one for each place
            assert 0 <= raised[record.kind] <= (2 if several else 1)
        state = msgspec.msgpack.decode(encoded, type=AlertsState)
        assert Counter(alert.kind for alert in state.active) == +raised
    assert all(before < after for before, after in pairwise(times))


@given(lives, st.floats(0, 1))
def test_time_alone_changes_nothing_before_it_is_due(life, share):
    *_, (inputs, _, encoded) = [(None, None, None), *looks_of(life)]
    if inputs is None:
        return
    state = msgspec.msgpack.decode(encoded, type=AlertsState)
    for _ in range(LIMITS.fence_readings):  # a border just crossed is confirmed by looking again
        raise_and_clear(state, LIMITS, inputs, PLACES)
    due_ms = state.due_ms
    for moment in (inputs.time_ms + int(share * ((due_ms or START + 10**9) - 1 - inputs.time_ms)), due_ms):
        records = (
            raise_and_clear(state, LIMITS, msgspec.structs.replace(inputs, time_ms=moment), PLACES) if moment else []
        )
        assert bool(records) == (moment == due_ms != 0)
