from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.errors import LogCorrupt
from agent.fleet import STATE_VERSION, decode_state, encode_state, new_state
from agent.fleet.modes import PARKED
from tests.fleet.drives import Van
from tests.fleet.scenarios import flagged_charge, two_trips


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
    with pytest.raises(LogCorrupt, match="version 2, this program reads version 1"):
        decode_state(encode_state(state))
    with pytest.raises(LogCorrupt, match="cannot be read"):
        decode_state(b"\x93nonsense")


# -- silence


STORED = Path(__file__).with_name("stored-state.msgpack").read_bytes()
"""A state of a van of the demo fleet, as stored by version 843b5e7."""


def holds(now: Any, stored: Any) -> bool:
    """Whether what is encoded now begins with what was stored: fields may be added at the end of an array."""
    if isinstance(stored, list) and isinstance(now, list):
        return len(now) >= len(stored) and all(map(holds, now, stored))
    return bool(now == stored)


def test_a_state_of_an_earlier_program_is_read_and_each_value_keeps_its_place():
    state = decode_state(STORED)
    stored = msgspec.msgpack.decode(STORED)
    assert holds(msgspec.msgpack.decode(encode_state(state)), stored)
    # The place in the array is the format: the five quantities of the estimate and their variances.
    e, quantities = state.estimate, stored[15]
    assert [e.out_kwh, e.level_pct, e.pct_per_kwh, e.kwh_per_km, e.boundary_kwh] == quantities[2:7]
    variances = [e.var_out, e.var_level, e.var_scale, e.var_consumption, e.var_boundary]
    assert variances == [quantities[index] for index in (7, 12, 16, 19, 21)]
    assert all(variances)
    assert (state.soc.soc_pct, state.totals.distance_km) == (stored[14][0], stored[16][5])
    assert (state.position.latitude_deg, state.position.odometer_km) == (stored[17][0], stored[17][19])
