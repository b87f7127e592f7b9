"""Units: which there are, what they measure, and how they are converted into the unit of a field."""

from typing import Final, NamedTuple


class Unit(NamedTuple):
    """A unit: `value × multiply / divide + add` is the value in the canonical unit of its quantity."""

    quantity: str
    multiply: float = 1.0
    divide: float = 1.0
    add: float = 0.0


UNITS: Final[dict[str, Unit]] = {
    "km/h": Unit("speed"),
    "m/s": Unit("speed", 3.6),
    "mph": Unit("speed", 1.609344),
    "knots": Unit("speed", 1.852),
    "km": Unit("distance"),
    "m": Unit("distance", divide=1000.0),
    "miles": Unit("distance", 1.609344),
    "ft": Unit("distance", 0.3048, 1000.0),
    "V": Unit("voltage"),
    "mV": Unit("voltage", divide=1000.0),
    "kV": Unit("voltage", 1000.0),
    "A": Unit("current"),
    "mA": Unit("current", divide=1000.0),
    "kA": Unit("current", 1000.0),
    "kW": Unit("power"),
    "W": Unit("power", divide=1000.0),
    "kWh": Unit("energy"),
    "Wh": Unit("energy", divide=1000.0),
    "MJ": Unit("energy", divide=3.6),
    "%": Unit("percentage"),
    "ratio": Unit("percentage", 100.0),
    "°C": Unit("temperature"),
    "°F": Unit("temperature", 5.0, 9.0, -160.0 / 9.0),
    "K": Unit("temperature", add=-273.15),
    "kg": Unit("mass"),
    "g": Unit("mass", divide=1000.0),
    "t": Unit("mass", 1000.0),
    "lb": Unit("mass", 0.45359237),
    "°": Unit("angle"),
    "rad": Unit("angle", 180.0, 3.141592653589793),
}
"""By name. 1 mile = 1.609344 km, 1 knot = 1.852 km/h, 1 ft = 0.3048 m, 1 lb = 0.45359237 kg, all exact."""

_BY_SUFFIX: Final = {
    "_pct": "%",
    "_kwh": "kWh",
    "_kw": "kW",
    "_kmh": "km/h",
    "_km": "km",
    "_m": "m",
    "_v": "V",
    "_a": "A",
    "_c": "°C",
    "_deg": "°",
    "_kg": "kg",
}


def unit_of_field(field: str) -> str | None:
    """The unit of a field, which its name ends with; None for flags, counts and text."""
    suffix = f"_{field.rpartition('_')[2]}"
    return _BY_SUFFIX.get(suffix) if "_" in field else None


def conversion(unit: str, field: str) -> Unit:
    """From this unit into that of the field. Raises `ValueError` for an unknown unit, or one of another quantity."""
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is not known; choose from {', '.join(UNITS)}")
    own = unit_of_field(field)
    if own is None:
        raise ValueError(f"{field} has no unit")
    given, wanted = UNITS[unit], UNITS[own]
    if given.quantity != wanted.quantity:
        fitting = ", ".join(name for name, each in UNITS.items() if each.quantity == wanted.quantity)
        raise ValueError(f"{unit!r} is a unit of {given.quantity}, not of {wanted.quantity}; choose from {fitting}")
    if unit == own:
        return Unit(given.quantity)
    return Unit(given.quantity, given.multiply * wanted.divide, given.divide * wanted.multiply, given.add)
