"""Uncertainty of emissions, by hand."""

from math import sqrt

import pytest

from agent.fleet.uncertainty import Z95, MakeUp, half_width_g, of_charge, over_grids, relative, total


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


def test_a_period_of_one_grid():
    """Days of 1 kg and 3 kg, by hand.

    Energy 30 and 40 g, independent: sqrt(900 + 1600) = 50. Meter 10 + 30 = 40 g. Factor 100 + 300 = 400 g. Together
    sqrt(50² + 40² + 400²) = sqrt(164,100).
    """
    period = total([MakeUp(30.0, 10.0, 100.0), MakeUp(40.0, 30.0, 300.0)])
    assert period == pytest.approx((50.0, 40.0, 400.0))
    assert period.standard_g == pytest.approx(sqrt(164_100))


def test_a_year_does_not_make_the_factor_better_known():
    """400 equal days: energy sqrt(400) · 30 = 600 g of 400 kg. Factor 10 % of them, as on each day."""
    year = total([MakeUp(30.0, 10.0, 100.0)] * 400)
    assert year == pytest.approx((600.0, 4000.0, 40_000.0))


def test_two_grids():
    """Their factors are independent: 30 and 40 g make 50 g. Meters are of the same kind: 5 + 6 = 11 g."""
    assert over_grids([MakeUp(3.0, 5.0, 30.0), MakeUp(4.0, 6.0, 40.0)]) == pytest.approx((5.0, 11.0, 50.0))


CHARGES = [
    (
        "all by a charger: 20 kWh ± 1 % are 0.2 kWh, what the battery says does not matter; 8 kg by the year",
        {"metered_kwh": 20.0, "primary_g": 8000.0, "hourly_g": 0.0, "capacity": 0.0},
        (0.5, 1.645 * 0.2, 1.645 * 8000 * sqrt(0.01**2 + 0.10**2)),
    ),
    (
        "modelled: 0.5 kWh (90 %) of 18 kWh, and 3 % for the efficiency",
        {"metered_kwh": 0.0, "primary_g": 0.0, "hourly_g": 8000.0, "capacity": 0.0},
        (
            0.5,
            1.645 * 20 * sqrt((0.5 / 1.645 / 18) ** 2 + 0.03**2),
            1.645 * 8000 * sqrt((0.5 / 1.645 / 18) ** 2 + 0.03**2 + 0.05**2),
        ),
    ),
    (
        "by the state of charge alone: the capacity is known to 4 %, which is 0.72 kWh",
        {"metered_kwh": 0.0, "primary_g": 0.0, "hourly_g": 0.0, "capacity": 0.04},
        (
            sqrt(0.5**2 + (1.645 * 0.72) ** 2),
            1.645 * 20 * sqrt((0.5 / 1.645 / 18) ** 2 + 0.04**2 + 0.03**2),
            1.645 * 8000 * sqrt((0.5 / 1.645 / 18) ** 2 + 0.04**2 + 0.03**2 + 0.10**2),
        ),
    ),
    (
        "half by a charger: only the other half is as uncertain as the battery; 1 % and 3 % make 2 %",
        {"metered_kwh": 10.0, "primary_g": 4000.0, "hourly_g": 0.0, "capacity": 0.0},
        (
            0.5,
            1.645 * 20 * sqrt((0.5 * 0.5 / 1.645 / 18) ** 2 + 0.02**2),
            1.645 * 8000 * sqrt((0.5 * 0.5 / 1.645 / 18) ** 2 + 0.02**2 + 0.10**2),
        ),
    ),
]


@pytest.mark.parametrize(("title", "how", "expected"), CHARGES)
def test_a_charge(title: str, how: dict[str, float], expected: tuple[float, float, float]):
    """18 kWh into the battery from 20 kWh of the grid at 400 g/kWh; (kWh, grid kWh, g), all 90 %."""
    of = of_charge(energy_kwh=18.0, energy_half_kwh=0.5, grid_kwh=20.0, co2e_g=8000.0, **how)
    assert of == pytest.approx(expected), title


def test_heating_on_the_plug_alone():
    """2 kWh by the charger's meter, none of it into the battery: 1 %, and 10 % of 800 g for the factor."""
    of = of_charge(
        energy_kwh=0.0, energy_half_kwh=0.1, capacity=0.04, grid_kwh=2.0, metered_kwh=2.0,
        co2e_g=800.0, primary_g=800.0, hourly_g=0.0,
    )  # fmt: skip
    assert of == pytest.approx((0.1, 1.645 * 0.02, 1.645 * 800 * sqrt(0.01**2 + 0.10**2)))
