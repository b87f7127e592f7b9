"""Energy by the lifetime counters of the van: which of their values are believed."""

from typing import Final

from agent.fleet.context import Context
from agent.fleet.energy_state import STORED_SHARE
from agent.fleet.modes import CHARGING
from agent.fleet.state import VanState
from agent.readings import Reading

SLACK_KWH: Final = 1.1
"""How far a counter may run ahead of the largest power: one step of whole kilowatt-hours."""
REFUSALS: Final = 3
"""After this many refused values in a row that follow each other, the counters have begun anew."""
CONTENT_SHARE: Final = 1.2
"""Largest net energy between two readings, over the energy of the battery."""
_MS_PER_H: Final = 3_600_000.0


def count(state: VanState, reading: Reading, context: Context) -> tuple[float, float] | None:
    """Energy by the counters since the last reading that had them: net out, and in. `None`: not known.

    A counter that falls, or rises by more than the largest power of the van allows, is refused, and the last believed
    value is kept. A single 0 thus has no effect. Three refused values that follow each other are a new beginning, which
    carries no energy.
    """
    battery = state.soc
    out_kwh, in_kwh = reading.energy_out_total_kwh, reading.energy_in_total_kwh
    last_out_kwh, last_in_kwh = battery.out_total_kwh, battery.in_total_kwh
    if out_kwh is None or in_kwh is None:
        return None
    time_ms = reading.time_ms
    if last_out_kwh is None or last_in_kwh is None:
        _believe(state, out_kwh, in_kwh, time_ms, SLACK_KWH)
        return None
    out, returned = out_kwh - last_out_kwh, in_kwh - last_in_kwh
    allowed_kwh = battery.counter_credit_kwh + context.power_limit_kw * (time_ms - battery.counter_ms) / _MS_PER_H
    content_kwh = CONTENT_SHARE * context.vehicle.battery_kwh
    if (
        not (out >= 0.0 and returned >= 0.0 and out + returned <= allowed_kwh)
        or not -content_kwh <= out - returned <= content_kwh
    ):
        _refuse(state, out_kwh, in_kwh, time_ms)
        return None
    left_kwh = allowed_kwh - out - returned
    _believe(state, out_kwh, in_kwh, time_ms, min(SLACK_KWH, left_kwh))
    net = out - returned * (STORED_SHARE if state.motion.mode == CHARGING else 1.0)
    battery.counter_sum_kwh += net
    return net, returned


def _believe(state: VanState, out_kwh: float, in_kwh: float, time_ms: int, credit_kwh: float) -> None:
    """Go on from these values."""
    battery = state.soc
    battery.out_total_kwh, battery.in_total_kwh = out_kwh, in_kwh
    battery.counter_ms = time_ms
    battery.counter_credit_kwh = credit_kwh
    battery.counter_refusals = 0


def _refuse(state: VanState, out_kwh: float, in_kwh: float, time_ms: int) -> None:
    """Count refused values; believe them where they are a new beginning."""
    battery = state.soc
    battery.power_rejected += 1
    follows = (
        battery.counter_refusals > 0
        and 0.0 <= out_kwh - battery.candidate_out_kwh <= SLACK_KWH
        and 0.0 <= in_kwh - battery.candidate_in_kwh <= SLACK_KWH
        and out_kwh > 0.0
    )
    battery.counter_refusals = battery.counter_refusals + 1 if follows else 1
    battery.candidate_out_kwh, battery.candidate_in_kwh = out_kwh, in_kwh
    if battery.counter_refusals >= REFUSALS:
        _believe(state, out_kwh, in_kwh, time_ms, SLACK_KWH)
