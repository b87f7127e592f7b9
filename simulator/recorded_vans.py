"""The state of recorded vans that faults depend on: whether a van is parked, drives or charges now."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from simulator.chance import van_keys
from simulator.faults import Faults
from simulator.reports import Reading
from simulator.tours import DAY_S
from simulator.van_states import Activity

PARKED_AFTER_MS: Final = 300_000
"""A rest of this length or more is parking. A shorter rest is part of the drive."""
MOVING_KMH: Final = 0.5

Timed = tuple[int, Reading]
"""The time at which a reading is sent, in ms, and the reading."""


class RecordedVans:
    """The `ObservedVans` of a recording. All of it is known, so a rest counts as parking from its beginning."""

    def __init__(self, readings: Sequence[Timed], *, seed: int) -> None:
        """`readings` are in the order of time."""
        self.ids = sorted({reading["vehicle_id"] for _, reading in readings})
        self._numbers = {vehicle_id: van for van, vehicle_id in enumerate(self.ids)}
        self.keys = van_keys(seed, len(self.ids))
        self.time_s = 0
        self.activity = [Activity.DRIVING] * len(self.ids)
        self.day = [0] * len(self.ids)
        self.charging = [False] * len(self.ids)
        self._moves: list[list[int]] = [[] for _ in self.ids]
        """The times at which each van moves, in ms."""
        for time_ms, reading in readings:
            if reading.get("speed_kmh", 0.0) > MOVING_KMH:
                self._moves[self._numbers[reading["vehicle_id"]]].append(time_ms)

    def look(self, time_ms: int, reading: Reading) -> None:
        """Set the present to the time at which this reading is sent."""
        van = self._numbers[reading["vehicle_id"]]
        self.time_s = time_ms // 1000
        self.charging[van] = reading.get("charging") is True
        moves = self._moves[van]
        after = bisect_right(moves, time_ms)
        last_ms = moves[after - 1] if after else time_ms - DAY_S * 1000
        next_ms = moves[after] if after < len(moves) else time_ms + DAY_S * 1000
        parked = last_ms < time_ms and next_ms - last_ms > PARKED_AFTER_MS
        if parked and self.activity[van] == Activity.DRIVING:
            self.day[van] = self.time_s // DAY_S
        self.activity[van] = Activity.PARKED if parked else Activity.DRIVING


def with_faults(readings: Sequence[Timed], names: Sequence[str], *, seed: int) -> Iterator[Timed]:
    """The readings as vans with these faults would send them. Raises ValueError for an unknown fault."""
    vans = RecordedVans(readings, seed=seed)
    faults = Faults(list(names), vans)
    for time_ms, reading in readings:
        vans.look(time_ms, reading)
        for sent in faults.apply([dict(reading)]):
            yield time_ms, sent
    if readings:
        for sent in faults.remaining():
            yield readings[-1][0], sent
