"""The deliveries of the last days: sums over all tours, the newest tours and the newest drops."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, NamedTuple

from agent.stores.base import History
from dashboards.live.channel import Channel, Sweep, timed
from dashboards.live.hours import HOUR_MS

Points = list[dict[str, Any]]

DAYS: Final = 7
AGAIN_S: Final = 10.0
"""How often the hours that may have changed are read again."""
LATE_MS: Final = 2 * HOUR_MS
ALL_AGAIN_S: Final = 600.0
"""How often the last day is read again, because a late drop changes a tour that has ended."""
BUDGET_S: Final = 0.3
BLOCK: Final = 6
"""Hours per read. Few large reads are faster, because each read first lists all vans."""
NEWEST: Final = 300
"""Tours and drops kept for the lists."""
AMOUNTS: Final = (
    "distance_km", "energy_kwh", "uncertainty_kwh", "co2e_g", "market_co2e_g", "uncertainty_g", "diesel_co2e_g",
    "stops", "drops", "items", "mass_kg", "activity_tkm",
)  # fmt: skip
LOAD: Final = ("empty_km", "items", "activity_tkm")
"""If the load of a tour is not known, all of these fields are absent."""


class TourSums(NamedTuple):
    """The sums over tours. An amount that no tour has is missing."""

    tours: int
    amounts: dict[str, float]

    def per(self, name: str) -> float | None:
        """CO2e per item or t-km; None if nothing was delivered or the load is not known."""
        return self._ratio("known_g", name)

    @property
    def primary_pct(self) -> float | None:
        """Share of the CO2e whose grid energy and mass are measured."""
        return self._ratio("primary_pct_g", "shared_g")

    def _ratio(self, above: str, below: str) -> float | None:
        dividend, divisor = self.amounts.get(above), self.amounts.get(below)
        return dividend / divisor if dividend is not None and divisor else None


NO_SUMS: Final = TourSums(0, {})


def sums_of(tours: Iterable[dict[str, Any]]) -> TourSums:
    """The sums of tours."""
    count, amounts = 0, dict[str, float]()
    for tour in tours:
        count += 1
        found: dict[str, float] = {name: tour[name] for name in AMOUNTS if name in tour}
        co2e_g, share_pct = tour.get("co2e_g"), tour.get("primary_share_pct")
        if co2e_g is not None and not tour.keys().isdisjoint(LOAD):
            found["known_g"] = co2e_g
        if co2e_g is not None and share_pct is not None:
            found |= {"shared_g": co2e_g, "primary_pct_g": co2e_g * share_pct}
        _add(amounts, found)
    return TourSums(count, amounts)


def _add(into: dict[str, float], amounts: dict[str, float]) -> None:
    for name, value in amounts.items():
        into[name] = into.get(name, 0.0) + value


class Delivered:
    """The sums of the last days' tours by hour. Each hour can be read again."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self.version = 0
        self.drops: Points = []
        self.complete = False
        """Whether all of the days have been read."""
        self._sums: dict[int, TourSums] = {}
        self._tours: dict[int, Points] = {}
        self._due: list[int] = []
        self._front_ms: int | None = None
        self._read_s = self._all_read_s = float("-inf")
        self._drops_of = 0

    def due(self) -> bool:
        """Whether `read` has anything to do now."""
        return bool(self._due) or self._clock_s() - self._read_s >= AGAIN_S

    async def read(self, channel: Channel, front_ms: int) -> None:
        """Read hours that may have changed, newest first, for a fraction of a second."""
        started_s = self._clock_s()
        if started_s - self._read_s >= AGAIN_S:
            self._plan(front_ms, started_s)
        changed = False
        while self._due and self._clock_s() - started_s < BUDGET_S:
            hours = self._due[-BLOCK:]
            hours = [hour_ms for hour_ms in hours if hours[-1] - hour_ms < BLOCK * HOUR_MS]
            found = await channel.read(partial(_tours_by_hour, start_ms=hours[0], end_ms=hours[-1] + HOUR_MS))
            del self._due[-len(hours) :]
            for hour_ms in hours:
                tours = found.get(hour_ms, [])
                sums = sums_of(tours)
                changed = changed or sums != self._sums.get(hour_ms, NO_SUMS)
                self._sums[hour_ms], self._tours[hour_ms] = sums, tours[-NEWEST:]
        self.complete = self.complete or not self._due
        self._forget(front_ms)
        if changed:
            self.version += 1
        if self._drops_of != self.version and not self._due:
            self.drops = await self._newest_drops(channel, front_ms)
            self._drops_of = self.version
            self.version = self._drops_of = self.version + 1

    def sums(self) -> TourSums:
        """All of the days."""
        amounts: dict[str, float] = {}
        for each in self._sums.values():
            _add(amounts, each.amounts)
        return TourSums(sum(each.tours for each in self._sums.values()), amounts)

    def tours(self) -> Points:
        """The newest tours, newest first."""
        found: Points = []
        for _, tours in sorted(self._tours.items(), reverse=True):
            found += reversed(tours)
        return found[:NEWEST]

    def _plan(self, front_ms: int, now_s: float) -> None:
        """The period to read: first all days, then from the newest time read, and from time to time the last day."""
        self._read_s = now_s
        last_ms = front_ms // HOUR_MS * HOUR_MS
        first_ms = last_ms - DAYS * 24 * HOUR_MS
        again_ms = min(self._front_ms or front_ms, front_ms) - LATE_MS
        if now_s - self._all_read_s >= ALL_AGAIN_S:
            self._all_read_s = now_s
            again_ms = front_ms - 24 * HOUR_MS
        self._front_ms = front_ms
        hours = range(first_ms, last_ms + 2 * HOUR_MS, HOUR_MS)
        self._due = [hour for hour in hours if hour not in self._sums or hour + HOUR_MS > again_ms]

    def _forget(self, front_ms: int) -> None:
        """Remove hours that are too old, and points that no list shows."""
        kept = 0
        for hour_ms in sorted(self._sums, reverse=True):
            if hour_ms < front_ms - (DAYS * 24 + 1) * HOUR_MS:
                del self._sums[hour_ms]
                self._tours.pop(hour_ms, None)
            elif kept >= NEWEST:
                self._tours.pop(hour_ms, None)
            kept += len(self._tours.get(hour_ms, ()))

    async def _newest_drops(self, channel: Channel, front_ms: int) -> Points:
        tours = self.tours()
        if not tours:
            return []
        sweep = Sweep(end_ms=tours[0]["time_ms"] + 1, oldest_ms=front_ms - DAYS * 24 * HOUR_MS)
        found: Points = []
        started_s = self._clock_s()
        while not sweep.done and len(found) < NEWEST and self._clock_s() - started_s < BUDGET_S:
            start_ms, end_ms = sweep.next()
            drops, took_s = await channel.read(timed(partial(_drops, start_ms=start_ms, end_ms=end_ms)))
            sweep.took(start_ms, took_s)
            found += reversed(drops)
        return found[:NEWEST]


def _tours_by_hour(history: History, start_ms: int, end_ms: int) -> dict[int, Points]:
    hours: dict[int, Points] = {}
    for tour in history.select("tour", start_ms=start_ms, end_ms=end_ms):
        hours.setdefault(tour["time_ms"] // HOUR_MS * HOUR_MS, []).append(tour)
    return hours


def _drops(history: History, start_ms: int, end_ms: int) -> Points:
    return list(history.select("drop", start_ms=start_ms, end_ms=end_ms))
