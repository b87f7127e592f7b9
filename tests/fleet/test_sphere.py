import pytest

from agent.fleet.sphere import KM_PER_DEGREE


def test_degrees_are_as_long_as_the_earth_is_round():
    assert pytest.approx(2 * 3.14159265 * 6371 / 360, abs=0.001) == KM_PER_DEGREE
