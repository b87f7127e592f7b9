"""What the van core is told besides the readings: master data, thresholds, factors. One per van, made once by the caller."""

from typing import Any

import msgspec

from agent.factors.factor_set import Charging, Diesel, FactorSet, Grid, Load
from agent.factors.intensity import Intensity
from agent.fleet.thresholds import Thresholds
from agent.fleet.vehicle import Vehicle


class Factors(msgspec.Struct, frozen=True, kw_only=True):
    """The emission factors that hold for one van."""

    grid: Grid
    diesel: Diesel
    charging: Charging
    load: Load
    intensity: Intensity
    market_g_per_kwh: float | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything `step` and `tick` need besides state and reading. Never changed; safe to cache for the van's lifetime."""

    vehicle: Vehicle
    thresholds: Thresholds
    factors: Factors
    places: Any = None
    utc_offset_min: int = 0
    energy_price_per_kwh: float | None = None


def make_factors(
    factor_set: FactorSet,
    vehicle: Vehicle,
    *,
    intensity: Intensity,
    efficiency_ac: float | None = None,
    efficiency_dc: float | None = None,
    market_g_per_kwh: float | None = None,
) -> Factors:
    """The factors of one van, looked up once."""
    return Factors(
        grid=factor_set.for_country(vehicle.country),
        diesel=factor_set.diesel(vehicle.diesel_class),
        charging=factor_set.charging(ac=efficiency_ac, dc=efficiency_dc),
        load=factor_set.load(),
        intensity=intensity,
        market_g_per_kwh=market_g_per_kwh,
    )
