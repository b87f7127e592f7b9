"""How far a state of charge can have changed, by time and by the power of chargers, motors and heaters."""

from typing import Final, NamedTuple

from agent.fleet import soc_curve
from agent.fleet.context import Context
from agent.fleet.modes import CHARGING, DRIVING, STOPPED
from agent.fleet.state import VanState
from agent.readings import Reading

RESTING_KW: Final = 8.0
"""Largest power at rest: heating, cooling, a refrigerator."""
MOST_KWH_PER_KM: Final = 1.0
"""Largest consumption over a kilometre: uphill and against the wind."""
CHARGER_SHOWS_KW: Final = 0.5
"""More power than this into a battery at rest shows a charge."""
EMPTIED_KWH_PER_KM: Final = 0.5
"""An empty battery is believed where the distance at this consumption, twice the usual one, explains the fall."""
SPURT_PCT: Final = 1.0
"""A true change may run ahead of the fastest mean rate by this much, or two steps if that is more."""
OWED_MS: Final = 3_600_000
MOST_OWED_PCT: Final = 15.0
"""When a van has stopped, its state of charge may fall for this long, and by this much, for the drive before."""
LEAST_SILENCE_MS: Final = 300_000
"""Least duration of an unreported charge."""
_MS_PER_H: Final = 3_600_000.0


class Limits(NamedTuple):
    """Which changes are believed at once, which after how many sightings, and which energy explains."""

    rise_pct: float
    fall_pct: float
    explained_rise_pct: float
    """A rise up to this can be a charge by time and power, but needs a second witness."""
    frozen_rise_pct: float
    """The same for a value that was frozen while the van may have charged; it needs the most sightings."""
    confirmations: int
    """Sightings that such a rise needs."""
    empty_pct: float
    """A fall to 0 that the distance explains."""
    full_at_once: bool
    """Whether 100 % is believed like any other value."""
    distance_pct: float = 0.0
    """A fall that the distance since the last change explains."""
    owed_pct: float = 0.0
    """Use of the drive before that the value may not show yet."""


def limits_for(state: VanState, reading: Reading, context: Context) -> Limits:
    """The limits for a state of charge that differs from the last one."""
    battery, g, thresholds = state.soc, state.estimate.pct_per_kwh, context.thresholds
    ac_limit_kw = context.vehicle.traits.ac_limit_kw  # the most that a charge which the van denies may have
    # For a candidate, the time until its first sighting counts.
    seen_ms = battery.candidate_from_ms if battery.candidates else reading.time_ms
    since_read_h = max(0, seen_ms - battery.time_ms) / _MS_PER_H
    since_change_h = max(0, reading.time_ms - (battery.changed_ms or battery.time_ms)) / _MS_PER_H
    slack_pct = max(2.0 * battery.step_pct, SPURT_PCT)
    fastest_pct_per_h = min(60.0 * thresholds.soc_rise_pct_per_min, context.power_limit_kw * g)
    mode = state.motion.mode
    driving = mode in (DRIVING, STOPPED) and not state.motion.standing_ms
    charges = _charges(state, reading)
    credit_pct = min(slack_pct, battery.rise_credit_pct + fastest_pct_per_h * since_change_h)
    explained_pct = rise_pct = fastest_pct_per_h * since_read_h + credit_pct
    confirmations = 2
    frozen_pct = 0.0
    flagged_h = battery.flagged_ms / _MS_PER_H
    if charges:
        hours = min(since_change_h, since_read_h + flagged_h)
        rise_pct = explained_pct = fastest_pct_per_h * hours + credit_pct
    elif not driving:
        if _denied(state, reading):
            # A value that was frozen during a flagged charge shows it later.
            explained_pct = max(ac_limit_kw * g * since_read_h + slack_pct, fastest_pct_per_h * flagged_h)
            confirmations = 3
        elif state.motion.mode not in (DRIVING, STOPPED) and not battery.lost_pct:
            # Neither flag nor cable is sent: the value may have been frozen during a charge.
            frozen_pct = ac_limit_kw * g * since_change_h
        rise_pct = min(rise_pct, max(thresholds.inferred_charge_pct, 2.0 * battery.step_pct))
    elif battery.time_ms <= state.trip.start.time_ms:
        # The van has left, and the value of before is not known yet.
        rise_pct = min(rise_pct, max(thresholds.inferred_charge_pct, 2.0 * battery.step_pct))
    km = state.totals.distance_km - battery.changed_km + state.position.gap_km + state.position.held_km
    resting_pct_per_h = RESTING_KW * g
    since_moved_ms = reading.time_ms - state.position.moved_ms
    owed_pct = battery.owed_pct if since_moved_ms <= OWED_MS else 0.0
    by_distance_pct = MOST_KWH_PER_KM * km * g + resting_pct_per_h * since_change_h + owed_pct
    if driving or km > 0.0:
        fall_pct = max(60.0 * thresholds.soc_fall_pct_per_min * since_read_h if driving else 0.0, by_distance_pct)
    else:
        fall_pct = max(resting_pct_per_h * since_read_h, owed_pct)
    return Limits(
        rise_pct=rise_pct,
        fall_pct=fall_pct + min(slack_pct, battery.fall_credit_pct + resting_pct_per_h * since_change_h),
        explained_rise_pct=explained_pct,
        frozen_rise_pct=frozen_pct,
        confirmations=confirmations,
        empty_pct=EMPTIED_KWH_PER_KM * km * g,
        full_at_once=charges or driving,
        distance_pct=by_distance_pct if km > 0.0 else 0.0,
        owed_pct=owed_pct + EMPTIED_KWH_PER_KM * km * g,
    )


def silent_charge_kwh(state: VanState, before_pct: float, context: Context) -> float:
    """Energy of a rise that was confirmed only after the van had left; 0 where no charger can have given it.

    The charge went up to the first of the values that have confirmed it. What follows was used on the way.
    """
    battery = state.soc
    rise_pct = battery.candidate_from_pct - before_pct
    told = battery.charging is not None or battery.plugged_in is not None
    silence_ms = battery.candidate_from_ms - (battery.time_ms if told else battery.changed_ms or battery.time_ms)
    if silence_ms < LEAST_SILENCE_MS or rise_pct <= max(context.thresholds.inferred_charge_pct, battery.step_pct):
        return 0.0
    slope = context.curve_slope_per_pct
    risen_pct = soc_curve.level_pct(battery.candidate_from_pct, slope) - soc_curve.level_pct(before_pct, slope)
    kwh = risen_pct / state.estimate.pct_per_kwh
    most_kw = context.vehicle.traits.ac_limit_kw if battery.charging is False else context.power_limit_kw
    return kwh if kwh <= most_kw * silence_ms / _MS_PER_H else 0.0


def _denied(state: VanState, reading: Reading) -> bool:
    """Whether the van denies that it is on a charger."""
    return (
        reading.charging is False
        or reading.plugged_in is False
        or (reading.charging is None and state.soc.charging is False)
    )


def _charges(state: VanState, reading: Reading) -> bool:
    """Whether flag, plug or power show that the van charges, or has just charged."""
    if reading.charging or state.motion.mode == CHARGING:
        return True
    if state.motion.mode in (DRIVING, STOPPED):
        return False
    if reading.plugged_in and reading.charging is None:
        return True
    power = state.soc.raw_power_kw
    return power is not None and power > CHARGER_SHOWS_KW
