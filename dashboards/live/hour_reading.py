"""Reads the counters at full hours from the store, and decides when to read them again."""

import time
from collections.abc import Iterable
from datetime import tzinfo
from functools import partial
from typing import Final

from agent.stores.base import History
from dashboards.live.channel import Channel
from dashboards.live.hours import COUNTERS, Amounts, HourBook, Standing, full_hours, standing

WINDOWS_MS: Final = (20_000, 60_000, 180_000, 600_000)
"""How long before a full hour a van's counters still stand for that hour: each next one only if the last found vans."""
FIRST_ROWS: Final = 100_000
"""Number of rows to search for the first counters of vans that were silent at the first hour."""
JUMP_MS: Final = 300_000
"""The data moved on faster than the clock: history is being filled in."""
AGAIN_S: Final = 60.0
AGAIN_LONGEST_S: Final = 1800.0


class HourReader:
    """Reads each full hour once, and all of them again from time to time, because buffered readings arrive late."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._book = HourBook()
        self._front_ms = 0
        self._all_due_s = 0.0
        self._pause_s = AGAIN_S
        self._took_s = 0.0
        self._read_s = 0.0

    def due(self, front_ms: int) -> bool:
        """Whether `read` has anything to do now."""
        now_s = time.monotonic()
        if front_ms - self._front_ms > JUMP_MS:
            return now_s - self._read_s > max(1.0, 5 * self._took_s)
        return now_s >= self._all_due_s or full_hours(front_ms, self._zone)[-1] not in self._book.at

    async def read(self, channel: Channel, front_ms: int, vans: Iterable[str], *, depots: bool = False) -> HourBook:
        """The book with the new hours added, or a completely new book. With `depots`, `vans` are depots."""
        started_s = time.monotonic()
        jumped = front_ms - self._front_ms > JUMP_MS
        everything = jumped or started_s >= self._all_due_s
        known = set(vans)
        measurements = ("fleet",) if depots else ("energy", "emissions")
        hours = full_hours(front_ms, self._zone)
        book = HourBook(first={} if everything else self._book.first)
        for hour in reversed(hours):
            if not everything and hour in self._book.at:
                book.at[hour] = self._book.at[hour]
            else:
                book.at[hour] = await channel.read(
                    partial(_standing_at, hour_ms=hour, vans=len(known), measurements=measurements)
                )
        if not depots:
            book.corrections = await channel.read(partial(_corrections, start_ms=hours[0]))
        missing = known - book.at[hours[0]].keys() - book.first.keys()
        if missing:
            book.first |= await channel.read(
                partial(_first_standing, start_ms=hours[0], missing=missing, measurements=measurements)
            )
        self._book, self._front_ms, self._read_s = book, front_ms, time.monotonic()
        if everything:
            self._took_s = self._read_s - started_s
            self._pause_s = AGAIN_S if jumped else min(AGAIN_LONGEST_S, 2 * self._pause_s)
            self._all_due_s = self._read_s + max(self._pause_s / 2, 30 * self._took_s)
        return book


def _standing_at(history: History, hour_ms: int, vans: int, measurements: tuple[str, ...]) -> Standing:
    """The counters just before a full hour. Points are in order of time, so the last one of each van is used."""
    into: Standing = {}
    end_ms = hour_ms
    for window_ms in WINDOWS_MS:
        before = len(into)
        older: Standing = {}
        for measurement in measurements:
            points = history.select(measurement, start_ms=hour_ms - window_ms, end_ms=end_ms)
            standing(points, measurement, older)
        into |= {vehicle_id: amounts for vehicle_id, amounts in older.items() if vehicle_id not in into}
        end_ms = hour_ms - window_ms
        if len(into) >= vans or (before and len(into) - before < vans * 0.01):
            break
    return into


def _corrections(history: History, start_ms: int) -> dict[str, list[tuple[int, Amounts]]]:
    """The corrections by hand since then, by van."""
    found: dict[str, list[tuple[int, Amounts]]] = {}
    for point in history.select("correction", start_ms=start_ms):
        amounts = {name: point[name] for name in COUNTERS if name in point}
        found.setdefault(point["vehicle_id"], []).append((point["time_ms"], amounts))
    return found


def _first_standing(
    history: History, start_ms: int, missing: set[str], measurements: tuple[str, ...]
) -> dict[str, tuple[int, Amounts]]:
    """The first counters at or after `start_ms` of the vans in `missing`, if they are within the rows searched."""
    first_ms: dict[str, int] = {}
    into: Standing = {}
    for measurement in measurements:
        wanted = set(missing)
        for number, point in enumerate(history.select(measurement, start_ms=start_ms)):
            vehicle_id = point.get("depot" if measurement == "fleet" else "vehicle_id")
            if vehicle_id in wanted:
                wanted.discard(vehicle_id)
                first_ms[vehicle_id] = point["time_ms"]
                standing((point,), measurement, into)
            if not wanted or number > FIRST_ROWS:
                break
    return {vehicle_id: (first_ms[vehicle_id], into[vehicle_id]) for vehicle_id in into}
