"""Odometers that reset, wrap, oscillate, freeze or come late; and right ones that look wrong."""

from pathlib import Path
from typing import Any

import pytest

from tests.world.scenario import Scenario, hold
from tests.world.van import (
    HOUR,
    MINUTE,
    NO_ODOMETER,
    Van,
    always,
    drive,
    each,
    honest,
    late,
    rest,
    silence,
    stuck,
    turn_round,
    unheard,
)

KM_PER_MILE = 1.609344


def wrapped(limit_km: float) -> dict[str, Any]:
    """An odometer that restarts at 0."""
    return {"odometer_km": lambda van: round(van.odometer_km % limit_km, 1)}


def scaled(factor: float) -> dict[str, Any]:
    """An odometer in another unit."""
    return {"odometer_km": lambda van: round(van.odometer_km * factor, 1)}


def creeping(van: Van) -> float:
    """An odometer that grows by 0.1 km with every reading while nothing else changes."""
    return round(van.odometer_km + 0.1 * van.readings, 1)


ODD = [
    Scenario(
        title="it drops to 0 at random while driving, and comes back",
        source="https://github.com/home-assistant/core/issues/107076",
        life=[rest(3 * MINUTE), drive(6), drive(0.5, odometer_km=0.0), drive(5.5), rest(10 * MINUTE)],
        # 1200 s at 36 km/h.
        expected={"trips": 1, "distance_km": (11.5, 12.5), "used_kwh": (2.7, 3.6)},
    ),
    Scenario(
        title="it reads 0 now and then, parked and driving, all day",
        source="https://github.com/jkaberg/hass-byd-vehicle/issues/96",
        life=[
            always(odometer_km=each(17, 0.0, "odometer_km")),
            rest(20 * MINUTE),
            drive(12),
            rest(2 * HOUR, every_s=MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        expected={"trips": 2, "distance_km": (23, 25), "shortest_trip_km": (11.3, 12.7)},
    ),
    Scenario(
        title="the instrument cluster is exchanged: it begins at 0 and counts on",
        life=[
            rest(3 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
            always(odometer_km=lambda van: round(van.odometer_km - 5012, 1)),
            rest(3 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected={"trips": 2, "distance_km": (23.4, 24.6), "shortest_trip_km": (11.5, 12.5)},
    ),
    Scenario(
        title="it resets to 0 while driving and counts on from there",
        life=[
            rest(3 * MINUTE),
            drive(9),
            always(odometer_km=lambda van: round(van.odometer_km - 5009, 1)),
            drive(9),
            rest(10 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (17.3, 18.7)},
    ),
    Scenario(
        title="it wraps at 16 bits of 0.1 km while driving",
        odometer_km=6545.0,
        life=[always(**wrapped(6553.6)), rest(3 * MINUTE), drive(18), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (17.3, 18.7)},
    ),
    Scenario(
        title="it wraps at 20 bits of 0.1 km in a silence in which the van is driven",
        odometer_km=104850.0,
        life=[
            always(**wrapped(104857.6)),
            rest(3 * MINUTE),
            unheard(drive(18)),
            rest(10 * MINUTE),
            drive(6),
            rest(10 * MINUTE),
        ],
        # The fixes are 18 km apart; 24 km in all.
        expected={"distance_km": (22, 25.5), "used_kwh": (5.2, 7.0)},
    ),
    Scenario(
        title="it wraps at 24 bits of 0.1 km while driving",
        odometer_km=1677712.0,
        life=[always(**wrapped(1677721.6)), rest(3 * MINUTE), drive(18), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (17.3, 18.7)},
    ),
    Scenario(
        title="every third reading is in miles",
        odometer_km=12000.0,
        life=[
            always(odometer_km=each(3, lambda van: round(van.odometer_km / KM_PER_MILE, 1), "odometer_km")),
            rest(3 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (23.2, 24.8)},
    ),
    Scenario(
        title="from the middle of a trip on it is in miles",
        source="https://github.com/evcc-io/evcc/issues/3526",
        odometer_km=42595.0,
        life=[
            rest(3 * MINUTE),
            drive(12),
            always(**scaled(1 / KM_PER_MILE)),
            drive(12),
            rest(10 * MINUTE),
        ],
        # Speed and fixes say 24 km; the odometer moves by 7.5 on the second half.
        expected={"trips": 1, "distance_km": (22.8, 25.2)},
    ),
    Scenario(
        title="after an update it is ten times too high",
        source="https://github.com/Dielee/volvo2mqtt/issues/25",
        life=[
            rest(3 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
            always(**scaled(10)),
            rest(10 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected={"trips": 2, "distance_km": (23, 25), "shortest_trip_km": (11.4, 12.6), "avoided_g": (4500, 7000)},
    ),
    Scenario(
        title="after an update its kilometres are a factor 1.6 too many",
        source="https://github.com/dbweb-ch/ioBroker.tesla-motors/issues/2",
        life=[
            rest(3 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
            always(**scaled(KM_PER_MILE)),
            rest(10 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        # 36 km by speed and by fixes; 58 km/h by the odometer alone would be possible.
        expected={"trips": 2, "distance_km": (34, 38)},
    ),
    Scenario(
        title="a wrong frame now and then reads 14 million km",
        source="https://github.com/meatpiHQ/wican-fw/issues/687",
        life=[
            always(odometer_km=each(25, 6418454.0, "odometer_km")),
            rest(10 * MINUTE),
            drive(12),
            rest(HOUR, every_s=MINUTE),
        ],
        expected={"trips": 1, "distance_km": (11.4, 12.6)},
    ),
    Scenario(
        title="now and then it is an old value from the past",
        source="https://github.com/Hyundai-Kia-Connect/kia_uvo/issues/518",
        life=[
            always(odometer_km=each(10, 4711.0, "odometer_km")),
            rest(10 * MINUTE),
            drive(12),
            rest(3 * HOUR, every_s=5 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected={"trips": 2, "distance_km": (23, 25)},
    ),
    Scenario(
        title="it is two minutes late",
        life=[
            always(odometer_km=late("odometer_km", 2 * MINUTE)),
            rest(3 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (23.2, 24.8), "longest_trip_s": (2300, 2700)},
    ),
    Scenario(
        title="it is frozen for a whole trip while the fixes move, and right again when parked",
        source="https://github.com/kvanbiesen/bmw-cardata-ha/issues/228",
        life=[
            rest(3 * MINUTE),
            drive(18, odometer_km=stuck("odometer_km")),
            rest(20 * MINUTE),
            drive(6),
            rest(10 * MINUTE),
        ],
        expected={"trips": 2, "distance_km": (23, 25), "longest_trip_s": (1750, 2100)},
    ),
    Scenario(
        title="it is frozen for a whole trip and right again after a night's silence",
        source="https://github.com/teslamotors/fleet-telemetry/issues/384",
        life=[
            rest(3 * MINUTE),
            always(odometer_km=stuck("odometer_km")),
            drive(18),
            rest(10 * MINUTE),
            honest("odometer_km"),
            silence(10 * HOUR),
            rest(10 * MINUTE),
        ],
        # 18 km were reported. They are not counted again after the night.
        expected={"trips": 1, "distance_km": (17.2, 18.8), "longest_trip_s": (1750, 2100)},
    ),
    Scenario(
        title="it stays at one value for weeks after an update",
        source="https://github.com/tillsteinbach/VWsFriend/issues/529",
        life=[
            always(odometer_km=stuck("odometer_km")),
            *[step for _ in range(4) for step in (rest(10 * MINUTE), drive(15, kmh=54), rest(20 * MINUTE))],
        ],
        expected={"trips": 4, "distance_km": (57, 63), "shortest_trip_km": (14, 16)},
    ),
    Scenario(
        title="it creeps on by firmware while everything else stands still",
        life=[rest(10 * MINUTE), rest(2 * HOUR, odometer_km=creeping)],
        # 72 km on the odometer; the fix, the speed and the charge have not moved.
        expected={"trips": 0, "distance_km": (0, 0.5), "used_kwh": (0, 0.4)},
    ),
    Scenario(
        title="it creeps on through every silence of a parked van",
        life=[
            rest(10 * MINUTE),
            *[
                step
                for days in range(1, 6)
                for step in (silence(20 * HOUR), rest(5 * MINUTE, odometer_km=5000.0 + 40 * days))
            ],
        ],
        # 40 km a day on the odometer, and after five days the same place and the same charge, but for a step of it,
        # 0.1 % of 83 kWh, and 20 W of standby over 100 h of which nobody heard: less than 0.5 kWh.
        expected={"trips": 0, "distance_km": (0, 1), "used_kwh": (0, 0.5)},
    ),
]

HONEST = [
    Scenario(
        title="an odometer in whole kilometres",
        life=[
            always(odometer_km=lambda van: float(int(van.odometer_km))),
            rest(3 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (23, 25), "used_kwh": (5.4, 7)},
    ),
    Scenario(
        title="a drive elsewhere in a silence",
        life=[rest(10 * MINUTE), unheard(drive(60, kmh=60)), rest(20 * MINUTE)],
        # 60 km x 0.25 = 15 kWh.
        expected={"trips": 1, "distance_km": (59, 61), "used_kwh": (13.8, 16.5)},
    ),
    Scenario(
        title="a round in a silence: the same place again, with 40 km more and 12 % less",
        life=[rest(10 * MINUTE), unheard(drive(20), turn_round, drive(20)), silence(HOUR), rest(20 * MINUTE)],
        # 40 km x 0.25 = 10 kWh.
        expected={"trips": 1, "distance_km": (39, 41), "used_kwh": (9, 11.2)},
    ),
    Scenario(
        title="a round in a silence by an odometer in whole kilometres",
        life=[
            always(odometer_km=lambda van: float(int(van.odometer_km))),
            rest(10 * MINUTE),
            unheard(drive(20), turn_round, drive(20)),
            rest(20 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (38.5, 41.5), "used_kwh": (9, 11.2)},
    ),
    Scenario(
        title="a drive in a silence of a van that has no odometer",
        fields=NO_ODOMETER,
        life=[rest(10 * MINUTE), unheard(drive(60, kmh=60)), rest(20 * MINUTE)],
        # The road is straight here.
        expected={"trips": 1, "distance_km": (57, 75), "used_kwh": (13.8, 16.5)},
    ),
    Scenario(
        title="a motorway at 130 km/h",
        life=[rest(3 * MINUTE), drive(65, kmh=130, kwh_per_km=0.4), rest(10 * MINUTE)],
        # 65 km x 0.4 = 26 kWh.
        expected={"trips": 1, "distance_km": (64, 66), "used_kwh": (24, 28.5)},
    ),
    Scenario(
        title="a van that crawls through a jam at 6 km/h for half an hour",
        life=[rest(10 * MINUTE), drive(3, kmh=6), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (2.8, 3.2)},
    ),
    Scenario(
        title="a tunnel of 6 km: the odometer goes on while the fix is the last one",
        source="https://github.com/organicmaps/organicmaps/issues/4166",
        life=[rest(3 * MINUTE), drive(9), drive(6, latitude_deg=stuck("latitude_deg")), drive(9), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (23.5, 24.5), "used_kwh": (5.4, 7)},
    ),
    Scenario(
        title="an underground round of 5 km without any fix that moves",
        source="https://github.com/teslamate-org/teslamate/issues/2928",
        life=[
            rest(3 * MINUTE),
            always(latitude_deg=stuck("latitude_deg")),
            drive(2.5, kmh=18),
            turn_round,
            drive(2.5, kmh=18),
            rest(10 * MINUTE),
        ],
        # Speed, odometer and charge agree: 5 km x 0.25 = 1.25 kWh.
        expected={"trips": 1, "distance_km": (4.8, 5.2), "used_kwh": (1.0, 1.6)},
    ),
]


@pytest.mark.parametrize("scenario", ODD, ids=lambda scenario: scenario.title)
def test_an_odometer_that_is_wrong_adds_no_kilometre_and_loses_none(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", HONEST, ids=lambda scenario: scenario.title)
def test_an_odometer_that_is_right_is_believed(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
