"""Decides which witness of movement is right when they disagree. The battery decides, because driving takes energy.

If the fixes move while odometer or speed stand, either the witness that stands is broken, or the van is carried on a
lorry or a ferry. If the speed is above 0 while the fixes stand, the van is in a tunnel, or the speed is stuck. The
distance in question is not counted until the battery has shown which. `agent.fleet.position_state` has the states.
"""

from typing import Final

from agent.fleet import odometer
from agent.fleet.context import Context
from agent.fleet.modes import CHARGING
from agent.fleet.position_state import AGREED, CARRIED, STUCK, Doubt
from agent.fleet.reference import NEAR_REFERENCE_KM, from_reference_km
from agent.fleet.speed import REPEATED_FIX_MS, SHARE_OF_SPEED, STUCK_REPEATS
from agent.fleet.state import VanState
from agent.readings import Reading

LEAST_KWH_PER_KM: Final = 0.1
"""Least consumption over some kilometres that are not a descent (reference band of vans: 0.2 to 0.24)."""
CONFIRMING_KWH_PER_KM: Final = 0.08
"""Measured energy that confirms a drive: more than heating takes on a lorry at 50 km/h."""
CONFIRMED_FROM_KM: Final = 0.3
"""From this distance on the battery can confirm a drive."""
CONFIRMED_SHARE: Final = 0.5
"""Share of the least consumption that confirms a drive by state of charge."""
DENIED_STEPS: Final = 3.0
DENIED_PCT: Final = 2.0
"""A drive can be denied once the state of charge should have fallen by both of these."""
DENIED_SHARE: Final = 0.3
"""A drive is denied if the energy is less than this share of what it would take."""
DENIED_FROM_KM: Final = 1.0
"""From this distance on measured energy can deny a drive."""
UNDECIDED_MS: Final = 120_000
"""When the place has not changed for this long and the battery has not decided, the majority of the witnesses does."""
LATE_KM: Final = 3.0
"""An odometer may be late by this much when a van falls silent, and show the rest when the van wakes up there."""
SAME_PLACE_KM: Final = 0.15
"""Fixes closer than this are the same place."""
ROUND_TRIP_FROM_MS: Final = 2 * 3_600_000
ROUND_TRIP_KMH: Final = 25.0
"""In a silence of this length, at this mean speed, a van that is back at its charger may have driven a round trip."""
MISSING_MS: Final = 60_000
"""A state of charge that changed at most this long after the last movement belongs to it."""
HELD_MS: Final = 3 * 3_600_000
"""How long a trip is kept open while a cloud repeats the last reading of a moving van unchanged."""


def decide_conflict(state: VanState, reading: Reading, context: Context) -> float:
    """Decide a conflict as far as possible: returns the km to count now, and sets `position.conflict`."""
    position = state.position
    if position.conflict == STUCK:
        return 0.0
    doubt = position.doubt
    moved_km = from_reference_km(position)
    if doubt is None:
        doubt = position.doubt = _begin(state, reading)
    elif position.other_km > 0.0:
        doubt.km += position.other_km
        doubt.by_speed = True
    position.other_km = 0.0
    if abs(moved_km - doubt.moved_km) > NEAR_REFERENCE_KM:
        doubt.moved_km = moved_km
        doubt.time_ms = reading.time_ms
    if moved_km > doubt.km:
        doubt.km = moved_km
    if position.conflict == CARRIED:
        if reading.time_ms - doubt.time_ms >= context.thresholds.parked_after_ms:
            _end_doubt(state)
        return 0.0
    verdict = _driven(state, doubt, reading)
    if doubt.by_speed and reading.latitude_deg is not None and moved_km < SHARE_OF_SPEED * doubt.km:
        return _speed_alone(state, doubt, reading, confirmed=verdict is True, context=context)
    if verdict is None and reading.time_ms - doubt.time_ms >= UNDECIDED_MS:
        verdict = doubt.by_speed  # the majority
    if verdict is None:
        return 0.0
    if verdict:
        return _count_doubted(state, doubt, reading)
    position.conflict = CARRIED
    doubt.time_ms = reading.time_ms
    return 0.0


def _speed_alone(state: VanState, doubt: Doubt, reading: Reading, *, confirmed: bool, context: Context) -> float:
    """Decide where only the speed shows movement: `confirmed` by the battery, as in a tunnel, or stuck."""
    position = state.position
    by_odometer = reading.odometer_km is not None and position.odometer_ms == reading.time_ms
    if confirmed:
        km = position.held_km or doubt.km
        _end_doubt(state)
        position.moved_ms = reading.time_ms
        position.unfixed_km += km
        if position.raw_rejected:
            position.pending_km += km
        odometer.add_others_km(position, km)
        return km
    since_ms = float(reading.time_ms - position.moved_ms)
    if position.speed_kmh:  # the last movement may have been before a long rest
        since_ms = min(since_ms, position.unmatched_km / position.speed_kmh * 3_600_000.0)
    alive = position.speed_repeats < STUCK_REPEATS and not by_odometer
    fresh = position.fix_changed_ms == reading.time_ms or by_odometer
    patience_ms = UNDECIDED_MS if fresh else REPEATED_FIX_MS
    if since_ms >= (context.thresholds.offline_after_ms if alive else patience_ms):
        position.conflict = STUCK
        position.doubt = None
    return 0.0


def believed_speed(state: VanState) -> float | None:
    """The last speed, or 0 where the other witnesses have shown that the van does not drive."""
    position = state.position
    return 0.0 if position.conflict >= STUCK else position.speed_kmh


def last_word_ms(state: VanState) -> int:
    """When place or odometer last changed."""
    return max(state.position.moved_ms, state.position.fix_changed_ms)


def is_held(state: VanState, time_ms: int) -> bool:
    """Whether the last reading of a moving van is repeated unchanged.

    A cloud repeats it where it has lost the van on its way, or where the van has parked. Its trip is kept open.
    """
    position, last_ms = state.position, last_word_ms(state)
    return (
        position.conflict == STUCK
        and position.speed_repeats > 0
        and bool(position.speed_kmh)
        and state.soc.changed_ms <= last_ms + MISSING_MS
        and time_ms - last_ms <= HELD_MS
    )


def _begin(state: VanState, reading: Reading) -> Doubt:
    """The beginning of a conflict."""
    position, battery = state.position, state.soc
    by_speed = position.unmatched_km > 0.0
    km = max(position.unmatched_km, from_reference_km(position))
    return Doubt(
        time_ms=reading.time_ms,
        km=km,
        soc_pct=battery.soc_pct,
        unused_1=0.0,
        counter_kwh=battery.counter_sum_kwh,
        blind_ms=battery.blind_ms,
        gross_kwh=battery.power_gross_kwh,
        by_speed=by_speed,
    )


def _driven(state: VanState, doubt: Doubt, reading: Reading) -> bool | None:
    """Whether the battery shows that the distance was driven; `None`: it does not show it yet."""
    battery, km = state.soc, doubt.km
    if state.motion.mode == CHARGING or km < CONFIRMED_FROM_KM:
        return None
    if battery.blind_ms == doubt.blind_ms and battery.power_trusted and battery.power_kw is not None:
        # On a descent the net energy is small, but energy flows in both directions.
        flowed_kwh = battery.power_gross_kwh - doubt.gross_kwh
        if flowed_kwh >= CONFIRMING_KWH_PER_KM * km:
            return True
        return False if km >= DENIED_FROM_KM and flowed_kwh < DENIED_SHARE * CONFIRMING_KWH_PER_KM * km else None
    if battery.counter_trusted and battery.counter_sum_kwh - doubt.counter_kwh >= CONFIRMING_KWH_PER_KM * km:
        return True
    if doubt.soc_pct is None or battery.soc_pct is None:
        return None
    fallen_pct = doubt.soc_pct - battery.soc_pct
    due_pct = LEAST_KWH_PER_KM * km * state.estimate.pct_per_kwh
    # Against two witnesses that stand, half the consumption is not enough: on a ferry a refrigerator takes as much.
    share = 1.0 if _both_stand(state, reading) else CONFIRMED_SHARE
    if fallen_pct >= battery.step_pct and fallen_pct >= share * due_pct:
        return True
    if due_pct >= max(DENIED_STEPS * battery.step_pct, DENIED_PCT) and fallen_pct < DENIED_SHARE * due_pct:
        return False
    return None


def _both_stand(state: VanState, reading: Reading) -> bool:
    """Whether odometer and speed both show that the van stands."""
    return (
        reading.speed_kmh == 0.0 and reading.odometer_km is not None and state.position.odometer_ms == reading.time_ms
    )


def _count_doubted(state: VanState, doubt: Doubt, reading: Reading) -> float:
    """Count the distance in question; the witness that denied it is no longer believed."""
    position = state.position
    if reading.odometer_km is not None and not position.odometer_lost:
        odometer.distrust(position)
    elif position.speed_kmh is not None and not doubt.by_speed:
        position.speed_lost = True
    km = doubt.km
    if state.motion.standing_ms:
        state.motion.stand.distance_km += km
    _end_doubt(state)
    return km


def _end_doubt(state: VanState) -> None:
    """End the conflict: the witnesses agree from here on."""
    position = state.position
    position.conflict = AGREED
    position.doubt = None
    position.unmatched_km = position.held_km = 0.0
    position.reference_latitude_deg = position.latitude_deg
    position.reference_longitude_deg = position.longitude_deg or 0.0


def is_driven_silently(
    state: VanState, km: float, *, moved_km: float | None, rise_pct: float, silence_ms: int, by_odometer: bool
) -> bool:
    """Whether the distance over a silence can have been driven, by place, state of charge and time.

    `moved_km` is the distance of the places before and after, `rise_pct` the change of the state of charge.
    """
    step_pct = state.soc.step_pct
    due_pct = LEAST_KWH_PER_KM * km * state.estimate.pct_per_kwh if state.estimate.started else 0.0
    fallen = -rise_pct >= max(step_pct, CONFIRMED_SHARE * due_pct)
    if moved_km is not None and moved_km > SAME_PLACE_KM:
        if by_odometer or fallen or rise_pct >= step_pct:
            return True
        return due_pct < max(DENIED_STEPS * step_pct, DENIED_PCT) or state.soc.soc_pct is None
    if fallen or state.position.late_km + km <= LATE_KM:
        return True
    charged = state.soc.plugged_in or state.soc.charging or rise_pct >= 2.0 * step_pct
    return bool(charged) and silence_ms >= ROUND_TRIP_FROM_MS and km <= ROUND_TRIP_KMH * silence_ms / 3_600_000.0
