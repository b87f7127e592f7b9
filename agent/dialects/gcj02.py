"""Converts GCJ-02, the shifted coordinates of Chinese maps, to WGS 84.

The shift is a published approximation, that of eviltransform and most map libraries, on the Krasovsky 1940 ellipsoid.
It applies inside China only. The inverse is found by iteration, to about a millimetre.
"""

from math import cos, pi, radians, sin, sqrt
from typing import Final

SEMI_MAJOR_AXIS_M: Final = 6_378_245.0
ECCENTRICITY_SQUARED: Final = 0.00669342162296594323
WEST_DEG, EAST_DEG = 72.004, 137.8347
SOUTH_DEG, NORTH_DEG = 0.8293, 55.8271
_ROUNDS: Final = 8


def to_wgs84(latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
    """The WGS 84 latitude and longitude of a GCJ-02 position. Outside China the two systems are the same."""
    if not (WEST_DEG <= longitude_deg <= EAST_DEG and SOUTH_DEG <= latitude_deg <= NORTH_DEG):
        return latitude_deg, longitude_deg
    latitude, longitude = latitude_deg, longitude_deg
    for _ in range(_ROUNDS):
        shift_latitude, shift_longitude = shift(latitude, longitude)
        latitude, longitude = latitude_deg - shift_latitude, longitude_deg - shift_longitude
    return latitude, longitude


def shift(latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
    """What GCJ-02 adds to a WGS 84 position, degrees."""
    x, y = longitude_deg - 105.0, latitude_deg - 35.0
    ripple = 20.0 * (sin(6.0 * pi * x) + sin(2.0 * pi * x))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    north += (ripple + 20.0 * sin(pi * y) + 40.0 * sin(pi * y / 3.0)) * 2.0 / 3.0
    north += (160.0 * sin(pi * y / 12.0) + 320.0 * sin(pi * y / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    east += (ripple + 20.0 * sin(pi * x) + 40.0 * sin(pi * x / 3.0)) * 2.0 / 3.0
    east += (150.0 * sin(pi * x / 12.0) + 300.0 * sin(pi * x / 30.0)) * 2.0 / 3.0
    latitude = radians(latitude_deg)
    flattening = 1.0 - ECCENTRICITY_SQUARED * sin(latitude) ** 2
    meridian_m = SEMI_MAJOR_AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / flattening**1.5
    parallel_m = SEMI_MAJOR_AXIS_M / sqrt(flattening) * cos(latitude)
    return north / meridian_m * 180.0 / pi, east / parallel_m * 180.0 / pi
