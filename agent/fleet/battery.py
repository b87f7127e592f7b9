"""The battery side of a reading: power, counters and state of charge, joined into the energy estimate."""

from typing import Final

from agent.fleet import counters, evidence, observation, prediction, soc, soc_limits
from agent.fleet.battery_power import RESTING_OUT_KW, learn_sign, positive_part, possible_kw, stands
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_COUNTER, SOURCE_POWER, SOURCE_SOC, STORED_SHARE
from agent.fleet.modes import CHARGING, DRIVING, PARKED, STOPPED
from agent.fleet.state import VanState
from agent.readings import Reading

FROZEN_READINGS: Final = 3
BRIDGE_SHARE: Final = 1.0 / 12.0
"""Variance of the energy between two samples, over the square of their difference: a Brownian bridge, while power
remembers; half the square more where two samples have nothing to do with each other any longer."""
POWER_MEMORY_MS: Final = 10_000
"""How long the power of driving remembers."""
POWER_ERROR: Final = 1e-4
"""Variance of a sensor's own error of 1 %."""
COUNTER_ERROR: Final = 1e-5
"""Variance of a counter's own error of 0.3 %."""
ON_TRIP: Final = (DRIVING, STOPPED)
_MS_PER_H: Final = 3_600_000.0


def update(state: VanState, reading: Reading, elapsed_ms: int, context: Context) -> bool:
    """Take power, counters and state of charge of a reading, `elapsed_ms` after the one before of this stream.

    Returns whether the state of charge shows a charge that nobody saw, and that no silence under way accounts for.
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
        # Power into the battery that does not change while driving is the last value of a charge, long gone. Where the
        # van stands it may well be the same each time, with a sign that is not known yet.
        if not state.motion.standing_ms:
            battery.frozen_readings += 1
        if battery.frozen_readings >= FROZEN_READINGS:
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
        unseen = BRIDGE_SHARE + 0.5 * elapsed_ms / (elapsed_ms + POWER_MEMORY_MS)
        variance = spread * spread * unseen + POWER_ERROR * energy * energy
        battery.power_sum_kwh += energy
        if state.position.conflict:
            battery.power_gross_kwh += energy if energy > 0.0 else -energy
        battery.power_sum_var += variance
        source = SOURCE_POWER if trusted else SOURCE_SOC
    returned = None
    if reading.energy_out_total_kwh is not None:
        counted = counters.count(state, reading, context)
        if counted is not None and battery.counter_trusted:
            energy, returned = counted
            variance = COUNTER_ERROR * energy * energy
            source = SOURCE_COUNTER
    totals.source = source
    if source == SOURCE_SOC:
        if battery.time_ms:
            known = power is not None and last is not None and trusted
            asleep_kw = prediction.asleep_kw(power, last) if known else prediction.PARKED_KW
            if reading.soc_pct is not None and reading.soc_pct > (battery.soc_pct or 0.0) + battery.step_pct:
                asleep_kw = 0.0  # what has come in since the last reading is net of what the van took meanwhile
            prediction.add_time(state, elapsed_ms, asleep_kw, context, charging=reading.charging is not False)
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


def _take_soc(state: VanState, reading: Reading, soc_pct: float, context: Context) -> bool:
    """A state of charge that differs from the last one; returns whether it shows a charge that nobody saw."""
    battery = state.soc
    if soc.accept_small(battery, soc_pct, reading.time_ms):
        km = state.totals.distance_km - battery.changed_km
        if km > 0.0 or battery.owed_pct:
            owed_pct = battery.owed_pct + soc_limits.EMPTIED_KWH_PER_KM * km * state.estimate.pct_per_kwh
            owed_pct += soc_pct - (battery.before_pct or 0.0)
            battery.owed_pct = min(soc_limits.MOST_OWED_PCT, owed_pct) if owed_pct > 0.0 else 0.0
        _changed(state, reading.time_ms, soc_pct)
        return False
    before_pct, before_ms = battery.soc_pct, battery.time_ms
    limits = soc_limits.limits_for(state, reading, context)
    what = soc.accept(battery, soc_pct, reading.time_ms, limits, context.thresholds)
    if what == soc.REJECTED:
        state.rejected_soc += 1
        return False
    _changed(state, reading.time_ms, soc_pct)
    if what == soc.CHANGED and before_pct is not None and 0.0 < before_pct - soc_pct <= battery.gained_pct:
        battery.gained_pct -= before_pct - soc_pct
        observation.restart(state, context)
        return False
    on_trip = state.motion.mode in (DRIVING, STOPPED)
    leaves = (
        not on_trip
        and state.motion.mode != CHARGING
        and not state.returned_ms
        and (state.motion.fast_readings > 0 or state.position.moved_ms >= battery.candidate_from_ms)
    )
    has_left = on_trip and before_ms <= state.trip.start.time_ms
    if what == soc.CHANGED or (what == soc.CONFIRMED and not has_left and not leaves):
        return False
    if state.motion.mode != CHARGING:
        state.charge.low_pct = None  # a jump is no rise
    elif soc_pct < state.charge.rise_pct:
        state.charge.rise_pct = soc_pct
    if what == soc.JUMPED and state.returned_ms and before_pct is not None and state.gap_from.soc_pct is not None:
        state.gap_from.soc_pct += soc_pct - before_pct  # nor is it one over a silence
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


def _changed(state: VanState, time_ms: int, soc_pct: float) -> None:
    """How things stand at a change of the state of charge."""
    battery, e = state.soc, state.estimate
    battery.changed_ms = time_ms
    battery.changed_km = state.totals.distance_km
    battery.changed_kwh = e.base_kwh + e.out_kwh + e.pending_kwh + e.kwh_per_km * e.pending_km
    battery.changed_k = e.kwh_per_km
    if battery.frozen:
        battery.frozen = False
        e.time_ms = 0  # what was guessed meanwhile is corrected at once, before it counts
    if battery.flagged_ms and (battery.before_pct is None or soc_pct > battery.before_pct):
        battery.flagged_ms = 0


def note(state: VanState, reading: Reading) -> None:
    """Keep what is only looked at now and then."""
    battery = state.soc
    if reading.ambient_temp_c is not None:
        battery.ambient_temp_c = reading.ambient_temp_c
    if reading.battery_temp_c is not None:
        battery.battery_temp_c = reading.battery_temp_c
    if reading.plugged_in is not None:
        battery.plugged_in = reading.plugged_in
