"""What a report adds up for each van, depot and the fleet."""

import msgspec

from agent.fleet.uncertainty import MakeUp, total
from agent.fleet.vehicle import Vehicle


class Sums(msgspec.Struct, kw_only=True):
    """What can be added up over trips, tours, charges and vans."""

    trips: int = 0
    stops: int = 0
    charges: int = 0
    inferred_trips: int = 0
    inferred_charges: int = 0
    tours: int = 0
    drops: int = 0
    tonne_km: float = 0.0
    tonne_km_co2e_g: float = 0.0
    """Of tours whose activity is known, empty ones included."""
    parcels: int = 0
    parcel_co2e_g: float = 0.0
    """The same for tours whose parcels are known."""
    load_known_km: float = 0.0
    empty_km: float = 0.0
    loaded_km: float = 0.0
    load_factor_km: float = 0.0
    """Load factor times loaded kilometres, of tours whose masses are known, and these kilometres."""
    primary_g: float = 0.0
    shared_g: float = 0.0
    """Of tours whose primary share is known: what had measured grid energy and masses, and all of it."""
    primary_km: float = 0.0
    modelled_km: float = 0.0
    default_km: float = 0.0
    charge_co2e_g: float = 0.0
    charge_market_g: float = 0.0
    market_charges: int = 0
    charge_grid_kwh: float = 0.0
    clean_grid_kwh: float = 0.0
    """Charged at an intensity below the annual one."""
    distance_km: float = 0.0
    used_kwh: float = 0.0
    regenerated_kwh: float = 0.0
    charged_kwh: float = 0.0
    grid_kwh: float = 0.0
    idle_kwh: float = 0.0
    co2e_g: float = 0.0
    annual_co2e_g: float = 0.0
    """The simple variant for auditors: net energy over the AC efficiency, at the annual intensity."""
    diesel_co2e_g: float = 0.0
    diesel_ttw_g: float = 0.0
    diesel_l: float = 0.0
    avoided_nox_mg: float = 0.0
    avoided_pm_mg: float = 0.0
    variance_kwh2: float = 0.0
    """Of the energy used, by the vans' days: independent from day to day."""
    slices_g: float = 0.0
    metered_g: float = 0.0
    hourly_g: float = 0.0
    """Of what was charged: all of it, with grid energy by a charger's meter, at an hourly intensity."""
    days_g: float = 0.0
    days_make_up: MakeUp = MakeUp()
    """Of the days that are over and state their uncertainty: their emissions, and what makes it up."""
    grids: dict[str, MakeUp] = {}
    """What makes up the uncertainty of `co2e_g`, by country."""
    activity_mass_tkm: float = 0.0
    """t-km times the relative uncertainty of the mass, by the quality of the tours."""
    drop_tkm: float = 0.0
    drop_mass_tkm: float = 0.0
    """The t-km of drops, and these times the relative uncertainty of the mass by the drops' source."""

    def add(self, other: "Sums") -> None:
        """Add another van's sums. Errors of meter and factor add up within a grid."""
        for grid, part in other.grids.items():
            self.grids[grid] = total([self.grids.get(grid, MakeUp()), part])
        for name in self.__struct_fields__:
            if name in ("grids", "days_make_up"):
                continue
            setattr(self, name, getattr(self, name) + getattr(other, name))


class VanFigures(msgspec.Struct, kw_only=True):
    """One van's sums, with what it is."""

    vehicle_id: str
    vehicle: Vehicle
    sums: Sums
    usable_capacity_kwh: float | None = None
