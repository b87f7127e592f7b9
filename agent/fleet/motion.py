"""The mode of a van by its movement: driving, stopped or parked. Decided by speed where it is sent, else by fixes.

All modes, and what causes each transition. The limits are in `thresholds.py`:

    ┌─────────┐  leaves its resting place  ┌─────────┐  stands for stop_after_ms  ┌─────────┐
    │ PARKED  │ ─────────────────────────▶ │ DRIVING │ ─────────────────────────▶ │ STOPPED │
    │         │ ◀───── silence ─────────── │         │ ◀────── moves on ───────── │         │
    │         │                            └─────────┘                            │         │
    │         │ ◀──────────── stands for parked_after_ms, or silence ──────────── │         │
    └─────────┘                                                                   └─────────┘
      │     ▲  ▲
      │     │  └── the next reading ──────────────── ┌─────────┐
      │     │                                        │ OFFLINE │ ◀── silence for offline_after_ms
      │     │                                        └─────────┘     (every mode but CHARGING)
      │     │
      │     └── flag off for flag_flickers_ms; without a flag: no rise for charge_end_ms, or the rise is gone;
      │         the state of charge falls ── ┌──────────┐
      │                                      │ CHARGING │ ◀── flag at a stand, and energy comes in (DRIVING, STOPPED)
      └── flag, or the state of charge ────▶ │          │ ──▶ leaves its resting place: DRIVING
          rises at rest                      └──────────┘

`motion.py` decides between PARKED, DRIVING and STOPPED, `charging.py` on CHARGING, `silence.py` on OFFLINE and on
silences: a trip is closed as of the last reading when the van was silent for `parked_after_ms` while it stood, or for
`offline_after_ms` while it moved.

The life of a trip:

    open_trip ──▶ driving ──▶ stand ──▶ stop ──▶ close_trip, as of the beginning of the stand, or of the last reading
                     ▲          │         │
                     └──────────┴─────────┘  moves on; a stop gives a record, a stand does not

A trip that ends where it began, without any distance, gives no record. The life of a tour is in `books/tours.py`.
"""

from typing import Final

from agent.fleet import books, witnesses
from agent.fleet.context import Context
from agent.fleet.modes import CHARGING, DRIVING, STOPPED
from agent.fleet.position_state import DOUBTED, STUCK
from agent.fleet.records import Record
from agent.fleet.sphere import between_km
from agent.fleet.state import VanState

LONGEST_BETWEEN_MS: Final = 60_000
"""The movement between two readings that are further apart is not known."""


def decide_movement(
    state: VanState, speed_kmh: float | None, before_ms: int, time_ms: int, context: Context
) -> list[Record] | None:
    """Decide the mode by the movement of a reading of `time_ms`. The reading before was of `before_ms`.

    Returns the records of what has ended, or `None`.
    """
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
            books.set_resting_place(state)
    moved_m = 0.0
    if (
        position.latitude_deg != motion.anchor_latitude_deg or position.longitude_deg != motion.anchor_longitude_deg
    ) and position.conflict < STUCK:
        moved_m = _displacement_m(state)
    if mode in (DRIVING, STOPPED):
        return _on_trip(state, speed_kmh, moved_m, before_ms, time_ms, context)
    if position.conflict == DOUBTED or (state.returned_ms and motion.fast_readings < 2):
        return None
    if (moved_m or motion.fast_readings or state.totals.distance_km != motion.anchor_km) and _has_left(
        state, speed_kmh, moved_m, time_ms, context
    ):
        return books.depart(state, context)
    if motion.fast_readings == 0 and mode != CHARGING:
        books.book_rest(state, time_ms, context)
    return None


def _has_left(state: VanState, speed_kmh: float | None, moved_m: float, time_ms: int, context: Context) -> bool:
    """Whether the van has left its resting place. One witness is not enough where another one contradicts it."""
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
        return books.close_trip_at_stand(state, context)
    if (
        motion.mode == STOPPED
        and motion.rest.time_ms - max(motion.standing_ms, state.load_time_ms) >= thresholds.parked_after_ms
    ):
        # The trip was held open although the van rested. It is closed; the next one begins at the end of the rest.
        rest_ms = motion.rest.time_ms
        records = books.close_trip_at_stand(state, context)
        motion.rest.time_ms = rest_ms
        return records
    between_ms = 0 if speed_kmh is None or (standing and hopped) else _half_ms(before_ms, time_ms)
    if state.position.conflict == STUCK:
        between_ms = time_ms - max(state.position.moved_ms, state.trip.start.time_ms)
    left = books.end_stop(state, motion.rest.time_ms + between_ms, context) if motion.mode == STOPPED else None
    if not standing:
        motion.standing_ms = 0
        books.set_resting_place(state)
    elif hopped or motion.standing_ms == 0:
        books.begin_stand(state, time_ms - between_ms, time_ms, by_fixes=speed_kmh is None and not hopped)
    else:
        motion.rest.time_ms = time_ms
        if time_ms - motion.standing_ms >= thresholds.stop_after_ms:
            books.begin_stop(state, context)
    return left


def _half_ms(before_ms: int, time_ms: int) -> int:
    """Half the time between two readings. A stand begins and ends between readings; the midpoint has no bias."""
    return min(time_ms - before_ms, LONGEST_BETWEEN_MS) // 2


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
