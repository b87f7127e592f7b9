import pytest

from agent.errors import JournalCorrupt
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
    with pytest.raises(JournalCorrupt, match="version 2, this program reads version 1"):
        decode_state(encode_state(state))
    with pytest.raises(JournalCorrupt, match="cannot be read"):
        decode_state(b"\x93nonsense")


# -- silence
