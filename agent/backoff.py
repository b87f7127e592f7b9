"""Backoff: how long to wait before the next attempt after a failure."""

import random


class Backoff:
    """Capped exponential backoff with jitter, so that many clients of one restarted server do not come back together.

    The upper bound starts at `first_s` and doubles with each call up to `cap_s`. The wait is drawn uniformly between
    `least` times the bound and the bound: `least=0` is full jitter, `least=1` is none.
    """

    def __init__(
        self, *, first_s: float, cap_s: float = 30.0, least: float = 0.0, chance: random.Random | None = None
    ) -> None:
        self.cap_s = cap_s
        self._first_s = first_s
        self._least = least
        self._chance = chance or random.Random()
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        bound_s = min(self.cap_s, self._first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return bound_s * self._chance.uniform(self._least, 1.0)

    def reset(self) -> None:
        """Start with the shortest wait again, after a success."""
        self._failures = 0
