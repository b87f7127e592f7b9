"""The depots of the simulator, read from `depots.toml`, and their local time."""

import calendar
import datetime
import tomllib
from functools import cache
from pathlib import Path

import msgspec


class Depot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One depot with its climate, terrain, streets and van models."""

    name: str
    country: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    hills_m: float
    climate_c: tuple[float, float, float]
    street_angle_deg: float
    charge_from_h: float
    models: list[str]


STANDARD_OFFSET_H = {"DE": 1, "GB": 0, "FR": 1, "NL": 1, "PL": 1, "NO": 1, "CN": 8}


@cache
def load_depots() -> dict[str, Depot]:
    """Every depot by name, in the order of the file."""
    with (Path(__file__).parent / "depots.toml").open("rb") as file:
        tables = tomllib.load(file)
    return {name: msgspec.convert({"name": name, **table}, Depot) for name, table in tables.items()}


def utc_offset_s(country: str, time_s: int) -> int:
    """By how many seconds local time in a country is ahead of UTC, with summer time by Directive 2000/84/EC."""
    offset_s = STANDARD_OFFSET_H[country] * 3600
    year = datetime.datetime.fromtimestamp(time_s, datetime.UTC).year
    if country != "CN" and _last_sunday_s(year, 3) <= time_s < _last_sunday_s(year, 10):
        offset_s += 3600
    return offset_s


def _last_sunday_s(year: int, month: int) -> int:
    """01:00 UTC on the last Sunday of a month."""
    last = datetime.datetime(year, month, calendar.monthrange(year, month)[1], 1, tzinfo=datetime.UTC)
    return int(last.timestamp()) - (last.isoweekday() % 7) * 86_400
