"""Geofences: which depot, customer or zone a position lies in.

The plane is cut into cells of a thousandth of a degree. A cell that no border crosses is answered from a table; only on
a border is the exact test made. Answers depend on the position alone.
"""

from collections.abc import Mapping
from math import cos, hypot, radians
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.errors import SettingsError

if TYPE_CHECKING:  # shapely is loaded only where there are places, see geofences.py
    from agent.fleet.geofences import Areas

KM_PER_DEGREE: Final = 111.195
"""Length of one degree of latitude on a sphere of 6371 km radius."""
CELLS_PER_DEGREE: Final = 1000
MAX_CELLS: Final = 200_000
"""How many cells are remembered; then the table begins anew."""

Names = tuple[str, ...]
"""The places a position lies in, the smallest first."""


class Place(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A named area; `alert` says whether entering and leaving it are reported."""

    name: str
    kind: str
    alert: bool
    area_km2: float
    latitude_deg: float
    longitude_deg: float
    area: Any
    """The shapely polygon, x = longitude, y = latitude."""


class Places:
    """All geofences. Names are unique; of overlapping places the smallest is the one a van is said to be at."""

    def __init__(self, places: list[Place]) -> None:
        self._places = {place.name: place for place in places}
        if len(self._places) < len(places):
            names = [place.name for place in places]
            twice = next(name for name in names if names.count(name) > 1)
            raise SettingsError(f"the place {twice!r} is given twice")
        self._by_size = sorted(places, key=lambda place: (place.area_km2, place.name))
        self._areas = _areas(self._by_size) if places else None
        self._cells: dict[int, Names | list[tuple[int, bool]]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def get(self, name: str) -> Place | None:
        """The place of that name."""
        return self._places.get(name)

    def names(self) -> list[str]:
        """All names, in order."""
        return sorted(self._places)

    def kinds(self) -> list[str]:
        """All kinds, in order."""
        return sorted({place.kind for place in self._places.values()})

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
            cell = self._survey(areas, row, column)
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

    def _survey(self, areas: "Areas", row: int, column: int) -> Names | list[tuple[int, bool]]:
        """What lies in a cell: names where no border crosses it, else the places and whether they cover all of it."""
        south, west = row / CELLS_PER_DEGREE - 90, column / CELLS_PER_DEGREE - 180
        # A little larger than the cell, so that rounding cannot put a position outside its own cell.
        margin, size = 1e-9, 1 / CELLS_PER_DEGREE
        cell = areas.touching(west - margin, south - margin, west + size + margin, south + size + margin)
        if all(whole for _, whole in cell):
            return tuple(self._by_size[index].name for index, _ in cell)
        return cell

    def home_km(self, depot: str, latitude_deg: float, longitude_deg: float) -> float | None:
        """Straight distance to a depot's middle, accurate to 1 % up to 300 km; `None` for an unknown place."""
        home = self._places.get(depot)
        if home is None:
            return None
        north = home.latitude_deg - latitude_deg
        east = (home.longitude_deg - longitude_deg) * cos(radians((home.latitude_deg + latitude_deg) / 2))
        return KM_PER_DEGREE * hypot(north, east)


def parse_places(geojson: str | None, depots: Mapping[str, tuple[float, float]] | None = None) -> Places:
    """Places of a GeoJSON text, and circles around depots (latitude, longitude) that it does not draw.

    A feature is a Polygon or MultiPolygon, or a Point with `radius_m`. Its properties: `name`; `kind` such as depot,
    customer or zone (the default); `alert`, by default true except for customers. Raises `SettingsError`.
    """
    if geojson is None and not depots:
        return Places([])
    from agent.fleet import geofences  # see there why not at the top

    places = [] if geojson is None else geofences.features(geojson)
    drawn = {place.name for place in places}
    for name, (latitude_deg, longitude_deg) in (depots or {}).items():
        if name not in drawn:
            places.append(geofences.depot(name, latitude_deg, longitude_deg))
    return Places(places)


def _areas(places: list[Place]) -> "Areas":
    from agent.fleet import geofences

    return geofences.Areas([place.area for place in places])
