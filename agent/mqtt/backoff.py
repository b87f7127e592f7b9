"""How long to wait before the next attempt to connect."""

import random


class Backoff:
    """Capped exponential back-off with full jitter: many clients of a restarted broker do not come back together."""

    def __init__(self, *, first_s: float = 0.5, cap_s: float = 30.0, chance: random.Random | None = None) -> None:
        self._first_s = first_s
        self.cap_s = cap_s
        self._chance = chance or random.Random()
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait now; the bound doubles with every call up to the cap."""
        bound_s = min(self.cap_s, self._first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return self._chance.uniform(0.0, bound_s)

    def reset(self) -> None:
        """A connection has held: begin with short waits again."""
        self._failures = 0
