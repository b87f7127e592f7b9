"""When the intake commits what has arrived. Pure: times are given, in seconds of a clock that is never set.

A commit costs some 300 µs whatever it holds, and so do a read of the socket and a write to the store. At the rates of
real fleets, messages are therefore gathered. They are committed when

* nothing more has come for a while: the broker has sent what it had, or waits for acknowledgements;
* as many wait as the broker sends before it waits for acknowledgements (its window, which is learnt);
* the first of them has waited for the limit.

Gathering delays acknowledgements only. No message is processed before it is committed.
"""

from typing import Final

READ_EVERY_S: Final = 0.004
"""Least time between two reads of a socket while messages arrive in quick succession."""
QUIET_S: Final = 2 * READ_EVERY_S
"""Nothing has come for a while: at least so long, and four times as long as between messages."""
LIMIT_S: Final = 0.025
SLOW_LIMIT_S: Final = 0.1
"""The limit where messages come at less than `SLOW_RATE_PER_S`: fewer commits matter more there, and delays less."""
SLOW_RATE_PER_S: Final = 200.0
SMALLEST_WINDOW: Final = 8
WINDOW_USES: Final = 500
"""After so many commits the window is learnt anew: it may have been an accident, or the broker has another one now."""


class Gathering:
    """Follows arrivals and commits, and says when the next commit is due."""

    def __init__(self) -> None:
        self._first_s = 0.0
        self._newest_s = -SLOW_LIMIT_S
        self._waiting = 0
        self._gap_s = 0.0
        """Mean time between messages."""
        self._window = 0
        """How many messages the broker sends before it waits for acknowledgements; 0: not known."""
        self._candidate = 0
        self._uses = 0

    def arrived(self, now_s: float, messages: int) -> None:
        """Messages have arrived."""
        if not messages:
            return
        if not self._waiting:
            self._first_s = now_s
        silence_s = now_s - self._newest_s
        if silence_s < SLOW_LIMIT_S:  # a longer one says nothing about the rate of what follows
            weight = min(1.0, messages / 16)
            self._gap_s += (silence_s / messages - self._gap_s) * weight
        self._newest_s = now_s
        self._waiting += messages

    def due_s(self) -> float:
        """When what waits is to be committed; a time in the past means now."""
        if self._window and self._waiting >= self._window:
            return self._first_s
        limit_s = LIMIT_S if self._gap_s * SLOW_RATE_PER_S < 1.0 else SLOW_LIMIT_S
        quiet_s = 4.0 * self._gap_s
        if quiet_s > limit_s:  # another message is not expected within the limit
            quiet_s = 0.0
        return min(self._first_s + limit_s, self._newest_s + max(QUIET_S, quiet_s))

    def committed(self, now_s: float, messages: int) -> None:
        """So many messages go into a batch now."""
        left = max(0, self._waiting - messages)
        if not left and messages >= SMALLEST_WINDOW:
            self._learn(now_s, messages)
        self._waiting = left
        self._first_s = now_s

    def _learn(self, now_s: float, messages: int) -> None:
        """The broker has stopped at the same number twice: that is its window. It was larger if more have come."""
        self._uses += 1
        if messages > self._window or self._uses > WINDOW_USES:
            self._window, self._uses = 0, 0
            stopped = now_s - self._newest_s >= QUIET_S
            if stopped and messages == self._candidate:
                self._window = messages
            self._candidate = messages if stopped else 0
