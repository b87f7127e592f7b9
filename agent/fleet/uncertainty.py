"""Uncertainty of emissions: from energy, meter and factor.

Errors of a kind of meter and of a grid's factor are the same for every charge of that grid. They do not average out, so
shares are added up before they are squared. What is relative here is one standard deviation.
"""

from math import sqrt
from typing import Final

Z90: Final = 1.645
Z95: Final = 1.96
"""Half the width of the 90 % (rows) and 95 % (reports) intervals, in standard deviations."""
CHARGER: Final = 0.01
"""The power that a charger reports."""
MODELLED: Final = 0.03
"""The charging efficiency: losses at 2.3 kW are 12.7 to 24.2 % (ADAC 2022), which is ± 5.8 points, taken as 95 %."""
HOURLY: Final = 0.05
ANNUAL: Final = 0.10
"""A grid's factor, by the hour and by the year: design choices."""


def relative(*, energy: float, primary_share: float, hourly_share: float, mass: float = 0.0) -> float:
    """Relative uncertainty of emissions.

    `energy` and `mass` are the relative uncertainties of the energy used and of the mass that emissions are shared by.
    `primary_share` is the share of the grams whose grid energy a charger has measured, `hourly_share` that at an hourly
    intensity.
    """
    meter = CHARGER * primary_share + MODELLED * (1.0 - primary_share)
    factor = HOURLY * hourly_share + ANNUAL * (1.0 - hourly_share)
    return sqrt(energy * energy + meter * meter + factor * factor + mass * mass)


def half_width_g(
    co2e_g: float,
    *,
    energy_kwh: float,
    uncertainty_kwh: float | None,
    primary_g: float,
    hourly_g: float,
    z: float = Z90,
) -> float:
    """Half the width of the interval of emissions, g. `uncertainty_kwh` is that of the energy used, 90 %."""
    if co2e_g == 0.0:
        return 0.0
    energy = 0.0 if uncertainty_kwh is None or energy_kwh == 0.0 else uncertainty_kwh / Z90 / abs(energy_kwh)
    shares = [min(1.0, max(0.0, part / co2e_g)) for part in (primary_g, hourly_g)]
    return z * abs(co2e_g) * relative(energy=energy, primary_share=shares[0], hourly_share=shares[1])
