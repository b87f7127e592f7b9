"""What a report says, computed from the history: sums per van, then the figures that follow from the sums."""

from collections.abc import Callable, Iterable
from math import hypot, sqrt
from typing import Any, Final

import msgspec

from agent.commands.report_findings import Corrections
from agent.factors.year_set import FactorSet
from agent.fleet.correction_state import Amounts
from agent.fleet.uncertainty import MASS, Z90, Z95, MakeUp, make_up, over_grids, total
from agent.fleet.vehicle import Vehicle
from agent.stores.base import History

LOOK_BACK_MS: Final = 7 * 86_400_000
"""How far before a period the counters of a van are looked for; a van silent for longer has not changed them."""
ENERGY: Final = ("distance_km", "used_kwh", "regenerated_kwh", "charged_kwh", "grid_kwh", "idle_kwh")
EMISSIONS: Final = ("co2e_g", "diesel_co2e_g", "avoided_nox_mg", "avoided_pm_mg")
MASS_OF: Final = {"message": "primary", "import": "primary", "load": "modelled", "default": "default"}
"""The quality of a drop's mass by its source."""
SHORTEST_KM: Final = 1.0
"""Below this distance a figure per distance says nothing."""


class Sums(msgspec.Struct, kw_only=True):
    """What can be added up over trips, tours, charges and vans."""

    trips: int = 0
    stops: int = 0
    charges: int = 0
    inferred_trips: int = 0
    inferred_charges: int = 0
    trip_km: float = 0.0
    trip_kwh: float = 0.0
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


def gather(
    history: History,
    *,
    vehicle_of: Callable[[str], Vehicle],
    factors: FactorSet,
    start_ms: int | None,
    end_ms: int | None,
    efficiency_ac: float,
    corrections: Corrections,
) -> list[VanFigures]:
    """The sums of every van that the history knows in the period, in order of their ids, without what was corrected."""
    vans: dict[str, VanFigures] = {}

    def van(point: dict[str, Any]) -> VanFigures:
        vehicle_id = point["vehicle_id"]
        if vehicle_id not in vans:
            vehicle = _as_it_was(vehicle_of(vehicle_id), point, factors)
            vans[vehicle_id] = VanFigures(vehicle_id=vehicle_id, vehicle=vehicle, sums=Sums())
        return vans[vehicle_id]

    for point, change in _changes(history, "energy", ENERGY, start_ms, end_ms):
        figures = van(point)
        figures.usable_capacity_kwh = point.get("usable_capacity_kwh")
        _enter(figures.sums, change, corrections.of(figures.vehicle_id))
    for point, change in _changes(history, "emissions", EMISSIONS, start_ms, end_ms):
        _enter(van(point).sums, change, corrections.of(point["vehicle_id"]))
    for day, sums in _by_days(history, start_ms, end_ms):
        figures = van(day)
        figures.sums.variance_kwh2 = sums.variance_kwh2
        figures.sums.days_g, figures.sums.days_make_up = sums.days_g, sums.days_make_up
        if sums.distance_km > figures.sums.distance_km:
            diesel = factors.diesel(figures.vehicle.diesel_class, figures.vehicle.country)
            sums.avoided_nox_mg = sums.distance_km * diesel.nox_mg_per_km
            sums.avoided_pm_mg = sums.distance_km * diesel.pm_mg_per_km
            figures.sums = sums
    for measurement, add in (
        ("trip", _add_trip),
        ("tour", _add_tour),
        ("drop", _add_drop),
        ("charge", _add_charge),
        ("charge_slice", _add_slice),
    ):
        points = history.select(measurement, start_ms=start_ms, end_ms=end_ms)
        for point in points if measurement == "charge_slice" else corrections.untouched(points):
            add(van(point), point, factors)
    for figures in vans.values():
        _conclude(figures, factors, efficiency_ac)
    return [vans[vehicle_id] for vehicle_id in sorted(vans)]


def _enter(sums: Sums, change: dict[str, float], left_out: Amounts) -> None:
    for name, value in change.items():
        setattr(sums, name, max(0.0, value - getattr(left_out, name)))


def _as_it_was(vehicle: Vehicle, point: dict[str, Any], factors: FactorSet) -> Vehicle:
    """Depot, model and country as stored with the point; the fleet file may say something else by now."""
    tags: dict[str, Any] = {name: point[name] for name in ("depot", "model", "country") if name in point}
    model = factors.models.get(tags.get("model", ""))
    if model is not None and vehicle.model != tags["model"]:
        tags |= {
            "payload_kg": model.payload.value,
            "diesel_class": factors.local_class(model.diesel_class, tags.get("country", vehicle.country)),
        }
    return msgspec.structs.replace(vehicle, **tags)


def _changes(
    history: History, measurement: str, names: Iterable[str], start_ms: int | None, end_ms: int | None
) -> Iterable[tuple[dict[str, Any], dict[str, float]]]:
    """The newest point of each van, and by how much its counters rose in the period."""
    before: dict[str, dict[str, Any]] = {}
    if start_ms is not None:
        back_ms = start_ms - LOOK_BACK_MS
        for point in history.select(measurement, start_ms=back_ms, end_ms=start_ms, latest=True):
            before[point["vehicle_id"]] = point
    for point in history.select(measurement, start_ms=start_ms, end_ms=end_ms, latest=True):
        vehicle_id = point["vehicle_id"]
        begun = before.get(vehicle_id, {})
        if start_ms is not None and not begun:
            first = history.select(measurement, vehicle_id=vehicle_id, start_ms=start_ms, end_ms=end_ms)
            begun = next(iter(first), {})
        change = {name: point.get(f"{name}_total", 0.0) - begun.get(f"{name}_total", 0.0) for name in names}
        yield point, change


def _by_days(history: History, start_ms: int | None, end_ms: int | None) -> Iterable[tuple[dict[str, Any], Sums]]:
    """The same from van-days, which a store keeps for longer than counters; the day under way is not in them."""
    vans: dict[str, tuple[dict[str, Any], Sums]] = {}
    for day in history.select("day", start_ms=start_ms, end_ms=end_ms):
        _, sums = vans.setdefault(day["vehicle_id"], (day, Sums()))
        for name in (*ENERGY, "co2e_g", "diesel_co2e_g"):
            setattr(sums, name, getattr(sums, name) + day.get(name, 0.0))
        sums.variance_kwh2 += (day.get("uncertainty_kwh", 0.0) / Z90) ** 2
        if "uncertainty_g" in day:
            parts = MakeUp(*(day[f"uncertainty_{part}_g"] / Z90 for part in ("energy", "meter", "factor")))
            sums.days_g += day["co2e_g"]
            sums.days_make_up = total([sums.days_make_up, parts])
    return vans.values()


def _add_trip(figures: VanFigures, trip: dict[str, Any], _factors: FactorSet) -> None:
    sums = figures.sums
    km = trip["distance_km"]
    sums.trips += 1
    sums.stops += trip.get("stops", 0)
    sums.inferred_trips += bool(trip.get("inferred"))
    sums.trip_km += km
    sums.trip_kwh += trip.get("energy_kwh", 0.0)
    quality = f"{trip.get('quality', 'default')}_km"
    setattr(sums, quality, getattr(sums, quality) + km)


def _add_tour(figures: VanFigures, tour: dict[str, Any], _factors: FactorSet) -> None:
    """A tour without drops belongs to the others' activity when it is known to have been empty, else to none."""
    sums = figures.sums
    km, co2e_g = tour["distance_km"], tour.get("co2e_g", 0.0)
    empty_km, tonne_km, items = tour.get("empty_km"), tour.get("activity_tkm"), tour.get("items")
    was_empty = not tour["drops"] and empty_km is not None
    sums.tours += 1
    sums.drops += tour["drops"]
    if tour.get("primary_share_pct") is not None:
        sums.primary_g += tour["primary_share_pct"] / 100 * co2e_g
        sums.shared_g += co2e_g
    if tonne_km is not None or was_empty:
        sums.tonne_km += tonne_km or 0.0
        sums.tonne_km_co2e_g += co2e_g
        sums.activity_mass_tkm += (tonne_km or 0.0) * MASS[tour["quality"]]
    if items is not None or was_empty:
        sums.parcels += items or 0
        sums.parcel_co2e_g += co2e_g
    if empty_km is not None:
        sums.load_known_km += km
        sums.empty_km += empty_km
        if tour.get("load_factor_pct") is not None:
            sums.loaded_km += km - empty_km
            sums.load_factor_km += tour["load_factor_pct"] * (km - empty_km)


def _add_drop(figures: VanFigures, drop: dict[str, Any], _factors: FactorSet) -> None:
    tonne_km = drop.get("activity_tkm") or 0.0
    figures.sums.drop_tkm += tonne_km
    figures.sums.drop_mass_tkm += tonne_km * MASS[MASS_OF[drop["source"]]]


def _add_charge(figures: VanFigures, charge: dict[str, Any], factors: FactorSet) -> None:
    sums = figures.sums
    sums.charges += 1
    sums.inferred_charges += bool(charge.get("inferred"))
    co2e_g, grid_kwh = charge.get("co2e_g"), charge["grid_kwh"]
    if co2e_g is not None:
        sums.charge_co2e_g += co2e_g
        sums.charge_grid_kwh += grid_kwh
        if co2e_g < grid_kwh * factors.for_country(figures.vehicle.country).annual_g_per_kwh * 0.999999:
            sums.clean_grid_kwh += grid_kwh
    if "market_co2e_g" in charge:
        sums.market_charges += 1
        sums.charge_market_g += charge["market_co2e_g"]


def _add_slice(figures: VanFigures, piece: dict[str, Any], _factors: FactorSet) -> None:
    sums = figures.sums
    location_g = piece["direct_g"] + piece["upstream_g"] + piece["losses_g"]
    sums.slices_g += location_g
    if piece.get("meter") == "charger":
        sums.metered_g += location_g
    if piece.get("intensity_source") == "hourly":
        sums.hourly_g += location_g


def _conclude(figures: VanFigures, factors: FactorSet, efficiency_ac: float) -> None:
    sums = figures.sums
    diesel = factors.diesel(figures.vehicle.diesel_class, figures.vehicle.country)
    grid = factors.for_country(figures.vehicle.country)
    sums.annual_co2e_g = (sums.used_kwh - sums.regenerated_kwh) / efficiency_ac * grid.annual_g_per_kwh
    sums.diesel_ttw_g = sums.diesel_co2e_g * diesel.ttw_g_per_km / diesel.wtw_g_per_km
    sums.diesel_l = sums.distance_km * diesel.fuel_l_per_km
    parts = _make_up(sums)
    if parts is not None:
        sums.grids = {figures.vehicle.country: parts}


def figures_of(sums: Sums) -> dict[str, Any]:
    """What follows from sums; a figure that cannot be told is left out. Everything is well-to-wheel."""
    km = sums.distance_km
    net_kwh = sums.used_kwh - sums.regenerated_kwh
    qualified_km = sums.primary_km + sums.modelled_km + sums.default_km
    figures: dict[str, float | int | None] = {
        "distance_km": km,
        "trips": sums.trips,
        "stops": sums.stops,
        "tours": sums.tours,
        "drops": sums.drops,
        "charges": sums.charges,
        "battery_kwh": net_kwh,
        "battery_uncertainty_kwh": Z95 * sqrt(sums.variance_kwh2) if sums.variance_kwh2 else None,
        "idle_kwh": sums.idle_kwh,
        "regenerated_kwh": sums.regenerated_kwh or None,
        "charged_kwh": sums.charged_kwh,
        "grid_kwh": sums.grid_kwh,
        "driving_kwh_per_100km": _over(100 * (net_kwh - sums.idle_kwh), km, at_least=SHORTEST_KM),
        "overall_kwh_per_100km": _over(100 * net_kwh, km, at_least=SHORTEST_KM),
        "battery_kwh_per_stop": _over(net_kwh, sums.stops),
        "co2e_kg": sums.co2e_g / 1000,
        **_uncertainty(sums),
        "co2e_ttw_kg": 0.0,
        "co2e_wtt_kg": sums.co2e_g / 1000,
        "co2e_by_annual_factor_kg": sums.annual_co2e_g / 1000,
        "charged_location_based_co2e_kg": sums.charge_co2e_g / 1000,
        "charged_market_based_co2e_kg": sums.charge_market_g / 1000 if sums.market_charges else None,
        "co2e_g_per_km": _over(sums.co2e_g, km, at_least=SHORTEST_KM),
        "co2e_g_per_tkm": _over(sums.tonne_km_co2e_g, sums.tonne_km),
        "co2e_g_per_parcel": _over(sums.parcel_co2e_g, sums.parcels),
        "co2e_g_per_stop": _over(sums.co2e_g, sums.stops),
        "tonne_km": sums.tonne_km,
        "parcels": sums.parcels,
        "load_factor_pct": _over(sums.load_factor_km, sums.loaded_km),
        "empty_km_pct": _over(100 * sums.empty_km, sums.load_known_km),
        "diesel_co2e_kg": sums.diesel_co2e_g / 1000,
        "diesel_ttw_kg": sums.diesel_ttw_g / 1000,
        "diesel_wtt_kg": (sums.diesel_co2e_g - sums.diesel_ttw_g) / 1000,
        "avoided_co2e_kg": (sums.diesel_co2e_g - sums.co2e_g) / 1000,
        "avoided_nox_g": sums.avoided_nox_mg / 1000,
        "avoided_pm_g": sums.avoided_pm_mg / 1000,
        "avoided_diesel_l": sums.diesel_l,
        "charged_below_annual_intensity_pct": _over(100 * sums.clean_grid_kwh, sums.charge_grid_kwh),
        "primary_co2e_pct": _over(100 * sums.primary_g, sums.shared_g),
        "primary_km_pct": _over(100 * sums.primary_km, qualified_km),
        "modelled_km_pct": _over(100 * sums.modelled_km, qualified_km),
        "default_km_pct": _over(100 * sums.default_km, qualified_km),
        "inferred_trips": sums.inferred_trips,
        "inferred_charges": sums.inferred_charges,
    }
    return {name: value for name, value in figures.items() if value is not None}


def _make_up(sums: Sums) -> MakeUp | None:
    """What makes up the uncertainty of one van's `co2e_g`: by its days, or by its charges where no day states it.

    What the days do not cover, such as the day under way, is as uncertain as they are.
    """
    if sums.days_g > 0.0:
        scale = abs(sums.co2e_g) / sums.days_g
        energy_g, meter_g, factor_g = sums.days_make_up
        return MakeUp(energy_g * scale, meter_g * scale, factor_g * scale)
    net_kwh = sums.used_kwh - sums.regenerated_kwh
    if sums.co2e_g <= 0.0 or net_kwh <= 0.0:
        return None
    # Without a charge nothing is known to be measured, or by the hour: the less certain is assumed.
    metered, hourly = (part / sums.slices_g if sums.slices_g > 0.0 else 0.0 for part in (sums.metered_g, sums.hourly_g))
    return make_up(
        sums.co2e_g,
        energy_kwh=net_kwh,
        uncertainty_kwh=Z90 * sqrt(sums.variance_kwh2),
        primary_g=sums.co2e_g * metered,
        hourly_g=sums.co2e_g * hourly,
    )


def _uncertainty(sums: Sums) -> dict[str, float | None]:
    """Half the width of the 95 % interval of `co2e_kg`, what makes it up, and that of the grams per t-km."""
    if not sums.grids:
        return {}
    parts = over_grids(sums.grids.values())
    figures: dict[str, float | None] = {
        "co2e_uncertainty_kg": Z95 * parts.standard_g / 1000,
        "co2e_uncertainty_energy_kg": Z95 * parts.energy_g / 1000 or None,  # known from the days that are over
        "co2e_uncertainty_meter_kg": Z95 * parts.meter_g / 1000,
        "co2e_uncertainty_factor_kg": Z95 * parts.factor_g / 1000,
    }
    if sums.tonne_km > 0.0 and sums.co2e_g > 0.0:
        by_tours = sums.activity_mass_tkm / sums.tonne_km
        mass = sums.drop_mass_tkm / sums.drop_tkm if sums.drop_tkm > 0.0 else by_tours
        u = hypot(parts.standard_g / sums.co2e_g, mass)
        figures["co2e_g_per_tkm_uncertainty"] = Z95 * u * sums.tonne_km_co2e_g / sums.tonne_km
    return figures


def _over(value: float, divisor: float, *, at_least: float = 1e-9) -> float | None:
    return value / divisor if divisor >= at_least else None
