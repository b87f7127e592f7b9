from math import cos, radians

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.fleet import places as module
from agent.geofence_file import parse_places
from tests.geojson import feature, geojson, point, square

CITY = parse_places(
    geojson(
        feature(square(11.0, 48.0, 0.1), name="city"),
        feature(square(11.02, 48.02, 0.004), name="depot-north", kind="depot"),
        feature(point(11.05, 48.05), name="shop", kind="customer", radius_m=60),
        feature(
            {
                "type": "MultiPolygon",
                "coordinates": [square(12.0, 48.0, 0.01)["coordinates"], square(12.1, 48.0, 0.01)["coordinates"]],
            },
            name="two-halves",
            kind="depot",
            alert=False,
        ),
    )
)


@pytest.mark.parametrize(
    ("title", "latitude", "longitude", "around"),
    [
        ("nowhere", 47.0, 10.0, ()),
        ("in the city", 48.07, 11.07, ("city",)),
        ("in the depot, which is in the city: the smallest first", 48.022, 11.022, ("depot-north", "city")),
        ("at the shop's door", 48.05, 11.05, ("shop", "city")),
        ("55 m north of it", 48.0505, 11.05, ("shop", "city")),
        ("65 m north of it", 48.0506, 11.05, ("city",)),
        ("55 m east of it", 48.05, 11.05 + 0.0005 / cos(radians(48)), ("shop", "city")),
        ("65 m east of it", 48.05, 11.05 + 0.0006 / cos(radians(48)), ("city",)),
        ("on the border", 48.0, 11.05, ("city",)),
        ("in one half", 48.005, 12.005, ("two-halves",)),
        ("in the other half", 48.005, 12.105, ("two-halves",)),
        ("between the halves", 48.005, 12.05, ()),
        ("at the end of the world", 90.0, 180.0, ()),
        ("at its other end", -90.0, -180.0, ()),
    ],
)
def test_around(title, latitude, longitude, around):
    for _ in range(2):
        assert CITY.around(latitude, longitude) == around, title
    assert CITY.at(latitude, longitude) == (around[0] if around else None)


def test_no_places():
    places = parse_places(None)
    assert places.around(48.0, 11.0) == ()
    assert places.home_km("home", 48.0, 11.0) is None


@pytest.mark.parametrize(
    ("title", "latitude", "longitude", "km"),
    [
        ("at home", 48.0, 11.0, 0.0),
        ("a tenth of a degree north", 48.1, 11.0, 11.12),
        ("a tenth of a degree east", 48.0, 11.1, 7.44),
        ("far", 50.0, 14.0, 311.5),
    ],
)
def test_the_way_home(title, latitude, longitude, km):
    places = parse_places(None, {"home": (48.0, 11.0)})
    assert places.home_km("home", latitude, longitude) == pytest.approx(km, rel=0.01, abs=0.001), title


HOLED = {
    "type": "Polygon",
    "coordinates": [square(0.0, 0.0, 1.0)["coordinates"][0], square(0.4, 0.4, 0.2)["coordinates"][0]],
}


def test_a_hole_is_outside():
    places = parse_places(geojson(feature(HOLED, name="ring")))
    assert places.at(0.2, 0.2) == "ring"
    assert places.at(0.5, 0.5) is None


def test_the_table_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_CELLS", 3)
    places = parse_places(None, {"home": (48.0, 11.0)})
    for step in range(20):
        assert places.at(48.0 + step / 500, 11.0) == ("home" if step == 0 else None)
        assert len(places._cells) <= 3


corners = st.lists(st.tuples(st.floats(10.99, 11.01), st.floats(47.99, 48.01)), min_size=3, max_size=6)


@settings(max_examples=60)
@given(corners, st.lists(st.tuples(st.floats(10.985, 11.015), st.floats(47.985, 48.015)), max_size=40))
def test_the_table_answers_as_the_border_does(ring, positions):
    area = shapely.MultiPoint(ring).convex_hull
    if area.geom_type != "Polygon" or not area.is_valid:
        return
    places = parse_places(geojson(feature(shapely.geometry.mapping(area), name="a")))
    for longitude, latitude in positions * 2:
        inside = bool(shapely.intersects_xy(area, longitude, latitude))
        assert places.at(latitude, longitude) == ("a" if inside else None)
