"""Market-based instruments: which contract covers the energy that is charged at a place."""

from collections.abc import Mapping
from typing import Final

import msgspec

from agent.errors import SettingsError
from agent.fleet.places import Places

PUBLIC: Final = "public"
"""Everywhere but at the places that a contract names."""
DEPOT: Final = "depot"
LOCATION: Final = "location"
RESIDUAL: Final = "residual"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """A supply contract, or certificates, with the factor in g CO2e per kWh at the meter."""

    name: str
    g_per_kwh: float
    coverage: float = 1.0
    """Share of the energy that the contract covers. The rest is residual mix or grid average."""

    def instrument(self) -> str:
        """The name of the instrument in `charge_slice`."""
        return f"contract {self.name}"


class Contracts:
    """Contracts by where they hold: the name of a place, a kind of place such as `depot` or `home`, or `public`."""

    def __init__(self, holding: Mapping[str, Contract], places: Places) -> None:
        unknown = sorted(set(holding) - {PUBLIC, *places.names(), *places.kinds()})
        if unknown:
            known = ", ".join([*places.names(), *places.kinds(), PUBLIC])
            raise SettingsError(f"a contract holds at {unknown[0]!r}, which is not a known place; known are {known}")
        self._holding = dict(holding)
        self._places = places

    def at(self, latitude_deg: float | None, longitude_deg: float | None) -> Contract | None:
        """The contract of the smallest place that has one, else of `public`."""
        holding = self._holding
        if not holding:
            return None
        if latitude_deg is not None and longitude_deg is not None:
            for name in self._places.around(latitude_deg, longitude_deg):
                place = self._places.get(name)
                found = holding.get(name) or (holding.get(place.kind) if place is not None else None)
                if found is not None:
                    return found
        return holding.get(PUBLIC)


NO_CONTRACTS: Final = Contracts({}, Places())
