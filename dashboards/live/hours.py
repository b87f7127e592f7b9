"""Energy and emissions by hour, from the counters at each full hour. Pure.

The counters never decrease, so the amount of an hour is the difference of two of them. If a van is silent at a full
hour, its use counts in the hour of its next reading, and until then in the hour of its last reading. Sums over the
hours are exact in both cases. Corrections by hand are subtracted from their hour.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from math import inf
from typing import Any, Final

HOUR_MS: Final = 3_600_000

COUNTERS: Final = {
    "used_kwh": ("energy", "used_kwh_total"),
    "regenerated_kwh": ("energy", "regenerated_kwh_total"),
    "charged_kwh": ("energy", "charged_kwh_total"),
    "grid_kwh": ("energy", "grid_kwh_total"),
    "distance_km": ("energy", "distance_km_total"),
    "co2e_g": ("emissions", "co2e_g_total"),
    "diesel_co2e_g": ("emissions", "diesel_co2e_g_total"),
    "avoided_co2e_g": ("emissions", "avoided_co2e_g_total"),
    "avoided_nox_mg": ("emissions", "avoided_nox_mg_total"),
    "avoided_pm_mg": ("emissions", "avoided_pm_mg_total"),
}
"""Amount → its measurement and its counter."""

FLEET_COUNTERS: Final = ("used_kwh", "grid_kwh", "distance_km", "co2e_g", "avoided_co2e_g")
"""The amounts that a `fleet` point has, for a whole depot."""

Amounts = dict[str, float]
Standing = dict[str, Amounts]
"""Counters by van. An unknown counter is missing."""


def standing(points: Iterable[Mapping[str, Any]], measurement: str, into: Standing) -> None:
    """Copy the counters of `points` to `into`; those of `fleet` points under the name of the depot."""
    if measurement == "fleet":
        owner_tag, names = "depot", [(name, f"{name}_total") for name in FLEET_COUNTERS]
    else:
        owner_tag = "vehicle_id"
        names = [(amount, counter) for amount, (owner, counter) in COUNTERS.items() if owner == measurement]
    for point in points:
        vehicle_id = point.get(owner_tag)
        if vehicle_id is not None:
            amounts = into.setdefault(vehicle_id, {})
            for amount, counter in names:
                if (value := point.get(counter)) is not None:
                    amounts[amount] = value


def midnight_ms(time_ms: int, zone: tzinfo) -> int:
    """The start of the day that `time_ms` lies in."""
    local = datetime.fromtimestamp(time_ms / 1000, zone)
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


def full_hours(time_ms: int, zone: tzinfo, *, hours: int = 24) -> list[int]:
    """The full hours up to `time_ms` that cover the last `hours` and the day so far."""
    local = datetime.fromtimestamp(time_ms / 1000, zone).replace(minute=0, second=0, microsecond=0)
    last = local.astimezone(UTC)
    first = min(last - timedelta(hours=hours - 1), datetime.fromtimestamp(midnight_ms(time_ms, zone) / 1000, UTC))
    count = int((last - first).total_seconds()) // 3600
    return [int((first + timedelta(hours=hour)).timestamp() * 1000) for hour in range(count + 1)]


@dataclass(slots=True)
class HourBook:
    """The counters at each full hour, and the first counters of vans that appeared later."""

    at: dict[int, Standing] = field(default_factory=dict)
    first: dict[str, tuple[int, Amounts]] = field(default_factory=dict)
    corrections: dict[str, list[tuple[int, Amounts]]] = field(default_factory=dict)
    """Corrected amounts by van, each with its time."""

    def since(self, start_ms: int, now: Standing, heard_ms: Mapping[str, int]) -> Standing:
        """Amounts by van from `start_ms` to `now`. `heard_ms` is the time of the last reading of each van."""
        hours = sorted(self.at)
        result: Standing = {}
        for vehicle_id, amounts in now.items():
            # The counters of a van without readings since then have not changed.
            silent = heard_ms[vehicle_id] < start_ms
            base = amounts if silent else self._base(vehicle_id, start_ms, hours)
            wrong = self._corrected(vehicle_id, start_ms)
            result[vehicle_id] = {
                name: max(0.0, value - base.get(name, value) - wrong.get(name, 0.0)) for name, value in amounts.items()
            }
        return result

    def _corrected(self, vehicle_id: str, start_ms: int, end_ms: float = inf) -> Amounts:
        known = self.corrections.get(vehicle_id)
        return total(amounts for time_ms, amounts in known if start_ms <= time_ms < end_ms) if known else {}

    def _base(self, vehicle_id: str, start_ms: int, hours: list[int]) -> Amounts:
        """The counters to subtract for a van with readings since `start_ms`."""
        first_ms, amounts = self.first.get(vehicle_id, (None, {}))
        if first_ms is not None and first_ms >= start_ms:
            return amounts
        known = [hour for hour in hours if vehicle_id in self.at[hour]]
        before = [hour for hour in known if hour <= start_ms]
        if before:
            return self.at[before[-1]][vehicle_id]
        return self.at[known[0]][vehicle_id] if known and not amounts else amounts

    def by_hour(
        self, now: Standing, heard_ms: Mapping[str, int], group: Callable[[str], str] = lambda _: ""
    ) -> list[tuple[int, dict[str, Amounts]]]:
        """(start of hour, amounts by group), oldest first. The last one is the present hour."""
        hours = sorted(self.at)
        table: list[tuple[int, dict[str, Amounts]]] = [(hour, {}) for hour in hours]
        for vehicle_id, current in now.items():
            heard = heard_ms[vehicle_id]
            previous = self._standing(vehicle_id, hours[0], current, heard) if hours else None
            for index, hour in enumerate(hours):
                last = index + 1 == len(hours)
                end = current if last else self._standing(vehicle_id, hours[index + 1], current, heard)
                if end is None:
                    continue
                if previous is None:
                    previous = self._first_before(vehicle_id, hour + HOUR_MS, end)
                sums = table[index][1].setdefault(group(vehicle_id), {})
                wrong = self._corrected(vehicle_id, hour, inf if last else hours[index + 1])
                for name, value in end.items():
                    grown = value - previous.get(name, value) - wrong.get(name, 0.0)
                    sums[name] = sums.get(name, 0.0) + max(0.0, grown)
                previous = end
        return table

    def _standing(self, vehicle_id: str, hour: int, current: Amounts, heard_ms: int) -> Amounts | None:
        return current if heard_ms < hour else self.at[hour].get(vehicle_id)

    def _first_before(self, vehicle_id: str, end_ms: int, otherwise: Amounts) -> Amounts:
        first_ms, amounts = self.first.get(vehicle_id, (None, {}))
        return amounts if first_ms is not None and first_ms < end_ms else otherwise


def total(amounts: Iterable[Amounts]) -> Amounts:
    """The sum of several amounts. A name that none of them has is missing."""
    sums: Amounts = {}
    for each in amounts:
        for name, value in each.items():
            sums[name] = sums.get(name, 0.0) + value
    return sums


def grouped(amounts: Standing, group: Callable[[str], str]) -> dict[str, Amounts]:
    """The sums by group."""
    groups: dict[str, list[Amounts]] = {}
    for vehicle_id, each in amounts.items():
        groups.setdefault(group(vehicle_id), []).append(each)
    return {name: total(each) for name, each in groups.items()}


def kwh_per_100km(amounts: Amounts) -> float | None:
    """Net consumption, after the energy returned by braking; None before the first kilometre."""
    distance_km, used_kwh = amounts.get("distance_km"), amounts.get("used_kwh")
    if used_kwh is None or not distance_km:
        return None
    return (used_kwh - amounts.get("regenerated_kwh", 0.0)) / distance_km * 100
