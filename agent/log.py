"""The log: every message that was taken in, in order, until the store has confirmed what follows from it.

`Log` is what the stages of the pipeline know of it. `agent/journal` implements it in one SQLite file.
"""

from typing import Final

import msgspec

from agent.errors import Reason

OTHERS: Final = ""
"""Stands for all senders that are not counted by name, and for those that are unknown."""

Key = tuple[int, int]
"""(offset, index) of a dead letter. The index is 0, except for letters of old versions: one for each bad element."""

_OVERHEAD_BYTES: Final = 100


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One message that could not be used, or not all of it; `payload` as it arrived."""

    offset: int
    index: int = 0
    reason: Reason
    topic: str
    payload: bytes
    received_ms: int
    detail: str
    sender: str = OTHERS
    """The van that sent it, or what else the topic says of its sender. Each sender has a share of the space."""
    retained: bool = False
    """The broker had kept the message, so its age on arrival is unknown."""

    @property
    def key(self) -> Key:
        """Identifies the letter, also after the same message was processed again."""
        return self.offset, self.index

    @property
    def size(self) -> int:
        """Bytes that the letter counts for."""
        return len(self.payload) + len(self.topic) + len(self.detail) + len(self.sender) + _OVERHEAD_BYTES
