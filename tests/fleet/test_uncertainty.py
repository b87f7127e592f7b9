"""Uncertainty of emissions, by hand."""

from math import sqrt

import pytest

from agent.fleet.uncertainty import Z95, half_width_g, relative


@pytest.mark.parametrize(
    ("title", "energy", "primary", "hourly", "mass", "expected"),
    [
        ("charger and annual factor", 0.0, 1.0, 0.0, 0.0, sqrt(0.01**2 + 0.10**2)),
        ("modelled and hourly factor", 0.0, 0.0, 1.0, 0.0, sqrt(0.03**2 + 0.05**2)),
        ("half of each: errors of a kind are the same, so shares add up", 0.0, 0.5, 0.5, 0.0, sqrt(0.02**2 + 0.075**2)),
        ("with energy and mass", 0.02, 1.0, 0.0, 0.05, sqrt(0.02**2 + 0.01**2 + 0.10**2 + 0.05**2)),
    ],
)
def test_make_up(title: str, energy: float, primary: float, hourly: float, mass: float, expected: float):
    u = relative(energy=energy, primary_share=primary, hourly_share=hourly, mass=mass)
    assert u == pytest.approx(expected), title


def test_half_width():
    """10 kg from 40 kWh known to 1.645 kWh (90 %), all by chargers and annual: 1.96 u of 10 kg."""
    width = half_width_g(10_000.0, energy_kwh=40.0, uncertainty_kwh=1.645, primary_g=10_000.0, hourly_g=0.0, z=Z95)
    assert width == pytest.approx(1.96 * 10_000 * sqrt(0.025**2 + 0.01**2 + 0.1**2))


@pytest.mark.parametrize(("co2e_g", "energy_kwh"), [(0.0, 5.0), (0.0, 0.0)])
def test_nothing_emitted_is_certain(co2e_g: float, energy_kwh: float):
    assert half_width_g(co2e_g, energy_kwh=energy_kwh, uncertainty_kwh=0.5, primary_g=0.0, hourly_g=0.0) == 0.0


def test_a_descent_has_an_uncertainty_too():
    assert half_width_g(-100.0, energy_kwh=-0.3, uncertainty_kwh=0.1, primary_g=-100.0, hourly_g=0.0) > 0.0
