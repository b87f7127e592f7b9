"""Every error that this program raises on purpose, and what the caller can do about it.

VanpulseError
├── SettingsError            a setting is wrong: correct it and start again (exit status 2)
├── Rejected                 a message cannot be used: it becomes a dead letter, the others are processed
├── LogError
│   ├── LogFull              no room: stop receiving until the store has caught up, then go on
│   ├── LogBroken            a commit failed on the disk: end the process, never retry
│   ├── LogCorrupt           what is kept is damaged or not ours: report it; `vanpulse salvage` copies what is readable
│   ├── LogUnavailable       Kafka does not answer: acknowledge nothing, wait, write the same again
│   ├── PartitionLost        another agent owns the partition: write nothing more to it, let go of it
│   └── JournalInUse         another process has the journal open: ask it, or wait
├── StoreError
│   ├── StoreUnavailable     the store cannot write now: keep everything, wait, write the same rows again
│   └── StoreMisconfigured   wrong address, rights or bucket: keep everything, report it, try at long intervals
├── NoSuchLetter             `deadletters`: a key without a dead letter
├── CannotCorrect            `correct`: the correction was not made
├── BadManifest              `import drops`: nothing was imported
├── CannotMigrate            `migrate-log`: nothing was moved
├── ImportRefused            `import messages`: nothing was imported
└── TrialError               `demo`, `make cluster`: a part did not start, or ended early

The last six and JournalInUse are defined where they are raised. `tests/test_errors.py` compares this tree with the
classes.
"""

from typing import Literal, get_args

Reason = Literal[
    "malformed",
    "schema",
    "out_of_range",
    "identity_mismatch",
    "unknown_topic",
    "unknown_vehicle",
    "too_old",
    "in_future",
    "oversize",
    "malformed_packet",
    "journal_corrupt",
    "rejected_by_store",
]
"""Why a message became a dead letter. The list is part of the public contract."""

REASONS: tuple[Reason, ...] = get_args(Reason)


class VanpulseError(Exception):
    """Base of every error that this program raises on purpose."""


class SettingsError(VanpulseError):
    """A setting is missing, unknown or out of range. The text names the key and the value."""


class Rejected(VanpulseError):
    """A message, or an element of an array in it, cannot be used."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


class LogError(VanpulseError):
    """Base of the errors of a log: the journal, or a partition of Kafka."""


class LogFull(LogError):
    """The batch exceeds the log's limit or the disk's free space. None of it was written."""


class LogBroken(LogError):
    """A commit or a sync failed. What is on disk is unknown, so the process has to end."""


class LogCorrupt(LogError):
    """What the log keeps is damaged, belongs to another program, or was written by a newer version."""


class LogUnavailable(LogError):
    """Kafka does not answer, or refuses for now. Whether anything was written is unknown; write the same again."""


class PartitionLost(LogError):
    """Another process owns the partition. Nothing more may be written to it."""


class StoreError(VanpulseError):
    """Base of a store's errors. Rows whose write raised one have to be written again."""


class StoreUnavailable(StoreError):
    """The store did not answer, or asked for a pause. `has_forgotten`: recently confirmed rows may be lost."""

    def __init__(self, detail: str, *, retry_after_s: float | None = None, has_forgotten: bool = False) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.has_forgotten = has_forgotten


class StoreMisconfigured(StoreError):
    """The store refuses all writes: wrong token, rights, bucket or path."""
