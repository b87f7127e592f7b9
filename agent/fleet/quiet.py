"""How long a van may stay silent before the passing of time changes its state.

The one place that says when a tick is due, for vans whose state is at hand and for those that sleep. `tick` with a
shorter silence leaves the state as it is, which a property test holds.
"""

from typing import Final

from agent.fleet.day_state import QUIET_MS
from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, STOPPED
from agent.fleet.state import VanState
from agent.fleet.thresholds import Thresholds

NEVER_MS: Final = 2**62
"""Longer than any silence."""


def quiet_ms(
    thresholds: Thresholds,
    *,
    mode: int,
    standing: bool,
    time_ms: int,
    alerts_due_ms: int,
    day_end_ms: int,
    tour_due_ms: int,
) -> int:
    """The shortest silence at which `tick` has something to do.

    `time_ms` is the time of the van's newest reading. The other times are event times at which something is due; 0
    means that nothing is.
    """
    quiet = NEVER_MS
    if mode == STOPPED or (mode == DRIVING and standing):
        quiet = thresholds.parked_after_ms
    elif mode not in (OFFLINE, CHARGING) and time_ms:
        quiet = thresholds.offline_after_ms
    if alerts_due_ms > 0:
        quiet = min(quiet, alerts_due_ms - time_ms)
    if day_end_ms > 0:
        quiet = min(quiet, day_end_ms + QUIET_MS - time_ms)
    if tour_due_ms > 0:
        quiet = min(quiet, tour_due_ms - time_ms)
    return quiet


def quiet_ms_of(state: VanState, thresholds: Thresholds) -> int:
    """The same, from a state."""
    return quiet_ms(
        thresholds,
        mode=state.motion.mode,
        standing=state.motion.standing_ms != 0,
        time_ms=state.time_ms,
        alerts_due_ms=state.alerts.due_ms,
        day_end_ms=state.day.end_ms,
        tour_due_ms=state.tour.due_ms,
    )
