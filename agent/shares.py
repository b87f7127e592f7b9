"""The share of each sender in a log that fills up, so that one sender's flood does not take the room of the others.

* Below a quarter full, nothing is counted.
* From a quarter full on, the bytes of each sender are counted.
* From half full on, a message is refused if its sender has put in more than a share of the free room, and also several
  times as much as the other senders on average.

So the last room is for those who send little. If all send equally much, nothing is refused, and a full log pauses
reading. What is refused was never taken in.
"""

from collections.abc import Callable, Sequence
from typing import Final

from agent.log import OTHERS, LogStatus
from agent.messages import Message

COUNTED_FROM: Final = 0.25
REFUSED_FROM: Final = 0.5
"""How full the log is."""
FREE_SHARE: Final = 8
"""One sender may hold this fraction of the free room (a dynamic threshold, Choudhury and Hahne 1998)."""
TIMES_OTHERS: Final = 8
"""It may hold so many times the average of the others in any case."""
MAX_SENDERS: Final = 16_384
MAX_NAMED: Final = 1000
_OVERHEAD_BYTES: Final = 16


class Shares:
    """Counts bytes by sender since the log was last less than a quarter full.

    `sender_of` gives the sender that a topic names; a message whose topic names none is not limited.
    """

    def __init__(self, sender_of: Callable[[str], str | None], log_status: LogStatus) -> None:
        self._sender_of = sender_of
        self._status = log_status
        self._bytes_of: dict[str, int] = {}
        self._total = 0
        self._refused: dict[str, int] = {}

    def refuse(self, messages: Sequence[Message], waiting_bytes: int = 0) -> list[int]:
        """Which of these messages, by their index, are not to be taken in; mostly none.

        `waiting_bytes` are those that were taken in before and are not committed yet.
        """
        used, limit = self._status.bytes_used + waiting_bytes, self._status.max_bytes
        if not limit or used < limit * COUNTED_FROM:  # a log without a limit never fills up
            if self._bytes_of:
                self._bytes_of, self._total = {}, 0
            return []
        refused: list[int] = []
        for index, message in enumerate(messages):
            share = max(0, limit - used) // FREE_SHARE if used >= limit * REFUSED_FROM else limit
            if self._admit(message, share):
                used += len(message.payload)
            else:
                refused.append(index)
        return refused

    def take_refused(self) -> dict[str, int]:
        """How many messages of whom were refused since the last call."""
        refused, self._refused = self._refused, {}
        return refused

    def _admit(self, message: Message, share: int) -> bool:
        sender = self._sender_of(message.topic)
        if sender is None:
            return True
        held = self._bytes_of.get(sender)
        if held is None:
            if len(self._bytes_of) >= MAX_SENDERS:
                return True
            held = self._bytes_of[sender] = 0
        size = len(message.payload) + len(message.topic) + _OVERHEAD_BYTES
        others = len(self._bytes_of) - 1
        if held + size > share and others and (held + size) * others > TIMES_OTHERS * (self._total - held):
            named = sender if sender in self._refused or len(self._refused) < MAX_NAMED else OTHERS
            self._refused[named] = self._refused.get(named, 0) + 1
            return False
        self._bytes_of[sender] = held + size
        self._total += size
        return True
