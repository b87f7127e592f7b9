"""Driving, stopping, parking: transitions with hysteresis, from speed where it is sent, else from distinct fixes."""

from agent.fleet import charging, ledger, trips
from agent.fleet.context import Context
from agent.fleet.distance import between_km
from agent.fleet.records import Record
from agent.fleet.state import Mark, Mode, VanState


def update(state: VanState, speed_kmh: float | None, km: float, time_ms: int, context: Context) -> list[Record]:
    """Take the movement of one reading; returns what ended by it."""
    motion, thresholds = state.motion, context.thresholds
    mode = motion.mode
    moved_m = _displacement_m(state)
    if speed_kmh is not None and speed_kmh > thresholds.moving_speed_kmh:
        motion.fast_readings += 1
    else:
        motion.fast_readings = 0
    if mode == Mode.DRIVING or mode == Mode.STOPPED:
        return _on_trip(state, speed_kmh, moved_m, time_ms, context)
    away_km = state.totals.distance_km - motion.rest.distance_km
    if motion.fast_readings >= 2 or moved_m >= thresholds.departure_m or away_km >= thresholds.departure_odometer_km:
        if mode == Mode.CHARGING and state.charge.flagged and motion.fast_readings < 2:
            return []
        return depart(state, context)
    if motion.fast_readings == 0:
        if mode != Mode.CHARGING:
            settle_rest(state, time_ms, context)
    return []


def depart(state: VanState, context: Context) -> list[Record]:
    """The van has left its resting place."""
    records: list[Record] = []
    if state.motion.mode == Mode.CHARGING:
        records = charging.end(state, context, state.charge.rise_ms)
    trips.begin(state, context)
    _anchor(state)
    return records


def settle_rest(state: VanState, time_ms: int, context: Context) -> None:
    """The van is at rest: remember how things stand, and enter what it used as idling once it is clearly no trip."""
    motion = state.motion
    ledger.post(state)
    rest = motion.rest = ledger.mark(state, time_ms)
    if motion.anchor_latitude_deg is None:
        _anchor(state)
    if time_ms - motion.wake.time_ms > context.thresholds.wake_up_s * 1000.0:
        ledger.enter_idle(state, rest.net_kwh)


def wake_up(state: VanState, time_ms: int) -> None:
    """First reading after a silence at rest."""
    motion = state.motion
    motion.wake = ledger.mark(state, time_ms)
    motion.rest = motion.wake


def _on_trip(state: VanState, speed_kmh: float | None, moved_m: float, time_ms: int, context: Context) -> list[Record]:
    motion, thresholds = state.motion, context.thresholds
    if speed_kmh is not None:
        standing = speed_kmh < thresholds.standing_speed_kmh
        leaving = motion.fast_readings >= 2 or moved_m >= thresholds.departure_m
    else:
        standing = moved_m < thresholds.rest_radius_m
        leaving = not standing
    if motion.mode == Mode.STOPPED:
        if leaving:
            records = trips.end_stop(state, motion.rest.time_ms, context)
            _anchor(state)
            return records
        if standing:
            motion.rest = Mark(time_ms=time_ms)
            if time_ms - motion.standing_ms >= thresholds.parked_after_s * 1000.0:
                return trips.end(state, context, motion.stand)
        return []
    if not standing:
        motion.standing_ms = 0
        _anchor(state)
    elif motion.standing_ms == 0:
        motion.standing_ms = time_ms
        motion.stand = ledger.mark(state, time_ms)
        motion.rest = motion.stand
        _anchor(state)
    else:
        motion.rest = Mark(time_ms=time_ms)
        if time_ms - motion.standing_ms >= thresholds.stop_after_s * 1000.0:
            motion.mode = Mode.STOPPED
    return []


def _anchor(state: VanState) -> None:
    motion, position = state.motion, state.position
    motion.anchor_latitude_deg = position.latitude_deg
    motion.anchor_longitude_deg = position.longitude_deg


def _displacement_m(state: VanState) -> float:
    motion, position = state.motion, state.position
    if motion.anchor_latitude_deg is None or position.latitude_deg is None:
        return 0.0
    if motion.anchor_latitude_deg == position.latitude_deg and motion.anchor_longitude_deg == position.longitude_deg:
        return 0.0
    return 1000.0 * between_km(
        motion.anchor_latitude_deg,
        motion.anchor_longitude_deg or 0.0,
        position.latitude_deg,
        position.longitude_deg or 0.0,
    )
