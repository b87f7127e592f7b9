"""How long an outage is survived: arithmetic on what was measured, configured or assumed."""

import math
from typing import Final, NamedTuple

CATCH_UP_PER_S: Final = 40_000.0
"""Messages per second that the agent works off after an outage, where nothing better is known."""
WISHED_RESTART_S: Final = 600.0
"""An update of the agent or its machine ought to fit into this."""


class Outage(NamedTuple):
    """What the broker, the journal and the rate of arrival come to. Times in seconds; infinite: no limit known."""

    rate_per_s: float
    queue: int
    """Messages the broker keeps for us while we are away."""
    window: int
    """Messages the broker may have on the way to us without an acknowledgement."""
    ack_s: float
    """From arrival to acknowledgement."""
    session_expiry_s: float
    journal_free_bytes: int
    bytes_per_message: float

    @property
    def unacknowledged(self) -> int:
        """Messages under way at the moment of a disconnect; they count towards the queue."""
        return min(self.window, math.ceil(2.0 * self.rate_per_s * self.ack_s))

    @property
    def agent_away_s(self) -> float:
        """How long the agent may be away before the broker drops a message."""
        return min(self.session_expiry_s, max(0, self.queue - self.unacknowledged) / self.rate_per_s)

    @property
    def store_away_s(self) -> float:
        """How long the store may be away before the journal is full."""
        return self.journal_free_bytes / (self.rate_per_s * self.bytes_per_message)

    @property
    def paused_s(self) -> float:
        """How much longer then, with the journal full and the broker's queue taking over."""
        return max(0, self.window - self.unacknowledged + self.queue) / self.rate_per_s

    @property
    def most_per_s(self) -> float:
        """The rate that the window allows at this acknowledgement time."""
        return self.window / self.ack_s

    def queue_for(self, away_s: float) -> int:
        """The queue limit that lets the agent be away for so long."""
        return math.ceil(self.rate_per_s * away_s) + self.unacknowledged

    def catch_up_s(self, away_s: float) -> float:
        """How long it takes to be up to date again after an outage; infinite if it never happens."""
        spare = CATCH_UP_PER_S - self.rate_per_s
        return away_s * self.rate_per_s / spare if spare > 0 else math.inf


def duration(seconds: float) -> str:
    """In the largest unit that keeps two figures."""
    for unit, size in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}" if math.isfinite(seconds) else "without limit"
    return f"{seconds:.3g} s"
