"""Driving, stopping, parking: transitions with hysteresis, from speed where it is sent, else from distinct fixes."""

from typing import Final

from agent.fleet import charging, kalman, ledger, observation, prediction, trips, witnesses
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_SOC
from agent.fleet.modes import CHARGING, DRIVING, STOPPED
from agent.fleet.motion_state import Motion
from agent.fleet.records import Record
from agent.fleet.speed import count_held
from agent.fleet.sphere import between_km
from agent.fleet.state import VanState

SETTLED_MS: Final = 600_000
"""What the state of charge still tells of a trip, it tells in this time after it."""
LONGEST_BETWEEN_MS: Final = 60_000
"""Further apart, two readings say nothing about what a van did in between."""


def update(
    state: VanState, speed_kmh: float | None, before_ms: int, time_ms: int, context: Context
) -> list[Record] | None:
    """Take the movement of one reading, the one before being of `before_ms`; returns what ended by it."""
    motion, thresholds = state.motion, context.thresholds
    mode = motion.mode
    if speed_kmh is not None and speed_kmh > thresholds.moving_speed_kmh:
        motion.fast_readings += 1
    elif motion.fast_readings:
        motion.fast_readings = 0
    position = state.position
    if position.placed:
        position.placed = False
        if mode not in (DRIVING, STOPPED):
            anchor(state)
    moved_m = 0.0
    if (
        position.latitude_deg != motion.anchor_latitude_deg or position.longitude_deg != motion.anchor_longitude_deg
    ) and position.conflict < witnesses.STUCK:
        moved_m = _displacement_m(state)
    if mode in (DRIVING, STOPPED):
        return _on_trip(state, speed_kmh, moved_m, before_ms, time_ms, context)
    if position.conflict == witnesses.DOUBTED or (state.returned_ms and motion.fast_readings < 2):
        return None
    if (moved_m or motion.fast_readings or state.totals.distance_km != motion.anchor_km) and _has_left(
        state, speed_kmh, moved_m, time_ms, context
    ):
        return depart(state, context)
    if motion.fast_readings == 0 and mode != CHARGING:
        settle_rest(state, time_ms, context)
    return None


def _has_left(state: VanState, speed_kmh: float | None, moved_m: float, time_ms: int, context: Context) -> bool:
    """Whether the van has left its resting place: never by the word of one witness that another denies."""
    motion, position, thresholds = state.motion, state.position, context.thresholds
    km = state.totals.distance_km - motion.anchor_km
    by_odometer = position.odometer_ms == time_ms and not position.odometer_is_whole
    if km >= thresholds.departure_odometer_km and (
        motion.fast_readings >= 2
        or moved_m >= thresholds.rest_radius_m
        or time_ms - position.time_ms > LONGEST_BETWEEN_MS
    ):
        return True
    if motion.fast_readings >= 2:
        if by_odometer:
            return km > 0.0
        if moved_m >= thresholds.rest_radius_m or position.latitude_deg is None:
            return True
        return time_ms - position.time_ms > LONGEST_BETWEEN_MS and position.conflict == 0
    if by_odometer:
        return False
    denied = speed_kmh == 0.0
    return moved_m >= (2.0 * thresholds.departure_m if denied else thresholds.departure_m)


def depart(state: VanState, context: Context) -> list[Record]:
    """The van has left its resting place."""
    records: list[Record] = []
    if state.motion.mode == CHARGING:
        records = charging.end(state, context, state.charge.unflagged_ms or state.charge.rise_ms)
    trips.begin(state, context)
    km = count_held(state.position)
    if km > 0.0:
        state.totals.distance_km += km
        if state.totals.source == SOURCE_SOC:
            prediction.add_distance(state, km)
    return records


def settle_rest(state: VanState, time_ms: int, context: Context) -> None:
    """The van is at rest: remember how things stand, and enter what it used as idling once it is clearly no trip."""
    motion, position = state.motion, state.position
    before_ms, woken_ms = motion.rest.time_ms, motion.wake.time_ms
    ledger.mark(state, motion.rest, time_ms)
    position.held_km = 0.0
    if not state.returned_ms and (state.soc.changed_ms == time_ms or motion.rest_ms == 0 or before_ms == woken_ms):
        # The first reading after a silence does not tell yet whether the van has rested all along.
        _enter_idle_by_soc(state, time_ms)
    if motion.anchor_latitude_deg is None or position.conflict == witnesses.CARRIED:
        anchor(state)
    if time_ms - motion.wake.time_ms > context.thresholds.wake_up_ms:
        ledger.enter_idle(state.totals, motion.rest.predicted_kwh)


def _enter_idle_by_soc(state: VanState, time_ms: int) -> None:
    """What the state of charge has lost at rest has gone into idling, however little of it was predicted."""
    motion, totals, battery = state.motion, state.totals, state.soc
    soc_pct, begun_pct = battery.soc_pct, motion.rest_soc_pct
    if begun_pct is None or soc_pct is None or soc_pct > begun_pct or time_ms - motion.rest_ms < SETTLED_MS:
        if begun_pct is None or soc_pct is None or soc_pct > begun_pct or motion.rest_ms == 0:
            motion.rest_ms = time_ms
        motion.rest_soc_pct = soc_pct
        motion.rest_idle_kwh = totals.idle_kwh
        return
    lost_kwh = (begun_pct - soc_pct - battery.step_pct) / state.estimate.pct_per_kwh
    missing_kwh = lost_kwh - (totals.idle_kwh - motion.rest_idle_kwh)
    if missing_kwh > 0.0:
        totals.idle_kwh = max(totals.idle_kwh, min(totals.used_kwh, totals.idle_kwh + missing_kwh))


def wake_up(state: VanState, time_ms: int, context: Context) -> None:
    """First reading after a silence at rest."""
    kalman.cut_boundary(state.estimate, context.thresholds.capacity_sigma)
    if state.motion.mode != CHARGING:
        ledger.enter_idle(state.totals, state.totals.predicted_kwh)
    ledger.mark(state, state.motion.wake, time_ms)
    ledger.mark(state, state.motion.rest, time_ms)
    if state.motion.anchor_latitude_deg is None:
        anchor(state)


def anchor(state: VanState) -> None:
    """Here is where the van rests: displacement is judged from here."""
    motion, position = state.motion, state.position
    motion.anchor_latitude_deg = position.latitude_deg
    motion.anchor_longitude_deg = position.longitude_deg
    motion.anchor_km = state.totals.distance_km


def _on_trip(
    state: VanState, speed_kmh: float | None, moved_m: float, before_ms: int, time_ms: int, context: Context
) -> list[Record] | None:
    motion, thresholds = state.motion, context.thresholds
    hopped = motion.standing_ms > 0 and (
        state.totals.distance_km - motion.stand.distance_km >= thresholds.hop_km or moved_m >= thresholds.rest_radius_m
    )
    if speed_kmh is not None:
        standing = speed_kmh < thresholds.standing_speed_kmh
    else:
        standing = moved_m < thresholds.rest_radius_m
    if motion.mode == STOPPED and not hopped and (standing or motion.fast_readings == 0):
        if standing:
            motion.rest.time_ms = time_ms
        if time_ms - max(motion.standing_ms, state.load_time_ms) < thresholds.parked_after_ms:
            return None
        if state.returned_ms or witnesses.is_held(state, time_ms):
            return None
        return end_standing(state, context)
    if (
        motion.mode == STOPPED
        and motion.rest.time_ms - max(motion.standing_ms, state.load_time_ms) >= thresholds.parked_after_ms
    ):
        # It was held open: a new trip begins, from where the van has rested.
        rest_ms = motion.rest.time_ms
        records = end_standing(state, context)
        motion.rest.time_ms = rest_ms
        return records
    between_ms = 0 if speed_kmh is None or (standing and hopped) else _half_ms(before_ms, time_ms)
    if state.position.conflict == witnesses.STUCK:
        between_ms = time_ms - max(state.position.moved_ms, state.trip.start.time_ms)
    left = _leave_stop(state, between_ms, context) if motion.mode == STOPPED else None
    if not standing:
        motion.standing_ms = 0
        anchor(state)
    elif hopped or motion.standing_ms == 0:
        _begin_stand(state, motion, time_ms, between_ms, by_fixes=speed_kmh is None and not hopped)
    else:
        motion.rest.time_ms = time_ms
        if time_ms - motion.standing_ms >= thresholds.stop_after_ms:
            _stop(state, motion, context)
    return left


def end_standing(state: VanState, context: Context) -> list[Record]:
    """The trip was over when the van came to stand."""
    stand = state.motion.stand
    if state.soc.soc_pct is not None and state.soc.soc_pct < (stand.soc_pct or 0.0):
        # A state of charge that has fallen since the van stopped still tells of the trip.
        ledger.weigh_trip(state, stand, state.totals.predicted_kwh - stand.predicted_kwh)
    return trips.end(state, context, stand)


def _half_ms(before_ms: int, time_ms: int) -> int:
    """A van comes to stand, and leaves, anywhere between two readings: in their middle, on the average."""
    return min(time_ms - before_ms, LONGEST_BETWEEN_MS) // 2


def _begin_stand(state: VanState, motion: Motion, time_ms: int, between_ms: int, *, by_fixes: bool) -> None:
    motion.standing_ms = time_ms - between_ms
    ledger.mark(state, motion.stand, motion.standing_ms)
    motion.rest.time_ms = time_ms
    if not by_fixes:
        anchor(state)


def _stop(state: VanState, motion: Motion, context: Context) -> None:
    """The van has stood long enough for a stop, which may become the trip's end: note what the trip took so far."""
    stand = motion.stand
    observation.observe_now(state, context)
    ledger.post(state)
    ledger.weigh_trip(state, stand, state.totals.predicted_kwh - stand.predicted_kwh)
    motion.mode = STOPPED


def _leave_stop(state: VanState, between_ms: int, context: Context) -> list[Record]:
    """The van goes on with its trip, `between_ms` after it was last seen at rest."""
    records = trips.end_stop(state, state.motion.rest.time_ms + between_ms, context)
    anchor(state)
    return records


def _displacement_m(state: VanState) -> float:
    motion, position = state.motion, state.position
    if motion.anchor_latitude_deg is None or position.latitude_deg is None:
        return 0.0
    return 1000.0 * between_km(
        motion.anchor_latitude_deg,
        motion.anchor_longitude_deg or 0.0,
        position.latitude_deg,
        position.longitude_deg or 0.0,
    )
