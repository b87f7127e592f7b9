"""What a shard counts."""

from agent.errors import REASONS


class ShardCounters:
    """Counts since the start of the process; the health endpoints read them."""

    def __init__(self) -> None:
        self.messages = 0
        self.accepted = 0
        """Readings and drops that changed their van."""
        self.duplicates = 0
        self.late = 0
        self.stale = 0
        self.implausible = 0
        """Loads and drops beyond what their van can carry."""
        self.internal_errors = 0
        """Errors of this program."""
        self.rejected: dict[str, int] = dict.fromkeys(REASONS, 0)
        """Dead letters by reason."""
