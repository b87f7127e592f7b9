"""Formats numbers and times for people. An unknown value is a dash, never 0."""

from datetime import datetime, tzinfo
from typing import Final, NamedTuple

DASH: Final = "–"


class Figure(NamedTuple):
    """A formatted number and its unit."""

    text: str
    unit: str


def number(value: float | None, digits: int = 0) -> str:
    """A number with thousands separators and a true minus sign."""
    if value is None:
        return DASH
    text = f"{value:,.{digits}f}"
    return text.replace("-", "−") if any(digit in text for digit in "123456789") else text.lstrip("-")


def scaled(value: float | None, unit: str, larger: str, digits: int = 0) -> Figure:
    """A number in `unit`, or in the thousand times larger unit `larger` if it is long."""
    if value is not None and abs(value) >= 100_000:
        return Figure(number(value / 1000, 1), larger)
    return Figure(number(value, digits), unit)


def thousands(value: float | None) -> float | None:
    """The number divided by 1000, for example g as kg."""
    return None if value is None else value / 1000


def kilograms(grams: float | None) -> Figure:
    """Grams as kg, or as t from 10,000 kg."""
    if grams is None:
        return Figure(DASH, "kg")
    if abs(grams) >= 10_000_000:
        return Figure(number(grams / 1_000_000, 1), "t")
    return Figure(number(grams / 1000, 1), "kg")


def bytes_(value: float | None) -> Figure:
    """Bytes in the largest binary unit in which the number is above 1."""
    if value is None:
        return Figure(DASH, "B")
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return Figure(number(value, 0 if unit == "B" else 1), unit)
        value /= 1024
    return Figure(number(value, 1), "TiB")


def age(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d}"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def clock(time_ms: int | None, zone: tzinfo) -> str:
    """Hours and minutes."""
    return DASH if time_ms is None else f"{datetime.fromtimestamp(time_ms / 1000, zone):%H:%M}"


def day(time_ms: int, zone: tzinfo) -> str:
    """A date in words."""
    local = datetime.fromtimestamp(time_ms / 1000, zone)
    return f"{local:%A}, {local.day} {local:%B %Y}"


def zone_name(time_ms: int, zone: tzinfo) -> str:
    """The time zone with its offset from UTC at that time."""
    local = datetime.fromtimestamp(time_ms / 1000, zone)
    offset = local.strftime("%z")
    name = str(zone)
    return "UTC" if name.upper() == "UTC" else f"{name} (UTC{offset[:3]}:{offset[3:5]})".replace("UTC-", "UTC−")
