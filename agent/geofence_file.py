"""Geofences from a GeoJSON file, and their polygons. The only module that needs shapely.

Import it only where there are geofences: shapely and numpy take 15 MB of memory and much of the time of a start.
"""

from collections.abc import Mapping
from math import cos, pi, radians, sin
from typing import Annotated, Any, Final, Literal

import shapely
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from agent.errors import SettingsError
from agent.fleet.places import Geofence, Places
from agent.fleet.sphere import KM_PER_DEGREE

DEPOT_RADIUS_M: Final = 150.0
"""Size of a depot of which only the position is known."""
CIRCLE_CORNERS: Final = 64


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


class Polygons:
    """The polygons of some geofences, in their order: `agent.fleet.places.Areas`."""

    def __init__(self, areas: list[BaseGeometry]) -> None:
        self._areas = areas
        self._tree = shapely.STRtree(areas)
        for area in areas:
            shapely.prepare(area)

    def touching(self, west: float, south: float, east: float, north: float) -> list[tuple[int, bool]]:
        """The areas that a box touches, in order of the index, each with whether it covers all of the box."""
        box = shapely.box(west, south, east, north)
        found = sorted(self._tree.query(box, predicate="intersects").tolist())
        return [(index, bool(shapely.covers(self._areas[index], box))) for index in found]

    def holds(self, index: int, latitude_deg: float, longitude_deg: float) -> bool:
        """Whether the position lies in the area or on its border."""
        return bool(shapely.intersects_xy(self._areas[index], longitude_deg, latitude_deg))


_Drawn = tuple[Geofence, BaseGeometry]
"""A geofence with its polygon, x = longitude, y = latitude."""


def parse_places(geojson: str | None, depots: Mapping[str, tuple[float, float]] | None = None) -> Places:
    """Places of a GeoJSON text, and circles around depots (latitude, longitude) that it does not draw.

    A feature is a Polygon or MultiPolygon, or a Point with `radius_m`. Its properties: `name`; `kind` such as depot,
    customer or zone (the default); `alert`, by default true except for customers. Raises `SettingsError`.
    """
    drawn = [] if geojson is None else _features(geojson)
    names = [fence.name for fence, _ in drawn]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"the place {name!r} is given twice")
    drawn += [_depot(name, *position) for name, position in (depots or {}).items() if name not in names]
    drawn.sort(key=lambda place: (place[0].area_km2, place[0].name))
    return Places([fence for fence, _ in drawn], Polygons([area for _, area in drawn]) if drawn else None)


def _features(geojson: str) -> list[_Drawn]:
    """The geofences of a GeoJSON text. Raises `SettingsError`."""
    try:
        collection = _Collection.model_validate_json(geojson)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise SettingsError(f"fleet.geofences: {where} {detail['msg']}".replace("  ", " ")) from error
    drawn = []
    for index, feature in enumerate(collection.features):
        try:
            drawn.append(_geofence(feature.properties, _area(feature)))
        except (ValueError, TypeError, KeyError, IndexError, ShapelyError) as error:
            raise SettingsError(f"fleet.geofences: features.{index} {feature.properties.name!r}: {error}") from error
    return drawn


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


def _depot(name: str, latitude_deg: float, longitude_deg: float) -> _Drawn:
    """A circle around a depot of which only the position is known."""
    circle = _circle(latitude_deg, longitude_deg, DEPOT_RADIUS_M)
    return _geofence(_Properties(name=name, kind="depot"), circle)


def _circle(latitude_deg: float, longitude_deg: float, radius_m: float) -> BaseGeometry:
    north = radius_m / 1000 / KM_PER_DEGREE
    east = north / max(0.01, cos(radians(latitude_deg)))
    angles = [2 * pi * corner / CIRCLE_CORNERS for corner in range(CIRCLE_CORNERS)]
    return shapely.Polygon([(longitude_deg + east * cos(a), latitude_deg + north * sin(a)) for a in angles])


def _geofence(properties: _Properties, area: BaseGeometry) -> _Drawn:
    middle = area.centroid
    fence = Geofence(
        name=properties.name,
        kind=properties.kind,
        alert=properties.kind != "customer" if properties.alert is None else properties.alert,
        area_km2=area.area * KM_PER_DEGREE**2 * cos(radians(middle.y)),
        latitude_deg=middle.y,
        longitude_deg=middle.x,
    )
    return fence, area
