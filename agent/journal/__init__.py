"""What has arrived and is not yet safe in the store: `agent.log.Log` in one SQLite file.

Outside of this package nobody knows that it is SQLite. The agent opens it as a `SqliteLog`; commands use `Journal`,
`JournalReader` and `Request`.
"""

from agent.journal.attempts import FileAttempts
from agent.journal.bulk import Arrival
from agent.journal.file import JournalInUse
from agent.journal.journal import Journal, WhenFull
from agent.journal.reader import JournalReader
from agent.journal.requests import NOT_REPLAYABLE, Request, as_batches, ask, can_be_replayed, is_waiting
from agent.journal.salvage import salvage
from agent.journal.sqlite_log import SqliteLog

__all__ = [
    "NOT_REPLAYABLE",
    "Arrival",
    "FileAttempts",
    "Journal",
    "JournalInUse",
    "JournalReader",
    "Request",
    "SqliteLog",
    "WhenFull",
    "as_batches",
    "ask",
    "can_be_replayed",
    "is_waiting",
    "salvage",
]
