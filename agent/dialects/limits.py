"""How much one van may ask of the agent. Pure: the only clock is the arrival times of the batches."""

from typing import Final

import msgspec

from agent.structs import quick_to_set

DEFAULT_RATE_PER_S: Final = 50.0
DEFAULT_BURST: Final = 20_000


@quick_to_set
class Allowance(msgspec.Struct, array_like=True, gc=False):
    """What one van has used up: part of its state, so that a replay throttles the same readings.

    `due` is when, on the clock of `Throttle.admit`, everything admitted so far would have been due at the allowed rate.
    """

    due: float = 0.0
    newest_ms: int = 0
    throttled: int = 0
    """Readings refused so far."""
    throttling: bool = False
    """Whether the last reading was refused."""


class Throttle:
    """A rate limit per van, by the generic cell rate algorithm (ITU-T I.371): one number per van, no timer.

    Time is counted twice over: by arrival, and by the newest event time the van has reported. A live van advances both
    at once. A van that empties its buffer after an outage, and a replay of the past, advance the second at the speed of
    their data and are not slowed down; a van gone mad advances neither.
    """

    def __init__(self, *, rate_per_s: float = DEFAULT_RATE_PER_S, burst: int = DEFAULT_BURST) -> None:
        self._step = 1000.0 / rate_per_s
        self._slack = self._step * (burst - 1)

    def admit(self, allowance: Allowance, time_ms: int, received_ms: int) -> bool:
        """Whether the van may have one more reading; the refused ones are counted in the allowance."""
        if time_ms > allowance.newest_ms:
            allowance.newest_ms = time_ms
        now = received_ms + allowance.newest_ms
        due = allowance.due
        if due - now > self._slack:
            allowance.throttled += 1
            allowance.throttling = True
            return False
        if allowance.throttling:
            allowance.throttling = False
        if due < now:  # not max(): this is the hot path
            due = now
        allowance.due = due + self._step
        return True
