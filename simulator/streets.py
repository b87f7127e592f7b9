"""Streets without a map: a slightly bent grid of streets, the same for every van of a depot.

A van drives on the grid (u, v), in metres from its depot. Two shears map the grid to the plane: x = u + f(v) and
y = v + g(x). A rotation aligns it with the depot's town, and the sphere gives latitude and longitude. Shears keep
streets connected, and the length of a step along a street is known exactly, so odometer, speed and position agree.
"""

from typing import Final, NamedTuple

import numpy as np

from simulator.chance import Floats, Integers
from simulator.depots import Depot

METRES_PER_DEGREE: Final = 6_371_008.8 * np.pi / 180.0
"""On the sphere of the mean earth radius (IUGG)."""

_BENDS: Final = ((260.0, 3100.0), (55.0, 610.0))
"""Amplitude and wave number length in metres of what bends the streets: the valley, then the quarter."""
_HILLS: Final = ((1.0, 1050.0), (0.22, 310.0))
"""Share of the depot's hills and wave number length in metres."""

EAST, WEST, NORTH, SOUTH = 0, 1, 2, 3
"""Directions on the grid: along +u, −u, +v, −v."""


class Positions(NamedTuple):
    """Position and heading of vans."""

    latitude_deg: Floats
    longitude_deg: Floats
    altitude_m: Floats
    heading_deg: Floats


class Streets:
    """The streets of the towns of many vans, one entry per van."""

    def __init__(self, depots: list[Depot]) -> None:
        """`depots` has the depot of each van."""
        angle = np.radians([depot.street_angle_deg for depot in depots])
        self._cos = np.cos(angle)
        self._sin = np.sin(angle)
        self._latitude = np.array([depot.latitude_deg for depot in depots])
        self._longitude = np.array([depot.longitude_deg for depot in depots])
        self._altitude = np.array([depot.altitude_m for depot in depots])
        self._hills = np.array([depot.hills_m for depot in depots])
        self._phase = np.array([depot.street_angle_deg * 0.37 for depot in depots])
        self._start = sum(amplitude for amplitude, _ in _BENDS) * np.sin(self._phase)

    def of(self, vans: Integers) -> "Streets":
        """The streets of some of the vans."""
        some = object.__new__(Streets)
        for name, values in vars(self).items():
            setattr(some, name, values[vans])
        return some

    def stretch(self, u: Floats, v: Floats, direction: Integers) -> tuple[Floats, Floats]:
        """Metres on the ground for one metre on the grid, and the height above the sea in metres."""
        f, df = self._bend(v)
        x = u + f
        g, dg = self._bend(x)
        along_v = direction >= NORTH
        metres = np.sqrt(np.where(along_v, df**2 + (1.0 + dg * df) ** 2, 1.0 + dg**2))
        return metres, self._height(x, v + g)

    def place(self, u: Floats, v: Floats, direction: Integers) -> Positions:
        """Position, height and heading."""
        f, df = self._bend(v)
        x = u + f
        g, dg = self._bend(x)
        y = v + g
        along_v = direction >= NORTH
        sign = np.where(direction % 2 == 0, 1.0, -1.0)
        dx = np.where(along_v, df, 1.0) * sign
        dy = np.where(along_v, 1.0 + dg * df, dg) * sign
        latitude = self._latitude + (x * self._sin + y * self._cos) / METRES_PER_DEGREE
        east = x * self._cos - y * self._sin
        longitude = self._longitude + east / (METRES_PER_DEGREE * np.cos(np.radians(latitude)))
        heading = np.degrees(np.arctan2(dx * self._cos - dy * self._sin, dx * self._sin + dy * self._cos)) % 360.0
        return Positions(latitude, longitude, self._height(x, y), heading)

    def _height(self, x: Floats, y: Floats) -> Floats:
        (hill, hill_length), (mound, mound_length) = _HILLS
        phase = self._phase
        hills = np.sin(x / hill_length + phase) + np.sin(y / (1.3 * hill_length) - phase)
        mounds = np.sin(x / mound_length + phase) + np.sin(y / (1.3 * mound_length) - phase)
        return np.asarray(self._altitude + 0.5 * self._hills * (hill * hills + mound * mounds))

    def _bend(self, at: Floats) -> tuple[Floats, Floats]:
        """The shift at a grid coordinate and its slope."""
        (wide_m, wide_length), (narrow_m, narrow_length) = _BENDS
        wide = at / wide_length + self._phase
        narrow = at / narrow_length + self._phase
        shift = wide_m * np.sin(wide) + narrow_m * np.sin(narrow) - self._start
        slope = wide_m / wide_length * np.cos(wide) + narrow_m / narrow_length * np.cos(narrow)
        return shift, slope
