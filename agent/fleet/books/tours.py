"""Tours: from leaving a depot to the return to one. Where the depot is not known, it is the resting place of the night.

                    first trip begins                 a trip ends at a depot, or where the tour began (`homeward`)
    ┌───────────┐ ─────────────────────▶ ┌─────────┐ ───────────────────────────────────────────────┐
    │  no tour  │                        │ on trip │ ──── a trip ends elsewhere ───▶ ┌─────────┐    │
    └───────────┘                        └─────────┘ ◀─── the next trip begins ───── │ resting │    ▼
          ▲                                                                          └─────────┘  ┌────────┐
          ├── moved in the yard only: not a tour                    rests for PARKED_FOR_MS, or ─▶│ closed │
          └────────────────────────────────────────────────────── out for LONGEST_MS and at rest  └────────┘

A closed tour is published at once. It is published again, in the same rows, when a late drop changes it. The last
`KEPT_TOURS` closed tours can still take late drops.

A tour's figures are the differences of the van's totals between the end of the tour before and its own end. So tours
add up to the totals: energy used at rest belongs to the tour that follows.
"""

from typing import Final

from agent.fleet import kalman
from agent.fleet.books.consignments import Waypoint, great_circle_km
from agent.fleet.books.tour_drops import drops_of_closed, reclaim_drops
from agent.fleet.books.tour_records import records_of
from agent.fleet.context import Context
from agent.fleet.emissions import EmissionsState
from agent.fleet.records import Record
from agent.fleet.state import VanState
from agent.fleet.state_part import Mark
from agent.fleet.tour_state import (
    KEPT_POINTS,
    KEPT_TOURS,
    UNLOAD,
    ClosedTour,
    TourMark,
    TourState,
    TrailStop,
    add_point,
    pack_drops,
    thinned,
    unpack_drops,
)

_HOUR_MS: Final = 3_600_000
PARKED_FOR_MS: Final = 12 * _HOUR_MS
"""A van that rests for this long away from a depot has ended its tour. A driver's night of 11 h does not end it."""
LONGEST_MS: Final = 36 * _HOUR_MS
"""A tour that lasts this long ends at the next rest."""
NIGHT_MS: Final = 5 * _HOUR_MS
"""After a rest of this length away from a depot, a return to this place ends the next tour."""
HOME_KM: Final = 0.2
"""A tour has returned when the van is this near to its beginning."""
YARD_KM: Final = 0.5
"""A shorter trip from a depot to itself, without stop and drop, moves the van in the yard. It is not a tour."""


def begin_trip(state: VanState, context: Context, start: Mark) -> None:
    """A trip has begun: it opens a tour, or continues the one under way."""
    tour = state.tour
    if tour.under_way:
        if not tour.rest_ms:
            return  # the trip was opened before, and is opened again from before a silence
        if start.time_ms - tour.rest_ms < PARKED_FOR_MS:
            _continue(tour, start.time_ms)
            return
        _close(state, at_depot=False)
    _begin(state, context, start)


def add_stop(state: VanState, stand: Mark, end_ms: int) -> None:
    """Add a stop of a trip that is over."""
    tour = state.tour
    tour.stops += 1
    _add_point(tour, stand.time_ms, end_ms, stand.distance_km, stand.latitude_deg, stand.longitude_deg)


def end_trip(state: VanState, context: Context, end: Mark) -> list[Record]:
    """A trip has ended. It ends the tour if the van is at a depot again."""
    tour = state.tour
    if not tour.under_way:
        _begin(state, context, state.trip.start)
    tour.trips += 1
    tour.rest_ms = end.time_ms
    tour.rest = _tour_mark(state, end)
    tour.rest_latitude_deg, tour.rest_longitude_deg = end.latitude_deg, end.longitude_deg
    if _is_return(tour, context):
        if _is_in_the_yard(tour):
            tour.under_way = False
            tour.trips = 0
            return []
        _close(state, at_depot=True)
        return _publish(state, context)
    if end.time_ms - tour.start_ms >= LONGEST_MS:
        _close(state, at_depot=False)
        return _publish(state, context)
    _schedule(tour)
    return []


def close_due_tours(state: VanState, event_ms: int, context: Context) -> list[Record]:
    """Time has passed: close a tour that does not return, and publish tours that late drops have changed."""
    tour = state.tour
    if tour.under_way and tour.rest_ms and event_ms >= _closes_ms(tour):
        _close(state, at_depot=False)
    return _publish(state, context)


def trip_cost(state: VanState, energy_kwh: float) -> float | None:
    """Cost of the energy of a trip that has just ended; `None` without a tariff."""
    price = state.tour.price_per_kwh
    return None if price is None else energy_kwh * price


def add_charge(state: VanState, *, content_kwh: float, stored_kwh: float, cost: float) -> None:
    """Add the cost of stored energy. A kWh in the battery has the mean price of it and of the `content_kwh` before."""
    tour = state.tour
    _enter_cost(tour, state.totals.net_kwh)
    before_kwh = max(content_kwh, 0.0) if tour.price_per_kwh is not None else 0.0
    if before_kwh + stored_kwh > 0.0:
        tour.price_per_kwh = (before_kwh * (tour.price_per_kwh or 0.0) + cost) / (before_kwh + stored_kwh)


def tour_market_g(own: EmissionsState, since_kwh: float) -> float:
    """The market-based emissions before the last `since_kwh` were used."""
    market = own.battery_g_per_kwh if own.market_g_per_kwh is None else own.market_g_per_kwh
    return own.market_g - since_kwh * market


def _begin(state: VanState, context: Context, start: Mark) -> None:
    tour, load = state.tour, state.load
    rested_ms = start.time_ms - tour.rest_ms if tour.rest_ms else 0
    latitude, longitude = start.latitude_deg, start.longitude_deg
    tour.under_way = True
    tour.start_ms = start.time_ms
    tour.start_latitude_deg, tour.start_longitude_deg = latitude, longitude
    tour.homeward = not _knows_depot(context) or (rested_ms >= NIGHT_MS and not context.in_depot(latitude, longitude))
    tour.rest_ms = 0
    tour.trips = tour.stops = 0
    tour.trail = b""
    tour.weighed = False
    tour.load_kg = tour.seen_kg = load.payload_kg
    tour.load_items = tour.seen_items = load.parcels
    if tour.price_per_kwh is None and context.tariff is not None:
        efficiency = context.factors.charging.efficiency("ac")
        tour.price_per_kwh = context.tariff.cost(1.0, start.time_ms, start.time_ms) / efficiency
    reclaim_drops(tour)
    _schedule(tour)


def _continue(tour: TourState, left_ms: int) -> None:
    """The van has parked during the tour: that was a long stop."""
    tour.stops += 1
    _add_point(tour, tour.rest_ms, left_ms, tour.rest.distance_km, tour.rest_latitude_deg, tour.rest_longitude_deg)
    tour.rest_ms = 0
    _schedule(tour)


def _add_point(
    tour: TourState,
    arrived_ms: int,
    left_ms: int,
    distance_km: float,
    latitude_deg: float | None,
    longitude_deg: float | None,
) -> None:
    if latitude_deg is not None and longitude_deg is not None:
        km = distance_km - tour.base.distance_km
        tour.trail = add_point(
            tour.trail, TrailStop(arrived_ms, left_ms, km, latitude_deg, longitude_deg), tour.start_ms
        )


def _close(state: VanState, *, at_depot: bool) -> None:
    """Close the tour as of the end of its last trip. Its records are due."""
    tour, base, rest = state.tour, state.tour.base, state.tour.rest
    known = state.estimate.started
    drops, later = drops_of_closed(tour)
    first_market_g = 0.0 if base.market_g is None and tour.since_ms == 0 else base.market_g
    closed = ClosedTour(
        since_ms=tour.since_ms,
        start_ms=tour.start_ms,
        end_ms=tour.rest_ms,
        start_latitude_deg=tour.start_latitude_deg,
        start_longitude_deg=tour.start_longitude_deg,
        end_latitude_deg=tour.rest_latitude_deg,
        end_longitude_deg=tour.rest_longitude_deg,
        at_depot=at_depot,
        distance_km=rest.distance_km - base.distance_km,
        energy_kwh=rest.net_kwh - base.net_kwh if known else None,
        uncertainty_kwh=_uncertainty_kwh(state, base, rest) if known else None,
        measured=state.totals.source != 0,
        co2e_g=rest.co2e_g - base.co2e_g if known and state.emissions is not None else None,
        market_co2e_g=None if rest.market_g is None or first_market_g is None else rest.market_g - first_market_g,
        energy_cost=None if rest.cost is None else rest.cost - (base.cost or 0.0),
        trips=tour.trips,
        stops=tour.stops,
        load_kg=tour.load_kg,
        load_items=tour.load_items,
        weighed=tour.weighed,
        drops=pack_drops(drops),
        trail=tour.trail,
        primary_g=rest.primary_g - base.primary_g,
        hourly_g=rest.hourly_g - base.hourly_g,
    )
    tour.recent = [*tour.recent, closed][-KEPT_TOURS:]
    tour.under_way = False
    tour.base = rest
    tour.since_ms = tour.rest_ms
    tour.trips = tour.stops = 0
    tour.trail = b""
    tour.drops = pack_drops(later)
    _schedule(tour)


def _publish(state: VanState, context: Context) -> list[Record]:
    """The records of the closed tours that are not published, or have changed since."""
    records: list[Record] = []
    for closed in state.tour.recent:
        if closed.unpublished:
            records += records_of(state.vehicle_id, closed, context)
            closed.unpublished = False
            closed.trail = thinned(closed.trail, KEPT_POINTS)
    _schedule(state.tour)
    return records


def _schedule(tour: TourState) -> None:
    """Set when there is something to close or to publish next."""
    tour.due_ms = 0
    if any(closed.unpublished for closed in tour.recent):
        tour.due_ms = 1
    elif tour.under_way and tour.rest_ms:
        tour.due_ms = _closes_ms(tour)


def _closes_ms(tour: TourState) -> int:
    return max(tour.rest_ms, min(tour.rest_ms + PARKED_FOR_MS, tour.start_ms + LONGEST_MS))


def _knows_depot(context: Context) -> bool:
    """Whether the place of the van's own depot is known."""
    return context.places is not None and context.places.get(context.vehicle.depot) is not None


def _is_return(tour: TourState, context: Context) -> bool:
    if context.in_depot(tour.rest_latitude_deg, tour.rest_longitude_deg):
        return True
    return tour.homeward and _from_start_km(tour) <= HOME_KM


def _is_in_the_yard(tour: TourState) -> bool:
    if tour.trips > 1 or tour.stops or _from_start_km(tour) > YARD_KM:
        return False
    if tour.rest.distance_km - tour.base.distance_km > YARD_KM:
        return False
    return not any(drop.action == UNLOAD and drop.time_ms > tour.start_ms for drop in unpack_drops(tour.drops))


def _from_start_km(tour: TourState) -> float:
    start = Waypoint(tour.start_latitude_deg, tour.start_longitude_deg, 0.0)
    km = great_circle_km(start, Waypoint(tour.rest_latitude_deg, tour.rest_longitude_deg, 0.0))
    return 1e9 if km is None else km


def _tour_mark(state: VanState, end: Mark) -> TourMark:
    """The totals at the end of a trip: those of now, less what was used since. No charge can lie in between."""
    tour, own, e = state.tour, state.emissions, state.estimate
    since_kwh = state.totals.net_kwh - end.net_kwh
    _enter_cost(tour, end.net_kwh)
    return TourMark(
        net_kwh=end.net_kwh,
        distance_km=end.distance_km,
        co2e_g=0.0 if own is None else own.co2e_g - since_kwh * own.battery_g_per_kwh,
        market_g=None if own is None else tour_market_g(own, since_kwh),
        cost=None if tour.price_per_kwh is None else tour.cost,
        variance=max(0.0, e.var_out + e.pending_var_kwh2),
        primary_g=0.0 if own is None else own.primary_g - since_kwh * own.battery_g_per_kwh * own.primary_share,
        hourly_g=0.0 if own is None else own.hourly_g - since_kwh * own.battery_g_per_kwh * own.hourly_share,
    )


def _enter_cost(tour: TourState, net_kwh: float) -> None:
    if tour.price_per_kwh is not None:
        tour.cost += (net_kwh - tour.priced_kwh) * tour.price_per_kwh
        tour.priced_kwh = net_kwh


def _uncertainty_kwh(state: VanState, base: TourMark, rest: TourMark) -> float:
    """Half the width of the 90 % interval: growth of the variance, and the quantisation step at both ends."""
    ends = 2.0 * (state.soc.step_pct / state.estimate.pct_per_kwh) ** 2 / 12.0
    return kalman.FILTER_Z90 * float((max(0.0, rest.variance - base.variance) + ends) ** 0.5)
