"""Draws of chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.chance import normal, one, unit, van_keys

COUNTS = np.arange(20_000)


def test_draws_are_uniform_and_apart() -> None:
    key = van_keys(1, 1)
    draws = unit(key, 5, COUNTS)
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    assert draws.mean() == pytest.approx(0.5, abs=0.01)
    assert np.var(draws) == pytest.approx(1.0 / 12.0, rel=0.03)
    for other in (unit(key, 6, COUNTS), unit(van_keys(2, 1), 5, COUNTS), unit(key, 5, COUNTS + 1)):
        assert abs(np.corrcoef(draws, other)[0, 1]) < 0.03


def test_normal_draws_have_mean_0_and_variance_1() -> None:
    draws = normal(van_keys(3, 1), 7, COUNTS)
    assert draws.mean() == pytest.approx(0.0, abs=0.03)
    assert np.var(draws) == pytest.approx(1.0, rel=0.03)
    assert np.abs(draws).max() < 3.5


@given(seed=st.integers(0, 2**63), purpose=st.integers(0, 5000), count=st.integers(0, 2**40))
def test_one_draw_is_the_same_as_in_an_array(seed: int, purpose: int, count: int) -> None:
    keys = van_keys(seed, 3)
    assert one(int(keys[2]), purpose, count) == unit(keys, purpose, count)[2]


def test_a_van_has_the_same_key_in_any_fleet() -> None:
    assert van_keys(8, 1000)[:10].tolist() == van_keys(8, 10).tolist()
