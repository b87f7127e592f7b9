"""What has arrived and is not yet safe in the store: one SQLite file of batches, checkpoints and dead letters."""

from agent.journal.attempts import Attempts
from agent.journal.counters import COMMIT_BOUNDS_S, JournalCounters
from agent.journal.file import JournalInUse
from agent.journal.journal import Checkpoint, Journal
from agent.journal.reader import JournalReader

__all__ = [
    "COMMIT_BOUNDS_S",
    "Attempts",
    "Checkpoint",
    "Journal",
    "JournalCounters",
    "JournalInUse",
    "JournalReader",
]
