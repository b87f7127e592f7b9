"""Trips and stops: how they begin and end, and what is said about them."""

from typing import Final

import msgspec

from agent.fleet import kalman, ledger, tours
from agent.fleet.context import Context
from agent.fleet.modes import DRIVING, PARKED, STOPPED
from agent.fleet.motion_state import TripState
from agent.fleet.records import Record, StopRecord, TripRecord
from agent.fleet.sphere import between_km
from agent.fleet.state import VanState
from agent.fleet.state_part import Mark

NOWHERE_KM: Final = 0.05
"""A trip of less, to where it began, is none."""


def begin(state: VanState, context: Context) -> None:
    """The van has left: the trip reaches back to when it woke up, or to when it was last seen at rest."""
    motion = state.motion
    woke = motion.rest.time_ms - motion.wake.time_ms <= context.thresholds.wake_up_ms
    start = motion.wake if woke else motion.rest
    ledger.settle(state)
    ledger.enter_idle(state.totals, start.predicted_kwh)
    if not woke:
        kalman.cut_boundary(state.estimate, context.thresholds.capacity_sigma)
    # What earlier trips returned and is not booked yet, because the sign of power is not sure, is none of this one's.
    regenerated_kwh = state.totals.regenerated_kwh + state.soc.braked_kwh
    state.trip = TripState(start=msgspec.structs.replace(start), regenerated_kwh=regenerated_kwh)
    tours.departed(state, context, start)
    motion.mode = DRIVING
    motion.standing_ms = 0
    motion.fast_readings = 0
    state.soc.gained_pct = 0.0
    if state.charge.scatters:
        state.charge.scatters -= 1
    motion.rest_ms = 0
    motion.rest_soc_pct = None
    state.position.late_km = 0.0


def end(state: VanState, context: Context, end: Mark) -> list[Record]:
    """The trip is over since `end`.

    What was consumed since goes to idling. What the trip has taught about the time before it (`before_kwh`) stays in
    the totals, which are the difference of one trace; it is not this trip's.
    """
    totals = state.totals
    ledger.settle(state)
    trip = state.trip
    e = state.estimate
    energy = end.net_kwh - trip.start.net_kwh - end.before_kwh
    distance = end.distance_km - trip.start.distance_km
    kalman.cut_boundary(e, context.thresholds.capacity_sigma)
    totals.idle_from_kwh = end.predicted_kwh
    ledger.enter_idle(totals, totals.predicted_kwh)
    ledger.emit(state)
    known = e.started
    co2e = energy * state.emissions.battery_g_per_kwh if state.emissions is not None and known else None
    diesel = distance * context.factors.diesel.wtw_g_per_km
    if _went_nowhere(trip.start, end, context):
        _at_rest(state, end)
        return []
    record = TripRecord(
        vehicle_id=state.vehicle_id,
        time_ms=end.time_ms,
        start_ms=trip.start.time_ms,
        duration_s=(end.time_ms - trip.start.time_ms) / 1000.0,
        distance_km=distance,
        energy_kwh=energy if known else None,
        regenerated_kwh=max(0.0, totals.regenerated_kwh - trip.regenerated_kwh),
        uncertainty_kwh=kalman.FILTER_Z90 * end.variance**0.5 if known else None,
        soc_start_pct=trip.start.soc_pct,
        soc_end_pct=end.soc_pct,
        consumption_kwh_per_100km=100.0 * energy / distance if known and distance >= ledger.SHOWN_FROM_KM else None,
        stops=trip.stops,
        start_latitude_deg=trip.start.latitude_deg,
        start_longitude_deg=trip.start.longitude_deg,
        end_latitude_deg=end.latitude_deg,
        end_longitude_deg=end.longitude_deg,
        start_place=context.place_at(trip.start.latitude_deg, trip.start.longitude_deg),
        end_place=context.place_at(end.latitude_deg, end.longitude_deg),
        odometer_start_km=trip.start.odometer_km,
        odometer_end_km=end.odometer_km,
        co2e_g=co2e,
        diesel_co2e_g=diesel,
        avoided_co2e_g=None if co2e is None else diesel - co2e,
        energy_cost=tours.trip_cost(state, energy) if known else None,
        quality="default" if not known else "modelled" if totals.source == 0 else "primary",
        inferred=trip.inferred,
    )
    state.day.trips += 1
    _at_rest(state, end)
    return [record, *tours.arrived(state, context, end)]


def _at_rest(state: VanState, end: Mark) -> None:
    state.charge.low_pct = None
    motion = state.motion
    motion.mode = PARKED
    motion.wake.time_ms = 0
    motion.standing_ms = 0
    motion.fast_readings = 0
    if end is not motion.rest:
        motion.rest = msgspec.structs.replace(end)


def _went_nowhere(start: Mark, end: Mark, context: Context) -> bool:
    """Whether what looked like a departure was none: the van is where it was, and has not gone anywhere."""
    if end.distance_km - start.distance_km >= NOWHERE_KM:
        return False
    if start.latitude_deg is None or end.latitude_deg is None:
        return True
    here = (end.latitude_deg, end.longitude_deg or 0.0)
    return between_km(start.latitude_deg, start.longitude_deg or 0.0, *here) * 1000.0 < context.thresholds.rest_radius_m


def end_standing(state: VanState, context: Context) -> list[Record]:
    """A charge has begun: the trip was over when the van came to stand, and what came in since is not the trip's."""
    totals, motion = state.totals, state.motion
    stand = motion.stand
    back_kwh = max(0.0, stand.net_kwh - totals.net_kwh)
    totals.net_kwh += back_kwh
    totals.posted_kwh += back_kwh
    if motion.mode == DRIVING:
        ledger.weigh_trip(state, stand, max(0.0, totals.predicted_kwh - stand.predicted_kwh))
        motion.mode = STOPPED
    return end(state, context, stand)


def end_stop(state: VanState, end_ms: int, context: Context) -> list[Record]:
    """The van leaves a stop and goes on with its trip."""
    motion = state.motion
    stand = motion.stand
    state.trip.stops += 1
    state.day.stops += 1
    motion.mode = DRIVING
    motion.standing_ms = 0
    motion.fast_readings = 0
    tours.stopped(state, stand, end_ms)
    return [
        StopRecord(
            vehicle_id=state.vehicle_id,
            time_ms=end_ms,
            start_ms=stand.time_ms,
            dwell_s=(end_ms - stand.time_ms) / 1000.0,
            latitude_deg=stand.latitude_deg,
            longitude_deg=stand.longitude_deg,
            place=context.place_at(stand.latitude_deg, stand.longitude_deg),
        )
    ]
