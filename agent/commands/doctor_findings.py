"""What `vanpulse doctor` reports: findings, and what a look at the log gives for computing outages."""

from typing import Literal, NamedTuple

import msgspec

Status = Literal["good", "note", "weak", "broken"]
Origin = Literal["measured", "configured", "assumed", "computed"]


class Finding(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One result: the value, where it comes from, and what to do about it."""

    subject: str
    value: str
    origin: Origin
    status: Status = "good"
    advice: str = ""
    cure: str = ""
    """The setting that solves it."""


class LogLook(NamedTuple):
    """What was found of the log: the journal, or the topics on Kafka."""

    findings: list[Finding]
    works: bool
    """Whether messages can be taken in."""
    ack_s: float = 0.0
    """From arrival to acknowledgement."""
    free_bytes: int = 0
    """Room in the journal."""
    keeps_s: float | None = None
    """How long Kafka still keeps messages that are not processed; None for a journal."""


def size_text(count: float) -> str:
    """A number of bytes in the largest unit in which it is 1 or more."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"
