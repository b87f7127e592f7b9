"""Uncertainty of emissions: from energy, meter, factor and mass. Relative uncertainties are one standard deviation.

G = grid energy times factor, and the grid energy is the battery energy over an efficiency: a product. By the law of
propagation for products (GUM 5.1.6) the relative variances of independent inputs add up.

For a sum over charges, tours, days or vans the covariances decide (GUM 5.2.2): `u² = ΣΣ r_ij u_i u_j`.

* Energy: r = 0. Quantisation and noise of different days are independent: the squares add up.
* Meter: r = 1. One kind of meter, and the one table of efficiencies, have the same error everywhere: the u add up.
* Factor: r = 1 within a grid, for all days and vans; r = 0 between grids.
* Mass: r = 1. Masses from one kind of source have the same error. They affect grams per t-km, not the grams.

Within one sum the parts by charger and by model, and by the hour and by the year, are added up too: an upper bound.
"""

from collections.abc import Iterable
from math import sqrt
from typing import Final, NamedTuple

Z90: Final = 1.645
Z95: Final = 1.96
"""Half the width of the 90 % (rows) and 95 % (reports) intervals, in standard deviations."""
CHARGER: Final = 0.01
"""Relative uncertainty of energy that a charger has measured."""
MODELLED: Final = 0.03
"""The same by the charging efficiency: losses at 2.3 kW are 12.7 to 24.2 % (ADAC 2022), so ± 5.8 points, taken as 95
%."""
HOURLY: Final = 0.05
ANNUAL: Final = 0.10
"""Relative uncertainty of a grid's factor, by the hour and by the year: design choices."""
MASS: Final = {"primary": 0.02, "modelled": 0.10, "default": 0.50}
"""Relative uncertainty of the mass of a tour's goods, by the quality of the tour: design choices."""


class MakeUp(NamedTuple):
    """The parts of the uncertainty of emissions: standard uncertainties, g CO2e."""

    energy_g: float = 0.0
    meter_g: float = 0.0
    factor_g: float = 0.0

    @property
    def standard_g(self) -> float:
        """The combined uncertainty; the parts are independent of each other."""
        return sqrt(self.energy_g**2 + self.meter_g**2 + self.factor_g**2)


def relative(*, energy: float, primary_share: float, hourly_share: float, mass: float = 0.0) -> float:
    """Relative uncertainty of emissions.

    `energy` and `mass` are the relative uncertainties of the energy used and of the mass that emissions are shared by.
    `primary_share` is the share of the grams whose grid energy a charger has measured, `hourly_share` that at an hourly
    intensity.
    """
    meter, factor = _meter(primary_share), _factor(hourly_share)
    return sqrt(energy * energy + meter * meter + factor * factor + mass * mass)


def make_up(
    co2e_g: float, *, energy_kwh: float, uncertainty_kwh: float | None, primary_g: float, hourly_g: float
) -> MakeUp:
    """The uncertainty of emissions. `uncertainty_kwh` is that of the energy used, 90 %."""
    if co2e_g == 0.0:
        return MakeUp()
    energy = 0.0 if uncertainty_kwh is None or energy_kwh == 0.0 else uncertainty_kwh / Z90 / abs(energy_kwh)
    primary, hourly = (min(1.0, max(0.0, part / co2e_g)) for part in (primary_g, hourly_g))
    size_g = abs(co2e_g)
    return MakeUp(
        size_g * energy,
        size_g * _meter(primary),
        size_g * _factor(hourly),
    )


def _meter(primary_share: float) -> float:
    """Relative uncertainty of the grid energy, of which a charger has measured this share."""
    return CHARGER * primary_share + MODELLED * (1.0 - primary_share)


def _factor(hourly_share: float) -> float:
    """Relative uncertainty of the factor, of which this share is hourly."""
    return HOURLY * hourly_share + ANNUAL * (1.0 - hourly_share)


def total(parts: Iterable[MakeUp]) -> MakeUp:
    """The uncertainty of a sum of emissions of one grid: energy parts add up by squares, the others linearly."""
    energy_g2 = meter_g = factor_g = 0.0
    for part in parts:
        energy_g2 += part.energy_g**2
        meter_g += part.meter_g
        factor_g += part.factor_g
    return MakeUp(sqrt(energy_g2), meter_g, factor_g)


def over_grids(grids: Iterable[MakeUp]) -> MakeUp:
    """The uncertainty of a sum over several grids, one entry each: factors are independent, meters are not."""
    energy_g2 = meter_g = factor_g2 = 0.0
    for part in grids:
        energy_g2 += part.energy_g**2
        meter_g += part.meter_g
        factor_g2 += part.factor_g**2
    return MakeUp(sqrt(energy_g2), meter_g, sqrt(factor_g2))


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
    parts = make_up(
        co2e_g, energy_kwh=energy_kwh, uncertainty_kwh=uncertainty_kwh, primary_g=primary_g, hourly_g=hourly_g
    )
    return z * parts.standard_g


class ChargeUncertainty(NamedTuple):
    """The uncertainty of a charge: half widths of 90 % intervals."""

    energy_kwh: float
    """Energy into the battery."""
    grid_kwh: float
    co2e_g: float


def of_charge(
    *,
    energy_kwh: float,
    energy_half_kwh: float,
    capacity: float,
    grid_kwh: float,
    metered_kwh: float,
    co2e_g: float,
    primary_g: float,
    hourly_g: float,
) -> ChargeUncertainty:
    """Uncertainty of a charge.

    `energy_half_kwh` (90 %) is the uncertainty of the energy into the battery by the estimate, with the steps of the
    state of charge at both ends. `capacity` is the relative uncertainty of the battery's capacity if the state of
    charge alone told the energy, else 0. Both affect only the part of the grid energy that no charger measured.
    """
    battery_kwh = sqrt(energy_half_kwh**2 + (Z90 * capacity * energy_kwh) ** 2)
    if grid_kwh <= 0.0:
        return ChargeUncertainty(battery_kwh, 0.0, 0.0)
    metered = min(1.0, max(0.0, metered_kwh / grid_kwh))
    energy = 0.0 if energy_kwh <= 0.0 else (1.0 - metered) * battery_kwh / Z90 / energy_kwh
    grams = make_up(
        co2e_g,
        energy_kwh=1.0,
        uncertainty_kwh=Z90 * energy,
        primary_g=primary_g,
        hourly_g=hourly_g,
    )
    return ChargeUncertainty(
        battery_kwh, Z90 * grid_kwh * sqrt(energy**2 + _meter(metered) ** 2), Z90 * grams.standard_g
    )
