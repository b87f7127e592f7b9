"""One area's generation by production type, and whether its mix at a time is complete.

Some types are published hours after others. Until then the intensity of the mix is wrong. A mix is complete when the
usual generation of the types without a value is at most `MISSING_SHARE` of the whole.

The usual generation of a type, at a time without a value, is the larger of
* the mean of its nearest values before and after, if one of them is at most `USUAL_MS` away, or both exist;
* its values a day earlier and a day later.
A value of 0 is a value. Solar that is left out at night does not make the mix incomplete. A station that was shut down
does so for a week.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from math import isnan, nan
from typing import Final

DAY_MS: Final = 86_400_000
USUAL_MS: Final = 7 * DAY_MS
MISSING_SHARE: Final = 0.02
"""A smaller share is within the uncertainty of the fuels' factors."""


class Generation:
    """What an area generated: values in MW by type, each from one time until another."""

    def __init__(self) -> None:
        self._added: dict[str, list[tuple[int, int, float]]] = {}

    def add(self, production_type: str, start_ms: int, until_ms: int, power_mw: float) -> None:
        """Add a value of a type. Values of the same type and time add up."""
        if start_ms < until_ms:
            self._added.setdefault(production_type, []).append((start_ms, until_ms, power_mw))

    def complete_mixes(self) -> Iterator[tuple[int, int, dict[str, float]]]:
        """From, until and MW by type of each stretch of time over which nothing changes and the mix is complete."""
        bounds = array("q", sorted({edge for rows in self._added.values() for row in rows for edge in row[:2]}))
        columns = {kind: _Column(bounds, rows) for kind, rows in sorted(self._added.items())}
        for index in range(len(bounds) - 1):
            mix = {kind: column.power[index] for kind, column in columns.items() if not isnan(column.power[index])}
            if not mix:
                continue
            missing = sum(column.usual(index) for kind, column in columns.items() if kind not in mix)
            if missing <= MISSING_SHARE * (sum(mix.values()) + missing):
                yield bounds[index], bounds[index + 1], mix


class _Column:
    """The power of one type in each stretch of time between two bounds; NaN where it has no value."""

    def __init__(self, bounds: "array[int]", rows: list[tuple[int, int, float]]) -> None:
        self._bounds = bounds
        stretches = len(bounds) - 1
        self.power = array("d", [nan]) * stretches
        # At one time ends come before starts, so that a sum returns to exactly 0.
        edges = sorted(edge for start, until, mw in rows for edge in ((until, 0, -mw), (start, 1, mw)))
        at, there, total = 0, 0, 0.0
        for index in range(stretches):
            while at < len(edges) and edges[at][0] <= bounds[index]:
                _, begins, mw = edges[at]
                there += 1 if begins else -1
                total = total + mw if there else 0.0
                at += 1
            if there:
                self.power[index] = total
        self._before = _nearest(self.power, range(stretches))
        self._after = _nearest(self.power, range(stretches - 1, -1, -1))

    def usual(self, index: int) -> float:
        """The usual generation of the type in a stretch of time without a value."""
        bounds, power = self._bounds, self.power
        start_ms, end_ms = bounds[index], bounds[index + 1]
        before, after = self._before[index], self._after[index]
        near = []
        if before >= 0 and (after >= 0 or start_ms - bounds[before + 1] <= USUAL_MS):
            near.append(power[before])
        if after >= 0 and (before >= 0 or bounds[after] - end_ms <= USUAL_MS):
            near.append(power[after])
        days = (self._at(start_ms - DAY_MS), self._at(start_ms + DAY_MS)) if near else ()
        return max(sum(near) / len(near) if near else 0.0, *(mw for mw in days if not isnan(mw)), 0.0)

    def _at(self, time_ms: int) -> float:
        index = bisect_right(self._bounds, time_ms) - 1
        return self.power[index] if 0 <= index < len(self.power) else nan


def _nearest(power: "array[float]", indexes: range) -> "array[int]":
    """The nearest stretch with a value on one side of each stretch, itself included; -1 where there is none."""
    nearest = array("q", [-1]) * len(power)
    last = -1
    for index in indexes:
        if not isnan(power[index]):
            last = index
        nearest[index] = last
    return nearest
