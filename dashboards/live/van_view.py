"""One van over the last hours, as mean values per time interval, so that the number of points is bounded. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

BUCKETS: Final = 720
"""Number of points of a chart line."""

SIGNALS: Final = {
    "soc_pct": ("battery", "soc_pct"),
    "speed_kmh": ("location", "speed_kmh"),
    "power_kw": ("energy", "power_kw"),
}
"""Chart line → measurement and field."""

Line = list[tuple[int, float | None]]


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.count += 1

    @property
    def value(self) -> float:
        return self.total / self.count


@dataclass(slots=True)
class VanView:
    """The data of the charts and the map of one van."""

    vehicle_id: str
    hours: int
    newest_ms: dict[str, int] = field(default_factory=dict)
    """By measurement: the time of the newest point that was added."""
    version: int = 0
    means: dict[str, dict[int, _Mean]] = field(default_factory=lambda: {name: {} for name in SIGNALS})
    positions: dict[int, tuple[float, float]] = field(default_factory=dict)
    trips: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    tours: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    drops: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    charges: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def bucket_ms(self) -> int:
        """The length of the interval of one point."""
        return self.hours * 3_600_000 // BUCKETS

    def add(self, measurement: str, points: Iterable[Mapping[str, Any]]) -> int:
        """Add points of one measurement, each of them once. Returns how many."""
        events = {"trip": self.trips, "tour": self.tours, "drop": self.drops, "charge": self.charges}.get(measurement)
        signals = [(self.means[name], source) for name, (owner, source) in SIGNALS.items() if owner == measurement]
        bucket_ms = self.bucket_ms
        count = 0
        for point in points:
            bucket = point["time_ms"] // bucket_ms
            for means, source in signals:
                if (value := point.get(source)) is not None:
                    means.setdefault(bucket, _Mean()).add(value)
            if measurement == "location" and "latitude_deg" in point and "longitude_deg" in point:
                self.positions[bucket] = (round(point["latitude_deg"], 5), round(point["longitude_deg"], 5))
            if events is not None:
                events[point["time_ms"]] = point
            self.newest_ms[measurement] = max(self.newest_ms.get(measurement, 0), point["time_ms"])
            count += 1
        if count:
            self.version += 1
            self._forget()
        return count

    def line(self, signal: str) -> Line:
        """The means over time, with None in longer gaps."""
        gap_ms = max(3 * self.bucket_ms, 300_000)
        line: Line = []
        for bucket, mean in sorted(self.means[signal].items()):
            time_ms = bucket * self.bucket_ms
            if line and time_ms - line[-1][0] > gap_ms:
                line.append((line[-1][0] + self.bucket_ms, None))
            line.append((time_ms, round(mean.value, 2)))
        return line

    def trail(self) -> list[tuple[float, float]]:
        """Positions, oldest first, without repeated positions at rest."""
        trail: list[tuple[float, float]] = []
        for _, position in sorted(self.positions.items()):
            if not trail or trail[-1] != position:
                trail.append(position)
        return trail

    def _forget(self) -> None:
        oldest = max(self.newest_ms.values()) // self.bucket_ms - BUCKETS
        for means in self.means.values():
            _drop_before(means, oldest)
        _drop_before(self.positions, oldest)
        for events in (self.trips, self.tours, self.drops, self.charges):
            _drop_before(events, oldest * self.bucket_ms)


def _drop_before(held: dict[int, Any], oldest: int) -> None:
    for key in [key for key in held if key < oldest]:
        del held[key]
