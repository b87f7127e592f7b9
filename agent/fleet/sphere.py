"""Distances on the sphere."""

from math import cos, radians, sqrt
from typing import Final

KM_PER_DEGREE: Final = 111.195
"""Of a great circle on a sphere of 6371 km."""


def between_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Distance of two places on the sphere; flat-earth approximation, within 0.1 % below 100 km."""
    dx = (longitude_b - longitude_a) % 360.0
    if dx > 180.0:
        dx -= 360.0
    dx *= cos(radians(0.5 * (latitude_a + latitude_b)))
    dy = latitude_b - latitude_a
    return KM_PER_DEGREE * sqrt(dx * dx + dy * dy)
