"""The records of a closed tour: one `tour`, and its `drop`s, each with its share of the emissions."""

from collections.abc import Sequence
from typing import Final

from agent.fleet.books.consignments import (
    Allocation,
    Consignment,
    TourRoute,
    Waypoint,
    allocate,
    carried,
    consignments,
)
from agent.fleet.context import Context
from agent.fleet.records import DropRecord, DropSource, Quality, Record, TourRecord
from agent.fleet.tour_state import (
    BY_DEFAULT,
    BY_IMPORT,
    BY_LOAD,
    LOAD,
    UNLOAD,
    ClosedTour,
    Drop,
    TrailStop,
    points_of,
    unpack_drops,
)
from agent.fleet.uncertainty import half_width_g

SOURCES: Final[tuple[DropSource, ...]] = ("message", "import", "load", "default")
MEASURED_SHARE: Final = 0.99
"""From this share of grams with measured grid energy on, the grid energy of a tour counts as measured.

The share cannot be 1: the carbon in the pack when the van was first heard is an assumption that never fades entirely.
"""
UNLOADING_MS: Final = 60_000
"""Goods that leave the van less than this before its return, or later, are unloaded at the depot."""


def records_of(vehicle_id: str, tour: ClosedTour, context: Context) -> list[Record]:
    """The records of a tour. Keeps in the tour the keys of rows that a late drop would replace."""
    drops = _drops(tour, context)
    known = _on_board(tour, context)
    found = consignments(drops, known)
    _keep_apart(drops)
    delivered = [each for each in found if each.row is not None]
    allocation = allocate(delivered, tour.co2e_g)
    rows = _drop_rows(vehicle_id, drops, delivered, known, context)
    rows += _void_rows(vehicle_id, tour, {drop.row_ms for drop in drops})
    tour.derived_ms = [drop.row_ms for drop in drops if drop.source > BY_IMPORT]
    return [_tour_record(vehicle_id, tour, drops, found, allocation, context), *rows]


def _keep_apart(drops: list[Drop]) -> None:
    """Give each drop a key of its own, where a drop was added at the end of the tour."""
    taken: set[int] = set()
    for drop in drops:
        while drop.row_ms in taken:
            drop.row_ms += 1
        taken.add(drop.row_ms)


def _drops(tour: ClosedTour, context: Context) -> list[Drop]:
    """The drops of a tour from the best source, in order of time."""
    every = sorted(unpack_drops(tour.drops), key=lambda drop: (drop.time_ms, drop.row_ms))
    said = [drop for drop in every if drop.source <= BY_IMPORT]
    if said:
        return said
    at_home_ms = tour.end_ms - UNLOADING_MS if tour.at_depot else tour.end_ms + 1
    derived = [drop for drop in every if drop.action == LOAD or drop.time_ms < at_home_ms]
    if derived:
        return derived
    if (tour.load_kg or tour.load_items) and not tour.weighed:
        return _spread(tour, tour.load_kg, tour.load_items, BY_LOAD)
    default_kg = context.vehicle.default_load_kg
    if tour.load_kg is None and tour.load_items is None and default_kg:
        return _spread(tour, default_kg, None, BY_DEFAULT)
    return []


def _spread(tour: ClosedTour, kg: float | None, items: int | None, source: int) -> list[Drop]:
    """Unload the same part of a load at each stop, where nothing more is known."""
    points = points_of(tour.trail, tour.start_ms)
    number = len(points)
    drops = []
    for i, point in enumerate(points):
        here = None if items is None else items * (i + 1) // number - items * i // number
        drops.append(
            Drop(
                point.arrived_ms,
                point.arrived_ms + i,
                UNLOAD,
                source,
                None if kg is None else kg / number,
                here,
                point.latitude_deg,
                point.longitude_deg,
            )
        )
    return drops


def _on_board(tour: ClosedTour, context: Context) -> TourRoute:
    start = Waypoint(tour.start_latitude_deg, tour.start_longitude_deg, 0.0)
    end = Waypoint(tour.end_latitude_deg, tour.end_longitude_deg, tour.distance_km)
    trail = points_of(tour.trail, tour.start_ms)

    def place_of(drop: Drop) -> Waypoint:
        latitude, longitude, km = _where(drop.time_ms, tour, trail)
        if drop.driven_km is not None:
            km = min(drop.driven_km, tour.distance_km)
        if drop.latitude_deg is not None and drop.longitude_deg is not None:
            latitude, longitude = drop.latitude_deg, drop.longitude_deg
        return Waypoint(latitude, longitude, km)

    return TourRoute(
        start=start,
        end=end,
        load_kg=tour.load_kg,
        load_items=tour.load_items,
        returns=tour.at_depot,
        end_ms=tour.end_ms,
        place_of=place_of,
    )


def _where(time_ms: int, tour: ClosedTour, trail: list[TrailStop]) -> tuple[float | None, float | None, float]:
    """Position and driven distance of the van at a time.

    Between two stops the position is that of the nearer one in time; the distance is interpolated.
    """
    if time_ms <= tour.start_ms:
        return tour.start_latitude_deg, tour.start_longitude_deg, 0.0
    if time_ms >= tour.end_ms:
        return tour.end_latitude_deg, tour.end_longitude_deg, tour.distance_km
    left_ms, km = tour.start_ms, 0.0
    latitude, longitude = tour.start_latitude_deg, tour.start_longitude_deg
    for point in trail:
        if time_ms < point.arrived_ms:
            share = (time_ms - left_ms) / max(1, point.arrived_ms - left_ms)
            if share > 0.5:
                latitude, longitude = point.latitude_deg, point.longitude_deg
            return latitude, longitude, km + share * (point.distance_km - km)
        left_ms, km = point.left_ms, point.distance_km
        latitude, longitude = point.latitude_deg, point.longitude_deg
        if time_ms <= left_ms:
            return latitude, longitude, km
    share = (time_ms - left_ms) / max(1, tour.end_ms - left_ms)
    if share > 0.5:
        latitude, longitude = tour.end_latitude_deg, tour.end_longitude_deg
    return latitude, longitude, km + share * (tour.distance_km - km)


def _tour_record(
    vehicle_id: str,
    tour: ClosedTour,
    drops: Sequence[Drop],
    found: list[Consignment],
    allocation: Allocation,
    context: Context,
) -> TourRecord:
    co2e_g, activity, items = tour.co2e_g, allocation.activity_tkm, allocation.items
    diesel_g = tour.distance_km * context.factors.diesel.wtw_g_per_km
    loaded_km, kg_km = carried(found, tour.distance_km)
    by_default = bool(drops) and drops[0].source == BY_DEFAULT
    load_known = bool(drops) or tour.load_kg is not None or tour.load_items is not None
    load_factor = None
    if kg_km is not None and loaded_km > 0.0:
        load_factor = 100.0 * kg_km / (context.vehicle.payload_kg * loaded_km)
    return TourRecord(
        vehicle_id=vehicle_id,
        time_ms=tour.end_ms,
        start_ms=tour.start_ms,
        duration_s=(tour.end_ms - tour.start_ms) / 1000.0,
        distance_km=tour.distance_km,
        empty_km=tour.distance_km - loaded_km if load_known and not by_default else None,
        energy_kwh=tour.energy_kwh,
        co2e_g=co2e_g,
        market_co2e_g=tour.market_co2e_g,
        diesel_co2e_g=diesel_g,
        avoided_co2e_g=None if co2e_g is None else diesel_g - co2e_g,
        energy_cost=tour.energy_cost,
        trips=tour.trips,
        stops=tour.stops,
        drops=allocation.drops,
        items=items,
        mass_kg=allocation.mass_kg,
        activity_tkm=activity,
        load_factor_pct=None if by_default else load_factor,
        co2e_g_per_tkm=co2e_g / activity if co2e_g is not None and activity else None,
        co2e_g_per_item=co2e_g / items if co2e_g is not None and items else None,
        primary_share_pct=primary_share_pct(tour, drops, allocation),
        uncertainty_kwh=tour.uncertainty_kwh,
        uncertainty_g=_uncertainty_g(tour),
        quality=_quality(tour, drops, allocation),
        factor_set=context.factors.set_name or None,
    )


def primary_share_pct(tour: ClosedTour, drops: Sequence[Drop], allocation: Allocation) -> float | None:
    """Share of the grams whose grid energy and mass are measured; `None` without any grams."""
    if not tour.co2e_g:
        return None
    if allocation.mass_kg is None or not drops or any(drop.source > BY_IMPORT for drop in drops):
        return 0.0
    return 100.0 * min(1.0, max(0.0, tour.primary_g / tour.co2e_g))


def _uncertainty_g(tour: ClosedTour) -> float | None:
    """Half the width of the 90 % interval; see `agent.fleet.uncertainty`."""
    if tour.co2e_g is None or tour.uncertainty_kwh is None or not tour.energy_kwh:
        return None
    return half_width_g(
        tour.co2e_g,
        energy_kwh=tour.energy_kwh,
        uncertainty_kwh=tour.uncertainty_kwh,
        primary_g=tour.primary_g,
        hourly_g=tour.hourly_g,
    )


def _quality(tour: ClosedTour, drops: Sequence[Drop], allocation: Allocation) -> Quality:
    """The lowest quality of the inputs: energy at the battery, grid energy, mass and places."""
    if tour.energy_kwh is None or (drops and drops[0].source == BY_DEFAULT):
        return "default"
    if not drops and tour.load_kg is None and tour.load_items is None:
        return "default"
    if not tour.measured or not _grid_measured(tour) or any(drop.source > BY_IMPORT for drop in drops):
        return "modelled"
    return "modelled" if drops and (allocation.by != "mass" or allocation.activity_tkm is None) else "primary"


def _grid_measured(tour: ClosedTour) -> bool:
    """Whether chargers measured the grid energy. True for a tour without grams."""
    return not tour.co2e_g or tour.primary_g / tour.co2e_g >= MEASURED_SHARE


def _drop_rows(
    vehicle_id: str, drops: Sequence[Drop], delivered: list[Consignment], tour: TourRoute, context: Context
) -> list[Record]:
    of_row: dict[int, list[Consignment]] = {}
    for each in delivered:
        if each.row is not None:
            of_row.setdefault(each.row, []).append(each)
    rows: list[Record] = []
    for row, drop in enumerate(drops):
        mine = of_row.get(row)
        place = tour.place_of(drop)
        rows.append(
            DropRecord(
                vehicle_id=vehicle_id,
                time_ms=drop.row_ms,
                action="load" if drop.action == LOAD else "unload",
                consignment_id=drop.consignment_id,
                customer_id=drop.customer_id,
                mass_kg=drop.mass_kg,
                items=drop.items,
                latitude_deg=place.latitude_deg,
                longitude_deg=place.longitude_deg,
                place=context.place_at(place.latitude_deg, place.longitude_deg),
                distance_gcd_km=mine[0].distance_km if mine else None,
                activity_tkm=mine[0].activity_tkm if mine else None,
                co2e_g=mine[0].co2e_g if mine else None,
                source=SOURCES[drop.source],
            )
        )
    return rows


def _void_rows(vehicle_id: str, tour: ClosedTour, kept: set[int]) -> list[Record]:
    """Rows that were derived before the drops were known, overwritten with 0."""
    return [
        DropRecord(
            vehicle_id=vehicle_id,
            time_ms=row_ms,
            action="unload",
            mass_kg=0.0,
            items=0,
            distance_gcd_km=0.0,
            activity_tkm=0.0,
            co2e_g=0.0,
            source="load",
        )
        for row_ms in tour.derived_ms
        if row_ms not in kept
    ]
