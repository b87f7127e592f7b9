import math
import random

import pytest

from agent.fleet import estimate
from agent.fleet.energy_state import Estimate


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.5, 2.0), (-3.0, -1.0), (2.0, 9.0), (3.5, 4.5), (-60.0, 0.3)])
def test_cut_normal_distribution_against_its_integral(low: float, high: float):
    steps = 20_000
    start = max(low, -12.0)
    width = (min(high, 12.0) - start) / steps
    points = [start + (index + 0.5) * width for index in range(steps)]
    weights = [math.exp(-0.5 * point * point) for point in points]
    mean = sum(w * x for w, x in zip(weights, points, strict=True)) / sum(weights)
    variance = sum(w * (x - mean) ** 2 for w, x in zip(weights, points, strict=True)) / sum(weights)
    assert estimate.truncated(low, high) == (pytest.approx(mean, abs=1e-4), pytest.approx(variance, abs=1e-4))


def test_far_tails_stay_inside():
    for low, high in ((5.0, 6.0), (20.0, 20.1), (-9.0, -8.0)):
        mean, variance = estimate.truncated(low, high)
        assert low <= mean <= high
        assert 0.0 < variance < 0.1


def begun() -> Estimate:
    e = Estimate()
    estimate.begin(e, battery_kwh=50.0, capacity_sigma=0.02, kwh_per_km=0.25)
    estimate.place(e, 79.5, 80.5)
    return e


def variances(e: Estimate) -> list[list[float]]:
    return [
        [e.nn, e.ny, e.ng, e.nk, e.nb],
        [e.ny, e.yy, e.yg, e.yk, e.yb],
        [e.ng, e.yg, e.gg, e.gk, e.gb],
        [e.nk, e.yk, e.gk, e.kk, e.kb],
        [e.nb, e.yb, e.gb, e.kb, e.bb],
    ]


def test_the_covariance_stays_one():
    """Never a negative variance, whatever is predicted and read."""
    rng = random.Random(1)
    e = begun()
    for turn in range(2000):
        e.pending_kwh += rng.uniform(-0.1, 0.3)
        e.pending_km += rng.uniform(0.0, 0.5)
        e.pending_var += rng.uniform(0.0, 0.01)
        estimate.predict(e)
        low = e.y + rng.uniform(-1.5, 0.5)
        estimate.observe(e, low, low + 1.0, measured=rng.random() < 0.5, blind=rng.random() < 0.5)
        if turn % 50 == 0:
            estimate.mark_boundary(e, 0.02)
        matrix = variances(e)
        for row in range(5):
            assert matrix[row][row] >= -1e-9
            for column in range(row):
                assert matrix[row][column] ** 2 <= matrix[row][row] * matrix[column][column] * 1.0001 + 1e-9


def test_an_edge_tells_where_the_drive_began():
    """5 km to the first edge: with a known consumption the start was where the energy says, and n keeps that energy."""
    e = begun()
    e.kk = 1e-6
    e.pending_km = 1.6
    estimate.predict(e)
    estimate.observe(e, 79.45, 79.55, measured=False, blind=True)
    assert e.n == pytest.approx(0.4, abs=0.02)
    assert e.y == pytest.approx(79.5, abs=0.1)


def test_without_a_known_consumption_the_step_tells():
    e = begun()
    e.pending_km = 40.0
    e.pending_var = 4.0
    estimate.predict(e)
    estimate.observe(e, 69.5, 70.5, measured=False, blind=True)
    assert e.n == pytest.approx(5.0, abs=0.3)
    assert e.k < 0.25


def test_only_measured_energy_moves_the_capacity():
    for measured in (True, False):
        e = begun()
        e.gg = (0.1 * e.g) ** 2
        e.yy = 1e-4
        before = e.g
        e.pending_kwh, e.pending_var = 5.0, 1e-6
        estimate.predict(e)
        estimate.observe(e, 69.0, 69.2, measured=measured, blind=not measured)
        assert (e.g > before) is measured


def test_the_curve_is_linear_in_energy():
    """ΔE = [a·(S1−S2) + b·((S1²−S2²)/2 − 55·(S1−S2))]/100 with a = 22.17, b = 0.0426 for a BMW i3."""
    slope = 0.0426 / 22.17
    high, low = 86.9, 81.5
    expected = (22.17 * (high - low) + 0.0426 * ((high**2 - low**2) / 2 - 55 * (high - low))) / 100
    assert (estimate.linear(high, slope) - estimate.linear(low, slope)) * 22.17 / 100 == pytest.approx(expected)
