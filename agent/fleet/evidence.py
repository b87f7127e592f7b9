"""Compares energy by power, by counters and by state of charge: which source is believed, and what the battery holds.

A window runs from one change of the state of charge to a later one. Over it the three energies must be about the same.
A long window gives a sample of the capacity, kWh per 100 %.
"""

from statistics import median
from typing import Final

from agent.fleet.battery_power import confirm_sign
from agent.fleet.context import Context
from agent.fleet.energy_state import Capacity
from agent.fleet.modes import CHARGING
from agent.fleet.state import VanState

TRUST_PCT: Final = 3.0
"""Sources are compared over this change of the state of charge, or three steps if that is more."""
SAMPLE_PCT: Final = 10.0
"""The capacity is learnt over this change (evcc)."""
AGREES: Final[tuple[float, ...]] = (0.6, 1.6)
"""Two sources agree if the ratio of their energies is within these bounds. The capacity itself may be wrong."""
SAMPLE_MS: Final = 600_000
"""A window for the capacity lasts at least this long."""
SAMPLE_SIGMA: Final = 0.04
"""Largest relative standard deviation of a sample of the capacity."""
SAMPLE_TOP_PCT: Final = 95.0
"""Above this the cells are balanced and the state of charge is recalibrated (TeslaMate)."""
SAMPLE_TEMPERATURE_C: Final[tuple[float, ...]] = (10.0, 35.0)
"""Temperature of the battery for a sample."""
PLAUSIBLE: Final[tuple[float, ...]] = (0.5, 1.6)
"""Bounds of a sample, as a ratio to the stated battery energy."""
SAMPLES: Final = 9
SAMPLES_NEEDED: Final = 3
"""The capacity is the median of at most this many last samples, from this many on."""
CURVE_SIGMA: Final = 0.012
"""Least relative uncertainty of a learnt capacity: the shape of the curve on one trip."""
MAX_WINDOW_MS: Final = 12 * 3_600_000
"""A longer window is given up."""


def compare_sources(state: VanState, context: Context) -> None:
    """Compare the sources at a change of the state of charge, after it has been observed."""
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
        _replace_energy(state, expected_kwh)
        open_window(state)
        return
    if abs(fallen_pct) >= SAMPLE_PCT:
        _learn_capacity(state, fallen_pct, by_power, context, whole=whole)
        open_window(state)


def open_window(state: VanState) -> None:
    """Begin a window."""
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
    """Whether two sources tell about the same energy."""
    return AGREES[0] <= kwh / expected_kwh <= AGREES[1]


def _judge_power(state: VanState, ratio: float) -> None:
    """Decide whether power is believed, and with which sign.

    Where the sign is wrong on a charger, or in two windows in a row, the van uses the opposite convention.
    """
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


def _replace_energy(state: VanState, expected_kwh: float) -> None:
    """Replace the energy of the window by that of the state of charge: the source believed so far was wrong."""
    e = state.estimate
    e.out_kwh += state.capacity.window_net_kwh + expected_kwh - (e.base_kwh + e.out_kwh)
    e.var_out += (state.soc.step_pct / e.pct_per_kwh) ** 2 / 6.0
    e.cov_out_level = 0.0


def _learn_capacity(state: VanState, fallen_pct: float, by_power: float, context: Context, *, whole: bool) -> None:
    """Learn the capacity from a long window, if its conditions are good enough."""
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
