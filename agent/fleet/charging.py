"""Charges: by the van's flag, else by a state of charge that rises at rest; never regeneration."""

from typing import Final

from agent.fleet import books
from agent.fleet.context import Context
from agent.fleet.modes import CHARGING
from agent.fleet.position_state import STUCK
from agent.fleet.records import Record
from agent.fleet.state import VanState
from agent.fleet.thresholds import Thresholds
from agent.readings import Reading

SPEED_HOLDS_MS: Final = 60_000
"""The speed of another message tells for so long whether the van moves."""
FED_KWH: Final = 0.05
"""So much measured energy into the battery of a van that stands and says that it charges is a charge."""
SCATTERS_STEPS: Final = 2.0
"""A state of charge that falls by so many steps between its rises scatters: no charge has begun before."""
SCATTERS: Final = 3
"""So often, and its rise has to be as large as one that a flag denies."""
MOST_SCATTERS: Final = 6
"""More are not counted: each trip that follows takes one off, so that a van is not suspected for life."""


def decide_charging(state: VanState, reading: Reading, context: Context) -> list[Record] | None:
    """A reading at rest or on the charger."""
    if state.motion.mode == CHARGING:
        return _on_charger(state, reading, context)
    charge = state.charge
    flag = reading.charging
    if not flag:
        charge.gives = False
    elif not charge.gives and not _moves(state, reading):
        books.open_charge(state, reading.time_ms, state.soc.soc_pct, flagged=True)
        return None
    soc_pct = state.soc.soc_pct
    if soc_pct is None or state.soc.time_ms != reading.time_ms:
        return None
    low_pct = charge.low_pct
    fallen_pct = charge.rise_pct - SCATTERS_STEPS * state.soc.step_pct
    if low_pct is None or soc_pct <= max(low_pct, fallen_pct):
        if low_pct is not None and charge.rise_pct > low_pct and soc_pct <= fallen_pct:
            charge.scatters = min(charge.scatters + 1, MOST_SCATTERS)
        charge.low_pct = charge.rise_pct = soc_pct
        charge.low_ms = reading.time_ms
    else:
        charge.rise_pct = max(charge.rise_pct, soc_pct)
        denied = flag is False or charge.scatters >= SCATTERS
        _look_for_rise(state, soc_pct - low_pct, reading.time_ms, context, denied=denied)
    return None


def _moves(state: VanState, reading: Reading) -> bool:
    """Whether the van says that it moves, however slowly: no cable is in it, and its flag begins no charge."""
    position = state.position
    speed = reading.speed_kmh
    if speed is None and reading.time_ms - state.location_time_ms <= SPEED_HOLDS_MS:
        speed = position.speed_kmh
    return speed is not None and speed > 0.0 and position.conflict < STUCK


def decide_charging_at_stop(state: VanState, reading: Reading, context: Context) -> list[Record]:
    """At a stop on a trip the van says that it charges: where it does, the trip was over when it came to stand."""
    charge, standing_ms = state.charge, state.motion.standing_ms
    soc_pct, speed, time_ms = state.soc.soc_pct, reading.speed_kmh, reading.time_ms
    if soc_pct is None or (speed is not None and speed >= context.thresholds.standing_speed_kmh):
        return []
    if charge.low_pct is None or charge.low_ms < standing_ms:
        charge.low_pct, charge.low_ms, charge.flagged = soc_pct, time_ms, True
    if not _is_fed(state, soc_pct, time_ms, context):
        return []
    return books.open_charge_at_stop(state, context, charge.low_ms, charge.low_pct)


def _is_fed(state: VanState, soc_pct: float, time_ms: int, context: Context) -> bool:
    """Whether energy has come in since the van came to stand, beyond what readings wander by."""
    stand, thresholds = state.motion.stand, context.thresholds
    at_least_kwh = thresholds.charge_power_kw * (time_ms - stand.time_ms) / 3_600_000.0
    fed_kwh = stand.predicted_kwh - state.totals.predicted_kwh
    if fed_kwh >= FED_KWH and fed_kwh >= at_least_kwh:
        return True
    rise_pct = soc_pct - (stand.soc_pct if stand.soc_pct is not None else soc_pct)
    if rise_pct < _charge_rise_pct(state.soc.step_pct, thresholds, certain=False):
        return False
    return rise_pct / state.estimate.pct_per_kwh >= at_least_kwh


def _charge_rise_pct(step_pct: float, thresholds: Thresholds, *, certain: bool) -> float:
    """A rise at rest that is a charge; more of it where it has to be beyond doubt."""
    steps, least_pct = (3.0, thresholds.certain_charge_pct) if certain else (2.0, thresholds.charge_rise_pct)
    return max(steps * step_pct, least_pct) - 1e-9


def _look_for_rise(state: VanState, rise_pct: float, time_ms: int, context: Context, *, denied: bool) -> None:
    charge, thresholds = state.charge, context.thresholds
    if rise_pct < _charge_rise_pct(state.soc.step_pct, thresholds, certain=denied):
        return
    hours = (time_ms - charge.low_ms) / 3_600_000.0
    if hours <= 0.0 or rise_pct / state.estimate.pct_per_kwh / hours < thresholds.charge_power_kw:
        # Too slow for a charge: look at a shorter while from here on.
        charge.low_pct = state.soc.soc_pct
        charge.low_ms = time_ms
        return
    books.open_charge(state, charge.low_ms, charge.low_pct, flagged=False)


def _on_charger(state: VanState, reading: Reading, context: Context) -> list[Record] | None:
    charge, thresholds = state.charge, context.thresholds
    flag, soc_pct, time_ms = reading.charging, state.soc.soc_pct, reading.time_ms
    power = state.soc.power_kw
    if power is not None and power > (charge.max_power_kw or 0.0):
        charge.max_power_kw = power
    charger_kw = reading.charger_power_kw
    if charger_kw is not None and charger_kw <= context.power_limit_kw:
        books.add_charger_power(state, charger_kw, time_ms, context)
    if soc_pct is not None and soc_pct > charge.rise_pct:
        charge.rise_pct = soc_pct
        charge.rise_ms = time_ms
    elif soc_pct is not None and charge.rise_pct - soc_pct >= _charge_rise_pct(
        state.soc.step_pct, thresholds, certain=True
    ):
        records = books.close_charge(
            state, context, charge.rise_ms
        )  # on the cable, it gives or heats more than it gets
        state.charge.gives = True
        return records
    if flag:
        charge.flagged = True
        charge.unflagged_ms = 0
        return None
    if charge.flagged and (flag is False or charge.unflagged_ms):
        return _unflagged(state, time_ms, context)
    if not charge.flagged:
        if soc_pct is not None and charge.max_power_kw is None and soc_pct <= (charge.start.soc_pct or 0.0):
            # What has come in is gone again, and only the state of charge has told of it: two sources take turns.
            records = books.close_charge(state, context, charge.rise_ms)
            state.charge.scatters = max(state.charge.scatters, SCATTERS)
            return records
        since_rise_ms = time_ms - charge.rise_ms
        rise = max(charge.rise_pct - (charge.start.soc_pct or 0.0), state.soc.step_pct)
        per_step_ms = (charge.rise_ms - charge.start.time_ms) * state.soc.step_pct / rise
        least_ms = thresholds.charge_end_ms * (3 if state.soc.coarse else 1)
        if since_rise_ms >= max(least_ms, 3.0 * per_step_ms):
            return books.close_charge(state, context, charge.rise_ms)
    return None


def _unflagged(state: VanState, time_ms: int, context: Context) -> list[Record] | None:
    """The flag says no. It may flicker: the charge is over when it has said so for a while."""
    charge = state.charge
    if charge.unflagged_ms == 0:
        charge.unflagged_ms = time_ms
    if time_ms - charge.unflagged_ms < context.thresholds.flag_flickers_ms:
        return None
    return books.close_charge(state, context, charge.unflagged_ms)
