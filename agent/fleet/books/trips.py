"""Trips and stops: opened and closed.

A trip is open from `open_trip` to one of the `close_trip...` verbs. In between the van stands from time to time. A
stand that lasts becomes a stop. A stop that lasts closes the trip, as of the moment at which the van came to stand.
"""

from copy import copy
from typing import Final

from agent.fleet import kalman, observation
from agent.fleet.books import ledger, tours
from agent.fleet.books.rest import set_resting_place
from agent.fleet.context import Context
from agent.fleet.modes import DRIVING, PARKED, STOPPED
from agent.fleet.motion_state import TripState
from agent.fleet.position_state import STUCK
from agent.fleet.records import Record, StopRecord, TripRecord
from agent.fleet.sphere import between_km
from agent.fleet.state import VanState
from agent.fleet.state_part import Mark

NOWHERE_KM: Final = 0.05
"""A shorter trip that ends where it began is not a trip."""


def open_trip(state: VanState, context: Context) -> None:
    """Open a trip. It begins when the van woke up, if that was just before; else when it was last seen at rest."""
    motion = state.motion
    woke = motion.rest.time_ms - motion.wake.time_ms <= context.thresholds.wake_up_ms
    start = motion.wake if woke else motion.rest
    ledger.reconcile(state)
    ledger.post_idle(state.totals, start.predicted_kwh)
    if not woke:
        kalman.cut_boundary(state.estimate, context.thresholds.capacity_sigma)
    # Earlier trips may have regenerated energy that is not posted yet, because the sign of power is not known for sure.
    # It does not belong to this trip.
    regenerated_kwh = state.totals.regenerated_kwh + state.soc.braked_kwh
    state.trip = TripState(start=copy(start), regenerated_kwh=regenerated_kwh)
    tours.begin_trip(state, context, start)
    motion.mode = DRIVING
    motion.standing_ms = 0
    motion.fast_readings = 0
    state.soc.gained_pct = 0.0
    if state.charge.scatters:
        state.charge.scatters -= 1
    motion.rest_ms = 0
    motion.rest_soc_pct = None
    state.position.late_km = 0.0


def begin_stand(state: VanState, since_ms: int, time_ms: int, *, by_fixes: bool) -> None:
    """The van has come to stand. `by_fixes`: only the fixes show it, and the resting place stays."""
    motion = state.motion
    motion.standing_ms = since_ms
    ledger.take_mark(state, motion.stand, since_ms)
    motion.rest.time_ms = time_ms
    if not by_fixes:
        set_resting_place(state)


def begin_stop(state: VanState, context: Context) -> None:
    """A stand has become a stop. It may become the end of the trip, so the energy of the trip so far is marked."""
    motion = state.motion
    stand = motion.stand
    observation.observe_now(state, context)
    ledger.post(state)
    ledger.complete_mark(state, stand, state.totals.predicted_kwh - stand.predicted_kwh)
    motion.mode = STOPPED


def end_stop(state: VanState, end_ms: int, context: Context) -> list[Record]:
    """The van leaves a stop and goes on with its trip."""
    motion = state.motion
    stand = motion.stand
    state.trip.stops += 1
    state.day.stops += 1
    motion.mode = DRIVING
    motion.standing_ms = 0
    motion.fast_readings = 0
    tours.add_stop(state, stand, end_ms)
    set_resting_place(state)
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


def close_trip(state: VanState, context: Context, end: Mark) -> list[Record]:
    """Close the trip as of the mark `end`. Energy used since goes to idling.

    The trip's readings also correct what is known of the time before the trip (`before_kwh`). That correction stays in
    the totals; it is not part of this trip's energy.
    """
    totals, trip = state.totals, state.trip
    ledger.reconcile(state)
    energy = end.net_kwh - trip.start.net_kwh - end.before_kwh
    kalman.cut_boundary(state.estimate, context.thresholds.capacity_sigma)
    totals.idle_from_kwh = end.predicted_kwh
    ledger.post_idle(totals, totals.predicted_kwh)
    ledger.post_emissions(state)
    if _went_nowhere(trip.start, end, context):
        _park(state, end)
        return []
    record = _trip_record(state, context, end, energy)
    state.day.trips += 1
    _park(state, end)
    return [record, *tours.end_trip(state, context, end)]


def close_trip_at_stand(state: VanState, context: Context) -> list[Record]:
    """Close the trip as of the moment at which the van came to stand."""
    stand = state.motion.stand
    if state.soc.soc_pct is not None and state.soc.soc_pct < (stand.soc_pct or 0.0):
        # A state of charge that has fallen since then still tells of the trip.
        ledger.complete_mark(state, stand, state.totals.predicted_kwh - stand.predicted_kwh)
    return close_trip(state, context, stand)


def close_trip_before_charge(state: VanState, context: Context) -> list[Record]:
    """Close the trip as of the moment at which the van came to stand. Energy that came in since is charged energy."""
    totals, motion = state.totals, state.motion
    stand = motion.stand
    back_kwh = max(0.0, stand.net_kwh - totals.net_kwh)
    totals.net_kwh += back_kwh
    totals.posted_kwh += back_kwh
    if motion.mode == DRIVING:
        ledger.complete_mark(state, stand, max(0.0, totals.predicted_kwh - stand.predicted_kwh))
        motion.mode = STOPPED
    return close_trip(state, context, stand)


def close_trip_in_silence(state: VanState, context: Context) -> list[Record]:
    """The van is silent: close the trip as of its last reading."""
    if state.position.conflict == STUCK and state.motion.standing_ms:
        # All readings since the van came to stand were repeated values.
        return close_trip(state, context, state.motion.stand)
    observation.observe_now(state, context)
    ledger.reconcile(state)
    end = ledger.take_mark(state, Mark(), state.time_ms)
    ledger.complete_mark(state, end, 0.0)
    set_resting_place(state)
    return close_trip(state, context, end)


def _trip_record(state: VanState, context: Context, end: Mark, energy_kwh: float) -> TripRecord:
    trip, start, totals = state.trip, state.trip.start, state.totals
    distance_km = end.distance_km - start.distance_km
    known = state.estimate.started
    co2e_g = energy_kwh * state.emissions.battery_g_per_kwh if state.emissions is not None and known else None
    diesel_g = distance_km * context.factors.diesel.wtw_g_per_km
    return TripRecord(
        vehicle_id=state.vehicle_id,
        time_ms=end.time_ms,
        start_ms=start.time_ms,
        duration_s=(end.time_ms - start.time_ms) / 1000.0,
        distance_km=distance_km,
        energy_kwh=energy_kwh if known else None,
        regenerated_kwh=max(0.0, totals.regenerated_kwh - trip.regenerated_kwh),
        uncertainty_kwh=kalman.FILTER_Z90 * end.variance**0.5 if known else None,
        soc_start_pct=start.soc_pct,
        soc_end_pct=end.soc_pct,
        consumption_kwh_per_100km=100.0 * energy_kwh / distance_km
        if known and distance_km >= ledger.SHOWN_FROM_KM
        else None,
        stops=trip.stops,
        start_latitude_deg=start.latitude_deg,
        start_longitude_deg=start.longitude_deg,
        end_latitude_deg=end.latitude_deg,
        end_longitude_deg=end.longitude_deg,
        start_place=context.place_at(start.latitude_deg, start.longitude_deg),
        end_place=context.place_at(end.latitude_deg, end.longitude_deg),
        odometer_start_km=start.odometer_km,
        odometer_end_km=end.odometer_km,
        co2e_g=co2e_g,
        diesel_co2e_g=diesel_g,
        avoided_co2e_g=None if co2e_g is None else diesel_g - co2e_g,
        energy_cost=tours.trip_cost(state, energy_kwh) if known else None,
        quality="default" if not known else "modelled" if totals.source == 0 else "primary",
        inferred=trip.inferred,
    )


def _park(state: VanState, end: Mark) -> None:
    state.charge.low_pct = None
    motion = state.motion
    motion.mode = PARKED
    motion.wake.time_ms = 0
    motion.standing_ms = 0
    motion.fast_readings = 0
    if end is not motion.rest:
        motion.rest = copy(end)


def _went_nowhere(start: Mark, end: Mark, context: Context) -> bool:
    """Whether the van is still where the trip began and has not gone anywhere in between."""
    if end.distance_km - start.distance_km >= NOWHERE_KM:
        return False
    if start.latitude_deg is None or end.latitude_deg is None:
        return True
    here = (end.latitude_deg, end.longitude_deg or 0.0)
    return between_km(start.latitude_deg, start.longitude_deg or 0.0, *here) * 1000.0 < context.thresholds.rest_radius_m
