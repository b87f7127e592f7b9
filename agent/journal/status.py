"""What the journal says of itself: what every log says, and what only a file can say."""

from agent.log import LogStatus


class JournalStatus(LogStatus):
    """Written by the journal's thread; a reader in another thread sees each number whole.

    `bytes_used` is pages in use times page size: batches, states and dead letters. The WAL is in a file of its own.
    """

    next_offset: int = 0
    """The offset that the next message gets."""
    checkpoint_offset: int = 0
    """The checkpoints of all shards are here or behind: everything before it is confirmed by the store."""
    appended_messages: int = 0
    dead_letter_bytes: int = 0
    reserve_bytes: int = 0
    """Disk kept back so that a full disk can still be emptied; 0 while it is used up."""
