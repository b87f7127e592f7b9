"""Emissions of charged energy, from the stored slices: by site with Scope 2 and 3.3, and by instrument.

All emissions are as stored, with the factor set of that time. Today's factors are not used.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from agent.fleet.contracts import LOCATION
from agent.fleet.uncertainty import Z95, MakeUp, make_up, over_grids

ELSEWHERE: Final = "elsewhere"
ALL: Final = "all"


class Scopes(msgspec.Struct, kw_only=True):
    """The sums over slices."""

    battery_kwh: float = 0.0
    grid_kwh: float = 0.0
    metered_kwh: float = 0.0
    direct_g: float = 0.0
    upstream_g: float = 0.0
    losses_g: float = 0.0
    market_g: float = 0.0
    market_scope_2_g: float = 0.0
    metered_g: float = 0.0
    hourly_g: float = 0.0

    def enter(self, piece: dict[str, Any]) -> None:
        """Add a slice."""
        for name in ("battery_kwh", "grid_kwh", "direct_g", "upstream_g", "losses_g", "market_g"):
            setattr(self, name, getattr(self, name) + piece.get(name, 0.0))
        location_g = piece["direct_g"] + piece["upstream_g"] + piece["losses_g"]
        # The factor of a contract or a residual mix is Scope 2; without them, the generation part of the grid's is.
        by_location = piece.get("instrument") == LOCATION
        self.market_scope_2_g += piece["direct_g"] if by_location else piece["market_g"]
        if piece.get("meter") == "charger":
            self.metered_kwh += piece["grid_kwh"]
            self.metered_g += location_g
        if piece.get("intensity_source") == "hourly":
            self.hourly_g += location_g

    def add(self, other: "Scopes") -> None:
        """Add another sum."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def location_g(self) -> float:
        """Location-based emissions of all scopes."""
        return self.direct_g + self.upstream_g + self.losses_g

    @property
    def make_up(self) -> MakeUp:
        """What makes up the uncertainty of one grid's location-based emissions: meter and factor."""
        return make_up(
            self.location_g,
            energy_kwh=self.battery_kwh,
            uncertainty_kwh=None,
            primary_g=self.metered_g,
            hourly_g=self.hourly_g,
        )


def scopes_of(slices: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows by site, the last one being the sum of all, and the rows by instrument."""
    sites: dict[tuple[str, str, str], Scopes] = {}
    instruments: dict[tuple[str, str], Scopes] = {}
    for piece in slices:
        place = piece.get("place") or ELSEWHERE
        sites.setdefault((piece.get("country", ""), piece.get("depot", ""), place), Scopes()).enter(piece)
        key = (piece.get("instrument", LOCATION), piece.get("factor_set", ""))
        instruments.setdefault(key, Scopes()).enter(piece)
    if not sites:
        return [], []
    grids: dict[str, Scopes] = {}
    everything = Scopes()
    for (country, _, _), sums in sites.items():
        grids.setdefault(country, Scopes()).add(sums)
        everything.add(sums)
    half_width_g = Z95 * over_grids(sums.make_up for sums in grids.values()).standard_g
    by_site = [
        {"country": country, "depot": depot, "place": place, **_site(sums, Z95 * sums.make_up.standard_g)}
        for (country, depot, place), sums in sorted(sites.items())
    ]
    by_site.append({"country": ALL, "depot": ALL, "place": ALL, **_site(everything, half_width_g)})
    by_instrument = [
        {
            "instrument": instrument,
            "factor_set": factor_set,
            "grid_kwh": sums.grid_kwh,
            "share_pct": 100.0 * sums.grid_kwh / everything.grid_kwh if everything.grid_kwh else 0.0,
            "market_based_co2e_kg": sums.market_g / 1000.0,
            "location_based_co2e_kg": sums.location_g / 1000.0,
        }
        for (instrument, factor_set), sums in sorted(instruments.items())
    ]
    return by_site, by_instrument


def _site(sums: Scopes, half_width_g: float) -> dict[str, float]:
    return {
        "battery_kwh": sums.battery_kwh,
        "grid_kwh": sums.grid_kwh,
        "metered_kwh": sums.metered_kwh,
        "modelled_kwh": sums.grid_kwh - sums.metered_kwh,
        "scope_2_location_based_co2e_kg": sums.direct_g / 1000.0,
        "scope_2_market_based_co2e_kg": sums.market_scope_2_g / 1000.0,
        "scope_3_3_upstream_co2e_kg": sums.upstream_g / 1000.0,
        "scope_3_3_losses_co2e_kg": sums.losses_g / 1000.0,
        "location_based_co2e_kg": sums.location_g / 1000.0,
        "market_based_co2e_kg": sums.market_g / 1000.0,
        "uncertainty_kg": half_width_g / 1000.0,
    }
