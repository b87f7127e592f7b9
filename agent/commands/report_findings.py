"""What a report says about the data: periods corrected by hand, and vans with implausible data."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from agent.fleet.correction_state import Amounts
from agent.stores.base import History

LONGEST_CORRECTION_MS: Final = 31 * 86_400_000
"""The longest period of one correction."""
IMPLAUSIBLE: Final = ("position_implausible", "soc_implausible", "odometer_implausible", "power_implausible")
"""The alerts on implausible data."""


class Corrections:
    """The corrections that reach into a period."""

    def __init__(self, entries: Iterable[dict[str, Any]]) -> None:
        self.entries = list(entries)
        """Oldest first; `amounts` are what each excludes from the period."""
        self._stretches: dict[str, list[tuple[int, int]]] = {}
        for entry in self.entries:
            self._stretches.setdefault(entry["vehicle_id"], []).append((entry["from_ms"], entry["to_ms"]))

    def of(self, vehicle_id: str) -> Amounts:
        """The amounts that are excluded for this van."""
        total = Amounts()
        for entry in self.entries:
            if entry["vehicle_id"] == vehicle_id:
                total = total.plus(entry["amounts"])
        return total

    def touches(self, point: Mapping[str, Any]) -> bool:
        """Whether a trip, a charge or a stop overlaps a corrected period of its van."""
        start_ms, end_ms = point.get("start_ms", point["time_ms"]), point["time_ms"]
        return any(
            start_ms < to_ms and from_ms < end_ms for from_ms, to_ms in self._stretches.get(point["vehicle_id"], ())
        )

    def untouched(self, points: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The points that overlap no corrected period."""
        return (point for point in points if not self.touches(point))


def corrections_of(
    history: History, vehicle_id: str | None = None, *, start_ms: int | None = None, end_ms: int | None = None
) -> Corrections:
    """The corrections that overlap the period, each with the sum of its points in the period."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    # A point lies within its correction, which begins at most the longest correction before the period.
    since_ms = None if start_ms is None else start_ms - LONGEST_CORRECTION_MS
    for point in history.select("correction", vehicle_id=vehicle_id, start_ms=since_ms, end_ms=end_ms):
        if start_ms is not None and point["to_ms"] <= start_ms:
            continue
        names = ("vehicle_id", "depot", "from_ms", "to_ms", "made_ms", "reason", "made_by")
        key = (point["vehicle_id"], point["from_ms"], point["made_ms"])
        entry = found.setdefault(key, {name: point.get(name) for name in names} | {"amounts": Amounts()})
        if start_ms is None or point["time_ms"] >= start_ms:
            amounts = Amounts(**{name: point.get(name, 0.0) for name in Amounts.__struct_fields__})
            entry["amounts"] = entry["amounts"].plus(amounts)
    return Corrections(sorted(found.values(), key=lambda entry: (entry["from_ms"], entry["vehicle_id"])))


def implausible(history: History, start_ms: int | None, end_ms: int | None) -> list[dict[str, Any]]:
    """The vans with implausible data in the period: how often each alert was raised, and when last."""
    vans: dict[str, dict[str, Any]] = {}
    for alert in history.select("alert", start_ms=start_ms, end_ms=end_ms):
        if alert["kind"] in IMPLAUSIBLE and alert["state"] == "raised":
            vehicle_id = alert["vehicle_id"]
            new = {"vehicle_id": vehicle_id, "depot": alert.get("depot"), **dict.fromkeys(IMPLAUSIBLE, 0)}
            van = vans.setdefault(vehicle_id, new)
            van[alert["kind"]] += 1
            van["last_ms"] = alert["time_ms"]
    return [vans[vehicle_id] for vehicle_id in sorted(vans)]
