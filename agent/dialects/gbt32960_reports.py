"""The times of a van's reports: so that a report that comes again, under the same time, gives no second row.

A van reissues what it believes was not received. Meanwhile the sign of its current may have become known, so the same
report would give another row than the first time. The first one counts.
"""

from typing import Final

import msgspec

WINDOW_S: Final = 3600
"""Times are remembered for so long before the newest one. Reports have a resolution of one second."""


class ReportTimes(msgspec.Struct, array_like=True):
    """The seconds of the last hour of reports: one bit for each. Part of a checkpoint."""

    newest_s: int = 0
    bits: bytearray = msgspec.field(default_factory=bytearray)
    """Bit `second % WINDOW_S` says whether there was a report of that second. Empty before the first one."""

    def is_first(self, time_ms: int) -> bool:
        """Whether no report of this second is remembered; it is from now on. Older ones than the window are first."""
        second = time_ms // 1000
        if not self.bits:
            self.bits = bytearray(WINDOW_S // 8)
            self.newest_s = second
        if second <= self.newest_s - WINDOW_S:
            return True
        for passed in range(max(self.newest_s, second - WINDOW_S) + 1, second + 1):
            place, bit = divmod(passed % WINDOW_S, 8)
            self.bits[place] &= ~(1 << bit)
        self.newest_s = max(self.newest_s, second)
        place, bit = divmod(second % WINDOW_S, 8)
        if self.bits[place] & 1 << bit:
            return False
        self.bits[place] |= 1 << bit
        return True
