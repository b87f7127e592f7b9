"""Energy that no power or counter measures: predicted from distance, time and temperature.

A prediction is added to the pending energy and variance of the estimate. `agent.fleet.kalman.predict` carries it in.
"""

from typing import Final

from agent.fleet.context import Context
from agent.fleet.modes import CHARGING, DRIVING, STOPPED
from agent.fleet.state import VanState

AUX_KW: Final = 0.5
"""Power of the auxiliaries on a drive, without heating and cooling."""
HEATING_KW_PER_K: Final = 0.12
COOLING_KW_PER_K: Final = 0.1
HEATING_BELOW_C: Final = 18.0
COOLING_ABOVE_C: Final = 22.0
MAX_HEATING_KW: Final = 5.0
WARM_UP_KW: Final = 2.0
WARM_UP_MS: Final = 960_000
"""Heating needs this much more at the start of a drive. It falls to zero over twice its time constant of 8 minutes."""
STANDING_KW: Final = 0.3
"""Power of the auxiliaries while the van stands awake."""
AUX_SIGMA_KW: Final = 2.0
AUX_HOURS: Final = 0.1
"""Standard deviation of the auxiliaries' power, and its correlation time."""
PARKED_KW: Final = 0.02
PARKED_SIGMA_KW: Final = 0.1
"""Power of a van that sleeps, at most, and its standard deviation."""
PER_KM_SIGMA: Final = 0.6
"""Relative standard deviation of the consumption from one kilometre to the next."""
CHARGE_SIGMA_KW: Final = 3.0
"""Standard deviation of a charge's power, beside half of the predicted rate."""
CHARGE_BLIND_MS: Final = 120_000
"""A charge is predicted over at most this time between two readings. Beyond it the state of charge shows the energy."""
LATE_STEPS: Final = 3.0
"""No energy is predicted for a charge whose next step is overdue by this many times the duration of a step."""
UNFLAGGED_STEPS: Final = 0.5
"""The same where no flag shows the end: on average a charge ends in the middle of a step."""
SILENT_SOC_MS: Final = 600_000
"""Without a usable state of charge for this long, nothing is predicted for a van at rest."""
MINUTE_MS: Final = 60_000
_MS_PER_H: Final = 3_600_000.0


def add_distance(state: VanState, km: float) -> None:
    """Predict the energy of a distance."""
    e = state.estimate
    if e.started:
        e.pending_km += km
        e.pending_var_kwh2 += (PER_KM_SIGMA * e.kwh_per_km) ** 2 * km
        state.totals.predicted_kwh += e.kwh_per_km * km


def add_late_distance(state: VanState, km: float, since_ms: int, time_ms: int) -> None:
    """Predict the energy of a distance from `since_ms` to `time_ms`, for the part after the last observation.

    The observed state of charge already contains the part before.
    """
    open_ms = time_ms - max(since_ms, state.estimate.time_ms)
    if open_ms > 0 and time_ms > since_ms:
        share = open_ms / (time_ms - since_ms)
        add_distance(state, km * share)
        state.soc.changed_km += km * (1.0 - share)
    else:
        state.soc.changed_km += km


def add_time(state: VanState, elapsed_ms: int, asleep_kw: float, context: Context, *, charging: bool) -> None:
    """Predict the energy that depends on time alone: auxiliaries, standby or a charge.

    `asleep_kw` is the power of the van if it sleeps; `charging` is false where the reading denies that it charges.
    """
    e = state.estimate
    hours = elapsed_ms / _MS_PER_H
    mode = state.motion.mode
    if state.soc_time_ms - state.soc.time_ms > SILENT_SOC_MS and mode not in (DRIVING, STOPPED):
        energy = 0.0  # no state of charge would correct it
        variance = PARKED_SIGMA_KW**2 * hours
    elif mode == CHARGING and not state.charge.unflagged_ms:
        # Over a silence, and at the end of the charge, the state of charge shows the energy.
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
    e.pending_var_kwh2 += variance
    state.totals.predicted_kwh += energy


def asleep_kw(power_kw: float | None, before_kw: float | None) -> float:
    """Power of a van that sleeps: no more than before and after, when it was awake."""
    return min(PARKED_KW, max(0.0, -(power_kw or 0.0)), max(0.0, -(before_kw or 0.0)))


def _charge_rate_kw(state: VanState, ahead_ms: int) -> float:
    """Rate of the charge by the state of charge alone, since its beginning; 0 where it has probably ended.

    `ahead_ms` is the time that is to be predicted.
    """
    charge = state.charge
    elapsed_ms = charge.rise_ms - charge.start.time_ms
    if charge.start.soc_pct is None or elapsed_ms < MINUTE_MS:
        return 0.0
    risen_pct = max(0.0, charge.rise_pct - charge.start.soc_pct)
    if risen_pct == 0.0:
        return 0.0
    step_ms, late_ms = elapsed_ms * state.soc.step_pct / risen_pct, state.soc_time_ms - charge.rise_ms
    if late_ms > (LATE_STEPS if charge.flagged else UNFLAGGED_STEPS) * step_ms:
        return 0.0  # the next step is overdue
    if not charge.flagged and ahead_ms > step_ms:
        return 0.0  # each reading of this charge shows a step; this one does not
    return risen_pct / state.estimate.pct_per_kwh / (elapsed_ms / _MS_PER_H)


def auxiliary_kw(ambient_temp_c: float | None, driven_ms: int) -> float:
    """Power of the auxiliaries on a drive, by outside temperature and time since departure (60 drives of a BMW i3)."""
    warming = WARM_UP_KW * min(1.0, max(0.0, 1.0 - driven_ms / WARM_UP_MS))
    if ambient_temp_c is None:
        return AUX_KW + 0.5 * (warming + WARM_UP_KW * 0.5)
    if ambient_temp_c >= HEATING_BELOW_C:
        return AUX_KW + COOLING_KW_PER_K * max(0.0, ambient_temp_c - COOLING_ABOVE_C)
    return AUX_KW + warming + min(MAX_HEATING_KW, HEATING_KW_PER_K * (HEATING_BELOW_C - ambient_temp_c))
