"""What the van core needs besides state and readings: master data, thresholds, factors. The caller makes it once."""

from functools import cached_property
from typing import Final

import msgspec

from agent.factors.figures import Factors
from agent.fleet.alert_kinds import AlertLimits
from agent.fleet.contracts import NO_CONTRACTS, Contract, Contracts
from agent.fleet.day_zone import DayZone
from agent.fleet.places import Places
from agent.fleet.tariff import Tariff
from agent.fleet.thresholds import Thresholds
from agent.fleet.vehicle import Vehicle

UTC_DAYS: Final = DayZone()


class Context(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything that `step` and `tick` need besides state and reading. Immutable; vans may share it."""

    vehicle: Vehicle
    thresholds: Thresholds
    factors: Factors
    places: Places | None = None
    day_zone: DayZone = UTC_DAYS
    """The time zone of days."""
    tariff: Tariff | None = None
    """Price of energy from the grid."""
    alert_limits: AlertLimits = AlertLimits()
    years: tuple[Factors, ...] = ()
    """The factors of each year of activity, where there are several; `factors` is one of them."""
    contracts: Contracts = NO_CONTRACTS
    """Which contract covers the energy of a charge, by its place."""

    def at(self, time_ms: int) -> "Context":
        """The context with the factors of the year that a time lies in; the same object for all times of a year."""
        if self.factors.from_ms <= time_ms < self.factors.to_ms:
            return self
        for context in self._of_years:
            if context.factors.from_ms <= time_ms < context.factors.to_ms:
                return context
        return self

    @cached_property
    def _of_years(self) -> "tuple[Context, ...]":
        """One context per year; all of them share this tuple."""
        contexts = tuple(
            self if factors is self.factors else msgspec.structs.replace(self, factors=factors)
            for factors in self.years
        )
        for context in contexts:
            context.__dict__["_of_years"] = contexts
        return contexts

    @cached_property
    def derived_every_ms(self) -> int:
        """Least time between two rows of `energy` or `emissions`, in event time."""
        return round(self.thresholds.derived_every_s * 1000.0)

    @cached_property
    def power_limit_kw(self) -> float:
        """Largest power of motor, charger or brake of such a van, in either direction."""
        traits = self.vehicle.traits
        return max(traits.power_limit_kw, traits.power_limit_c * self.vehicle.battery_kwh)

    @cached_property
    def curve_slope_per_pct(self) -> float:
        """Relative slope of kWh per % state of charge: see `agent.fleet.soc_curve`."""
        lfp = self.vehicle.traits.chemistry == "lfp"
        return self.thresholds.lfp_slope_per_pct if lfp else self.thresholds.curve_slope_per_pct

    def place_at(self, latitude_deg: float | None, longitude_deg: float | None) -> str | None:
        """The smallest geofence that a position lies in."""
        if self.places is None or latitude_deg is None or longitude_deg is None:
            return None
        return self.places.at(latitude_deg, longitude_deg)

    def contract_at(self, latitude_deg: float | None, longitude_deg: float | None) -> Contract | None:
        """The contract that covers what is charged at a position."""
        return self.contracts.at(latitude_deg, longitude_deg)

    def in_depot(self, latitude_deg: float | None, longitude_deg: float | None) -> bool:
        """Whether a position lies in any depot."""
        places = self.places
        if places is None or latitude_deg is None or longitude_deg is None:
            return False
        names = places.around(latitude_deg, longitude_deg)
        return any(place is not None and place.kind == "depot" for place in map(places.get, names))
