"""How long an outage may last without loss, computed from measured, configured and assumed values."""

import math
from typing import Final, NamedTuple

CATCH_UP_PER_S: Final = 40_000.0
"""Messages per second that the agent processes after an outage; assumed."""
WISHED_RESTART_S: Final = 600.0
"""The time that an update of the agent or its machine takes."""


class Outage(NamedTuple):
    """The limits of broker and journal at a rate of arrival. Times in seconds; infinite: no limit is known."""

    rate_per_s: float
    queue: int
    """Messages that the broker queues for us while we are disconnected."""
    window: int
    """Messages that the broker may send without an acknowledgement."""
    ack_s: float
    """From arrival to acknowledgement."""
    session_expiry_s: float
    journal_free_bytes: int
    bytes_per_message: float
    log_keeps_s: float | None = None
    """How long Kafka still keeps messages that are not processed; None for a journal."""

    @property
    def unacknowledged(self) -> int:
        """Messages without an acknowledgement when the connection breaks; they count towards the queue."""
        return min(self.window, math.ceil(2.0 * self.rate_per_s * self.ack_s))

    @property
    def agent_away_s(self) -> float:
        """How long the agent may be down before the broker drops a message."""
        return min(self.session_expiry_s, max(0, self.queue - self.unacknowledged) / self.rate_per_s)

    @property
    def store_away_s(self) -> float:
        """How long the store may be down before the journal is full, or Kafka deletes what is not processed."""
        if self.log_keeps_s is not None:
            return self.log_keeps_s
        return self.journal_free_bytes / (self.rate_per_s * self.bytes_per_message)

    @property
    def paused_s(self) -> float:
        """How long the broker can queue messages after that, while the journal is full."""
        return max(0, self.window - self.unacknowledged + self.queue) / self.rate_per_s

    @property
    def most_per_s(self) -> float:
        """The rate that the window allows at this acknowledgement time."""
        return self.window / self.ack_s

    def queue_for(self, away_s: float) -> int:
        """The queue limit that is needed for the agent to be down for so long."""
        return math.ceil(self.rate_per_s * away_s) + self.unacknowledged

    def catch_up_s(self, away_s: float) -> float:
        """How long it takes to process the backlog after an outage; infinite if the agent cannot catch up."""
        spare = CATCH_UP_PER_S - self.rate_per_s
        return away_s * self.rate_per_s / spare if spare > 0 else math.inf


def duration(seconds: float) -> str:
    """A duration in the largest unit in which it is 2 or more."""
    for unit, size in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}" if math.isfinite(seconds) else "without limit"
    return f"{seconds:.3g} s"
