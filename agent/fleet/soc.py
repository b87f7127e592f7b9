"""Which states of charge are believed. Vans send them in steps, with jumps, zeros at wake-up and a sticky 100 %.

A change is accepted if energy can explain it (`agent.fleet.soc_limits`). One that is refused waits as a candidate and
is accepted when it is seen again.
"""

from typing import Final

from agent.fleet import soc_curve
from agent.fleet.soc_limits import MOST_OWED_PCT, SPURT_PCT, Limits
from agent.fleet.soc_state import SocState
from agent.fleet.thresholds import Thresholds

GRIDS_PCT: Final[tuple[float, ...]] = (1.0, 0.5, 100 / 255, 100 / 256, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001)
"""Quantisation steps that vans are known to use, coarsest first."""
COARSE_PCT: Final = 5.0
"""The step of vans that show little more than a gauge. Not in `GRIDS_PCT`, because many values of finer grids lie on
it."""
FULL_PCT: Final = 99.35
"""From this value on some vans show 100 % (Maxus eDeliver 3)."""
FULL_FROM_PCT: Final = 99.9
"""From this value on a battery is full."""
SHARE_PCT: Final = 1.0
"""Largest value of a state of charge that is sent as a share of 1."""
FULL_FOR_MS: Final = 600_000
"""After a silence, a full battery is believed when it has been reported for this long."""
LOW_PCT: Final = 3.0
"""A battery below this may become empty, and one above 100 % less this may become full, without a check."""

REJECTED: Final = 0
SAME: Final = 1
CHANGED: Final = 2
JUMPED: Final = 3
CONFIRMED: Final = 4
"""A rise that needed a second witness and has got it: a charge."""


def accept(state: SocState, soc_pct: float, time_ms: int, limits: Limits, thresholds: Thresholds) -> int:
    """Accept or refuse a reading; returns `SAME`, `CHANGED`, `JUMPED`, `CONFIRMED` or `REJECTED`.

    A refused value is accepted when it is seen again. A rise that a charger can explain is then confirmed and carries
    energy. Any other change is a jump, which carries none.
    """
    last = state.soc_pct
    if last == soc_pct:
        state.time_ms = time_ms
        state.candidates = 0
        return SAME
    if last is None:
        if soc_pct == 0.0:
            return REJECTED
        _learn_grid(state, soc_pct)
        _take(state, soc_pct, time_ms)
        return JUMPED
    change = soc_pct - last
    if soc_pct <= SHARE_PCT and last > max(LOW_PCT, state.step_pct) and -change > limits.empty_pct:
        return REJECTED  # the value of a sleeping module, or 0.8 for 80 %
    waiting = state.candidates and state.candidate_pct is not None
    full_waits = soc_pct >= FULL_FROM_PCT and change > LOW_PCT and not limits.full_at_once
    if full_waits and (change > limits.explained_rise_pct or not _has_stayed_full(state, time_ms)):
        _wait(state, soc_pct, time_ms, thresholds)
        return REJECTED
    leeway = state.step_pct if change < 0.0 else 2.0 * state.step_pct + SPURT_PCT
    if waiting and abs(soc_pct - (state.candidate_pct or 0.0)) <= leeway:
        possible = 0.0 < -change <= limits.distance_pct  # only distance explains a jump, not time
    elif change > 0.0:
        possible = change <= limits.rise_pct
    else:
        possible = -change <= limits.fall_pct
    if not possible and _is_coarse_step(state, soc_pct, change):
        possible = True
        state.step_pct = COARSE_PCT
    if not possible:
        return _refuse(state, soc_pct, change, time_ms, limits, thresholds)
    _spend(state, change, limits)
    _learn_grid(state, soc_pct)
    _learn_recurring(state, abs(change))
    _take(state, soc_pct, time_ms)
    return CHANGED


def _has_stayed_full(state: SocState, time_ms: int) -> bool:
    """Whether a full battery, which some vans report at wake-up, has been reported for long enough."""
    full = state.candidates > 0 and (state.candidate_pct or 0.0) >= FULL_FROM_PCT
    return full and time_ms - state.candidate_from_ms >= FULL_FOR_MS


def accept_small(state: SocState, soc_pct: float, time_ms: int) -> bool:
    """Accept a change that is within the credit: the quick branch for nearly all changes.

    Returns False for any other change; `accept` then decides.
    """
    last = state.soc_pct
    if last is None or state.candidates or not LOW_PCT < soc_pct < FULL_FROM_PCT:
        return False
    change = soc_pct - last
    if change < 0.0:
        if state.fall_credit_pct < -change or state.gained_pct:
            return False
        state.fall_credit_pct += change
        change = -change
    else:
        if state.rise_credit_pct < change or state.lost_pct:
            return False
        state.rise_credit_pct -= change
    _learn_grid(state, soc_pct)
    _learn_recurring(state, change)
    _take(state, soc_pct, time_ms)
    return True


def interval(state: SocState, slope_per_pct: float) -> tuple[float, float]:
    """The interval of the level that the last reading stands for, without regard to the reading before."""
    soc_pct = state.soc_pct or 0.0
    half = 0.5 * state.step_pct
    low, high = soc_pct - half, soc_pct + half
    if soc_pct >= 100.0:
        low = min(low, FULL_PCT)
    return soc_curve.level_pct(low, slope_per_pct), soc_curve.level_pct(high, slope_per_pct)


def interval_after_change(
    state: SocState, slope_per_pct: float, moved_pct: float, slack_pct: float
) -> tuple[float, float]:
    """The interval where the reading has just changed, which is much narrower: an edge was crossed since the last one.

    The level has moved by `moved_pct` since the last reading. `slack_pct` is the uncertainty of that; it widens both
    ends, so that the middle stays the most likely value.
    """
    low, high = state.low_level_pct, state.high_level_pct
    soc_pct, before_pct = state.soc_pct, state.before_pct
    if soc_pct is None or before_pct is None or before_pct >= 100.0:
        return low, high
    half = 0.5 * state.step_pct
    if soc_pct < before_pct:
        reached = min(soc_curve.level_pct(before_pct - half, slope_per_pct), high) - moved_pct
        return (low, high) if reached - slack_pct < low else (reached - slack_pct, high + slack_pct)
    reached = max(soc_curve.level_pct(before_pct + half, slope_per_pct), low) + moved_pct
    return (low, high) if reached + slack_pct > high else (low - slack_pct, reached + slack_pct)


def _take(state: SocState, soc_pct: float, time_ms: int) -> None:
    """Make this the last accepted value."""
    if state.soc_pct is None:
        state.rise_credit_pct = state.fall_credit_pct = max(2.0 * state.step_pct, SPURT_PCT)
    state.before_pct = state.soc_pct
    state.soc_pct = soc_pct
    state.time_ms = time_ms
    state.candidates = 0
    state.changed = True


def _spend(state: SocState, change: float, limits: Limits) -> None:
    """Reduce the credits by this change, so that many small changes cannot exceed the limit."""
    slack = max(2.0 * state.step_pct, SPURT_PCT)
    if change > 0.0:
        state.rise_credit_pct = max(0.0, min(slack, limits.explained_rise_pct - change))
        state.fall_credit_pct = min(slack, limits.fall_pct)
    else:
        state.fall_credit_pct = max(0.0, min(slack, limits.fall_pct + change))
        state.owed_pct = max(0.0, min(MOST_OWED_PCT, limits.owed_pct + change))
        state.rise_credit_pct = min(slack, limits.explained_rise_pct)


def _wait(state: SocState, soc_pct: float, time_ms: int, thresholds: Thresholds) -> None:
    """Keep a value as the candidate. It counts as another sighting if it is near the last one, or goes on rising."""
    candidate_pct = state.candidate_pct
    near = False
    if state.candidates and candidate_pct is not None:
        slack = 2.0 * state.step_pct + SPURT_PCT
        fastest = thresholds.soc_rise_pct_per_min * (time_ms - state.candidate_ms) / 60_000 + slack
        rising = state.soc_pct is not None and candidate_pct > state.soc_pct
        near = -slack <= soc_pct - candidate_pct <= (fastest if rising else slack)
    if not near:
        state.candidates = 0
        state.candidate_from_ms = time_ms
        state.candidate_from_pct = soc_pct
    state.candidates += 1
    state.candidate_pct = soc_pct
    state.candidate_ms = time_ms


def _refuse(
    state: SocState, soc_pct: float, change: float, time_ms: int, limits: Limits, thresholds: Thresholds
) -> int:
    """Refuse an impossible change, or accept it if it has been seen often enough."""
    _wait(state, soc_pct, time_ms, thresholds)
    explained = state.lost_pct < change <= limits.explained_rise_pct
    if state.candidates < (limits.confirmations if explained else thresholds.soc_confirmations):
        return REJECTED
    explained = explained or state.lost_pct < change <= limits.frozen_rise_pct
    _learn_grid(state, soc_pct)
    if explained:
        _spend(state, change, limits)
    else:
        state.lost_pct = max(0.0, state.lost_pct - change)
    _take(state, soc_pct, time_ms)
    return CONFIRMED if explained else JUMPED


def _is_coarse_step(state: SocState, soc_pct: float, change: float) -> bool:
    """Whether this is the next step of a van that has only ever shown multiples of `COARSE_PCT`."""
    return state.coarse and abs(change) == COARSE_PCT and soc_pct % COARSE_PCT == 0.0


def _learn_grid(state: SocState, soc_pct: float) -> None:
    """Move on to the coarsest grid that contains this value too."""
    if state.coarse and soc_pct % COARSE_PCT != 0.0:
        state.coarse = False
        state.step_pct = GRIDS_PCT[state.grid]
    index = state.grid
    while index < len(GRIDS_PCT) - 1:
        steps = soc_pct / GRIDS_PCT[index]
        if abs(steps - round(steps)) < 1e-3:
            break
        index += 1
    if index != state.grid:
        state.grid = index
        state.step_pct = GRIDS_PCT[index]
        state.recurrences = 0


def _learn_recurring(state: SocState, change: float) -> None:
    """Learn the step from the smallest change that recurs: a van may show steps of 100/255 rounded to one decimal."""
    if state.step_pct == COARSE_PCT:
        return
    grid = GRIDS_PCT[state.grid]
    if state.recurrences == 0 or change < 0.7 * state.recurring_pct:
        state.recurring_pct = change
        state.recurrences = 1
    elif change < 1.5 * state.recurring_pct:
        state.recurrences += 1
    if state.coarse and state.recurrences >= 2 and state.recurring_pct == COARSE_PCT:
        state.step_pct = COARSE_PCT
        return
    state.step_pct = (
        state.recurring_pct if state.recurrences >= 20 and 2.0 * grid < state.recurring_pct <= 1.0 else grid
    )
