"""How exactly the history file keeps the values of readings and totals: as multiples of a decimal fraction."""

from typing import Final

from agent.points.measurements import Field

DECIMALS: Final = {
    "%": 3,
    "V": 3,
    "A": 3,
    "kW": 3,
    "°C": 2,
    "°": 7,
    "m": 2,
    "km": 3,
    "km/h": 2,
    "kWh": 5,
    "kWh/100 km": 3,
    "g": 2,
    "g/km": 2,
    "g/kWh": 2,
    "mg": 2,
    "s": 3,
    "1/s": 3,
}
"""Decimals by unit. Half of the last one is the largest error: 0.5 W, 0.5 m of an odometer, 6 mm of a position."""


def scale(field: Field) -> int:
    """The factor that makes the stored integer of a value. Integers, booleans and text have none: 1."""
    return 10 ** DECIMALS[field.unit] if field.type == "float" else 1
