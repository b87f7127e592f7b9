"""From drops to consignments, and the share of a tour's emissions that each has (EN ISO 14083).

Transport activity A = Σ massᵢ · distanceᵢ, in t-km. The distance is the great circle from where a consignment was
loaded to where it was unloaded, never the distance driven. Consignment i has Gᵢ = massᵢ · distanceᵢ · G / A, so that
Σ Gᵢ = G.

A drop need not name its consignment. Then the unloaded goods come from the goods that were loaded at the start of the
tour, and once these are used up, from those that were picked up last. Picked-up goods that were not unloaded are
unloaded at the end of the tour. Goods that were loaded at the start and come back to it were not delivered.
"""

from collections.abc import Callable
from math import asin, cos, radians, sin, sqrt
from typing import Final, NamedTuple

import msgspec

from agent.fleet.tour_state import BY_LOAD, LOAD, Drop

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius of the WGS 84 ellipsoid, IUGG."""
SAME_PLACE_KM: Final = 0.3
"""Two positions this near to each other are the same place of loading."""
NEGLIGIBLE: Final = 1e-6


class Waypoint(NamedTuple):
    """A position on a tour, and the distance driven up to it."""

    latitude_deg: float | None
    longitude_deg: float | None
    driven_km: float


class Lot(msgspec.Struct):
    """Goods loaded at one place. `None` is "not known". `row` is the index of the drop that loaded them."""

    place: Waypoint
    mass_kg: float | None
    items: int | None
    row: int | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return (self.mass_kg or 0.0) <= NEGLIGIBLE and not self.items


class Consignment(msgspec.Struct):
    """Goods from one place to another. `row` is the index of the drop that gets its share; `None`: not delivered."""

    row: int | None
    mass_kg: float | None
    items: int | None
    distance_km: float | None
    loaded_at_km: float
    unloaded_at_km: float
    count: int = 1
    co2e_g: float | None = None

    @property
    def activity_tkm(self) -> float | None:
        """Mass times distance."""
        if self.mass_kg is None or self.distance_km is None:
            return None
        return self.mass_kg / 1000.0 * self.distance_km


class TourRoute(msgspec.Struct, kw_only=True):
    """What is known of a tour when its consignments are made from its drops."""

    start: Waypoint
    end: Waypoint
    load_kg: float | None
    load_items: int | None
    """On board at the start."""
    returns: bool
    """The tour ended at a depot, or where it began: goods can be unloaded there."""
    end_ms: int
    place_of: Callable[[Drop], Waypoint]
    at_start: list[Lot] = msgspec.field(default_factory=list)
    picked_up: list[Lot] = msgspec.field(default_factory=list)
    named: dict[str, Lot] = msgspec.field(default_factory=dict)


def great_circle_km(a: Waypoint, b: Waypoint) -> float | None:
    """Great-circle distance between two positions (haversine); `None` if one is not known."""
    if a.latitude_deg is None or a.longitude_deg is None or b.latitude_deg is None or b.longitude_deg is None:
        return None
    phi_a, phi_b = radians(a.latitude_deg), radians(b.latitude_deg)
    half_phi = 0.5 * (phi_b - phi_a)
    half_lambda = 0.5 * radians(b.longitude_deg - a.longitude_deg)
    h = sin(half_phi) ** 2 + cos(phi_a) * cos(phi_b) * sin(half_lambda) ** 2
    return 2.0 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))


def consignments(drops: list[Drop], tour: TourRoute) -> list[Consignment]:
    """The consignments of a tour from its drops, which are in order of time and of one source.

    Those with `row = None` were on board and not delivered. May append a drop at the end of the tour to `drops`.
    """
    found: list[Consignment] = []
    derived = bool(drops) and drops[0].source == BY_LOAD
    if derived or (not drops and (tour.load_kg or tour.load_items)) or _starts_empty(tour):
        tour.at_start.append(Lot(tour.start, tour.load_kg, tour.load_items))
    for row, drop in enumerate(drops):
        place = tour.place_of(drop)
        if drop.action == LOAD:
            _load(tour, drop, place, row)
        else:
            found.append(_unload(tour, drop, place, row))
    _unload_rest(tour, drops, found)
    return found


def _starts_empty(tour: TourRoute) -> bool:
    """Whether the load at the start was stated as 0."""
    known = tour.load_kg is not None or tour.load_items is not None
    return known and not (tour.load_kg or 0.0) > NEGLIGIBLE and not tour.load_items


def _load(tour: TourRoute, drop: Drop, place: Waypoint, row: int) -> None:
    lot = Lot(place, drop.mass_kg, drop.items, row)
    if drop.consignment_id is not None:
        tour.named[drop.consignment_id] = lot
        return
    from_start_km = great_circle_km(tour.start, place)
    if from_start_km is None or from_start_km <= SAME_PLACE_KM:
        tour.at_start.append(lot)
    else:
        tour.picked_up.append(lot)


def _unload(tour: TourRoute, drop: Drop, place: Waypoint, row: int) -> Consignment:
    named = None if drop.consignment_id is None else tour.named.pop(drop.consignment_id, None)
    if named is not None:
        mass_kg = named.mass_kg if drop.mass_kg is None else drop.mass_kg
        items = named.items if drop.items is None else drop.items
        km = great_circle_km(named.place, place)
        return Consignment(row, mass_kg, items, km, named.place.driven_km, place.driven_km, drop.count)
    parts = _draw(tour, drop)
    lengths = [(share, great_circle_km(lot, place)) for share, lot in parts]
    km = None
    if all(length is not None for _, length in lengths):
        km = sum(share * (length or 0.0) for share, length in lengths)
    loaded_at_km = min(lot.driven_km for _, lot in parts)
    return Consignment(row, drop.mass_kg, drop.items, km, loaded_at_km, place.driven_km, drop.count)


def _draw(tour: TourRoute, drop: Drop) -> list[tuple[float, Waypoint]]:
    """Take unloaded goods from the lots. Returns the places where they were loaded, with the share of each."""
    by_mass = drop.mass_kg is not None
    wanted = float(drop.mass_kg or 0.0) if by_mass else float(drop.items or 0)
    left = wanted
    parts: list[tuple[float, Waypoint]] = []
    # If the load at the start was never stated, all goods come from there.
    for lot in (*tour.at_start, *reversed(tour.picked_up)) if tour.at_start else ():
        held = float(lot.mass_kg or 0.0) if by_mass else float(lot.items or 0)
        if held <= NEGLIGIBLE or left <= NEGLIGIBLE:
            continue
        taken = min(left, held)
        left -= taken
        if lot.mass_kg is not None:
            lot.mass_kg -= taken if by_mass else lot.mass_kg * taken / held
        if lot.items is not None:
            given = drop.items if drop.items is not None else round(lot.items * taken / held)
            lot.items = max(0, lot.items - given)
        parts.append((taken / wanted, lot.place))
    rest = 1.0 - sum(share for share, _ in parts)
    if rest > NEGLIGIBLE or not parts:
        parts.append((rest, tour.start))
    return parts


def _unload_rest(tour: TourRoute, drops: list[Drop], found: list[Consignment]) -> None:
    """Unload the rest at the end of the tour. Goods from the start have come back, or were delivered."""
    end = tour.end
    for lot in (*tour.at_start, *tour.picked_up, *tour.named.values()):
        if lot.empty:
            continue
        km = great_circle_km(lot.place, end)
        from_start_km = great_circle_km(lot.place, tour.start)
        loaded_at_start = from_start_km is None or from_start_km <= SAME_PLACE_KM
        came_back = loaded_at_start and (km is None or km <= SAME_PLACE_KM or not tour.returns)
        row = None if came_back else lot.row
        if row is None and not came_back:
            row = len(drops)
            drops.append(_at_the_end(tour, lot))
        found.append(Consignment(row, lot.mass_kg, lot.items, km, lot.place.driven_km, end.driven_km))


def _at_the_end(tour: TourRoute, lot: Lot) -> Drop:
    return Drop(
        tour.end_ms,
        tour.end_ms,
        1,
        BY_LOAD,
        mass_kg=lot.mass_kg,
        items=lot.items,
        latitude_deg=tour.end.latitude_deg,
        longitude_deg=tour.end.longitude_deg,
    )


class Allocation(NamedTuple):
    """How the emissions of a tour were allocated."""

    by: str
    """`mass` (times distance), `items`, or `drops` where neither is known for all."""
    activity_tkm: float | None
    mass_kg: float | None
    items: int | None
    drops: int


def allocate(delivered: list[Consignment], co2e_g: float | None) -> Allocation:
    """Allocate the emissions of a tour to its consignments, in place. The shares add up to the emissions."""
    _estimate_distances(delivered)
    masses = [each.mass_kg for each in delivered if each.mass_kg is not None]
    items = [each.items for each in delivered if each.items is not None]
    drops = sum(each.count for each in delivered)
    activity = [each.activity_tkm for each in delivered if each.activity_tkm is not None]
    if delivered and len(masses) == len(delivered):
        by = "mass"
        weights = activity if len(activity) == len(delivered) and sum(activity) > 0.0 else masses
    elif delivered and len(items) == len(delivered):
        by, weights = "items", [float(number) for number in items]
    else:
        by, weights = "drops", [float(each.count) for each in delivered]
    total = sum(weights)
    if total <= 0.0:
        weights = [1.0] * len(delivered)
        total = float(len(delivered))
    if co2e_g is not None:
        for each, weight in zip(delivered, weights, strict=True):
            each.co2e_g = co2e_g * weight / total
    return Allocation(
        by=by,
        activity_tkm=sum(activity) if delivered and len(activity) == len(delivered) else None,
        mass_kg=sum(masses) if delivered and len(masses) == len(delivered) else None,
        items=sum(items) if delivered and len(items) == len(delivered) else None,
        drops=drops,
    )


def _estimate_distances(delivered: list[Consignment]) -> None:
    """Give a consignment without known places the mean distance of the others."""
    known = [each.distance_km for each in delivered if each.distance_km is not None]
    if known and len(known) < len(delivered):
        mean_km = sum(known) / len(known)
        for each in delivered:
            if each.distance_km is None:
                each.distance_km = mean_km


def carried(found: list[Consignment], distance_km: float) -> tuple[float, float | None]:
    """Distance driven with goods on board, and Σ mass · driven km in kg km (`None` if a mass is missing)."""
    loaded_km, reached_km, kg_km = 0.0, 0.0, 0.0
    for each in sorted(found, key=lambda one: one.loaded_at_km):
        begin = max(0.0, each.loaded_at_km, reached_km)
        until = min(distance_km, each.unloaded_at_km)
        if until > begin:
            loaded_km += until - begin
            reached_km = until
        kg_km += (each.mass_kg or 0.0) * max(0.0, until - max(0.0, each.loaded_at_km))
    return loaded_km, (kg_km if all(each.mass_kg is not None for each in found) else None)
