"""The wall clock, and whether it is plausible.

A machine whose clock has no battery starts in 1970, or at the time it was last switched off, until a time server has
set its clock. Readings are judged by the clock, so nothing is taken in while the clock is certainly wrong.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

RELEASED_MS: Final = round(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
"""When this version was released. A clock that shows an earlier time is wrong. Set it with each release."""
BEHIND_MS: Final = 2 * 86_400_000
"""A clock that is further behind the newest time in the journal is not believed at first."""
DOUBT_S: Final = 300.0
"""How long it is not believed. Then it is used as it is: the clock of the earlier run may have been the wrong one."""
SET_BACK_MS: Final = 26 * 3_600_000
"""If the clock is set back by more than this, the time that it showed before was wrong and is forgotten."""
REMEMBERED_S: Final = 7 * 86_400.0
"""How long the former clock is remembered after it was set back by less, since either of the two may be right."""
JUMP_MS: Final = 30_000
"""If the wall clock moves by more than this against the steady clock, it was set."""


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class ClockWatch:
    """Compares the wall clock with the steady clock, which is never set.

    `seen_ms` is the newest time that an earlier run has seen.
    """

    def __init__(
        self,
        *,
        earliest_ms: int = RELEASED_MS,
        clock_ms: Callable[[], int] = wall_clock_ms,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seen_ms = 0
        self._earliest_ms = earliest_ms
        self._clock_ms = clock_ms
        self._steady_s = steady_s
        self._began_s = steady_s()
        self._offset_ms: int | None = None
        self._former_offset_ms: int | None = None
        self._set_s = 0.0

    def problem(self) -> str | None:
        """Why the clock cannot be right, in words; None while it is plausible."""
        now_ms = self._clock_ms()
        if now_ms < self._earliest_ms:
            return f"it shows {_text(now_ms)}, before this program was made: readings wait until it is set"
        doubted_s = self._steady_s() - self._began_s
        if now_ms < self.seen_ms - BEHIND_MS and doubted_s < DOUBT_S:
            return (
                f"it shows {_text(now_ms)}, but the journal has seen {_text(self.seen_ms)}: "
                f"readings wait until it is set, for {DOUBT_S - doubted_s:.0f} s at most"
            )
        return None

    def was_set(self, now_ms: int) -> bool:
        """Whether the clock was set since the last call, forward or back, or the machine was asleep."""
        steady_s = self._steady_s()
        offset_ms = now_ms - round(steady_s * 1000.0)
        before_ms, self._offset_ms = self._offset_ms, offset_ms
        if before_ms is None or abs(offset_ms - before_ms) <= JUMP_MS:
            return False
        self._former_offset_ms = before_ms if 0 < before_ms - offset_ms <= SET_BACK_MS else None
        self._set_s = steady_s
        return True

    def former_ms(self) -> int:
        """What the clock would show now if it had not been set back lately; 0 if it was not."""
        steady_s = self._steady_s()
        if self._former_offset_ms is None or steady_s - self._set_s > REMEMBERED_S:
            return 0
        return self._former_offset_ms + round(steady_s * 1000.0)


def _text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
