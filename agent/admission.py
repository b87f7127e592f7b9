"""Which messages are taken in: not those beyond the rate of their sender, nor those beyond its share of the log."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agent.errors import LogFull
from agent.log import Log
from agent.messages import Message
from agent.shares import Shares
from agent.throttle import Throttle

log = logging.getLogger(__name__)

SHOWN: Final = 20
"""Lines logged at once; a whole fleet that is refused must not flood the log."""


class Admission:
    """Stands before the log: what it refuses was never taken in. `throttle` is None where no rate is limited."""

    def __init__(
        self, log_of_messages: Log, *, sender_of: Callable[[str], str | None], throttle: Throttle | None
    ) -> None:
        self._log = log_of_messages
        self._throttle = throttle
        self._shares = Shares(sender_of, log_of_messages.status)
        self._over_their_share: set[str] = set()

    @property
    def refused(self) -> Mapping[str, int]:
        """Messages beyond the rate of their sender, by sender."""
        return {} if self._throttle is None else self._throttle.refused

    def refuse(self, messages: Sequence[Message], *, now_s: float, waiting_bytes: int) -> list[int]:
        """Which of these messages, by their index, are not taken in; mostly none.

        `now_s` is the time of a clock that is never set. `waiting_bytes` were taken in and are not committed yet.
        """
        over_rate = self._throttle.refuse(messages, now_s) if self._throttle is not None else []
        over_share = self._shares.refuse(messages, waiting_bytes)
        return sorted({*over_rate, *over_share}) if over_share else over_rate

    async def report(self) -> None:
        """Count in the log, and say, whose messages were beyond their share since the last call."""
        refused = self._shares.take_refused()
        if refused:
            with contextlib.suppress(LogFull):  # the total and the line below are there all the same
                await self._log.count_losses(refused)
        for sender in sorted(refused.keys() - self._over_their_share)[:SHOWN]:
            log.warning("van %r has more than its share of a journal that fills up: what is beyond is refused", sender)
        self._over_their_share = set(refused)
