"""A fleet that is too large to keep all of its vans in memory: its depots, and the vans that open pages show. Pure.

The `fleet` points have the figures of each depot at each full minute. What a page shows of single vans is read for that
page.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

Point = Mapping[str, Any]

LARGE_FLEET: Final = 2000
"""With more vans than this the pages show depots first, and vans by the page."""
VANS_OF_A_PAGE: Final = 100
GONE_MS: Final = 180_000
"""A depot whose newest point is older than that of others by more than this has no vans any more."""


@dataclass(slots=True, kw_only=True)
class DepotFigures:
    """Sums over depots. A sum or mean is None if no depot has a value."""

    vans: int = 0
    online: int = 0
    driving: int = 0
    charging: int = 0
    power_kw: float | None = None
    soc_mean_pct: float | None = None
    soc_min_pct: float | None = None


class Depots:
    """The newest `fleet` point of each depot that has vans. All depots have a point at the same minutes."""

    def __init__(self) -> None:
        self.newest: dict[str, Point] = {}

    def add(self, points: Iterable[Point]) -> None:
        """Add points in any order."""
        for point in points:
            held = self.newest.get(point.get("depot", ""))
            if held is None or point["time_ms"] >= held["time_ms"]:
                self.newest[point.get("depot", "")] = point
        if (newest_ms := self.newest_ms) is not None:
            # A depot that has got another name would count its vans twice.
            self.newest = {
                depot: point for depot, point in self.newest.items() if newest_ms - point["time_ms"] <= GONE_MS
            }

    @property
    def newest_ms(self) -> int | None:
        """The time of the newest point."""
        return max((point["time_ms"] for point in self.newest.values()), default=None)

    def figures(self) -> DepotFigures:
        """Sums over all depots. The mean state of charge is weighted by the vans of each depot."""
        points = list(self.newest.values())
        socs = [(point["soc_mean_pct"], point["vans"]) for point in points if "soc_mean_pct" in point]
        weight = sum(vans for _, vans in socs)
        powers = [point["power_kw"] for point in points if "power_kw" in point]
        return DepotFigures(
            vans=sum(point["vans"] for point in points),
            online=sum(point["online"] for point in points),
            driving=sum(point["driving"] for point in points),
            charging=sum(point["charging"] for point in points),
            power_kw=sum(powers) if powers else None,
            soc_mean_pct=sum(soc * vans for soc, vans in socs) / weight if weight else None,
            soc_min_pct=min((point["soc_min_pct"] for point in points if "soc_min_pct" in point), default=None),
        )


class Shown:
    """The vans that open pages show, each page a list of them."""

    def __init__(self) -> None:
        self._pages: dict[int, Sequence[str]] = {}
        self._numbers = 0
        self.is_new = False
        """Whether a page has come since the last look, so that the newest points of its vans have to be found."""

    @contextmanager
    def page(self, vans: Sequence[str]) -> Iterator[None]:
        """A page shows these vans while the context is open."""
        self._numbers += 1
        number = self._numbers
        self._pages[number] = vans
        self.is_new = True
        try:
            yield
        finally:
            del self._pages[number]

    def vans(self) -> list[str]:
        """All vans that are shown, each once."""
        return sorted({van for page in self._pages.values() for van in page})
