"""How clean the grid is at a given time: hourly values where a file has them, the annual average otherwise."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from agent.errors import SettingsError
from agent.factors.factor_set import FactorSet

Source = Literal["hourly", "annual"]
Kind = Literal["lifecycle", "direct", "direct_delivered", "well_to_wheel"]
"""What a value of a file stands for.

`lifecycle` and `direct` are of generation, the first with its upstream; `direct_delivered` has the grid's losses but no
upstream; `well_to_wheel` has both and is used as it is.
"""

MAX_AGE_MS: Final = 2 * 3_600_000
"""How long a value holds when no newer one follows."""
BEGINNING_MS: Final = -(2**62)
END_MS: Final = 2**62


class Sample(NamedTuple):
    """One value of a file, valid from `start_ms` until the next one of its zone; `line` says where it stood."""

    start_ms: int
    zone: str
    g_per_kwh: float
    kind: Kind
    line: int


class Intensity:
    """Well-to-wheel grid intensity in g CO2e per kWh at the meter, by country and time.

    Values hold until the next one, at most `max_age_ms`. Lookups are O(log n), and O(1) within the hour looked up last.
    What a lookup answers depends on its arguments alone.
    """

    def __init__(self, factors: FactorSet, samples: Iterable[Sample] = (), *, max_age_ms: int = MAX_AGE_MS) -> None:
        self._factors = factors
        self._zones = {zone: _Steps(values, max_age_ms) for zone, values in _by_country(factors, samples).items()}
        self._recent: dict[str, tuple[int, int, tuple[float, Source]]] = {}

    @property
    def zones(self) -> list[str]:
        """The countries with hourly values."""
        return sorted(self._zones)

    def at(self, country: str, time_ms: int) -> tuple[float, Source]:
        """The intensity at a time, and whether it is hourly or annual."""
        recent = self._recent.get(country)
        if recent is not None and recent[0] <= time_ms < recent[1]:
            return recent[2]
        start_ms, end_ms, value = self._step(country, time_ms)
        answer: tuple[float, Source] = (self._annual(country), "annual") if value is None else (value, "hourly")
        self._recent[country] = (start_ms, end_ms, answer)
        return answer

    def mean(self, country: str, start_ms: int, end_ms: int) -> tuple[float, Source]:
        """The mean over a time, for energy that flowed evenly; `hourly` only if hourly values cover all of it."""
        recent = self._recent.get(country)
        if recent is not None and recent[0] <= start_ms and end_ms <= recent[1]:
            return recent[2]
        if end_ms <= start_ms:
            return self.at(country, start_ms)
        total, time_ms, source = 0.0, start_ms, "hourly"
        while time_ms < end_ms:
            _, until_ms, value = self._step(country, time_ms)
            if value is None:
                value, source = self._annual(country), "annual"
            until_ms = min(until_ms, end_ms)
            total += value * (until_ms - time_ms)
            time_ms = until_ms
        return total / (end_ms - start_ms), "hourly" if source == "hourly" else "annual"

    def _step(self, country: str, time_ms: int) -> "_Step":
        steps = self._zones.get(country)
        return steps.at(time_ms) if steps is not None else (BEGINNING_MS, END_MS, None)

    def _annual(self, country: str) -> float:
        return self._factors.for_country(country).annual_g_per_kwh


_Step = tuple[int, int, float | None]
"""From, until (not included), value; `None` where no value holds."""


class _Steps:
    """The values of one zone as a step function of time."""

    def __init__(self, values: list[tuple[int, float]], max_age_ms: int) -> None:
        self._starts = array("q", (start_ms for start_ms, _ in values))
        self._values = array("d", (value for _, value in values))
        self._max_age_ms = max_age_ms

    def at(self, time_ms: int) -> _Step:
        """The step that a time lies in."""
        starts = self._starts
        index = bisect_right(starts, time_ms)
        next_ms = starts[index] if index < len(starts) else END_MS
        if index == 0:
            return BEGINNING_MS, next_ms, None
        start_ms = starts[index - 1]
        stale_ms = start_ms + self._max_age_ms
        if time_ms >= stale_ms:
            return stale_ms, next_ms, None
        return start_ms, min(next_ms, stale_ms), self._values[index - 1]


def _by_country(factors: FactorSet, samples: Iterable[Sample]) -> dict[str, list[tuple[int, float]]]:
    """Well-to-wheel values in order of time; a zone such as `DK-DK1` serves its country if it is the only one."""
    zones: dict[str, dict[str, None]] = {}
    values: dict[str, list[tuple[int, float]]] = {}
    for sample in samples:
        country = sample.zone.partition("-")[0]
        zones.setdefault(country, {})[sample.zone] = None
        values.setdefault(country, []).append((sample.start_ms, _well_to_wheel(factors, country, sample)))
    for country, names in zones.items():
        if len(names) > 1:
            raise SettingsError(
                f"it has the zones {', '.join(names)}: vans only know their country, so keep one zone of {country}"
            )
        values[country].sort()
        for (start_ms, _), (next_ms, _) in pairwise(values[country]):
            if start_ms == next_ms:
                raise SettingsError(f"two values of {country} at {start_ms} ms")
    return values


def _well_to_wheel(factors: FactorSet, country: str, sample: Sample) -> float:
    grid = factors.for_country(country)
    ratio = {
        "lifecycle": grid.per_lifecycle,
        "direct": grid.per_direct,
        "direct_delivered": grid.per_delivered,
        "well_to_wheel": 1.0,
    }[sample.kind]
    if ratio is None:
        raise SettingsError(
            f"line {sample.line}: direct values of {country} cannot be made well-to-wheel, "
            "no upstream share is published for it; give life-cycle values"
        )
    return sample.g_per_kwh * ratio
