"""When and how a reading of the state of charge corrects the energy estimate.

An observation (`agent.fleet.kalman.observe`) is made where the reading has changed, since the true value then lies near
the edge between two steps, or where the prediction has left the step of an unchanged reading. An unchanged reading is
not used again and again: that would count one piece of information many times.
"""

from typing import Final

from agent.fleet import balance, evidence, kalman, soc
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_COUNTER, SOURCE_SOC
from agent.fleet.prediction import PER_KM_SIGMA
from agent.fleet.state import VanState

CONSUMPTION_KWH_PER_KM: Final = 0.22
"""Consumption at the start: a 3.5 t van in the city in summer (reference band 20 to 24 kWh/100 km)."""
FINE_PCT: Final = 0.3
OBSERVE_FINE_MS: Final = 60_000
"""A state of charge with steps below `FINE_PCT` is observed only so often: it needs no edges."""
EDGE_SPREAD: Final = 0.5
"""Relative uncertainty of the energy between two readings, and thus of where between them an edge was crossed."""
EDGE_STEPS: Final = 0.1
"""Uncertainty of the position of an edge, in steps."""
CAPACITY_LEEWAY: Final = 0.08
"""The scale may differ from the known capacity by this share. More is learnt only by `agent.fleet.evidence`."""
FROZEN_STEPS: Final = 3.0
FROZEN_KWH_PER_KM: Final = 0.1
"""A state of charge is frozen when it has not changed while the least consumption would have taken this many steps."""
LEARN_SIGMA: Final = 0.03
"""The capacity is learnt only from energy with at most this relative standard deviation."""


def restart(state: VanState, context: Context) -> None:
    """Start the estimate, or restart its level after a jump that carries no energy."""
    e = state.estimate
    slope = context.curve_slope_per_pct
    before_kwh = balance.content_kwh(state) if e.started else None
    if not e.started:
        state.capacity.battery_kwh = context.vehicle.battery_kwh
        kalman.start(
            e,
            battery_kwh=context.vehicle.battery_kwh,
            capacity_sigma=context.thresholds.capacity_sigma,
            kwh_per_km=CONSUMPTION_KWH_PER_KM,
        )
    kalman.predict(e)
    battery = state.soc
    battery.low_level_pct, battery.high_level_pct = soc.interval(battery, slope)
    kalman.reset_level(e, battery.low_level_pct, battery.high_level_pct)
    balance.follow_restart(state, before_kwh)
    e.time_ms = battery.time_ms
    battery.changed = False


def observe_reading(state: VanState, context: Context) -> None:
    """Observe the last reading if it has changed, or if the prediction has left its step."""
    battery, e = state.soc, state.estimate
    if not e.started:
        return
    since_ms = battery.time_ms - e.time_ms
    changed = battery.changed
    if changed:
        if battery.step_pct < FINE_PCT and since_ms < OBSERVE_FINE_MS:
            return
        slope = context.curve_slope_per_pct
        moved_pct = e.pct_per_kwh * abs(state.totals.predicted_kwh - battery.seen_kwh)
        slack_pct = EDGE_SPREAD * moved_pct + EDGE_STEPS * battery.step_pct
        battery.low_level_pct, battery.high_level_pct = soc.interval(battery, slope)
        low, high = soc.interval_after_change(battery, slope, moved_pct, slack_pct)
        battery.changed = False
        battery.seen_kwh = state.totals.predicted_kwh
    elif since_ms >= OBSERVE_FINE_MS:
        low, high = battery.low_level_pct, battery.high_level_pct
        frozen = is_frozen(state)
        level_pct = e.level_pct - e.pct_per_kwh * (e.pending_kwh + e.kwh_per_km * e.pending_km)
        if low <= level_pct <= high or (level_pct < low and frozen):
            e.time_ms = battery.time_ms
            return
    else:
        return
    measured = _is_measured(state)
    kalman.predict(e)
    kalman.observe(e, low, high, measured=measured, blind=state.totals.source != SOURCE_COUNTER)
    known_pct_per_kwh = 100.0 / state.capacity.battery_kwh
    if abs(e.pct_per_kwh - known_pct_per_kwh) > CAPACITY_LEEWAY * known_pct_per_kwh:
        least, most = (1.0 - CAPACITY_LEEWAY) * known_pct_per_kwh, (1.0 + CAPACITY_LEEWAY) * known_pct_per_kwh
        e.pct_per_kwh = max(least, min(most, e.pct_per_kwh))
    e.time_ms = battery.time_ms
    if changed:
        evidence.compare_sources(state, context)


def observe_now(state: VanState, context: Context) -> None:
    """Observe the last reading whether or not it has changed, before a boundary is published.

    Where the location is newer than the state of charge, the interval of the reading is moved by the energy predicted
    since, and widened by the uncertainty of that energy.
    """
    battery, e = state.soc, state.estimate
    if not e.started:
        return
    if battery.changed:
        e.time_ms = 0
        observe_reading(state, context)
        return
    kalman.predict(e)
    if e.level_pct < battery.low_level_pct and is_frozen(state):
        return
    moved_pct = e.pct_per_kwh * (state.totals.predicted_kwh - battery.seen_kwh)
    slack_pct = EDGE_SPREAD * abs(moved_pct)
    low, high = (
        battery.low_level_pct - moved_pct - slack_pct,
        battery.high_level_pct - moved_pct + slack_pct,
    )
    kalman.observe(e, low, high, measured=False, blind=state.totals.source != SOURCE_COUNTER)
    e.time_ms = battery.time_ms


def is_frozen(state: VanState) -> bool:
    """Whether the state of charge has stayed the same over a longer distance than is possible.

    When this is found, the distance since the last change is predicted once more, with the consumption of before. Until
    then the estimate has followed the frozen value.
    """
    battery, e = state.soc, state.estimate
    if battery.frozen:
        return True
    km = state.totals.distance_km - battery.changed_km
    if km * FROZEN_KWH_PER_KM * e.pct_per_kwh <= FROZEN_STEPS * battery.step_pct:
        return False
    battery.frozen = True
    if state.totals.source == SOURCE_SOC:
        e.kwh_per_km = max(e.kwh_per_km, battery.changed_kwh_per_km)
        missing_kwh = e.kwh_per_km * km - (traced_kwh(state) - battery.changed_kwh)
        if missing_kwh > 0.0:
            e.pending_kwh += missing_kwh
            e.pending_var_kwh2 += (PER_KM_SIGMA * e.kwh_per_km) ** 2 * km
            state.totals.predicted_kwh += missing_kwh
    return True


def _is_measured(state: VanState) -> bool:
    """Whether the energy since the last observation was measured well enough to learn the capacity from it."""
    e = state.estimate
    return state.totals.source != SOURCE_SOC and e.pending_var_kwh2 <= (LEARN_SIGMA * e.pending_kwh) ** 2


def traced_kwh(state: VanState) -> float:
    """Energy out of the battery since the estimate was started."""
    e = state.estimate
    return e.base_kwh + e.out_kwh + e.pending_kwh + e.kwh_per_km * e.pending_km
