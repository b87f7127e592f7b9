"""Paths, conditions, topics and units: what is read, and what is refused."""

import math

import pytest

from agent.dialects.mapping.conditions import parse_condition
from agent.dialects.mapping.paths import parse_path, value_at
from agent.dialects.mapping.topics import overlap, parse_topic
from agent.dialects.mapping.units import UNITS, conversion, unit_of_field
from agent.readings import RANGES

RECORD = {
    "soc": 62.5,
    "zero": 0,
    "gps": {"ok": True, "lat": 52.5, "fix-type": 3, "sats": None},
    "can.vehicle.speed": 41,
    "io": {"411": 87, "239": 1},
    "cells": [3.6, 3.7, {"v": 3.8}],
    "state": "CHARGING",
    "off": False,
    "größe": 1,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("soc", 62.5),
        ("gps.lat", 52.5),
        ("gps.fix-type", 3),
        ('"can.vehicle.speed"', 41),
        ('gps."lat"', 52.5),
        ("io.411", 87),
        ("cells[0]", 3.6),
        ("cells[-2]", 3.7),
        ("cells[2].v", 3.8),
        ('"größe"', 1),
        ("cells[9]", None),
        ("cells[-4]", None),
        ("cells.v", None),
        ("soc.lat", None),
        ("soc[0]", None),
        ("gps.sats", None),
        ("nothing.at.all", None),
        ("@", RECORD),
    ],
)
def test_paths(path: str, value: object) -> None:
    assert value_at(RECORD, parse_path(path)) == value


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a[",
        "a[]",
        "a[x]",
        "a[*]",
        "[0]",
        "a[12345]",
        '"a',
        '""',
        "größe",
        "a|b",
        "@.a",
        "a.b." * 9 + "c",
        "a" * 257,
        '"a\\"b"',
        "411",
        "a[1]b",
    ],
)
def test_paths_that_cannot_be_read(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(path)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("gps.ok", True),
        ("off", False),
        ("zero", False),
        ("soc", True),
        ("state", False),
        ("missing", False),
        ("!missing", True),
        ("!gps.ok", False),
        ("zero == 0", True),
        ("zero == false", False),
        ("off == 0", False),
        ("off == false", True),
        ("off != true", True),
        ("missing == null", True),
        ("missing != false", True),
        ("soc >= 62.5 && soc < 63", True),
        ("soc > 62.5 || soc <= -1", False),
        ("missing < 5", False),
        ("missing >= 5", False),
        ("gps.ok > 0", False),
        ("state == 'CHARGING'", True),
        ("state != 'IDLE'", True),
        ("state > 'A'", False),
        ("5 < soc", True),
        ("io.239 == 1 && io.411 > 0", True),
        ("(soc > 90 || gps.ok) && !off", True),
        ("soc > 90 || gps.ok && off", False),
        ("!(soc > 90)", True),
        ('"can.vehicle.speed" == 41', True),
        ("cells[1] == 3.7", True),
        ("true", True),
    ],
)
def test_conditions(condition: str, *, holds: bool) -> None:
    assert parse_condition(condition).holds(RECORD) is holds


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "&&",
        "a &&",
        "a & b",
        "a = 1",
        "a == ",
        "(a",
        "a)",
        "a b",
        "a == 'x",
        "a == 1.",
        "a == 1e5",
        "!" * 20 + "a",
        "(" * 20 + "a" + ")" * 20,
        "a || " * 80 + "a",
        "a == b == c",
        "exec('x')",
    ],
)
def test_conditions_that_cannot_be_read(condition: str) -> None:
    with pytest.raises(ValueError, match="condition"):
        parse_condition(condition)


@pytest.mark.parametrize(
    ("pattern", "topic_filter", "topic", "levels"),
    [
        ("acme/{vehicle_id}/status", "acme/+/status", "acme/van-7/status", {"vehicle_id": "van-7"}),
        ("{user}/{vehicle_id}", "+/+", "depot/7", {"user": "depot", "vehicle_id": "7"}),
        ("a/+/{vehicle_id}/#", "a/+/+/#", "a//v/x/y", {"vehicle_id": "v"}),
        ("a/{vehicle_id}/#", "a/+/#", "a/v", {"vehicle_id": "v"}),
        ("a.b/{vehicle_id}", "a.b/+", "axb/v", None),
        ("acme/{vehicle_id}/status", "acme/+/status", "acme//status", None),
        ("acme/{vehicle_id}/status", "acme/+/status", "acme/a/b/status", None),
        ("acme/{vehicle_id}/status", "acme/+/status", "acme/a/status/x", None),
        ("{vehicle_id}/data", "+/data", "$manifest/data", None),
        ("{vehicle_id}/data", "+/data", "a\nb/data", {"vehicle_id": "a\nb"}),
    ],
)
def test_topics(pattern: str, topic_filter: str, topic: str, levels: dict[str, str] | None) -> None:
    parsed = parse_topic(pattern)
    assert parsed.topic_filter == topic_filter
    assert parsed.match(topic) == levels


@pytest.mark.parametrize(
    "pattern", ["", "$SYS/a", "$share/g/a", "#", "a/#/b", "a/b#", "a/b+", "{Van}", "a{v}", "{a}/{a}", "a" * 257, "a\0b"]
)
def test_topics_that_cannot_be_read(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"topic|level"):
        parse_topic(pattern)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("a/+/c", "a/b/+", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("a/b", "a/c", False),
        ("+/data", "vans/#", True),
        ("a/+/b", "a/+/c", False),
    ],
)
def test_filters_that_may_match_the_same_topic(one: str, other: str, *, both: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is both


# By definition: SI brochure (2019), international yard and pound of 1959, nautical mile of 1929.
CONVERTED = [
    ("m/s", "speed_kmh", 10.0, 36.0),
    ("mph", "speed_kmh", 100.0, 160.9344),
    ("knots", "speed_kmh", 41.5, 76.858),
    ("miles", "odometer_km", 1000.0, 1609.344),
    ("m", "odometer_km", 12_883_400.0, 12_883.4),
    ("km", "altitude_m", 0.5, 500.0),
    ("ft", "altitude_m", 1000.0, 304.8),
    ("miles", "range_km", 100.0, 160.9344),
    ("mV", "voltage_v", 400_000.0, 400.0),
    ("kA", "current_a", 0.12, 120.0),
    ("W", "battery_power_kw", -18_500.0, -18.5),
    ("Wh", "energy_out_total_kwh", 1_500.0, 1.5),
    ("MJ", "energy_out_total_kwh", 36.0, 10.0),
    ("ratio", "soc_pct", 0.625, 62.5),
    ("°F", "battery_temp_c", 212.0, 100.0),
    ("°F", "battery_temp_c", -40.0, -40.0),
    ("K", "ambient_temp_c", 273.15, 0.0),
    ("t", "payload_kg", 1.2, 1200.0),
    ("lb", "payload_kg", 100.0, 45.359237),
    ("rad", "heading_deg", math.pi, 180.0),
]


@pytest.mark.parametrize(("unit", "field", "value", "expected"), CONVERTED)
def test_units(unit: str, field: str, value: float, expected: float) -> None:
    found = conversion(unit, field)
    assert value * found.multiply / found.divide + found.add == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_unit_of_a_field_itself_changes_nothing() -> None:
    for field in RANGES:
        if (own := unit_of_field(field)) is not None:
            assert conversion(own, field)[1:] == (1.0, 1.0, 0.0), field


def test_every_numeric_field_but_counts_has_a_unit() -> None:
    assert {field for field in RANGES if unit_of_field(field) is None} == {"parcels"}
    assert {unit_of_field(field) for field in RANGES} <= {*UNITS, None}
