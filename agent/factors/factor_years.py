"""Factor sets by the year of the activity: which one is in force at a time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo

from agent.errors import SettingsError
from agent.factors.figures import BEGINNING_MS, END_MS
from agent.factors.year_set import FactorSet


class FactorYears:
    """Sets in order of their years; a year begins at midnight in one time zone.

    The first set also holds before its year, and the last one after it. The name of the set is stored with each figure.
    """

    def __init__(self, sets: Sequence[FactorSet], zone: tzinfo = UTC) -> None:
        self._sets = sorted(sets, key=lambda factors: factors.year)
        years = [factors.year for factors in self._sets]
        if not years or len(set(years)) < len(years):
            raise SettingsError(f"there must be one factor set per year, not sets for {years}")
        begins = [round(datetime(year, 1, 1, tzinfo=zone).timestamp()) * 1000 for year in years[1:]]
        self._bounds = [BEGINNING_MS, *begins, END_MS]

    @classmethod
    def of(cls, factors: "FactorSet | FactorYears") -> "FactorYears":
        """One set for all times, where a set is given."""
        return cls([factors]) if isinstance(factors, FactorSet) else factors

    @property
    def newest(self) -> FactorSet:
        """The set of the last year."""
        return self._sets[-1]

    def __iter__(self) -> Iterator[FactorSet]:
        return iter(self._sets)

    def at(self, time_ms: int) -> FactorSet:
        """The set in force at a time."""
        return self._sets[bisect_right(self._bounds, time_ms) - 1]

    def year(self, year: int) -> FactorSet:
        """The set of a year."""
        for factors in self._sets:
            if factors.year == year:
                return factors
        raise SettingsError(
            f"there is no factor set for {year}; there are {', '.join(str(s.year) for s in self._sets)}"
        )

    def validity(self, factors: FactorSet) -> tuple[int, int]:
        """From which time on, and until before which time, a set is in force."""
        index = self._sets.index(factors)
        return self._bounds[index], self._bounds[index + 1]
