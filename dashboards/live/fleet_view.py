"""The present state of the fleet: the newest points of every van, in memory. Pure.

Its size is bounded by the number of vans.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Point = Mapping[str, Any]

STATES: Final = ("driving", "stopped", "charging", "parked", "offline")
"""In the order of legends and counts."""

TRAIL_POINTS: Final = 24
"""Number of recent positions per van, for the tracks on the map."""

RECENT: Final = 300
"""Number of alerts, trips and charges for the lists."""

MOST_ALERTS: Final = 20_000
"""Of a large fleet: alerts kept; beyond this the older ones are forgotten."""

SEVERITIES: Final = ("critical", "warning", "info")


@dataclass(slots=True, kw_only=True, eq=False)
class LatestVan:
    """The newest points of one van in the store. None is unknown."""

    vehicle_id: str
    depot: str = ""
    model: str = ""
    country: str = ""
    version: int = 0
    """The version of the view at the last change of this van."""
    battery: dict[str, Any] = field(default_factory=dict)
    location: dict[str, Any] = field(default_factory=dict)
    energy: dict[str, Any] = field(default_factory=dict)
    emissions: dict[str, Any] = field(default_factory=dict)
    trail: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=TRAIL_POINTS))

    @property
    def state(self) -> str | None:
        """The present state, such as driving."""
        return self.energy.get("state")

    @property
    def soc_pct(self) -> float | None:
        """The newest state of charge."""
        return self.battery.get("soc_pct")

    @property
    def heard_ms(self) -> int | None:
        """Time of the newest reading. An `energy` point may be newer, because silence also causes one."""
        times = [point["time_ms"] for point in (self.battery, self.location) if point]
        return max(times) if times else None


@dataclass(slots=True, kw_only=True)
class KeyFigures:
    """Sums over the fleet. A sum is None if no van has a value."""

    vans: int
    by_state: dict[str, int]
    soc_mean_pct: float | None
    soc_min_pct: float | None
    drawn_kw: float
    charging_kw: float
    alerts: dict[str, int]

    @property
    def online(self) -> int:
        """Vans that are not offline."""
        return self.vans - self.by_state["offline"]


class FleetView:
    """Accepts points in any order and repeatedly, and keeps the newest of each van."""

    def __init__(self) -> None:
        self.vans: dict[str, LatestVan] = {}
        self.version = 0
        self.newest_ms: int | None = None
        """Newest event time of any van."""
        self.agent: dict[str, Any] = {}
        self.agent_past: deque[dict[str, Any]] = deque(maxlen=24 * 60)
        self.alerts: dict[tuple[str, str], Point] = {}
        """The newest alert of each van and kind, raised or cleared."""
        self.recent: dict[str, dict[tuple[str, int, str], Point]] = {"alert": {}, "trip": {}, "charge": {}}

    def begin(self) -> int:
        """Start a new version. All later changes get this version."""
        self.version += 1
        return self.version

    def latest(self, measurement: str, points: Iterable[Point]) -> int:
        """Add points of `battery`, `location`, `energy` or `emissions`. Returns how many vans changed."""
        changed = 0
        for point in points:
            vehicle_id = point.get("vehicle_id")
            if vehicle_id is None:
                continue
            van = self.vans.get(vehicle_id)
            if van is None:
                van = self.vans[vehicle_id] = LatestVan(vehicle_id=vehicle_id)
            held: dict[str, Any] = getattr(van, measurement)
            time_ms = point["time_ms"]
            if held and held["time_ms"] >= time_ms:
                continue
            self._take(van, measurement, held, point)
            if self.newest_ms is None or time_ms > self.newest_ms:
                self.newest_ms = time_ms
            changed += 1
        return changed

    def keep(self, vehicle_ids: Iterable[str], newest_ms: int | None) -> None:
        """Forget all vans but these. `newest_ms` is the newest time of the whole fleet."""
        held = self.vans
        self.vans = {vehicle_id: held[vehicle_id] for vehicle_id in vehicle_ids if vehicle_id in held}
        self.newest_ms = newest_ms
        if len(self.alerts) > MOST_ALERTS:
            newest = sorted(self.alerts, key=lambda key: self.alerts[key]["time_ms"])[-RECENT:]
            self.alerts = {key: self.alerts[key] for key in newest}

    def _take(self, van: LatestVan, measurement: str, held: dict[str, Any], point: Point) -> None:
        if measurement in ("energy", "emissions"):
            held.clear()  # a field that such a point does not have is now unknown
        held.update(point)
        van.version = self.version
        van.depot = point.get("depot", van.depot)
        van.model = point.get("model", van.model)
        van.country = point.get("country", van.country)
        if measurement == "location" and "latitude_deg" in point and "longitude_deg" in point:
            position = (round(point["latitude_deg"], 5), round(point["longitude_deg"], 5))
            if not van.trail or van.trail[-1] != position:
                van.trail.append(position)

    def happened(self, measurement: str, points: Iterable[Point]) -> int:
        """Add points of `alert`, `trip` or `charge`. Returns how many were new."""
        kept = self.recent[measurement]
        new = 0
        for point in points:
            key = (point.get("vehicle_id", ""), point["time_ms"], point.get("kind", ""))
            if key in kept:
                continue
            kept[key] = point
            new += 1
            if measurement == "alert":
                self._take_alert(point)
        if len(kept) > 2 * RECENT:
            for key in sorted(kept, key=lambda key: key[1])[:-RECENT]:
                del kept[key]
        return new

    def _take_alert(self, point: Point) -> None:
        key = (point.get("vehicle_id", ""), point.get("kind", ""))
        held = self.alerts.get(key)
        if held is not None and held["time_ms"] > point["time_ms"]:
            return
        self.alerts[key] = point
        if key[0] in self.vans:
            self.vans[key[0]].version = self.version

    def agent_points(self, points: Iterable[dict[str, Any]]) -> int:
        """Add `agent` points in order of time. Returns how many were new."""
        new = 0
        for point in points:
            if self.agent and point["time_ms"] <= self.agent["time_ms"]:
                continue
            self.agent = point
            self.agent_past.append(point)
            new += 1
        return new

    def open_alerts(self, vehicle_id: str | None = None) -> list[Point]:
        """Active alerts, sorted by severity and then newest first."""
        points = [
            point
            for (owner, _), point in self.alerts.items()
            if point.get("state") == "raised" and vehicle_id in (None, owner)
        ]
        return sorted(points, key=lambda point: (_rank(point), -point["time_ms"]))

    def worst_alerts(self) -> dict[str, str]:
        """The highest severity of the active alerts of each van."""
        worst: dict[str, str] = {}
        for point in self.open_alerts():
            worst.setdefault(point.get("vehicle_id", ""), point.get("severity", "info"))
        return worst

    def changed_since(self, version: int) -> list[LatestVan]:
        """The vans that changed after `version`."""
        return [van for van in self.vans.values() if van.version > version]

    def key_figures(self) -> KeyFigures:
        """Sums over all vans."""
        by_state = dict.fromkeys(STATES, 0)
        socs: list[float] = []
        drawn_kw = charging_kw = 0.0
        for van in self.vans.values():
            if van.state in by_state:
                by_state[van.state] += 1
            if van.soc_pct is not None:
                socs.append(van.soc_pct)
            power_kw = van.energy.get("power_kw")
            if power_kw is not None and van.state != "offline":
                if van.state == "charging":
                    charging_kw -= power_kw
                else:
                    drawn_kw += power_kw
        alerts = dict.fromkeys(SEVERITIES, 0)
        for point in self.open_alerts():
            alerts[point.get("severity", "info")] = alerts.get(point.get("severity", "info"), 0) + 1
        return KeyFigures(
            vans=len(self.vans),
            by_state=by_state,
            soc_mean_pct=sum(socs) / len(socs) if socs else None,
            soc_min_pct=min(socs, default=None),
            drawn_kw=drawn_kw,
            charging_kw=charging_kw,
            alerts=alerts,
        )

    def front_ms(self) -> int | None:
        """The newest time that at most one van in ten has passed. A single clock that is ahead has no effect."""
        times = sorted(van.energy["time_ms"] for van in self.vans.values() if van.energy)
        if not times:
            times = sorted(van.heard_ms or 0 for van in self.vans.values())
        return times[min(len(times) - 1, int(len(times) * 0.9))] if times else None


def _rank(point: Point) -> int:
    severity = point.get("severity", "info")
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
