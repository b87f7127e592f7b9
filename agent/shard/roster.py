"""The roster: what is known of each van from the fleet file, the models and the settings.

It holds no state of a van, so several shards may use the same one.
"""

from pathlib import Path
from typing import Final

from agent.config import EmissionsSettings, FleetFile, FleetSettings, VanEntry
from agent.errors import SettingsError
from agent.factors.factor_set import load_factor_years
from agent.factors.figures import Factors
from agent.factors.intensity_files import load_intensity
from agent.factors.traits import traits_of
from agent.factors.year_set import FactorSet
from agent.fleet.context import Context
from agent.fleet.contracts import DEPOT, PUBLIC, Contract, Contracts
from agent.fleet.day_zone import DayZone
from agent.fleet.places import Places
from agent.fleet.tariff import Tariff
from agent.fleet.thresholds import Thresholds
from agent.fleet.vehicle import Vehicle
from agent.shard.tags import FleetTags, VanTags

ANY_VAN: Final = "van"
ANY_VAN_KWH: Final = 83.0
ANY_VAN_PAYLOAD_KG: Final = 1000.0
ANY_VAN_DIESEL_CLASS: Final = "van_average"
"""Figures of a van that neither the fleet file nor the settings describe: those of a Farizon SV, roughly."""

GENERAL_CONTRACT: Final = "supply"
"""Name of the contract whose factor is the setting `emissions.market_g_per_kwh`."""

_UNNAMED: Final = VanEntry()


class Roster:
    """Looks up vans. Everything is checked when it is made, so that a look-up cannot fail later.

    Raises `SettingsError`, with the van and the key, for a model, country or diesel class that no factor set knows.
    """

    def __init__(
        self,
        fleet: FleetFile,
        *,
        fleet_settings: FleetSettings,
        emissions: EmissionsSettings,
        derived_every_s: float,
    ) -> None:
        self._vans = fleet.vans
        self._depots = fleet.depots
        self._defaults = fleet_settings
        self._emissions = emissions
        self._places = _places(fleet, fleet_settings)
        self._contracts = _contracts(fleet, emissions.market_g_per_kwh, self._places)
        self.thresholds = Thresholds(derived_every_s=derived_every_s)
        try:
            self._day_zone = DayZone(fleet_settings.timezone)
        except SettingsError as error:
            raise SettingsError(f"fleet.timezone: {error}") from error
        self._factor_years = load_factor_years(emissions.factor_set, self._day_zone.tzinfo)
        self._factor_set: FactorSet = self._factor_years.newest
        self._intensity = load_intensity(emissions.intensity_file, self._factor_years, zones=emissions.zones or ())
        price = fleet_settings.energy_price_per_kwh
        self._tariff = None if price is None else Tariff(price, self._day_zone)
        self._factors: dict[tuple[str, str], tuple[Factors, ...]] = {}
        self._contexts: dict[Vehicle, Context] = {}
        self.identities: dict[str, str] = {
            identity: vehicle_id for vehicle_id, van in fleet.vans.items() for identity in van.identities
        }
        for vehicle_id in ("", *fleet.vans):
            self.context(vehicle_id)

    def names(self, vehicle_id: str) -> bool:
        """Whether the fleet file names this van."""
        return vehicle_id in self._vans

    @property
    def max_unnamed(self) -> int:
        """How many vans that the fleet file does not name a shard may take in."""
        return 0 if self._defaults.unknown_vehicles == "reject" else self._defaults.max_unknown_vehicles

    def vehicle(self, vehicle_id: str) -> Vehicle:
        """The master data of a van: from its own entry, else its depot, its model, the fleet settings."""
        van = self._vans.get(vehicle_id, _UNNAMED)
        defaults = self._defaults
        depot = van.depot or defaults.depot
        depot_country = self._depots[depot].country if depot in self._depots else None
        model_name = van.model or defaults.model
        # A model that the van's own entry names takes precedence over the settings for all vans.
        own = self._factor_set.models.get(van.model or "")
        general = self._factor_set.models.get(defaults.model)
        battery_kwh = (
            van.battery_kwh
            or (own and own.usable_energy.value)
            or defaults.battery_kwh
            or (general and not van.model and general.usable_energy.value)
            or (model_name == ANY_VAN and ANY_VAN_KWH)
        )
        if not battery_kwh:
            models = ", ".join(self._factor_set.models)
            raise SettingsError(f"model {model_name!r} is not known, so battery_kwh is needed; known models: {models}")
        country = van.country or depot_country or defaults.country
        chosen_class = van.diesel_class or (None if own else defaults.diesel_class)
        known = own or general
        class_of_model = known.diesel_class if known else ANY_VAN_DIESEL_CLASS
        return Vehicle(
            depot=depot,
            model=model_name,
            country=country,
            battery_kwh=battery_kwh,
            payload_kg=van.payload_kg
            or (own and own.payload.value)
            or defaults.payload_kg
            or (general.payload.value if general else ANY_VAN_PAYLOAD_KG),
            traits=traits_of(model_name),
            diesel_class=chosen_class or self._factor_set.local_class(class_of_model, country),
        )

    def tags(self) -> FleetTags:
        """The tags of all vans by the fleet file and the settings."""
        return FleetTags(self._tags(""), {vehicle_id: self._tags(vehicle_id) for vehicle_id in self._vans})

    def _tags(self, vehicle_id: str) -> VanTags:
        vehicle = self.context(vehicle_id).vehicle
        return VanTags(vehicle.depot, vehicle.model, vehicle.country)

    def context(self, vehicle_id: str) -> Context:
        """What the van core has to know about this van. Vans with the same master data share one object."""
        try:
            vehicle = self.vehicle(vehicle_id)
            context = self._contexts.get(vehicle)
            if context is None:
                context = self._contexts[vehicle] = self._make_context(vehicle)
        except SettingsError as error:
            where = f"van {vehicle_id!r} in the fleet file" if vehicle_id else "fleet settings"
            raise SettingsError(f"{where}: {error}") from error
        return context

    def _make_context(self, vehicle: Vehicle) -> Context:
        key = (vehicle.country, vehicle.diesel_class)
        if key not in self._factors:
            self._factors[key] = tuple(
                factor_set.for_van(
                    country=vehicle.country,
                    diesel_class=vehicle.diesel_class,
                    intensity=self._intensity,
                    efficiency_ac=self._emissions.charging_efficiency_ac,
                    efficiency_dc=self._emissions.charging_efficiency_dc,
                    validity=self._factor_years.validity(factor_set),
                )
                for factor_set in self._factor_years
            )
        return Context(
            vehicle=vehicle,
            thresholds=self.thresholds,
            factors=self._factors[key][-1],
            years=self._factors[key],
            places=self._places,
            day_zone=self._day_zone,
            tariff=self._tariff,
            contracts=self._contracts,
        )


def _places(fleet: FleetFile, fleet_settings: FleetSettings) -> Places:
    """The geofences of the file, and the depots."""
    depots = {
        name: (depot.latitude_deg, depot.longitude_deg)
        for name, depot in fleet.depots.items()
        if depot.latitude_deg is not None and depot.longitude_deg is not None
    }
    text = _text(fleet_settings.geofences)
    if text is None and not depots:
        return Places()
    from agent.geofence_file import parse_places  # imported here because it loads shapely

    return parse_places(text, depots)


def _contracts(fleet: FleetFile, market_g_per_kwh: float | None, places: Places) -> Contracts:
    """The contracts of the fleet file, and the one of `emissions.market_g_per_kwh`.

    The latter holds at the depots. Where no depot has a position, it holds at every place that has no other contract.
    """
    holding = {
        place: Contract(name=name, g_per_kwh=entry.g_per_kwh, coverage=entry.coverage)
        for name, entry in fleet.contracts.items()
        for place in entry.at
    }
    if market_g_per_kwh is not None:
        general = Contract(name=GENERAL_CONTRACT, g_per_kwh=market_g_per_kwh)
        holding.setdefault(DEPOT if DEPOT in places.kinds() else PUBLIC, general)
    try:
        return Contracts(holding, places)
    except SettingsError as error:
        raise SettingsError(f"contracts in the fleet file: {error}") from error


def _text(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"fleet.geofences {str(file)!r} cannot be read: {error}") from error
