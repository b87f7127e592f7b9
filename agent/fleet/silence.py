"""Silences: what a silence ends, and what the van did during it. Records of that time are marked `inferred`.

    last reading            first reading after                 explained
         │      silence          │   waits for the second stream    │
         ▼─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─▼──────────────────────────────────▼──────
      gap_from              end_silence                         bridge_gap
      marks the totals      returned_ms is set                  returned_ms is 0

The gap is bridged when odometer, fix and state of charge have told what they know of the silence. Until then nothing of
it is posted. A cloud that has lost its van may repeat the last values: such a time counts as silence, too.
"""

from typing import Final

from agent.fleet import books, observation, odometer, prediction, soc, witnesses
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_SOC
from agent.fleet.fixes import CONFIRM_FROM_KM, DUE_SHARE
from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, PARKED, STOPPED
from agent.fleet.position_state import STUCK, Position
from agent.fleet.records import Record
from agent.fleet.sphere import between_km
from agent.fleet.state import VanState
from agent.readings import Reading

OTHER_STREAM_MS: Final = 60_000
"""State of charge and location may come in messages of their own. The gap waits this long for the second one."""
DESPITE_KM: Final = 1.0
"""An odometer that stands is doubted when the place after the silence is this far from the one before."""
OTHERS_KM: Final = 1000.0
"""An odometer that differs by this much, and has not started from 0, belongs to another van."""
RISE_WAITS_MS: Final = 3_600_000
"""A rise of the state of charge waits this long for a second sighting. Then the gap is bridged without it."""
PLACE_WAITS_MS: Final = 180_000
"""A receiver may be wrong for this long after it wakes up."""
FILLED_KMH: Final = 15.0
"""At this mean speed over the silence, delivery stops included, the van drove all along."""
USUAL_KMH: Final = 20.0
"""Mean speed in a city. It dates the departure of a van that is found driving after a longer silence."""
ONE_WAY: Final = 0.5
"""If the place after the silence is at least this share of the distance away, the van drove one way."""
JUMP_DEG: Final = 0.005
"""A fix this far away, 300 m and more, may be a jump."""
_MS_PER_H: Final = 3_600_000.0


def go_offline(state: VanState, context: Context) -> list[Record]:
    """The van was silent for too long: it is offline. A charge under way stays open."""
    records: list[Record] = []
    mode = state.motion.mode
    if mode in (DRIVING, STOPPED):
        records = books.close_trip_in_silence(state, context)
    if mode == CHARGING:
        return []
    state.motion.mode = OFFLINE
    return records


def jumps(position: Position, reading: Reading) -> bool:
    """Whether the odometer or the fix of a reading is suddenly elsewhere. A cheap test: `end_silence` decides."""
    odometer_km, latitude, before = reading.odometer_km, reading.latitude_deg, position.latitude_deg
    if odometer_km == position.odometer_km and latitude == position.raw_latitude_deg:
        return False
    if odometer_km is not None and odometer_km != position.odometer_km:
        return True
    if latitude is None or before is None:
        return False
    return not -JUMP_DEG < latitude - before < JUMP_DEG or not (
        -JUMP_DEG < (reading.longitude_deg or 0.0) - (position.longitude_deg or 0.0) < JUMP_DEG
    )


def end_silence(state: VanState, reading: Reading, context: Context, *, silent: bool) -> list[Record]:
    """The van is heard after a silence. `silent`: nothing arrived before; else it may have sent repeated values."""
    if _was_repeated(state, reading, context) or silent:
        return _open_gap(state, reading.time_ms, context)
    return []


def _was_repeated(state: VanState, reading: Reading, context: Context) -> bool:
    """Whether a van that has repeated its values for a while is suddenly elsewhere.

    A cloud that has lost a van repeats the last values. They are as old as their last change: if the van jumps, the
    times of position and state of charge are set back to it.
    """
    position = state.position
    still_since_ms = witnesses.last_word_ms(state)
    patience_ms = (
        witnesses.MISSING_MS if state.motion.mode in (DRIVING, STOPPED) else context.thresholds.asleep_after_ms
    )
    if reading.time_ms - still_since_ms < patience_ms or state.returned_ms:
        return False
    if position.held_km and position.conflict != STUCK and state.motion.mode == PARKED:
        return False  # the speed accounts for it
    odometer_km, latitude, longitude = reading.odometer_km, reading.latitude_deg, reading.longitude_deg
    # The distance that the speed accounts for since the last reading is not a jump.
    hours = (reading.time_ms - state.location_time_ms) / _MS_PER_H
    due_km = DUE_SHARE * (reading.speed_kmh or 0.0) * hours if state.motion.mode == PARKED else 0.0
    jumps = (
        odometer_km is not None
        and position.odometer_km is not None
        and odometer_km - position.odometer_km > max(odometer.SLACK_KM, due_km)
    )
    if not jumps and latitude is not None and longitude is not None and position.latitude_deg is not None:
        there = (position.latitude_deg, position.longitude_deg or 0.0)
        jumps = between_km(*there, latitude, longitude) > max(CONFIRM_FROM_KM, due_km)
    if jumps:
        position.odometer_ms = min(position.odometer_ms, still_since_ms)
        position.time_ms = min(position.time_ms, still_since_ms)
        if state.soc.changed_ms:
            state.soc.time_ms = max(state.soc.changed_ms, min(state.soc.time_ms, still_since_ms))
    return jumps


def _open_gap(state: VanState, time_ms: int, context: Context) -> list[Record]:
    """Close what the silence has ended, and mark where the totals stood before it."""
    records: list[Record] = []
    mode = state.motion.mode
    gap_ms = time_ms - state.time_ms
    if state.time_ms == 0:
        books.open_books(state, time_ms, context)
        return records
    if mode == DRIVING and not state.motion.standing_ms and gap_ms < context.thresholds.offline_after_ms:
        return records
    if mode in (DRIVING, STOPPED) and gap_ms < context.thresholds.asleep_after_ms and state.position.conflict != STUCK:
        return records  # only the fix was late
    if state.returned_ms:
        if state.position.raw_pending or _rise_waits(state, time_ms):
            return records  # still the same silence
        records = bridge_gap(state, state.time_ms, context, at_once=True)
    if mode in (DRIVING, STOPPED) and not witnesses.is_held(state, time_ms):
        records += books.close_trip_in_silence(state, context)
    if mode == OFFLINE:
        state.motion.mode = PARKED
    held = state.motion.mode in (DRIVING, STOPPED)
    books.open_gap(state, witnesses.last_word_ms(state) if held else state.time_ms, time_ms)
    return records


def bridge_gap(state: VanState, time_ms: int, context: Context, *, at_once: bool = False) -> list[Record]:
    """Book what happened in the silence, once enough is known. Called after each reading is taken into the estimate.

    `at_once`: the next silence has begun, so nothing more is waited for.
    """
    records: list[Record] = []
    before = state.gap_from
    if not at_once and (
        state.position.raw_pending
        or _other_stream_waits(state, time_ms)
        or _rise_waits(state, time_ms)
        or _place_waits(state, time_ms, context)
    ):
        return records
    returned_ms = state.returned_ms
    state.returned_ms = 0
    alone = _is_told_by_fixes_alone(state)
    km = _unseen_km(state)
    if alone and (_moved_km(state) or 0.0) <= witnesses.SAME_PLACE_KM:
        km = 0.0  # the fix was wrong for a while
    if before.time_ms == 0:
        books.wake_up(state, time_ms, context)
        return records
    if _is_another_van(state):
        observation.restart(state, context)
        books.set_resting_place(state)
        before.soc_pct, km = state.soc.soc_pct, 0.0
    soc_pct = state.soc.soc_pct
    rise = soc_pct - before.soc_pct if soc_pct is not None and before.soc_pct is not None else 0.0
    if state.motion.mode in (DRIVING, STOPPED):
        if km == 0.0:
            return records  # the van still repeats its values
        if km >= FILLED_KMH * (returned_ms - before.time_ms) / _MS_PER_H:
            _enter_distance(state, km, rise, returned_ms)
            books.continue_trip_over_gap(state, context)
            return records
        records += books.close_trip(state, context, state.motion.stand)
    if km == 0.0:
        km = _despite_odometer_km(state, rise)
    if km > 0.0 and _enter_distance(state, km, rise, returned_ms) and state.motion.mode != CHARGING:
        if _is_on_its_way(state, km, rise, returned_ms, context):
            books.open_trip_in_gap(state, returned_ms - round(km / USUAL_KMH * _MS_PER_H), context)
            return records
        if state.totals.distance_km - before.distance_km >= context.thresholds.inferred_trip_km:
            records += books.book_trip_in_gap(state, rise, time_ms, context)
        state.motion.rest_ms = 0  # what the state of charge has lost by then is not idling
    records += _book_change(state, km, rise, time_ms, context)
    books.wake_up(state, time_ms, context)
    return records


def _other_stream_waits(state: VanState, time_ms: int) -> bool:
    """Whether battery or location was heard just before the silence, and not yet after it."""
    before_ms = state.gap_from.time_ms
    if time_ms - state.returned_ms >= OTHER_STREAM_MS:
        return False
    for stream_ms in (state.soc_time_ms, state.location_time_ms):
        if 0 < stream_ms <= before_ms and before_ms - stream_ms <= OTHER_STREAM_MS:
            return True
    return False


def _rise_waits(state: VanState, time_ms: int) -> bool:
    """Whether a state of charge that rose over the silence waits for a second sighting."""
    battery = state.soc
    return (
        battery.candidates > 0
        and battery.candidate_pct is not None
        and battery.soc_pct is not None
        and battery.candidate_pct > battery.soc_pct
        and state.motion.mode in (PARKED, OFFLINE)
        and not state.motion.fast_readings
        and time_ms - battery.candidate_from_ms < RISE_WAITS_MS
    )


def _is_told_by_fixes_alone(state: VanState) -> bool:
    """Whether the fix is the only witness of a movement in the silence."""
    position, before, battery = state.position, state.gap_from, state.soc
    if position.gap_km <= 0.0 or position.odometer_ms > before.time_ms or position.speed_kmh:
        return False
    if battery.soc_pct is None or before.soc_pct is None:
        return True
    due_pct = witnesses.CONFIRMED_SHARE * witnesses.LEAST_KWH_PER_KM * position.gap_km * state.estimate.pct_per_kwh
    return before.soc_pct - battery.soc_pct < max(battery.step_pct, due_pct)


def _place_waits(state: VanState, time_ms: int, context: Context) -> bool:
    """Whether a new place is not believed yet. A receiver may be wrong just after it wakes up."""
    return (
        time_ms - state.returned_ms < PLACE_WAITS_MS
        and state.motion.mode == PARKED
        and _is_told_by_fixes_alone(state)
        and not _moves(state, state.returned_ms, context)
    )


def _unseen_km(state: VanState) -> float:
    """Take the distance that the witnesses claim for the silence, and set it to 0."""
    km, state.position.gap_km = state.position.gap_km, 0.0
    return km


def _is_another_van(state: VanState) -> bool:
    """Whether the telematics unit is now in another van: elsewhere, with an odometer that this van cannot have.

    A new unit starts near 0, and so does an odometer that wraps. The distance between the two vans was not driven.
    """
    position, moved_km = state.position, _moved_km(state)
    candidate, odometer_km = position.odometer_candidate, position.odometer_km
    if moved_km is None or moved_km < DESPITE_KM or candidate is None or odometer_km is None or position.odometer_lost:
        return False
    return min(candidate.from_km, odometer_km) >= OTHERS_KM and abs(candidate.from_km - odometer_km) >= OTHERS_KM


def _moved_km(state: VanState) -> float | None:
    """Distance in a straight line from the place before the silence to the one after it; `None`: not known."""
    position, before = state.position, state.gap_from
    if before.latitude_deg is None or position.latitude_deg is None:
        return None
    return between_km(
        before.latitude_deg, before.longitude_deg or 0.0, position.latitude_deg, position.longitude_deg or 0.0
    )


def _despite_odometer_km(state: VanState, rise_pct: float) -> float:
    """Distance to another place although the odometer stands. Counts only if the state of charge confirms it."""
    moved_km = _moved_km(state)
    if moved_km is None or moved_km < DESPITE_KM or not state.estimate.started:
        return 0.0
    due_pct = witnesses.LEAST_KWH_PER_KM * moved_km * state.estimate.pct_per_kwh
    if -rise_pct < max(state.soc.step_pct, witnesses.CONFIRMED_SHARE * due_pct):
        return 0.0
    odometer.distrust(state.position)
    return moved_km


def _enter_distance(state: VanState, km: float, rise_pct: float, returned_ms: int) -> bool:
    """Count the distance of the silence if it is possible. Returns whether it was driven as a trip."""
    position, before = state.position, state.gap_from
    moved_km = _moved_km(state)
    by_odometer = position.odometer_ms > before.time_ms
    if not witnesses.is_driven_silently(
        state,
        km,
        moved_km=moved_km,
        rise_pct=rise_pct,
        silence_ms=returned_ms - before.time_ms,
        by_odometer=by_odometer,
    ):
        if by_odometer:
            odometer.distrust(position)
        books.set_resting_place(state)
        return False
    state.totals.distance_km += km
    if state.soc.changed_ms > before.time_ms:
        state.soc.changed_km += km  # the new state of charge already contains it
    if state.totals.source == SOURCE_SOC:
        prediction.add_late_distance(state, km, min(position.gap_since_ms, before.time_ms), returned_ms)
    if moved_km is not None and moved_km <= witnesses.SAME_PLACE_KM and km <= witnesses.LATE_KM:
        # The odometer was behind when the van fell silent.
        position.late_km += km
        return -rise_pct >= max(2.0 * state.soc.step_pct, witnesses.LEAST_KWH_PER_KM * km * state.estimate.pct_per_kwh)
    return True


def _is_on_its_way(state: VanState, km: float, rise: float, returned_ms: int, context: Context) -> bool:
    """Whether the van is still on the trip that it began in the silence.

    It moves when it is heard again, has not charged, and drove all along or one way only.
    """
    if km < context.thresholds.inferred_trip_km or rise > 0.0 or not _moves(state, returned_ms, context):
        return False
    if km >= FILLED_KMH * (returned_ms - state.gap_from.time_ms) / _MS_PER_H:
        return True
    moved_km = _moved_km(state)
    return moved_km is not None and moved_km >= ONE_WAY * km


def _moves(state: VanState, returned_ms: int, context: Context) -> bool:
    """Whether the van moves: by its speed, else by a second fix that differs from the first."""
    speed_kmh = state.position.speed_kmh
    if speed_kmh is not None:
        return speed_kmh > context.thresholds.moving_speed_kmh
    return returned_ms < state.location_time_ms == state.position.fix_changed_ms


def _book_change(state: VanState, km: float, rise_pct: float, time_ms: int, context: Context) -> list[Record]:
    """Book the change of the state of charge over the silence. `km` were driven in it."""
    battery = state.soc
    if rise_pct > 0.0:
        goes_on = battery.charging is True
        if state.motion.mode != CHARGING and not goes_on and rise_pct <= context.thresholds.inferred_charge_pct:
            # A correction that carries no energy.
            observation.restart(state, context)
            battery.gained_pct += rise_pct
            return []
        return books.book_charge_in_gap(state, rise_pct, time_ms, context, goes_on=goes_on)
    place_waits = 0 < state.location_time_ms <= state.gap_from.time_ms
    if rise_pct <= -2.0 * battery.step_pct and km < context.thresholds.inferred_trip_km and not place_waits:
        books.book_change_in_gap(state, -_lost_pct(state, context), context)
    return []


def _lost_pct(state: VanState, context: Context) -> float:
    """By how much the state of charge is below the estimate, after the prediction for the silence."""
    e = state.estimate
    low, high = soc.interval(state.soc, context.curve_slope_per_pct)
    return max(0.0, e.level_pct - e.pct_per_kwh * (e.pending_kwh + e.kwh_per_km * e.pending_km) - 0.5 * (low + high))
