"""What can go wrong, and what the caller can do about it.

VanpulseError
├── SettingsError         a setting is wrong: correct it and start again (exit status 2)
├── Rejected              one message is unusable: it becomes a dead letter, the rest goes on
├── JournalError
│   ├── JournalFull       no room: stop reading until the store has taken something, then go on
│   ├── JournalBroken     the disk failed under a commit: stop the process, never retry
│   └── JournalCorrupt    the file is not what was written: report, salvage by hand
└── StoreError
    ├── StoreUnavailable  the store cannot take it now: keep everything, wait, try the same bytes again
    └── StoreMisconfigured  address, rights or bucket are wrong: keep everything, tell somebody, try slowly
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
"""Why a message became a dead letter: the closed list of the public contract."""

REASONS: tuple[Reason, ...] = get_args(Reason)


class VanpulseError(Exception):
    """Base of everything this program raises on purpose."""


class SettingsError(VanpulseError):
    """A setting is missing, unknown or out of range; the text names the key and the value."""


class Rejected(VanpulseError):
    """One message, or one element of an array, cannot be used."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


class JournalError(VanpulseError):
    """Base of what the journal reports."""


class JournalFull(JournalError):
    """The journal's own limit, or the disk, has no room for the batch; nothing of it was written."""


class JournalBroken(JournalError):
    """The disk refused a commit or a sync; what it still holds is unknown, so the process has to end."""


class JournalCorrupt(JournalError):
    """The journal file is damaged, foreign, or written by a newer version."""


class StoreError(VanpulseError):
    """Base of what a store reports; nothing that raised it may be forgotten."""


class StoreUnavailable(StoreError):
    """The store did not answer, or asked for a pause; `has_forgotten`: what it confirmed lately may be lost."""

    def __init__(self, detail: str, *, retry_after_s: float | None = None, has_forgotten: bool = False) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.has_forgotten = has_forgotten


class StoreMisconfigured(StoreError):
    """The store answered that it will not have us: wrong token, rights, bucket or path."""
