import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialects.gcj02 import shift, to_wgs84

# WGS 84 and GCJ-02 of the same place, as published with the open conversion libraries.
PLACES = {
    "Shanghai": ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    "Shenzhen": ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    "Beijing": ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
}


@pytest.mark.parametrize("place", PLACES)
def test_published_places(place: str) -> None:
    wgs84, gcj02 = PLACES[place]
    assert to_wgs84(*gcj02) == pytest.approx(wgs84, abs=1e-9)


@pytest.mark.parametrize("position", [(52.52, 13.405), (-33.9, 151.2), (0.0, 0.0), (90.0, 180.0)])
def test_outside_china_nothing_is_shifted(position: tuple[float, float]) -> None:
    assert to_wgs84(*position) == position


@settings(deadline=None)
@given(st.floats(18, 53), st.floats(74, 134))
def test_there_and_back(latitude: float, longitude: float) -> None:
    north, east = shift(latitude, longitude)
    assert to_wgs84(latitude + north, longitude + east) == pytest.approx((latitude, longitude), abs=1e-8)
