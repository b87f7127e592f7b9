"""Whether a van is charging: by its own flag, else by a state of charge that rises at rest."""

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
"""How long the speed of an earlier message counts as the speed of now."""
FED_KWH: Final = 0.05
"""Measured energy into the battery that makes a charge of a stand with the flag set."""
SCATTERS_STEPS: Final = 2.0
"""A state of charge that falls by this many steps after a rise scatters. The rise was no charge."""
SCATTERS: Final = 3
"""After this many scatters a rise must be as large as one that the flag contradicts."""
MOST_SCATTERS: Final = 6
"""The most scatters that are counted. Each trip takes one off, so the suspicion ends."""


def decide_charging(state: VanState, reading: Reading, context: Context) -> list[Record] | None:
    """Decide by a reading at rest whether a charge begins, or by one on the charger whether it ends."""
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
    """Whether the van moves, however slowly. Then no cable is connected, and the flag opens no charge."""
    position = state.position
    speed = reading.speed_kmh
    if speed is None and reading.time_ms - state.location_time_ms <= SPEED_HOLDS_MS:
        speed = position.speed_kmh
    return speed is not None and speed > 0.0 and position.conflict < STUCK


def decide_charging_at_stop(state: VanState, reading: Reading, context: Context) -> list[Record]:
    """The flag is set at a stand on a trip: if energy comes in, the trip ended when the van came to stand."""
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
    """Whether more energy has come in since the van came to stand than the readings are uncertain by."""
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
    """The least rise at rest that is a charge. `certain`: where the flag contradicts, or the readings scatter."""
    steps, least_pct = (3.0, thresholds.certain_charge_pct) if certain else (2.0, thresholds.charge_rise_pct)
    return max(steps * step_pct, least_pct) - 1e-9


def _look_for_rise(state: VanState, rise_pct: float, time_ms: int, context: Context, *, denied: bool) -> None:
    charge, thresholds = state.charge, context.thresholds
    if rise_pct < _charge_rise_pct(state.soc.step_pct, thresholds, certain=denied):
        return
    hours = (time_ms - charge.low_ms) / 3_600_000.0
    if hours <= 0.0 or rise_pct / state.estimate.pct_per_kwh / hours < thresholds.charge_power_kw:
        # Too slow for a charge: the next rise is measured from here.
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
        # On the cable, the van heats, or feeds into the grid, more than it draws.
        records = books.close_charge(state, context, charge.rise_ms)
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
            # The rise is gone, and only the state of charge has shown it: two sources take turns.
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
    """The flag is off. It may flicker, so the charge ends when it has been off for a while."""
    charge = state.charge
    if charge.unflagged_ms == 0:
        charge.unflagged_ms = time_ms
    if time_ms - charge.unflagged_ms < context.thresholds.flag_flickers_ms:
        return None
    return books.close_charge(state, context, charge.unflagged_ms)
