"""From the history to the sums of each van: counters, van-days, trips, tours, drops and charges of a period."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from agent.commands.report_figures import make_up_of
from agent.commands.report_findings import Corrections
from agent.commands.report_sums import Sums, VanFigures
from agent.factors.year_set import FactorSet
from agent.fleet.correction_state import Amounts
from agent.fleet.uncertainty import MASS, Z90, MakeUp, total
from agent.fleet.vehicle import Vehicle
from agent.stores.base import History

LOOK_BACK_MS: Final = 7 * 86_400_000
"""How far before a period a van's counters are searched; a van silent for longer has not changed them."""
ENERGY: Final = ("distance_km", "used_kwh", "regenerated_kwh", "charged_kwh", "grid_kwh", "idle_kwh")
EMISSIONS: Final = ("co2e_g", "diesel_co2e_g", "avoided_nox_mg", "avoided_pm_mg")
MASS_OF: Final = {"message": "primary", "import": "primary", "load": "modelled", "default": "default"}
"""The quality of a drop's mass by its source."""


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
    """The sums of every van with data in the period, in order of their ids, without corrected periods."""
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
    """The vehicle with depot, model and country as stored with the point, since the fleet file may have changed."""
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
    """The newest point of each van, and the increase of its counters in the period."""
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
    """The same from van-days, which a store keeps longer than counters. The current day is not included."""
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
    quality = f"{trip.get('quality', 'default')}_km"
    setattr(sums, quality, getattr(sums, quality) + km)


def _add_tour(figures: VanFigures, tour: dict[str, Any], _factors: FactorSet) -> None:
    """Add a tour. One without drops counts for the activity figures only if the van is known to have been empty."""
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
    parts = make_up_of(sums)
    if parts is not None:
        sums.grids = {figures.vehicle.country: parts}
