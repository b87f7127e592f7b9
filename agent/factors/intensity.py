"""The intensity of the grid at a given time: hourly values where a file has them, else the annual average."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from math import isnan, nan
from typing import Final, Literal, NamedTuple

from agent.errors import SettingsError
from agent.factors.factor_years import FactorYears
from agent.factors.figures import BEGINNING_MS, END_MS, IntensitySource
from agent.factors.year_set import FactorSet

IntensityKind = Literal["lifecycle", "direct", "direct_delivered", "well_to_wheel"]
"""What a value of a file contains.

`lifecycle` and `direct` are of generation, the first with its upstream; `direct_delivered` has the grid's losses but no
upstream; `well_to_wheel` has both and is used as it is.
"""

MAX_AGE_MS: Final = 2 * 3_600_000
"""How long a value without an end holds if no newer one follows."""


class Sample(NamedTuple):
    """One value of a file, valid from `start_ms` until the next one of its zone; `line` is its line in the file.

    `until_ms` is its end, where the file has one. `weight` is the generation behind it in MW, where that is known; it
    counts where a country has several zones.
    """

    start_ms: int
    zone: str
    g_per_kwh: float
    kind: IntensityKind
    line: int
    until_ms: int | None = None
    weight: float = 1.0


class Intensity:
    """Well-to-wheel grid intensity in g CO2e per kWh at the meter, by country and time.

    A value holds until the next one, for at most `max_age_ms`. Otherwise the annual value of the year holds. A lookup
    is O(log n), and O(1) within the same hour as the last one. Its answer depends on its arguments alone.

    A country with several zones has their mean, weighted by generation where the file has it, while all of them have a
    value. `chosen` names the one zone to use instead. Zones of countries without factors are left out (`ignored`).
    """

    def __init__(
        self,
        factors: FactorSet | FactorYears,
        samples: Iterable[Sample] = (),
        *,
        max_age_ms: int = MAX_AGE_MS,
        chosen: Iterable[str] = (),
    ) -> None:
        self._years = FactorYears.of(factors)
        zones = _by_zone(self._years, samples, max_age_ms)
        known = set(self._years.newest.countries())
        self.ignored = sorted(zone for zone in zones if zone.partition("-")[0] not in known)
        if self.ignored and len(self.ignored) == len(zones):
            self._years.newest.for_country(self.ignored[0].partition("-")[0])
        self._countries = _by_country({zone: zones[zone] for zone in zones if zone not in self.ignored}, chosen)
        self._recent: dict[str, tuple[int, int, tuple[float, IntensitySource]]] = {}

    @property
    def zones(self) -> list[str]:
        """The countries with hourly values."""
        return sorted(self._countries)

    def at(self, country: str, time_ms: int) -> tuple[float, IntensitySource]:
        """The intensity at a time, and whether it is hourly or annual."""
        recent = self._recent.get(country)
        if recent is not None and recent[0] <= time_ms < recent[1]:
            return recent[2]
        start_ms, end_ms, value, source = self._step(country, time_ms)
        answer: tuple[float, IntensitySource] = (value, source)
        self._recent[country] = (start_ms, end_ms, answer)
        return answer

    def mean(self, country: str, start_ms: int, end_ms: int) -> tuple[float, IntensitySource]:
        """The mean over a time, for energy that flowed evenly; `hourly` only if hourly values cover all of it."""
        recent = self._recent.get(country)
        if recent is not None and recent[0] <= start_ms and end_ms <= recent[1]:
            return recent[2]
        if end_ms <= start_ms:
            return self.at(country, start_ms)
        total, time_ms = 0.0, start_ms
        answer: IntensitySource = "hourly"
        while time_ms < end_ms:
            _, until_ms, value, source = self._step(country, time_ms)
            if source == "annual":
                answer = "annual"
            until_ms = min(until_ms, end_ms)
            total += value * (until_ms - time_ms)
            time_ms = until_ms
        return total / (end_ms - start_ms), answer

    def _step(self, country: str, time_ms: int) -> tuple[int, int, float, IntensitySource]:
        """From, until (not included), value and source of the step that a time lies in."""
        steps = self._countries.get(country)
        start_ms, end_ms, value = steps.at(time_ms) if steps is not None else (BEGINNING_MS, END_MS, None)
        if value is not None:
            return start_ms, end_ms, value, "hourly"
        factors = self._years.at(time_ms)
        from_ms, to_ms = self._years.validity(factors)
        annual = factors.for_country(country).annual_g_per_kwh
        return max(start_ms, from_ms), min(end_ms, to_ms), annual, "annual"


_Step = tuple[int, int, float | None]
"""From, until (not included), value; `None` where no value holds."""


class _Steps:
    """The values of one zone as a step function of time; NaN is no value."""

    def __init__(self) -> None:
        self.starts = array("q")
        self.values = array("d")
        self.weights = array("d")

    def add(self, start_ms: int, value: float, weight: float) -> None:
        """The next step in order of time."""
        self.starts.append(start_ms)
        self.values.append(value)
        self.weights.append(weight)

    def at(self, time_ms: int) -> _Step:
        """The step that a time lies in."""
        starts = self.starts
        index = bisect_right(starts, time_ms)
        next_ms = starts[index] if index < len(starts) else END_MS
        if index == 0:
            return BEGINNING_MS, next_ms, None
        value = self.values[index - 1]
        return starts[index - 1], next_ms, None if isnan(value) else value


def _by_zone(years: FactorYears, samples: Iterable[Sample], max_age_ms: int) -> dict[str, _Steps]:
    """The well-to-wheel values of each zone in order of time, with the gaps between them."""
    rows: dict[str, list[tuple[int, int | None, float, float]]] = {}
    known = set(years.newest.countries())
    for sample in samples:
        country = sample.zone.partition("-")[0]
        value = _well_to_wheel(years, country, sample) if country in known else nan
        rows.setdefault(sample.zone, []).append((sample.start_ms, sample.until_ms, value, sample.weight))
    return {zone: _steps(zone, sorted(values, key=lambda row: row[0]), max_age_ms) for zone, values in rows.items()}


def _steps(zone: str, rows: list[tuple[int, int | None, float, float]], max_age_ms: int) -> _Steps:
    steps = _Steps()
    for index, (start_ms, until_ms, value, weight) in enumerate(rows):
        following_ms = rows[index + 1][0] if index + 1 < len(rows) else END_MS
        if following_ms == start_ms:
            raise SettingsError(f"two values of {zone} at {start_ms} ms")
        steps.add(start_ms, value, weight)
        stale_ms = start_ms + max_age_ms if until_ms is None else until_ms
        if stale_ms < following_ms:
            steps.add(stale_ms, nan, 0.0)
    return steps


def _by_country(zones: dict[str, _Steps], chosen: Iterable[str]) -> dict[str, _Steps]:
    wanted: dict[str, str] = {}
    for zone in chosen:
        if zone not in zones:
            raise SettingsError(f"emissions.zones: it has no zone {zone!r}; it has {', '.join(sorted(zones))}")
        if wanted.setdefault(zone.partition("-")[0], zone) != zone:
            raise SettingsError(f"emissions.zones: {wanted[zone.partition('-')[0]]!r} and {zone!r} are one country's")
    groups: dict[str, list[str]] = {}
    for zone in zones:
        groups.setdefault(zone.partition("-")[0], []).append(zone)
    countries = {}
    for country, names in groups.items():
        if country in wanted:
            names = [wanted[country]]
        elif country in names:
            # A value for the country itself beside those of its zones.
            names = [country]
        countries[country] = zones[names[0]] if len(names) == 1 else _mean_of([zones[name] for name in names])
    return countries


def _mean_of(zones: list[_Steps]) -> _Steps:
    """The weighted mean of several zones at each time at which one of them changes; a gap where one has no value."""
    changes = sorted(
        (start_ms, index, zone.values[at], zone.weights[at])
        for index, zone in enumerate(zones)
        for at, start_ms in enumerate(zone.starts)
    )
    values, weights = [nan] * len(zones), [0.0] * len(zones)
    steps = _Steps()
    for at, (start_ms, index, value, weight) in enumerate(changes):
        values[index], weights[index] = value, weight
        if at + 1 < len(changes) and changes[at + 1][0] == start_ms:
            continue
        total = sum(weights)
        mean = sum(v * w for v, w in zip(values, weights, strict=True)) / total if total > 0 else nan
        steps.add(start_ms, mean, total)
    return steps


def _well_to_wheel(years: FactorYears, country: str, sample: Sample) -> float:
    grid = years.at(sample.start_ms).for_country(country)
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
