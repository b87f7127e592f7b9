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


class Factors(msgspec.Struct, frozen=True, kw_only=True):
    """The emission factors that hold for one van."""

    grid: Grid
    diesel: Diesel
    charging: Charging
    load: Load
    intensity: Intensity
    market_g_per_kwh: float | None = None
    set_name: str = ""
    """Of the factor set that they are from."""


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
    def curve_slope_per_pct(self) -> float:
        """How much more energy 1 % is at a higher state of charge."""
        lfp = self.vehicle.model.startswith(LFP_MODELS)
        return self.thresholds.lfp_slope_per_pct if lfp else self.thresholds.curve_slope_per_pct

    def place_at(self, latitude_deg: float | None, longitude_deg: float | None) -> str | None:
        """The geofence that a position lies in."""
        if self.places is None or latitude_deg is None or longitude_deg is None:
            return None
        return self.places.at(latitude_deg, longitude_deg)

    def in_depot(self, latitude_deg: float | None, longitude_deg: float | None) -> bool:
        """Whether a position lies in any depot."""
        places = self.places
        if places is None or latitude_deg is None or longitude_deg is None:
            return False
        names = places.around(latitude_deg, longitude_deg)
        return any(place is not None and place.kind == "depot" for place in map(places.get, names))


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
        set_name=factor_set.name,
    )
