"""The state of charge corrects the energy estimate."""

from typing import Final

from agent.fleet import balance, evidence, kalman, soc
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_COUNTER, SOURCE_SOC
from agent.fleet.prediction import PER_KM_SIGMA
from agent.fleet.state import VanState

CONSUMPTION_KWH_PER_KM: Final = 0.22
"""Before anything is known: a 3.5 t van in the city in summer (reference band 20 to 24 kWh/100 km)."""
OBSERVE_FINE_MS: Final = 60_000
FINE_PCT: Final = 0.3
"""Steps below this need no edges: the reading itself is fine enough, and need not be looked at each time."""
EDGE_SPREAD: Final = 0.5
"""How well the energy between two readings is known, relative; where in between an edge was crossed depends on it."""
EDGE_STEPS: Final = 0.1
"""How well the edges of the steps are where they should be, in steps."""
CAPACITY_LEEWAY: Final = 0.08
"""The filter may differ from the stated or learnt capacity by this; more has to be learnt from whole windows."""
FROZEN_STEPS: Final = 3.0
FROZEN_KWH_PER_KM: Final = 0.1
"""A state of charge that has not fallen by so many steps, though the least consumption says so, is not up to date."""
LEARN_SIGMA: Final = 0.03
"""A prediction less certain than this says nothing about the capacity."""


def restart(state: VanState, context: Context) -> None:
    """Begin the estimate, or begin again behind a jump that is not energy."""
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
    balance.reanchored(state, before_kwh)
    e.time_ms = battery.time_ms
    battery.changed = False


def observe(state: VanState, context: Context) -> None:
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
        y = e.level_pct - e.pct_per_kwh * (e.pending_kwh + e.kwh_per_km * e.pending_km)
        if low <= y <= high or (y < low and frozen):
            e.time_ms = battery.time_ms
            return
    else:
        return
    measured = _is_measured(state)
    kalman.predict(e)
    kalman.observe(e, low, high, measured=measured, blind=state.totals.source != SOURCE_COUNTER)
    known = 100.0 / state.capacity.battery_kwh
    if abs(e.pct_per_kwh - known) > CAPACITY_LEEWAY * known:
        e.pct_per_kwh = max((1.0 - CAPACITY_LEEWAY) * known, min((1.0 + CAPACITY_LEEWAY) * known, e.pct_per_kwh))
    e.time_ms = battery.time_ms
    if changed:
        evidence.compare_sources(state, context)


def observe_now(state: VanState, context: Context) -> None:
    """Before something is published: cut at the end of the step that the estimate is moving to."""
    battery, e = state.soc, state.estimate
    if not e.started:
        return
    if battery.changed:
        e.time_ms = 0
        observe(state, context)
        return
    kalman.predict(e)
    if e.level_pct < battery.low_level_pct and is_frozen(state):
        return
    # The reading may be from some way back, where places come more often than states of charge.
    moved_pct = e.pct_per_kwh * (state.totals.predicted_kwh - battery.seen_kwh)
    slack_pct = EDGE_SPREAD * abs(moved_pct)
    low, high = (
        battery.low_level_pct - moved_pct - slack_pct,
        battery.high_level_pct - moved_pct + slack_pct,
    )
    kalman.observe(e, low, high, measured=False, blind=state.totals.source != SOURCE_COUNTER)
    e.time_ms = battery.time_ms


def is_frozen(state: VanState) -> bool:
    """Whether the state of charge has stayed the same for longer than any drive lets it.

    When that is found, the distance since its last change is given the usual consumption again: until then the value
    was taken for true, and the estimate followed it.
    """
    battery, e = state.soc, state.estimate
    if battery.frozen:
        return True
    km = state.totals.distance_km - battery.changed_km
    if km * FROZEN_KWH_PER_KM * e.pct_per_kwh <= FROZEN_STEPS * battery.step_pct:
        return False
    battery.frozen = True
    if state.totals.source == SOURCE_SOC:
        e.kwh_per_km = max(e.kwh_per_km, battery.changed_k)
        missing_kwh = e.kwh_per_km * km - (traced_kwh(state) - battery.changed_kwh)
        if missing_kwh > 0.0:
            e.pending_kwh += missing_kwh
            e.pending_var_kwh2 += (PER_KM_SIGMA * e.kwh_per_km) ** 2 * km
            state.totals.predicted_kwh += missing_kwh
    return True


def _is_measured(state: VanState) -> bool:
    """Whether the energy since the last correction is good enough to learn from."""
    e = state.estimate
    return state.totals.source != SOURCE_SOC and e.pending_var_kwh2 <= (LEARN_SIGMA * e.pending_kwh) ** 2


def traced_kwh(state: VanState) -> float:
    """Energy out of the battery as the estimate has it."""
    e = state.estimate
    return e.base_kwh + e.out_kwh + e.pending_kwh + e.kwh_per_km * e.pending_km
