"""The plan of a van for a day: departure, stops, dwell times and load. All are random."""

from enum import IntEnum
from typing import Final

import numpy as np

from simulator.chance import Floats, Integers, Keys, normal, unit
from simulator.depots import Depot
from simulator.models import Model

BLOCK_U_M: Final = 120.0
BLOCK_V_M: Final = 90.0
DAY_S: Final = 86_400
PARCEL_KG: Final = 4.5
STOP_PURPOSE_BASE: Final = 1000


class Purpose(IntEnum):
    """The purpose of a random draw."""

    AREA_DISTANCE = 1
    AREA_ANGLE = 2
    SPACING = 3
    SPACING_DAY = 4
    STOPS = 5
    SHIFT = 6
    LATE_SHIFT = 7
    DWELL = 8
    LONG_DWELL = 9
    PARCELS = 10
    STOP_JITTER = 11
    LUNCH = 12
    LUNCH_LENGTH = 13
    STREET_LIMIT = 14
    CROSSING = 15
    HOLD = 16
    DRIVER = 17
    SATURDAY = 18
    PLUG_DELAY = 19
    FORGOTTEN = 20
    TARGET = 21
    HEALTH = 22
    ODOMETER = 23
    PHASE = 24
    ROW = 25
    WEATHER = 26
    CHARGER = 27
    CHARGE_TO = 28
    EVENING = 29
    FIX = 30
    HOP = 31
    CRUISE = 32


class Tours:
    """The working days of all vans of a fleet. Every method takes the numbers of the vans."""

    def __init__(self, keys: Keys, depots: list[Depot], models: list[Model]) -> None:
        """`depots` and `models` have one entry per van."""
        self._keys = keys
        self._payload_kg = np.array([float(model.payload_kg) for model in models])
        distance = 5000.0 + 8500.0 * unit(keys, Purpose.AREA_DISTANCE)
        angle = 2.0 * np.pi * unit(keys, Purpose.AREA_ANGLE)
        self.area_u = np.round(distance * np.cos(angle) / BLOCK_U_M) * BLOCK_U_M
        self.area_v = np.round(distance * np.sin(angle) / BLOCK_V_M) * BLOCK_V_M
        self._spacing_m = 170.0 + 330.0 * unit(keys, Purpose.SPACING) ** 1.5
        self._row_m = BLOCK_U_M * np.floor(7.0 + 10.0 * unit(keys, Purpose.ROW))
        late = unit(keys, Purpose.LATE_SHIFT) < 0.12
        self._shift_s = np.where(late, 10.25, 6.9) * 3600.0
        self.trunk_limit_mps = np.array([70.0, 80.0, 100.0])[(unit(keys, Purpose.HOP) * 3).astype(np.int64)] / 3.6

    def works(self, vans: Integers, day: Integers) -> np.typing.NDArray[np.bool_]:
        """Whether the vans go out on a day: Monday to Friday, two fifths on Saturdays, none on Sundays."""
        weekday = (day + 3) % 7
        saturday = unit(self._keys[vans], Purpose.SATURDAY, day) < 0.4
        return np.asarray((weekday < 5) | ((weekday == 5) & saturday))

    def shift_s(self, vans: Integers, day: Integers) -> Floats:
        """Seconds after local midnight at which the loaded van leaves."""
        return np.floor(self._shift_s[vans] + 5400.0 * unit(self._keys[vans], Purpose.SHIFT, day))

    def stops(self, vans: Integers, day: Integers) -> Integers:
        """Number of stops: 80 to 150."""
        return np.floor(80.0 + 71.0 * unit(self._keys[vans], Purpose.STOPS, day)).astype(np.int64)

    def lunch_s(self, vans: Integers, day: Integers) -> tuple[Floats, Floats]:
        """Seconds after local midnight from which the driver has a break, and its length."""
        keys = self._keys[vans]
        start = self._shift_s[vans] + 4.6 * 3600.0 + 3600.0 * unit(keys, Purpose.LUNCH, day)
        return start, np.floor(1800.0 + 900.0 * unit(keys, Purpose.LUNCH_LENGTH, day))

    def stop_at(self, vans: Integers, day: Integers, stop: Integers) -> tuple[Floats, Floats]:
        """The position of a stop on the grid. Stops follow the streets of the area up and down, one after the other."""
        keys = self._keys[vans]
        spacing = self._spacing_m[vans] * (0.9 + 0.2 * unit(keys, Purpose.SPACING_DAY, day))
        jitter = unit(keys, Purpose.STOP_JITTER, day * 1000 + stop) - 0.5
        way = (stop + 0.5 + 0.7 * jitter) * spacing
        row_m = self._row_m[vans]
        row = np.floor(way / row_m)
        along = way - row * row_m
        along = np.where(row % 2 == 0, along, row_m - along)
        rows = np.floor(110.0 * spacing / row_m)
        u = self.area_u[vans] + along - 0.5 * row_m
        # The position along the street is random, with a resolution of 1 m.
        return np.round(u), self.area_v[vans] + np.round(row - 0.5 * rows) * BLOCK_V_M

    def charger_at(self, vans: Integers) -> tuple[Floats, Floats]:
        """The position of a public fast charger on the edge of the area."""
        keys = self._keys[vans]
        u = self.area_u[vans] + BLOCK_U_M * np.round(8.0 * (unit(keys, Purpose.CHARGER) - 0.5)) + 40.0
        return u, self.area_v[vans] + BLOCK_V_M * np.round(12.0 * (unit(keys, Purpose.CHARGER, 1) - 0.5))

    def dwell_s(self, vans: Integers, day: Integers, stop: Integers) -> Floats:
        """Duration of a delivery: 70 s to 4 minutes, sometimes 6 to 10 minutes."""
        keys = self._keys[vans]
        count = day * 1000 + stop
        usual = 120.0 * np.exp(0.32 * normal(keys, Purpose.DWELL, count))
        long = unit(keys, Purpose.LONG_DWELL, count)
        return np.floor(np.where(long < 0.05, 360.0 + 4800.0 * long, np.clip(usual, 70.0, 240.0)))

    def parcels(self, vans: Integers, day: Integers, stop: Integers) -> Integers:
        """Parcels delivered at a stop, mostly one."""
        draw = unit(self._keys[vans], Purpose.PARCELS, day * 1000 + stop)
        return 1 + (draw > 0.66).astype(np.int64) + (draw > 0.88) + 2 * (draw > 0.96)

    def parcels_from(self, vans: Integers, day: Integers, stop: Integers) -> Integers:
        """Parcels on board before a stop, for the rest of the tour."""
        total = np.zeros(vans.size, dtype=np.int64)
        last = self.stops(vans, day)
        for number in range(int(last.max(initial=0))):
            here = np.full(vans.size, number, dtype=np.int64)
            total += np.where((number >= stop) & (number < last), self.parcels(vans, day, here), 0)
        return total

    def parcel_kg(self, vans: Integers, day: Integers) -> Floats:
        """Mean weight of a day's parcels, within the payload of the van."""
        return np.minimum(PARCEL_KG, self._payload_kg[vans] / 260.0) * (0.8 + 0.4 * unit(self._keys[vans], 33, day))

    def way_m(self, vans: Integers, day: Integers) -> Floats:
        """Approximate distance from one stop to the next."""
        return self._spacing_m[vans] * (0.9 + 0.2 * unit(self._keys[vans], Purpose.SPACING_DAY, day)) + 40.0

    def stem_m(self, vans: Integers) -> Floats:
        """Approximate distance from the depot to the area."""
        return np.abs(self.area_u[vans]) + np.abs(self.area_v[vans])
