"""What the journal counts; read by the health endpoints from other threads."""

from typing import Final

import msgspec

COMMIT_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Upper bounds of the commit histogram; one more bucket takes what is slower."""


class JournalCounters(msgspec.Struct):
    """Written by the journal's thread alone; a reader elsewhere sees each number whole."""

    bytes_used: int = 0
    """Pages in use times page size: batches, van states and dead letters; the WAL file is beside it."""
    max_bytes: int = 0
    next_offset: int = 0
    """What the next message will get."""
    checkpoint_offset: int = 0
    """Everything below is confirmed by the store."""
    appended_messages: int = 0
    commits: int = 0
    commit_seconds: float = 0.0
    commit_buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(COMMIT_BOUNDS_S) + 1))
    dropped_messages: int = 0
    """Given up by `when_full = drop_oldest` before the store had confirmed them."""
    refused_messages: int = 0
    """Not taken in, because their senders had more than their share of a journal that fills up."""
    corrupt_rows: int = 0
    oldest_received_ms: int | None = None
    """Arrival of the oldest batch that waits for the store; None when nothing waits."""
    dead_letters: int = 0
    dead_letter_bytes: int = 0
    dead_letters_evicted: int = 0
    reserve_bytes: int = 0
    """Disk kept back so that a full disk can still be emptied; 0 while it is used up."""
    full_since_s: float | None = None
    """`time.monotonic()` of the first append refused for want of room; None when there is room."""

    @property
    def backlog(self) -> int:
        """Messages journaled and not yet confirmed."""
        return self.next_offset - self.checkpoint_offset

    def count_commit(self, seconds: float) -> None:
        """Add one commit to the histogram."""
        self.commits += 1
        self.commit_seconds += seconds
        for index, bound in enumerate(COMMIT_BOUNDS_S):
            if seconds <= bound:
                self.commit_buckets[index] += 1
                return
        self.commit_buckets[-1] += 1

    def commit_quantile_s(self, share: float) -> float | None:
        """Upper bound of the bucket in which this share of the commits has finished; None before the first."""
        wanted, seen = self.commits * share, 0
        for bound, number in zip((*COMMIT_BOUNDS_S, float("inf")), self.commit_buckets, strict=True):
            seen += number
            if self.commits and seen >= wanted:
                return bound
        return None
