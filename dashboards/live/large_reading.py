"""What is read at every tick of a fleet that is too large to keep all of its vans."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from agent.stores.base import History
from dashboards.live.fleet_view import LatestVan
from dashboards.live.hours import Standing, midnight_ms, standing
from dashboards.live.large_fleet import Depots, Shown

LATEST: Final = ("battery", "location", "energy", "emissions")
"""The measurements whose newest point is kept of each van."""
FLEET_OVERLAP_MS: Final = 180_000
"""So much of `fleet` is read again at every tick. It has a point of each depot each minute."""
VANS_OVERLAP_MS: Final = 30_000
"""The newest points of the vans that are shown are looked for from so long before the newest `fleet` point on."""
LARGE_TICK_S: Final = 3.0
"""The time between two reads."""

Points = list[dict[str, Any]]


class LargeFleetReading:
    """Reads the figures of the depots, and the newest points of the vans that pages show.

    `read` runs in a thread. What it found is taken over in the event loop, by `take_depots`.
    """

    def __init__(self, zone: tzinfo) -> None:
        self.depots = Depots()
        self.shown = Shown()
        self._zone = zone
        self._fleet: Points = []
        self._midnight: tuple[int, Standing] = (0, {})
        """The start of the day, and the counters at that time of the vans that pages show."""

    def read(self, history: History, *, everything: bool) -> tuple[list[str], dict[str, Points]]:
        """The vans that are shown, and their newest points by measurement; with `everything`, of any age."""
        known_ms = self.depots.newest_ms
        vans, is_new = self.shown.vans(), self.shown.is_new
        self.shown.is_new = False
        since_ms = None if known_ms is None else known_ms - FLEET_OVERLAP_MS
        self._fleet = list(history.select("fleet", start_ms=since_ms, latest=since_ms is None))
        if not vans:
            return vans, {}
        newest_ms = max((point["time_ms"] for point in self._fleet), default=known_ms or 0)
        self._midnight = self._counters_at(history, midnight_ms(newest_ms, self._zone), vans)
        start_ms = None if is_new or everything or known_ms is None else known_ms - VANS_OVERLAP_MS
        latest = {name: list(history.select(name, vehicle_id=vans, start_ms=start_ms, latest=True)) for name in LATEST}
        return vans, latest

    def take_depots(self) -> None:
        """Take over the figures of the depots that the last `read` found."""
        self.depots.add(self._fleet)

    def today_of_vans(self, vans: Mapping[str, LatestVan], today_ms: int) -> Standing:
        """Amounts since midnight of the vans that are shown."""
        day_ms, counters = self._midnight
        if day_ms != today_ms:
            return {}
        now: Standing = {}
        for name in ("energy", "emissions"):
            standing((getattr(van, name) for van in vans.values() if getattr(van, name)), name, now)
        return {
            vehicle_id: {name: max(0.0, value - counters[vehicle_id].get(name, 0.0)) for name, value in amounts.items()}
            for vehicle_id, amounts in now.items()
            if vehicle_id in counters
        }

    def _counters_at(self, history: History, day_ms: int, vans: list[str]) -> tuple[int, Standing]:
        """The counters of these vans at the start of the day; those that are known are not read again."""
        known = self._midnight[1] if self._midnight[0] == day_ms else {}
        counters: Standing = {vehicle_id: known[vehicle_id] for vehicle_id in vans if vehicle_id in known}
        missing = [vehicle_id for vehicle_id in vans if vehicle_id not in known]
        if missing:
            counters |= {vehicle_id: {} for vehicle_id in missing}
            for name in ("energy", "emissions"):
                standing(history.select(name, vehicle_id=missing, end_ms=day_ms, latest=True), name, counters)
        return day_ms, counters
