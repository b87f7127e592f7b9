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
    """CO2e of the tours whose activity is known, including empty tours."""
    parcels: int = 0
    parcel_co2e_g: float = 0.0
    """CO2e of the tours whose number of parcels is known, including empty tours."""
    load_known_km: float = 0.0
    empty_km: float = 0.0
    loaded_km: float = 0.0
    load_factor_km: float = 0.0
    """Of tours whose masses are known: the loaded kilometres, and the sum of load factor times loaded kilometres."""
    primary_g: float = 0.0
    shared_g: float = 0.0
    """Of tours whose primary share is known: CO2e with measured grid energy and masses, and all CO2e."""
    primary_km: float = 0.0
    modelled_km: float = 0.0
    default_km: float = 0.0
    charge_co2e_g: float = 0.0
    charge_market_g: float = 0.0
    market_charges: int = 0
    charge_grid_kwh: float = 0.0
    clean_grid_kwh: float = 0.0
    """Grid energy charged at an intensity below the annual one."""
    distance_km: float = 0.0
    used_kwh: float = 0.0
    regenerated_kwh: float = 0.0
    charged_kwh: float = 0.0
    grid_kwh: float = 0.0
    idle_kwh: float = 0.0
    co2e_g: float = 0.0
    annual_co2e_g: float = 0.0
    """A simple cross-check for auditors: net energy divided by the AC efficiency, times the annual intensity."""
    diesel_co2e_g: float = 0.0
    diesel_ttw_g: float = 0.0
    diesel_l: float = 0.0
    avoided_nox_mg: float = 0.0
    avoided_pm_mg: float = 0.0
    variance_kwh2: float = 0.0
    """Variance of the energy used: the sum over van-days, which are independent."""
    slices_g: float = 0.0
    metered_g: float = 0.0
    hourly_g: float = 0.0
    """CO2e charged: in all, with grid energy by a charger's meter, at an hourly intensity."""
    days_g: float = 0.0
    days_make_up: MakeUp = MakeUp()
    """Of completed days with an uncertainty: their emissions, and the parts of that uncertainty."""
    grids: dict[str, MakeUp] = {}
    """The parts of the uncertainty of `co2e_g`, by country."""
    activity_mass_tkm: float = 0.0
    """Sum of t-km times the relative uncertainty of the mass, by the quality of each tour."""
    drop_tkm: float = 0.0
    drop_mass_tkm: float = 0.0
    """Sum of the drops' t-km, and of these times the relative uncertainty of the mass by the source of each drop."""

    def add(self, other: "Sums") -> None:
        """Add the sums of another van. Within a grid, the uncertainties of meter and factor add up."""
        for grid, part in other.grids.items():
            self.grids[grid] = total([self.grids.get(grid, MakeUp()), part])
        for name in self.__struct_fields__:
            if name in ("grids", "days_make_up"):
                continue
            setattr(self, name, getattr(self, name) + getattr(other, name))


class VanFigures(msgspec.Struct, kw_only=True):
    """A van and its sums."""

    vehicle_id: str
    vehicle: Vehicle
    sums: Sums
    usable_capacity_kwh: float | None = None
