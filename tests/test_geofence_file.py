import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SettingsError
from agent.geofence_file import parse_places
from tests.geojson import feature, geojson, point, square

PLACES = parse_places(
    geojson(
        feature(square(11.0, 48.0, 0.1), name="city"),
        feature(square(11.02, 48.02, 0.004), name="depot-north", kind="depot"),
        feature(point(11.05, 48.05), name="shop", kind="customer", radius_m=60),
        feature(square(12.0, 48.0, 0.01), name="yard", kind="depot", alert=False),
    )
)


def test_kinds_and_alerts():
    assert [(PLACES.get(name).kind, PLACES.get(name).alert) for name in ("city", "depot-north", "shop", "yard")] == [
        ("zone", True),
        ("depot", True),
        ("customer", False),
        ("depot", False),
    ]
    assert PLACES.get("nowhere") is None
    assert len(PLACES) == 4


def test_a_depot_of_which_only_the_position_is_known_is_a_circle():
    places = parse_places(None, {"home": (48.0, 11.0)})
    assert places.get("home").kind == "depot"
    assert places.at(48.0013, 11.0) == "home"
    assert places.at(48.0014, 11.0) is None


def test_a_drawn_depot_stays_as_drawn():
    places = parse_places(geojson(feature(square(11.0, 48.0, 0.001), name="home", kind="depot")), {"home": (0.0, 0.0)})
    assert places.at(48.0005, 11.0005) == "home"
    assert places.at(0.0, 0.0) is None


BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}


@pytest.mark.parametrize(
    ("title", "text", "says"),
    [
        ("not JSON", "{", "Invalid JSON"),
        ("another type", '{"type": "Feature", "features": []}', "type"),
        ("no name", geojson(feature(square(0, 0, 1))), r"features\.0\.properties\.name"),
        ("a strange kind", geojson(feature(square(0, 0, 1), name="a", kind="My Depot")), r"features\.0.*kind"),
        ("a line", geojson(feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, name="a")), "LineString"),
        ("a point without a radius", geojson(feature(point(0, 0), name="a")), "features.0 'a': a Point needs radius_m"),
        ("a radius below zero", geojson(feature(point(0, 0), name="a", radius_m=-1)), "radius_m"),
        ("latitude first", geojson(feature(square(48.0, 111.0, 0.1), name="a")), "longitude, latitude in degrees"),
        ("a bow tie", geojson(feature(BOW_TIE, name="a")), "not valid: Self-intersection"),
        ("no coordinates", geojson(feature({"type": "Polygon", "coordinates": []}, name="a")), "empty"),
        ("no geometry", geojson(feature({"type": "Polygon"}, name="a")), "features.0 'a'"),
        ("two of one name", geojson(*[feature(square(0, 0, 1), name="a")] * 2), "'a' is given twice"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(title, text, says):
    with pytest.raises(SettingsError, match=says):
        parse_places(text)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-200, 200) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["type", "coordinates", "name"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.sampled_from(["Polygon", "MultiPolygon", "Point"]), anything, anything)
def test_any_geometry_is_a_place_or_a_settings_error(kind, coordinates, radius_m):
    text = geojson(feature({"type": kind, "coordinates": coordinates}, name="a", radius_m=radius_m))
    with contextlib.suppress(SettingsError):
        parse_places(text).at(0.0, 0.0)
