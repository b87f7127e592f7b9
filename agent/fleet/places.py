"""Geofences: which depot, customer or zone a position lies in.

The plane is cut into cells of a thousandth of a degree. A cell that no border crosses is answered from a table; only on
a border is the exact test made. Answers depend on the position alone.
"""

from collections.abc import Mapping
from math import cos, hypot, pi, radians, sin
from typing import Annotated, Any, Final, Literal

import msgspec
import shapely
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from agent.errors import SettingsError

KM_PER_DEGREE: Final = 111.195
"""Length of one degree of latitude on a sphere of 6371 km radius."""
CELLS_PER_DEGREE: Final = 1000
MAX_CELLS: Final = 200_000
"""How many cells are remembered; then the table begins anew."""
DEPOT_RADIUS_M: Final = 150.0
"""Size of a depot of which only the position is known."""
CIRCLE_CORNERS: Final = 64

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


class _Properties(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = "zone"
    radius_m: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] | None = None
    alert: bool | None = None


class _Feature(BaseModel):
    type: Literal["Feature"]
    properties: _Properties
    geometry: dict[str, Any]


class _Collection(BaseModel):
    type: Literal["FeatureCollection"]
    features: list[_Feature]


class Places:
    """All geofences. Names are unique; of overlapping places the smallest is the one a van is said to be at."""

    def __init__(self, places: list[Place]) -> None:
        self._places = {place.name: place for place in places}
        if len(self._places) < len(places):
            names = [place.name for place in places]
            twice = next(name for name in names if names.count(name) > 1)
            raise SettingsError(f"the place {twice!r} is given twice")
        self._by_size = sorted(places, key=lambda place: (place.area_km2, place.name))
        self._tree = shapely.STRtree([place.area for place in self._by_size])
        for place in self._by_size:
            shapely.prepare(place.area)
        self._cells: dict[int, Names | list[tuple[Place, bool]]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def get(self, name: str) -> Place | None:
        """The place of that name."""
        return self._places.get(name)

    def at(self, latitude_deg: float, longitude_deg: float) -> str | None:
        """The smallest place that a position lies in."""
        names = self.around(latitude_deg, longitude_deg)
        return names[0] if names else None

    def around(self, latitude_deg: float, longitude_deg: float) -> Names:
        """All places that a position lies in, the smallest first."""
        if not self._places:
            return ()
        row, column = int((latitude_deg + 90) * CELLS_PER_DEGREE), int((longitude_deg + 180) * CELLS_PER_DEGREE)
        key = row * 1_000_000 + column
        cell = self._cells.get(key)
        if cell is None:
            cell = self._survey(row, column)
            if len(self._cells) >= MAX_CELLS:
                self._cells.clear()
            self._cells[key] = cell
        if isinstance(cell, tuple):
            return cell
        return tuple(
            place.name
            for place, whole in cell
            if whole or shapely.intersects_xy(place.area, longitude_deg, latitude_deg)
        )

    def _survey(self, row: int, column: int) -> Names | list[tuple[Place, bool]]:
        """What lies in a cell: names where no border crosses it, else the places and whether they cover all of it."""
        south, west = row / CELLS_PER_DEGREE - 90, column / CELLS_PER_DEGREE - 180
        # A little larger than the cell, so that rounding cannot put a position outside its own cell.
        margin, size = 1e-9, 1 / CELLS_PER_DEGREE
        box = shapely.box(west - margin, south - margin, west + size + margin, south + size + margin)
        found = [self._by_size[index] for index in sorted(self._tree.query(box, predicate="intersects").tolist())]
        cell = [(place, bool(shapely.covers(place.area, box))) for place in found]
        if all(whole for _, whole in cell):
            return tuple(place.name for place, _ in cell)
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
    places = [] if geojson is None else _features(geojson)
    drawn = {place.name for place in places}
    for name, (latitude_deg, longitude_deg) in (depots or {}).items():
        if name not in drawn:
            circle = _circle(latitude_deg, longitude_deg, DEPOT_RADIUS_M)
            places.append(_place(_Properties(name=name, kind="depot"), circle))
    return Places(places)


def _features(geojson: str) -> list[Place]:
    try:
        collection = _Collection.model_validate_json(geojson)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise SettingsError(f"fleet.geofences: {where} {detail['msg']}".replace("  ", " ")) from error
    places = []
    for index, feature in enumerate(collection.features):
        try:
            places.append(_place(feature.properties, _area(feature)))
        except (ValueError, TypeError, KeyError, IndexError, ShapelyError) as error:
            raise SettingsError(f"fleet.geofences: features.{index} {feature.properties.name!r}: {error}") from error
    return places


def _area(feature: _Feature) -> BaseGeometry:
    kind = feature.geometry.get("type")
    if kind not in ("Polygon", "MultiPolygon", "Point"):
        raise ValueError(f"geometry type {kind!r} is not Polygon, MultiPolygon or Point")
    shape = shapely.geometry.shape(feature.geometry)
    west, south, east, north = shape.bounds if not shape.is_empty else (0.0, 0.0, 0.0, 999.0)
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError("coordinates are empty or not longitude, latitude in degrees")
    if kind == "Point":
        if feature.properties.radius_m is None:
            raise ValueError("a Point needs radius_m")
        return _circle(south, west, feature.properties.radius_m)
    if not shape.is_valid:
        raise ValueError(f"its border is not valid: {shapely.is_valid_reason(shape)}")
    return shape


def _circle(latitude_deg: float, longitude_deg: float, radius_m: float) -> BaseGeometry:
    north = radius_m / 1000 / KM_PER_DEGREE
    east = north / max(0.01, cos(radians(latitude_deg)))
    angles = [2 * pi * corner / CIRCLE_CORNERS for corner in range(CIRCLE_CORNERS)]
    return shapely.Polygon([(longitude_deg + east * cos(a), latitude_deg + north * sin(a)) for a in angles])


def _place(properties: _Properties, area: BaseGeometry) -> Place:
    middle = area.centroid
    return Place(
        name=properties.name,
        kind=properties.kind,
        alert=properties.kind != "customer" if properties.alert is None else properties.alert,
        area_km2=area.area * KM_PER_DEGREE**2 * cos(radians(middle.y)),
        latitude_deg=middle.y,
        longitude_deg=middle.x,
        area=area,
    )
