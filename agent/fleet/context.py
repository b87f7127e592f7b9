"""What the van core is told besides the readings: master data, thresholds, factors; made once per van by the caller."""

from functools import cached_property
from typing import Final

import msgspec

from agent.factors.factor_set import Charging, Diesel, FactorSet, Grid, Load
from agent.factors.intensity import Intensity
from agent.fleet.alert_kinds import AlertLimits
from agent.fleet.days import DayZone, Tariff
from agent.fleet.places import Places
from agent.fleet.thresholds import Thresholds
from agent.fleet.vehicle import Vehicle

UTC_DAYS: Final = DayZone()

LFP_MODELS: Final = ("farizon-sv-67", "farizon-sv-83", "farizon-v6e", "mercedes-esprinter")
"""Models with lithium iron phosphate cells, by the beginning of their names."""


MOST_C_RATE: Final = 3.0
"""Power over energy of a battery: fast charging of vans stays below 2, driving below 3."""
LEAST_POWER_LIMIT_KW: Final = 150.0
"""Motors of small batteries are as strong (a BMW i3 of 22 kWh: 125 kW)."""


class Factors(msgspec.Struct, frozen=True, kw_only=True):
    """The emission factors that hold for one van."""

    grid: Grid
    diesel: Diesel
    charging: Charging
    load: Load
    intensity: Intensity
    market_g_per_kwh: float | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything `step` and `tick` need besides state and reading. Never changed; can be kept as long as the van."""

    vehicle: Vehicle
    thresholds: Thresholds
    factors: Factors
    places: Places | None = None
    day_zone: DayZone = UTC_DAYS
    """Where midnight is."""
    tariff: Tariff | None = None
    """What a kWh from the grid costs."""
    alert_limits: AlertLimits = AlertLimits()

    @cached_property
    def derived_every_ms(self) -> int:
        """`energy` and `emissions` at most this often, in event time."""
        return round(self.thresholds.derived_every_s * 1000.0)

    @cached_property
    def power_limit_kw(self) -> float:
        """No motor, charger or brake of such a van moves more power than this, in either direction."""
        return max(LEAST_POWER_LIMIT_KW, MOST_C_RATE * self.vehicle.battery_kwh)

    @cached_property
    def curve_slope_per_pct(self) -> float:
        """How much more energy 1 % is at a higher state of charge."""
        lfp = self.vehicle.model.startswith(LFP_MODELS)
        return self.thresholds.lfp_slope_per_pct if lfp else self.thresholds.curve_slope_per_pct

    def place_at(self, latitude_deg: float | None, longitude_deg: float | None) -> str | None:
        """The geofence that a position lies in."""
        if self.places is None or latitude_deg is None or longitude_deg is None:
            return None
        return self.places.at(latitude_deg, longitude_deg)


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
