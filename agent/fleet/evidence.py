"""What the van's own figures prove about each other: whether power and counters are right, what the battery holds.

A window runs from one change of the state of charge to a later one. Over it, power, counters and state of charge must
tell about the same energy. Over a long one they tell how many kWh the battery has per 100 %.
"""

from statistics import median
from typing import Final

from agent.fleet.battery_power import confirm_sign
from agent.fleet.context import Context
from agent.fleet.energy_state import Capacity
from agent.fleet.modes import CHARGING
from agent.fleet.state import VanState

TRUST_PCT: Final = 3.0
"""Change of the state of charge over which sources are compared; at least three steps."""
SAMPLE_PCT: Final = 10.0
"""The same for learning the capacity (evcc)."""
AGREES: Final = (0.6, 1.6)
"""Energy by power or counter over energy by state of charge: within this they agree. The capacity itself may be off."""
SAMPLE_MS: Final = 600_000
SAMPLE_SIGMA: Final = 0.04
"""A less certain sample of the capacity is not used."""
SAMPLE_TOP_PCT: Final = 95.0
"""Above this the state of charge is balanced and recalibrated (TeslaMate)."""
SAMPLE_TEMPERATURE_C: Final = (10.0, 35.0)
PLAUSIBLE: Final = (0.5, 1.6)
"""A sample within this share of the stated battery energy can be true."""
SAMPLES: Final = 9
SAMPLES_NEEDED: Final = 3
CURVE_SIGMA: Final = 0.012
"""What is left of the capacity's uncertainty when it is known: the curve's shape on one trip."""
MAX_WINDOW_MS: Final = 12 * 3_600_000


def compare_sources(state: VanState, context: Context) -> None:
    """The state of charge has just changed and the estimate has followed."""
    capacity, e, battery = state.capacity, state.estimate, state.soc
    window_level_pct = capacity.window_level_pct
    if window_level_pct is None or state.time_ms - capacity.window_ms > MAX_WINDOW_MS:
        open_window(state)
        return
    fallen_pct = window_level_pct - e.level_pct
    if abs(fallen_pct) < max(TRUST_PCT, 3.0 * battery.step_pct):
        return
    expected_kwh = fallen_pct / e.pct_per_kwh
    by_power = battery.power_sum_kwh - capacity.window_power_kwh
    whole = battery.blind_ms == capacity.window_blind_ms
    wrong = False
    if whole:
        wrong = battery.power_trusted and not battery.counter_trusted and not _agrees(by_power, expected_kwh)
        _judge_power(state, by_power / expected_kwh)
    elif battery.out_total_kwh is None:
        open_window(state)
        return
    if battery.out_total_kwh is not None and battery.in_total_kwh is not None:
        agrees = _agrees(battery.counter_sum_kwh - capacity.window_counter_kwh, expected_kwh)
        wrong = wrong or (battery.counter_trusted and not agrees)
        battery.counter_trusted = agrees
    if wrong:
        _heal(state, expected_kwh)
        open_window(state)
        return
    if abs(fallen_pct) >= SAMPLE_PCT:
        _sample(state, fallen_pct, by_power, context, whole=whole)
        open_window(state)


def open_window(state: VanState) -> None:
    """Begin to compare from here."""
    capacity, battery, e = state.capacity, state.soc, state.estimate
    capacity.window_level_pct = e.level_pct
    capacity.window_ms = state.time_ms
    capacity.window_power_kwh = battery.power_sum_kwh
    capacity.window_power_var = battery.power_sum_var
    capacity.window_blind_ms = battery.blind_ms
    capacity.window_counter_kwh = battery.counter_sum_kwh
    capacity.window_net_kwh = e.base_kwh + e.out_kwh


def spread_kwh(capacity: Capacity) -> float | None:
    """Median absolute deviation of the capacity's samples."""
    if len(capacity.samples_kwh) < SAMPLES_NEEDED:
        return None
    return median(abs(sample - capacity.battery_kwh) for sample in capacity.samples_kwh)


def _agrees(kwh: float, expected_kwh: float) -> bool:
    return AGREES[0] <= kwh / expected_kwh <= AGREES[1]


def _judge_power(state: VanState, ratio: float) -> None:
    """Believe the power or not; a sign that is wrong on the charger, or twice running, is the van's own convention."""
    battery = state.soc
    battery.power_trusted = AGREES[0] <= ratio <= AGREES[1]
    if battery.power_trusted and not battery.sign_is_sure:
        confirm_sign(state)
    if not -AGREES[1] <= ratio <= -AGREES[0]:
        battery.reversals = 0
        return
    battery.reversals += 1
    if battery.reversals >= 2 or state.motion.mode == CHARGING:
        battery.power_sign = -battery.power_sign
        battery.power_trusted = True
        battery.reversals = 0
        battery.braked_kwh, battery.driven_kwh = battery.driven_kwh, battery.braked_kwh
        confirm_sign(state)


def _heal(state: VanState, expected_kwh: float) -> None:
    """What was believed in this window was wrong: the state of charge says how much energy it was."""
    e = state.estimate
    e.out_kwh += state.capacity.window_net_kwh + expected_kwh - (e.base_kwh + e.out_kwh)
    e.var_out += (state.soc.step_pct / e.pct_per_kwh) ** 2 / 6.0
    e.cov_out_level = 0.0


def _sample(state: VanState, fallen_pct: float, by_power: float, context: Context, *, whole: bool) -> None:
    """Learn the capacity from a long window, if everything about it is as it should be."""
    capacity, battery, e = state.capacity, state.soc, state.estimate
    if battery.counter_trusted:
        kwh, variance = battery.counter_sum_kwh - capacity.window_counter_kwh, 1e-2
    elif whole and battery.power_trusted:
        kwh, variance = by_power, battery.power_sum_var - capacity.window_power_var
    else:
        return
    temperature_c = battery.battery_temp_c if battery.battery_temp_c is not None else battery.ambient_temp_c
    if (
        state.time_ms - capacity.window_ms < SAMPLE_MS
        or variance > (SAMPLE_SIGMA * kwh) ** 2
        or (battery.soc_pct or 100.0) > SAMPLE_TOP_PCT
        or (temperature_c is not None and not SAMPLE_TEMPERATURE_C[0] <= temperature_c <= SAMPLE_TEMPERATURE_C[1])
    ):
        return
    samples = capacity.samples_kwh
    sample_kwh = 100.0 * kwh / fallen_pct
    if not PLAUSIBLE[0] <= sample_kwh / context.vehicle.battery_kwh <= PLAUSIBLE[1]:
        return
    samples.append(sample_kwh)
    del samples[:-SAMPLES]
    if len(samples) < SAMPLES_NEEDED:
        return
    capacity.battery_kwh = median(samples)
    deviation = 1.4826 * (spread_kwh(capacity) or 0.0) / capacity.battery_kwh
    sigma = max(CURVE_SIGMA, deviation / len(samples) ** 0.5)
    e.pct_per_kwh = 100.0 / capacity.battery_kwh
    e.var_scale = min(e.var_scale, (sigma * e.pct_per_kwh) ** 2)
