"""The sign of a van's current, learnt from its effect on the battery.

The evidence is a counter: up for "positive into the battery", down for the opposite. A message while charging at a
standstill counts one. A state of charge that moved along with the charge that flowed counts two. Contradictions undo
what was learnt. With less than `ENOUGH` the sign is unknown.
"""

from typing import Final, Literal

import msgspec

CurrentSign = Literal["learn", "positive_in", "positive_out"]

ENOUGH: Final = 3
MOST: Final = 6
CHARGING_A: Final = 2.0
"""A current below this at the charger is no evidence."""
WINDOW_PCT: Final = 2.0
WINDOW_AH: Final = 1.0
LONGEST_GAP_MS: Final = 90_000
"""A van reports at least each 30 s. The charge that flowed in a longer gap is unknown."""


class CurrentMemory(msgspec.Struct, array_like=True):
    """What was learnt about the current of one van."""

    evidence: int = 0
    time_ms: int = 0
    current_a: float = 0.0
    window_soc_pct: float | None = None
    window_ah: float = 0.0

    @property
    def sign(self) -> int:
        """1: positive into the battery; -1: positive out of it; 0: not known."""
        if abs(self.evidence) < ENOUGH:
            return 0
        return 1 if self.evidence > 0 else -1


def learn(
    memory: CurrentMemory, time_ms: int, *, current_a: float, soc_pct: float | None, charging: bool, standing: bool
) -> int:
    """Learn from one reading unless it is late, and return the sign as it is known now."""
    if time_ms > memory.time_ms:
        if charging and standing and abs(current_a) >= CHARGING_A:
            _add(memory, 1 if current_a > 0 else -1)
        _integrate(memory, time_ms, current_a, soc_pct)
    return memory.sign


def _integrate(memory: CurrentMemory, time_ms: int, current_a: float, soc_pct: float | None) -> None:
    gap_ms = time_ms - memory.time_ms
    if gap_ms > LONGEST_GAP_MS:
        memory.window_soc_pct = None
    else:
        memory.window_ah += (memory.current_a + current_a) / 2.0 * gap_ms / 3_600_000.0
    memory.time_ms, memory.current_a = time_ms, current_a
    if soc_pct is None:
        return
    if memory.window_soc_pct is None:
        memory.window_soc_pct, memory.window_ah = soc_pct, 0.0
        return
    moved_pct = soc_pct - memory.window_soc_pct
    if abs(moved_pct) >= WINDOW_PCT:
        if abs(memory.window_ah) >= WINDOW_AH:
            _add(memory, 2 if (moved_pct > 0) == (memory.window_ah > 0) else -2)
        memory.window_soc_pct, memory.window_ah = soc_pct, 0.0


def _add(memory: CurrentMemory, evidence: int) -> None:
    memory.evidence = max(-MOST, min(MOST, memory.evidence + evidence))
