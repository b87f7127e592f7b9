import math
import random

import pytest

from agent.fleet import kalman, soc_curve
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
    assert kalman.truncated_normal(low, high) == (pytest.approx(mean, abs=1e-4), pytest.approx(variance, abs=1e-4))


def test_far_tails_stay_inside():
    for low, high in ((5.0, 6.0), (20.0, 20.1), (-9.0, -8.0)):
        mean, variance = kalman.truncated_normal(low, high)
        assert low <= mean <= high
        assert 0.0 < variance < 0.1


def begun() -> Estimate:
    e = Estimate()
    kalman.start(e, battery_kwh=50.0, capacity_sigma=0.02, kwh_per_km=0.25)
    kalman.reset_level(e, 79.5, 80.5)
    return e


def variances(e: Estimate) -> list[list[float]]:
    names = ("out", "level", "scale", "consumption", "boundary")
    return [[_entry(e, row, column) for column in names] for row in names]


def _entry(e: Estimate, row: str, column: str) -> float:
    if row == column:
        return getattr(e, f"var_{row}")
    return getattr(e, f"cov_{row}_{column}" if hasattr(e, f"cov_{row}_{column}") else f"cov_{column}_{row}")


def test_the_covariance_stays_one():
    """Never a negative variance, whatever is predicted and read."""
    rng = random.Random(1)
    e = begun()
    for turn in range(2000):
        e.pending_kwh += rng.uniform(-0.1, 0.3)
        e.pending_km += rng.uniform(0.0, 0.5)
        e.pending_var_kwh2 += rng.uniform(0.0, 0.01)
        kalman.predict(e)
        low = e.level_pct + rng.uniform(-1.5, 0.5)
        kalman.observe(e, low, low + 1.0, measured=rng.random() < 0.5, blind=rng.random() < 0.5)
        if turn % 50 == 0:
            kalman.cut_boundary(e, 0.02)
        matrix = variances(e)
        for row in range(5):
            assert matrix[row][row] >= -1e-9
            for column in range(row):
                assert matrix[row][column] ** 2 <= matrix[row][row] * matrix[column][column] * 1.0001 + 1e-9


def test_an_edge_tells_where_the_drive_began():
    """5 km to the first edge: with a known consumption the start was where the energy says, and that is `out_kwh`."""
    e = begun()
    e.var_consumption = 1e-6
    e.pending_km = 1.6
    kalman.predict(e)
    kalman.observe(e, 79.45, 79.55, measured=False, blind=True)
    assert e.out_kwh == pytest.approx(0.4, abs=0.02)
    assert e.level_pct == pytest.approx(79.5, abs=0.1)


def test_without_a_known_consumption_the_step_tells():
    e = begun()
    e.pending_km = 40.0
    e.pending_var_kwh2 = 4.0
    kalman.predict(e)
    kalman.observe(e, 69.5, 70.5, measured=False, blind=True)
    assert e.out_kwh == pytest.approx(5.0, abs=0.3)
    assert e.kwh_per_km < 0.25


def test_only_measured_energy_moves_the_capacity():
    for measured in (True, False):
        e = begun()
        e.var_scale = (0.1 * e.pct_per_kwh) ** 2
        e.var_level = 1e-4
        before = e.pct_per_kwh
        e.pending_kwh, e.pending_var_kwh2 = 5.0, 1e-6
        kalman.predict(e)
        kalman.observe(e, 69.0, 69.2, measured=measured, blind=not measured)
        assert (e.pct_per_kwh > before) is measured


def test_the_curve_is_linear_in_energy():
    """ΔE = [a·(S1−S2) + b·((S1²−S2²)/2 − 55·(S1−S2))]/100 with a = 22.17, b = 0.0426 for a BMW i3."""
    slope = 0.0426 / 22.17
    high, low = 86.9, 81.5
    expected = (22.17 * (high - low) + 0.0426 * ((high**2 - low**2) / 2 - 55 * (high - low))) / 100
    assert (soc_curve.level_pct(high, slope) - soc_curve.level_pct(low, slope)) * 22.17 / 100 == pytest.approx(expected)
