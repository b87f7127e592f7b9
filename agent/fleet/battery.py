"""What a reading tells of the battery: power, counters and the state of charge go into the energy estimate."""

from typing import Final

from agent.fleet import evidence, lifetime_counters, observation, prediction, soc, soc_limits
from agent.fleet.battery_power import RESTING_OUT_KW, learn_sign, positive_part, possible_kw, stands
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_COUNTER, SOURCE_POWER, SOURCE_SOC, STORED_SHARE
from agent.fleet.modes import CHARGING, DRIVING, PARKED, STOPPED
from agent.fleet.soc_state import SocState
from agent.fleet.state import VanState
from agent.readings import Reading

FROZEN_READINGS: Final = 3
"""Power into the battery that is the same in this many readings of a drive is the last value of a charge."""
CORRELATED_SHARE: Final = 1.0 / 12.0
INDEPENDENT_SHARE: Final = 0.5
"""Variance of the energy between two samples of power, over the square of (power difference x time).

Samples at short intervals are correlated: between them power moves as a Brownian bridge, whose mean has the variance
1/12. Over long intervals power takes values that neither sample shows, and the variance grows by up to 1/2.
"""
CORRELATION_MS: Final = 10_000
"""Correlation time of the power of a drive."""
POWER_ERROR: Final = 1e-4
"""Relative variance of the energy by power: the sensor has an error of 1 %."""
COUNTER_ERROR: Final = 1e-5
"""Relative variance of the energy by counters: they have an error of 0.3 %."""
ON_TRIP: Final = (DRIVING, STOPPED)
_MS_PER_H: Final = 3_600_000.0


def update(state: VanState, reading: Reading, elapsed_ms: int, context: Context) -> bool:
    """Take power, counters and state of charge of a reading, `elapsed_ms` after the one before of this stream.

    Returns whether the state of charge shows an unreported charge that is not part of a silence being assessed.
    Nearly every line runs for every reading. What is rare is in functions of its own.
    """
    battery, totals, mode = state.soc, state.totals, state.motion.mode
    power = reading.battery_power_kw
    if power is None and reading.voltage_v is not None and reading.current_a is not None:
        power = reading.voltage_v * reading.current_a / 1000.0
    last = battery.raw_power_kw
    if power is not None:
        limit_kw = context.power_limit_kw
        if power > limit_kw or (power < RESTING_OUT_KW and (mode == PARKED or power < -limit_kw)):
            power = possible_kw(state, power, context)
        if battery.power_sign < 0 and power is not None:
            power = -power
    battery.raw_power_kw = power
    if power == last and power is not None and power > 0.0 and mode in ON_TRIP:
        if _is_frozen(state):
            power = None
    elif battery.frozen_readings:
        battery.frozen_readings = 0
    trusted = battery.power_trusted
    battery.power_kw = power if trusted else None
    if power is None or last is None or elapsed_ms > context.thresholds.power_gap_ms:
        source = SOURCE_SOC
        energy = variance = 0.0
        battery.blind_ms += elapsed_ms
    else:
        hours = elapsed_ms / _MS_PER_H
        energy = -0.5 * (power + last) * hours
        if mode == CHARGING:
            energy *= STORED_SHARE
        spread = (power - last) * hours
        unseen = CORRELATED_SHARE + INDEPENDENT_SHARE * elapsed_ms / (elapsed_ms + CORRELATION_MS)
        variance = spread * spread * unseen + POWER_ERROR * energy * energy
        battery.power_sum_kwh += energy
        if state.position.conflict:
            battery.power_gross_kwh += energy if energy > 0.0 else -energy
        battery.power_sum_var += variance
        source = SOURCE_POWER if trusted else SOURCE_SOC
    returned = None
    if reading.energy_out_total_kwh is not None:
        counted = lifetime_counters.count(state, reading, context)
        if counted is not None and battery.counter_trusted:
            energy, returned = counted
            variance = COUNTER_ERROR * energy * energy
            source = SOURCE_COUNTER
    totals.source = source
    if source == SOURCE_SOC:
        if battery.time_ms:
            _predict(state, reading, power, last, elapsed_ms, context)
    else:
        e = state.estimate
        e.pending_kwh += energy
        e.pending_var_kwh2 += variance
        totals.predicted_kwh += energy
        if returned is None and power is not None and last is not None:
            if not battery.sign_is_sure:
                if mode in ON_TRIP and not state.motion.standing_ms:
                    learn_sign(state, last, power, elapsed_ms / _MS_PER_H)
            elif power > 0.0 or last > 0.0:
                returned = positive_part(last, power) * elapsed_ms / _MS_PER_H
        if returned and mode in ON_TRIP and not stands(state, reading, context):
            totals.regenerated_kwh += returned
    charging = reading.charging
    if charging is not None:
        if charging != battery.charging:
            battery.charging = charging
        elif charging:
            battery.flagged_ms += elapsed_ms
    soc_pct = reading.soc_pct
    if soc_pct is None:
        return False
    if soc_pct == battery.soc_pct:
        battery.time_ms = reading.time_ms
        battery.candidates = 0
        if not battery.changed:
            battery.seen_kwh = totals.predicted_kwh
        return False
    return _take_soc(state, reading, soc_pct, context)


def _is_frozen(state: VanState) -> bool:
    """Whether power into the battery that does not change on a trip is the last value of a charge.

    Readings at a standstill do not count: there power may be constant, and its sign may not be known yet.
    """
    if not state.motion.standing_ms:
        state.soc.frozen_readings += 1
    return state.soc.frozen_readings >= FROZEN_READINGS


def _predict(
    state: VanState, reading: Reading, power: float | None, last: float | None, elapsed_ms: int, context: Context
) -> None:
    """No source measures the energy: predict what time accounts for."""
    battery = state.soc
    known = power is not None and last is not None and battery.power_trusted
    asleep_kw = prediction.asleep_kw(power, last) if known else prediction.PARKED_KW
    if reading.soc_pct is not None and reading.soc_pct > (battery.soc_pct or 0.0) + battery.step_pct:
        asleep_kw = 0.0  # the rise since the last reading is already net of the standby
    prediction.add_time(state, elapsed_ms, asleep_kw, context, charging=reading.charging is not False)


def _take_soc(state: VanState, reading: Reading, soc_pct: float, context: Context) -> bool:
    """Take a state of charge that differs from the last one; returns the same as `update`."""
    battery = state.soc
    if soc.accept_small(battery, soc_pct, reading.time_ms):
        _count_owed(state, soc_pct)
        _note_change(state, reading.time_ms, soc_pct)
        return False
    before_pct, before_ms = battery.soc_pct, battery.time_ms
    limits = soc_limits.limits_for(state, reading, context)
    what = soc.accept(battery, soc_pct, reading.time_ms, limits, context.thresholds)
    if what == soc.REJECTED:
        state.rejected_soc += 1
        return False
    _note_change(state, reading.time_ms, soc_pct)
    if what == soc.CHANGED and before_pct is not None and 0.0 < before_pct - soc_pct <= battery.gained_pct:
        battery.gained_pct -= before_pct - soc_pct
        observation.restart(state, context)
        return False
    if what == soc.CHANGED or (what == soc.CONFIRMED and not _has_left(state, battery, before_ms)):
        return False
    if state.motion.mode != CHARGING:
        state.charge.low_pct = None  # a jump is not a rise
    elif soc_pct < state.charge.rise_pct:
        state.charge.rise_pct = soc_pct
    if what == soc.JUMPED and state.returned_ms and before_pct is not None and state.gap_from.soc_pct is not None:
        state.gap_from.soc_pct += soc_pct - before_pct  # nor is it a rise over the silence under way
    found = False
    if before_pct is not None and soc_pct > before_pct and not state.returned_ms:
        battery.time_ms = before_ms
        battery.silent_kwh = soc_limits.silent_charge_kwh(state, before_pct, context)
        battery.silent_from_ms = before_ms
        battery.time_ms = reading.time_ms
        found = battery.silent_kwh > 0.0
    observation.restart(state, context)
    evidence.open_window(state)
    return found


def _count_owed(state: VanState, soc_pct: float) -> None:
    """Add to `owed_pct` what the van may have used since the last change, and subtract what the value has fallen by."""
    battery = state.soc
    km = state.totals.distance_km - battery.changed_km
    if km > 0.0 or battery.owed_pct:
        owed_pct = battery.owed_pct + soc_limits.EMPTIED_KWH_PER_KM * km * state.estimate.pct_per_kwh
        owed_pct += soc_pct - (battery.before_pct or 0.0)
        battery.owed_pct = min(soc_limits.MOST_OWED_PCT, owed_pct) if owed_pct > 0.0 else 0.0


def _has_left(state: VanState, battery: SocState, before_ms: int) -> bool:
    """Whether a rise was confirmed only after the van has left, or while it is leaving, the place of the charge."""
    motion = state.motion
    if motion.mode in ON_TRIP:
        return before_ms <= state.trip.start.time_ms
    return (
        motion.mode != CHARGING
        and not state.returned_ms
        and (motion.fast_readings > 0 or state.position.moved_ms >= battery.candidate_from_ms)
    )


def _note_change(state: VanState, time_ms: int, soc_pct: float) -> None:
    """Remember time, distance and energy at a change of the state of charge."""
    battery, e = state.soc, state.estimate
    battery.changed_ms = time_ms
    battery.changed_km = state.totals.distance_km
    battery.changed_kwh = observation.traced_kwh(state)
    battery.changed_kwh_per_km = e.kwh_per_km
    if battery.frozen:
        battery.frozen = False
        e.time_ms = 0  # observe at once, so that the guess made meanwhile is corrected before it counts
    if battery.flagged_ms and (battery.before_pct is None or soc_pct > battery.before_pct):
        battery.flagged_ms = 0


def note(state: VanState, reading: Reading) -> None:
    """Keep temperatures and the plug as last sent."""
    battery = state.soc
    if reading.ambient_temp_c is not None:
        battery.ambient_temp_c = reading.ambient_temp_c
    if reading.battery_temp_c is not None:
        battery.battery_temp_c = reading.battery_temp_c
    if reading.plugged_in is not None:
        battery.plugged_in = reading.plugged_in
