"""A van at rest: its resting place, and the energy that goes into idling."""

from typing import Final

from agent.fleet import kalman
from agent.fleet.books import ledger
from agent.fleet.context import Context
from agent.fleet.modes import CHARGING
from agent.fleet.position_state import CARRIED
from agent.fleet.state import VanState

LATE_SOC_MS: Final = 600_000
"""A fall of the state of charge this soon after a trip still tells of the trip."""


def set_resting_place(state: VanState) -> None:
    """Take the position of now as the resting place. Displacement is measured from it."""
    motion, position = state.motion, state.position
    motion.anchor_latitude_deg = position.latitude_deg
    motion.anchor_longitude_deg = position.longitude_deg
    motion.anchor_km = state.totals.distance_km


def book_rest(state: VanState, time_ms: int, context: Context) -> None:
    """Book a reading at rest: mark where the totals stand, and post idling once it is clearly not part of a trip."""
    motion, position = state.motion, state.position
    before_ms, woken_ms = motion.rest.time_ms, motion.wake.time_ms
    ledger.take_mark(state, motion.rest, time_ms)
    position.held_km = 0.0
    if not state.returned_ms and (state.soc.changed_ms == time_ms or motion.rest_ms == 0 or before_ms == woken_ms):
        # Not at the first reading after a silence: it does not tell yet whether the van has rested all along.
        _post_idle_by_soc(state, time_ms)
    if motion.anchor_latitude_deg is None or position.conflict == CARRIED:
        set_resting_place(state)
    if time_ms - motion.wake.time_ms > context.thresholds.wake_up_ms:
        ledger.post_idle(state.totals, motion.rest.predicted_kwh)


def wake_up(state: VanState, time_ms: int, context: Context) -> None:
    """Book the first reading after a silence at rest."""
    kalman.cut_boundary(state.estimate, context.thresholds.capacity_sigma)
    if state.motion.mode != CHARGING:
        ledger.post_idle(state.totals, state.totals.predicted_kwh)
    ledger.take_mark(state, state.motion.wake, time_ms)
    ledger.take_mark(state, state.motion.rest, time_ms)
    if state.motion.anchor_latitude_deg is None:
        set_resting_place(state)


def _post_idle_by_soc(state: VanState, time_ms: int) -> None:
    """Post what the state of charge has lost at rest as idling, however little of it was predicted."""
    motion, totals, battery = state.motion, state.totals, state.soc
    soc_pct, begun_pct = battery.soc_pct, motion.rest_soc_pct
    if begun_pct is None or soc_pct is None or soc_pct > begun_pct or time_ms - motion.rest_ms < LATE_SOC_MS:
        if begun_pct is None or soc_pct is None or soc_pct > begun_pct or motion.rest_ms == 0:
            motion.rest_ms = time_ms
        motion.rest_soc_pct = soc_pct
        motion.rest_idle_kwh = totals.idle_kwh
        return
    lost_kwh = (begun_pct - soc_pct - battery.step_pct) / state.estimate.pct_per_kwh
    missing_kwh = lost_kwh - (totals.idle_kwh - motion.rest_idle_kwh)
    if missing_kwh > 0.0:
        totals.idle_kwh = max(totals.idle_kwh, min(totals.used_kwh, totals.idle_kwh + missing_kwh))
