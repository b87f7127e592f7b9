"""The battery side of a reading: power, counters and state of charge, joined into the energy estimate."""

from typing import Final

from agent.fleet import balance, counters, estimate, evidence, ledger, soc, soc_limits
from agent.fleet.context import LEAST_POWER_LIMIT_KW, Context
from agent.fleet.energy_state import STORED_SHARE
from agent.fleet.modes import CHARGING, DRIVING, PARKED, STOPPED
from agent.fleet.state import VanState
from agent.readings import Reading

AUX_KW: Final = 0.5
"""Prior for what an awake van draws beside driving, without heating and cooling."""
HEATING_KW_PER_K: Final = 0.12
COOLING_KW_PER_K: Final = 0.1
HEATING_BELOW_C: Final = 18.0
COOLING_ABOVE_C: Final = 22.0
MAX_HEATING_KW: Final = 5.0
WARM_UP_KW: Final = 2.0
WARM_UP_MS: Final = 960_000
"""Heating up takes so much more at first, falling to nothing over twice its time constant of 8 minutes."""
STANDING_KW: Final = 0.3
"""The same while it stands, with the driver perhaps gone."""
AUX_SIGMA_KW: Final = 2.0
"""The spread of that, and how long a deviation lasts."""
AUX_HOURS: Final = 0.1
PARKED_KW: Final = 0.02
PARKED_SIGMA_KW: Final = 0.1
PER_KM_SIGMA: Final = 0.6
"""Relative spread of the consumption from one kilometre to the next."""
CONSUMPTION_KWH_PER_KM: Final = 0.22
"""Before anything is known: a 3.5 t van in the city in summer (reference band 20 to 24 kWh/100 km)."""
CORRECT_FINE_MS: Final = 60_000
FINE_PCT: Final = 0.3
"""Steps below this need no edges: the reading itself is fine enough, and need not be looked at each time."""
EDGE_SPREAD: Final = 0.5
"""How well the energy between two readings is known, relative; where in between an edge was crossed depends on it."""
EDGE_STEPS: Final = 0.1
"""How well the edges of the steps are where they should be, in steps."""
CAPACITY_LEEWAY: Final = 0.08
"""The filter may differ from the stated or learnt capacity by this; more has to be learnt from whole windows."""
CHARGE_SIGMA_KW: Final = 3.0
CHARGE_BLIND_MS: Final = 120_000
"""For so long a charge is predicted between two readings; over longer, the state of charge tells what came in."""
LATE_STEPS: Final = 3.0
"""A charge that has not risen for so many times the time of a step gives no more."""
UNFLAGGED_STEPS: Final = 0.5
"""The same where no flag tells when it ends: on the average it ends in the middle of a step."""
SILENT_SOC_MS: Final = 600_000
"""No usable state of charge for so long: what a van at rest takes is not guessed any further."""
RESTING_OUT_KW: Final = -soc_limits.RESTING_KW
"""More power than this does not flow out of a van that is parked."""
MINUTE_MS: Final = 60_000
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
FROZEN_STEPS: Final = 3.0
FROZEN_KWH_PER_KM: Final = 0.1
"""A state of charge that has not fallen by so many steps, though the least consumption says so, is not up to date."""
LEARN_SIGMA: Final = 0.03
"""A prediction less certain than this says nothing about the capacity."""
SURE_KWH: Final = 0.3
SURE_RATIO: Final = 2.0
"""So much energy out on trips, and so many times what came in, says that the sign of power is as agreed."""
SOURCE_SOC: Final = 0
SOURCE_POWER: Final = 1
SOURCE_COUNTER: Final = 2
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
        if power > LEAST_POWER_LIMIT_KW or (
            power < RESTING_OUT_KW and (mode == PARKED or power < -LEAST_POWER_LIMIT_KW)
        ):
            power = _possible_kw(state, power, context)
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
            asleep_kw = _asleep_kw(power, last) if known else PARKED_KW
            if reading.soc_pct is not None and reading.soc_pct > (battery.soc_pct or 0.0) + battery.step_pct:
                asleep_kw = 0.0  # what has come in since the last reading is net of what the van took meanwhile
            _predict_blindly(state, elapsed_ms, asleep_kw, context, charging=reading.charging is not False)
    else:
        e = state.estimate
        e.pending_kwh += energy
        e.pending_var += variance
        totals.predicted_kwh += energy
        if returned is None and power is not None and last is not None:
            if not battery.sign_is_sure:
                if mode in ON_TRIP and not state.motion.standing_ms:
                    _look_at_sign(state, last, power, elapsed_ms / _MS_PER_H)
            elif power > 0.0 or last > 0.0:
                returned = _positive_part(last, power) * elapsed_ms / _MS_PER_H
        if returned and mode in ON_TRIP and not _stands(state, reading, context):
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
            owed_pct = battery.owed_pct + soc_limits.EMPTIED_KWH_PER_KM * km * state.estimate.g
            owed_pct += soc_pct - (battery.before_pct or 0.0)
            battery.owed_pct = min(soc_limits.MOST_OWED_PCT, owed_pct) if owed_pct > 0.0 else 0.0
        _changed(state, reading.time_ms, soc_pct)
        return False
    before_pct, before_ms = battery.soc_pct, battery.time_ms
    limits = soc_limits.of(state, reading, context)
    what = soc.accept(battery, soc_pct, reading.time_ms, limits, context.thresholds)
    if what == soc.REJECTED:
        state.rejected_soc += 1
        return False
    _changed(state, reading.time_ms, soc_pct)
    if what == soc.CHANGED and before_pct is not None and 0.0 < before_pct - soc_pct <= battery.gained_pct:
        battery.gained_pct -= before_pct - soc_pct
        reanchor(state, context)
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
    reanchor(state, context)
    evidence.open_window(state)
    return found


def _changed(state: VanState, time_ms: int, soc_pct: float) -> None:
    """How things stand at a change of the state of charge."""
    battery, e = state.soc, state.estimate
    battery.changed_ms = time_ms
    battery.changed_km = state.totals.distance_km
    battery.changed_kwh = e.base_kwh + e.n + e.pending_kwh + e.k * e.pending_km
    battery.changed_k = e.k
    if battery.frozen:
        battery.frozen = False
        e.time_ms = 0  # what was guessed meanwhile is corrected at once, before it counts
    if battery.flagged_ms and (battery.before_pct is None or soc_pct > battery.before_pct):
        battery.flagged_ms = 0


def is_frozen(state: VanState) -> bool:
    """Whether the state of charge has stayed the same for longer than any drive lets it.

    When that is found, the distance since its last change is given the usual consumption again: until then the value
    was taken for true, and the estimate followed it.
    """
    battery, e = state.soc, state.estimate
    if battery.frozen:
        return True
    km = state.totals.distance_km - battery.changed_km
    if km * FROZEN_KWH_PER_KM * e.g <= FROZEN_STEPS * battery.step_pct:
        return False
    battery.frozen = True
    if state.totals.source == SOURCE_SOC:
        e.k = max(e.k, battery.changed_k)
        missing_kwh = e.k * km - (_traced_kwh(state) - battery.changed_kwh)
        if missing_kwh > 0.0:
            e.pending_kwh += missing_kwh
            e.pending_var += (PER_KM_SIGMA * e.k) ** 2 * km
            state.totals.predicted_kwh += missing_kwh
    return True


def _traced_kwh(state: VanState) -> float:
    """Energy out of the battery as the estimate has it."""
    e = state.estimate
    return e.base_kwh + e.n + e.pending_kwh + e.k * e.pending_km


def _possible_kw(state: VanState, power_kw: float, context: Context) -> float | None:
    """Power that may be too much for such a van, or for one that is parked; `None`, and counted: it is."""
    battery = state.soc
    limit_kw = context.power_limit_kw
    if -limit_kw <= power_kw <= limit_kw:
        # Power that no parked van takes is the last value of a drive, or in another unit, where its sign is known.
        stale = not state.motion.fast_readings and (battery.sign_is_sure or battery.power_sign < 0)
        if not (power_kw < RESTING_OUT_KW and state.motion.mode == PARKED and stale):
            return power_kw
    battery.power_rejected += 1
    return None


def _look_at_sign(state: VanState, before_kw: float, power_kw: float, hours: float) -> None:
    """Which way energy flows on trips: over a while, and not only downhill, more goes out than braking returns."""
    battery = state.soc
    energy_kwh = 0.5 * (before_kw + power_kw) * hours
    if before_kw <= 0.0 and power_kw <= 0.0:
        battery.driven_kwh -= energy_kwh
    else:
        returned_kwh = _positive_part(before_kw, power_kw) * hours
        battery.braked_kwh += returned_kwh
        battery.driven_kwh += returned_kwh - energy_kwh
    if battery.driven_kwh >= SURE_KWH and battery.driven_kwh >= SURE_RATIO * battery.braked_kwh:
        ledger.book_regeneration(state)


def _stands(state: VanState, reading: Reading, context: Context) -> bool:
    """Whether what came into the battery came while the van stood: from a charger, then, and not from braking."""
    speed = reading.speed_kmh if reading.speed_kmh is not None else state.position.speed_kmh
    if speed is None:  # fixes alone show late that a van moves
        return reading.charging is not False and state.motion.mode == STOPPED
    if speed >= context.thresholds.standing_speed_kmh:
        return False
    return state.motion.standing_ms > 0 or reading.charging is True


def note(state: VanState, reading: Reading) -> None:
    """Keep what is only looked at now and then."""
    battery = state.soc
    if reading.ambient_temp_c is not None:
        battery.ambient_temp_c = reading.ambient_temp_c
    if reading.battery_temp_c is not None:
        battery.battery_temp_c = reading.battery_temp_c
    if reading.plugged_in is not None:
        battery.plugged_in = reading.plugged_in


def reanchor(state: VanState, context: Context) -> None:
    """Begin the estimate, or begin again behind a jump that is not energy."""
    e = state.estimate
    slope = context.curve_slope_per_pct
    before_kwh = balance.content_kwh(state) if e.started else None
    if not e.started:
        state.capacity.battery_kwh = context.vehicle.battery_kwh
        estimate.begin(
            e,
            battery_kwh=context.vehicle.battery_kwh,
            capacity_sigma=context.thresholds.capacity_sigma,
            kwh_per_km=CONSUMPTION_KWH_PER_KM,
        )
    estimate.predict(e)
    battery = state.soc
    battery.low_y, battery.high_y = soc.interval(battery, slope)
    estimate.place(e, battery.low_y, battery.high_y)
    balance.reanchored(state, before_kwh)
    e.time_ms = battery.time_ms
    battery.changed = False


def correct(state: VanState, context: Context) -> None:
    """Hold the estimate against the last reading, when that says something new.

    Only an edge does, or a prediction that has left the step: cutting again and again at the same place would count one
    piece of evidence many times.
    """
    battery, e = state.soc, state.estimate
    if not e.started:
        return
    since_ms = battery.time_ms - e.time_ms
    changed = battery.changed
    if changed:
        if battery.step_pct < FINE_PCT and since_ms < CORRECT_FINE_MS:
            return
        slope = context.curve_slope_per_pct
        moved_y = e.g * abs(state.totals.predicted_kwh - battery.seen_kwh)
        slack_y = EDGE_SPREAD * moved_y + EDGE_STEPS * battery.step_pct
        battery.low_y, battery.high_y = soc.interval(battery, slope)
        low, high = soc.interval_after_change(battery, slope, moved_y, slack_y)
        battery.changed = False
        battery.seen_kwh = state.totals.predicted_kwh
    elif since_ms >= CORRECT_FINE_MS:
        low, high = battery.low_y, battery.high_y
        frozen = is_frozen(state)
        y = e.y - e.g * (e.pending_kwh + e.k * e.pending_km)
        if low <= y <= high or (y < low and frozen):
            e.time_ms = battery.time_ms
            return
    else:
        return
    measured = _is_measured(state)
    estimate.predict(e)
    estimate.correct(e, low, high, measured=measured, blind=state.totals.source != SOURCE_COUNTER)
    known = 100.0 / state.capacity.battery_kwh
    if abs(e.g - known) > CAPACITY_LEEWAY * known:
        e.g = max((1.0 - CAPACITY_LEEWAY) * known, min((1.0 + CAPACITY_LEEWAY) * known, e.g))
    e.time_ms = battery.time_ms
    if changed:
        evidence.look(state, context)


def correct_now(state: VanState, context: Context) -> None:
    """Before something is published: cut at the end of the step that the estimate is moving to."""
    battery, e = state.soc, state.estimate
    if not e.started:
        return
    if battery.changed:
        e.time_ms = 0
        correct(state, context)
        return
    estimate.predict(e)
    if e.y < battery.low_y and is_frozen(state):
        return
    # The reading may be from some way back, where places come more often than states of charge.
    moved_y = e.g * (state.totals.predicted_kwh - battery.seen_kwh)
    slack_y = EDGE_SPREAD * abs(moved_y)
    low, high = battery.low_y - moved_y - slack_y, battery.high_y - moved_y + slack_y
    estimate.correct(e, low, high, measured=False, blind=state.totals.source != SOURCE_COUNTER)
    e.time_ms = battery.time_ms


def add_distance(state: VanState, km: float) -> None:
    """The van has moved: without measured power, that is what tells the energy."""
    e = state.estimate
    if e.started:
        e.pending_km += km
        e.pending_var += (PER_KM_SIGMA * e.k) ** 2 * km
        state.totals.predicted_kwh += e.k * km


def add_late_distance(state: VanState, km: float, since_ms: int, time_ms: int) -> None:
    """The same for a distance that is told late: the state of charge has accounted for a part of that time already."""
    open_ms = time_ms - max(since_ms, state.estimate.time_ms)
    if open_ms > 0 and time_ms > since_ms:
        share = open_ms / (time_ms - since_ms)
        add_distance(state, km * share)
        state.soc.changed_km += km * (1.0 - share)
    else:
        state.soc.changed_km += km


def _asleep_kw(power_kw: float | None, before_kw: float | None) -> float:
    """What a van draws asleep: no more than when it was awake, before and after."""
    return min(PARKED_KW, max(0.0, -(power_kw or 0.0)), max(0.0, -(before_kw or 0.0)))


def _predict_blindly(state: VanState, elapsed_ms: int, asleep_kw: float, context: Context, *, charging: bool) -> None:
    """Energy by time alone, and how uncertain it is: what is not distance."""
    e = state.estimate
    hours = elapsed_ms / _MS_PER_H
    mode = state.motion.mode
    if state.soc_time_ms - state.soc.time_ms > SILENT_SOC_MS and mode not in (DRIVING, STOPPED):
        energy = 0.0  # nothing confirms it
        variance = PARKED_SIGMA_KW**2 * hours
    elif mode == CHARGING and not state.charge.unflagged_ms:
        # Over a silence, and at the end, the state of charge tells what came in.
        known = charging and elapsed_ms <= CHARGE_BLIND_MS
        rate = _charge_rate_kw(state, elapsed_ms) if known else 0.0
        energy = -rate * hours
        variance = (0.5 * rate + CHARGE_SIGMA_KW) ** 2 * hours * AUX_HOURS
    elif elapsed_ms >= context.thresholds.asleep_after_ms:
        energy = asleep_kw * hours
        variance = PARKED_SIGMA_KW**2 * hours
    elif state.motion.standing_ms:
        energy = STANDING_KW * hours
        variance = AUX_SIGMA_KW**2 * hours * AUX_HOURS
    elif mode in (DRIVING, STOPPED):
        driven_ms = state.soc_time_ms - state.trip.start.time_ms
        energy = auxiliary_kw(state.soc.ambient_temp_c, driven_ms) * hours
        variance = AUX_SIGMA_KW**2 * hours * AUX_HOURS
    elif state.soc_time_ms - state.motion.wake.time_ms < context.thresholds.wake_up_ms:
        energy = STANDING_KW * hours
        variance = AUX_SIGMA_KW**2 * hours * AUX_HOURS
    else:
        energy = asleep_kw * hours
        variance = PARKED_SIGMA_KW**2 * hours
    e.pending_kwh += energy
    e.pending_var += variance
    state.totals.predicted_kwh += energy


def _charge_rate_kw(state: VanState, ahead_ms: int) -> float:
    """Content gained per time since the charge began, by the state of charge alone, for the `ahead_ms` to come."""
    charge = state.charge
    elapsed_ms = charge.rise_ms - charge.start.time_ms
    if charge.start.soc_pct is None or elapsed_ms < MINUTE_MS:
        return 0.0
    risen_pct = max(0.0, charge.rise_pct - charge.start.soc_pct)
    if risen_pct == 0.0:
        return 0.0
    step_ms, late_ms = elapsed_ms * state.soc.step_pct / risen_pct, state.soc_time_ms - charge.rise_ms
    if late_ms > (LATE_STEPS if charge.flagged else UNFLAGGED_STEPS) * step_ms:
        return 0.0  # it has long been due for its next step
    if not charge.flagged and ahead_ms > step_ms:
        return 0.0  # each reading shows a step; one that does not is behind the end
    return risen_pct / state.estimate.g / (elapsed_ms / _MS_PER_H)


def auxiliary_kw(ambient_temp_c: float | None, driven_ms: int) -> float:
    """What a van draws beside driving, by outside temperature and time since it left (from 60 drives of a BMW i3)."""
    warming = WARM_UP_KW * min(1.0, max(0.0, 1.0 - driven_ms / WARM_UP_MS))
    if ambient_temp_c is None:
        return AUX_KW + 0.5 * (warming + WARM_UP_KW * 0.5)
    if ambient_temp_c >= HEATING_BELOW_C:
        return AUX_KW + COOLING_KW_PER_K * max(0.0, ambient_temp_c - COOLING_ABOVE_C)
    return AUX_KW + warming + min(MAX_HEATING_KW, HEATING_KW_PER_K * (HEATING_BELOW_C - ambient_temp_c))


def _is_measured(state: VanState) -> bool:
    """Whether the energy since the last correction is good enough to learn from."""
    e = state.estimate
    return state.totals.source != SOURCE_SOC and e.pending_var <= (LEARN_SIGMA * e.pending_kwh) ** 2


def _positive_part(a: float, b: float) -> float:
    """Mean of the positive part of a line from a to b."""
    if a >= 0.0 and b >= 0.0:
        return 0.5 * (a + b)
    high = a if a > b else b
    if high <= 0.0:
        return 0.0
    return 0.5 * high * high / abs(a - b)
