"""Places: which depot, customer or zone a position lies in.

The plane is divided into cells of a thousandth of a degree. A cell that no border crosses is answered from a table. On
a border the polygons are asked (`Areas`). An answer depends on the position alone.
"""

from collections.abc import Sequence
from math import cos, hypot, radians
from typing import Final, Protocol

import msgspec

from agent.fleet.sphere import KM_PER_DEGREE

CELLS_PER_DEGREE: Final = 1000
MAX_CELLS: Final = 200_000
"""Most cells in the table; when it is full, it is emptied."""

Names = tuple[str, ...]
"""The places that a position lies in, the smallest first."""


class Geofence(msgspec.Struct, frozen=True, kw_only=True):
    """A named area around a middle; `alert` says whether entering and leaving it are reported."""

    name: str
    kind: str
    alert: bool
    area_km2: float
    latitude_deg: float
    longitude_deg: float


class Areas(Protocol):
    """The polygons of a list of geofences. An index is the place in that list."""

    def touching(self, west: float, south: float, east: float, north: float) -> list[tuple[int, bool]]:
        """The areas that a box touches, in order of the index, each with whether it covers all of the box."""

    def holds(self, index: int, latitude_deg: float, longitude_deg: float) -> bool:
        """Whether the position lies in the area or on its border."""


class Places:
    """All geofences, with unique names. Where some overlap, a van is said to be at the smallest one."""

    def __init__(self, fences: Sequence[Geofence] = (), areas: Areas | None = None) -> None:
        """`fences` are in order of their size, the smallest first; `areas` are their polygons."""
        self._by_size = list(fences)
        self._by_name = {fence.name: fence for fence in fences}
        self._areas = areas
        self._cells: dict[int, Names | list[tuple[int, bool]]] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Geofence | None:
        """The geofence of that name."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """All names, in order."""
        return sorted(self._by_name)

    def kinds(self) -> list[str]:
        """All kinds, in order."""
        return sorted({fence.kind for fence in self._by_size})

    def at(self, latitude_deg: float, longitude_deg: float) -> str | None:
        """The smallest place that a position lies in."""
        names = self.around(latitude_deg, longitude_deg)
        return names[0] if names else None

    def around(self, latitude_deg: float, longitude_deg: float) -> Names:
        """All places that a position lies in, the smallest first."""
        areas = self._areas
        if areas is None:
            return ()
        row, column = int((latitude_deg + 90) * CELLS_PER_DEGREE), int((longitude_deg + 180) * CELLS_PER_DEGREE)
        key = row * 1_000_000 + column
        cell = self._cells.get(key)
        if cell is None:
            cell = self._make_cell(areas, row, column)
            if len(self._cells) >= MAX_CELLS:
                self._cells.clear()
            self._cells[key] = cell
        if isinstance(cell, tuple):
            return cell
        return tuple(
            self._by_size[index].name
            for index, whole in cell
            if whole or areas.holds(index, latitude_deg, longitude_deg)
        )

    def _make_cell(self, areas: Areas, row: int, column: int) -> Names | list[tuple[int, bool]]:
        """The places in a cell: their names where no border crosses it, else indexes and whether each covers it all."""
        south, west = row / CELLS_PER_DEGREE - 90, column / CELLS_PER_DEGREE - 180
        # A little larger than the cell, so that rounding cannot put a position outside its own cell.
        margin, size = 1e-9, 1 / CELLS_PER_DEGREE
        cell = areas.touching(west - margin, south - margin, west + size + margin, south + size + margin)
        if all(whole for _, whole in cell):
            return tuple(self._by_size[index].name for index, _ in cell)
        return cell

    def home_km(self, depot: str, latitude_deg: float, longitude_deg: float) -> float | None:
        """Straight distance to a depot's middle, accurate to 1 % up to 300 km; `None` for an unknown place."""
        home = self._by_name.get(depot)
        if home is None:
            return None
        north = home.latitude_deg - latitude_deg
        east = (home.longitude_deg - longitude_deg) * cos(radians((home.latitude_deg + latitude_deg) / 2))
        return KM_PER_DEGREE * hypot(north, east)
