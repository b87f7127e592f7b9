"""Clouds that repeat old values, speeds in other units, fixes of a receiver that has just woken up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import Ovms, Saic
from tests.world.van import (
    FLAGS,
    HOUR,
    KM_PER_DEGREE,
    KWH_PER_KM,
    MINUTE,
    NO_ODOMETER,
    PLAIN,
    Step,
    Van,
    always,
    charge,
    drive,
    each,
    honest,
    rest,
    silence,
    stuck,
    turn_round,
    unheard,
    wander,
)

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"trips": 1, "distance_km": (23.2, 24.8), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3)}
NOTHING: Expected = {
    "trips": 0,
    "distance_km": (0, 0.3),
    "used_kwh": (0, 0.5),
    "charges": 0,
    "charged_kwh": (0, 0.3),
}


def cached(*names: str) -> Step:
    """From now on the cloud repeats the last values of these fields."""

    def step(van: Van) -> None:
        van.always |= {name: stuck(name) for name in names}

    return step


def far(km: float) -> dict[str, Any]:
    """A fix so far north of the van."""
    return {"latitude_deg": lambda van: round(48.1 + (van.north_km + km) / KM_PER_DEGREE, 6)}


def times(factor: float) -> Callable[[Van], float]:
    """The speed in another unit."""
    return lambda van: round(van.speed_kmh * factor, 1)


def rounded(van: Van) -> float:
    """A latitude without its last digits: a grid of 1.1 km."""
    return round(48.1 + van.north_km / KM_PER_DEGREE, 2)


EVERYTHING_CACHED = ("soc_pct", "latitude_deg", "odometer_km", "speed_kmh")


def a_drive_that_the_cloud_did_not_see(poll_s: float, *names: str) -> list[Step]:
    """Polls during a drive of 24 km return the values from before it until the van is parked again."""
    return [
        rest(30 * MINUTE, every_s=poll_s),
        cached(*names),
        drive(24, every_s=poll_s),
        honest(*names),
        rest(HOUR, every_s=poll_s),
    ]


SEEN_LATE = [
    Scenario(
        title="everything is repeated through a drive, polled each minute",
        source="https://github.com/evcc-io/evcc/issues/11638",
        life=a_drive_that_the_cloud_did_not_see(MINUTE, *EVERYTHING_CACHED),
        expected=A_DRIVE,
    ),
    Scenario(
        title="everything is repeated through a drive, polled each five minutes",
        life=a_drive_that_the_cloud_did_not_see(5 * MINUTE, *EVERYTHING_CACHED),
        expected=A_DRIVE,
    ),
    Scenario(
        title="everything is repeated through a drive, no odometer, polled each five minutes",
        fields=NO_ODOMETER,
        life=a_drive_that_the_cloud_did_not_see(5 * MINUTE, "soc_pct", "latitude_deg", "speed_kmh"),
        expected={**A_DRIVE, "distance_km": (23, 31)},
    ),
    Scenario(
        title="odometer and place are renewed at the end of a trip, speed and charge all along",
        source="https://github.com/bdr99/pymazda/issues/14",
        life=a_drive_that_the_cloud_did_not_see(30, "latitude_deg", "odometer_km"),
        expected=A_DRIVE,
    ),
    Scenario(
        title="the odometer is renewed at the end of a trip, everything else all along",
        source="https://github.com/Hyundai-Kia-Connect/hyundai_kia_connect_api/issues/298",
        life=a_drive_that_the_cloud_did_not_see(30, "odometer_km"),
        expected=A_DRIVE,
    ),
    Scenario(
        title="the place is renewed ten minutes after the end of a trip",
        source="https://github.com/Hyundai-Kia-Connect/kia_uvo/issues/867",
        life=[
            rest(20 * MINUTE),
            cached("latitude_deg"),
            drive(24),
            rest(10 * MINUTE),
            honest("latitude_deg"),
            rest(HOUR, every_s=MINUTE),
        ],
        expected=A_DRIVE,
    ),
    Scenario(
        title="a charge that the cloud did not see: 40 % for four hours, and 91 % ever since, polled each five minutes",
        source="https://github.com/evcc-io/evcc/issues/17453",
        soc_pct=40.0,
        life=[
            rest(HOUR, every_s=5 * MINUTE),
            cached("soc_pct"),
            charge(4 * HOUR, kw=11, every_s=5 * MINUTE),
            honest("soc_pct"),
            rest(2 * HOUR, every_s=5 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        # 4 h x 11 kW = 44 kWh.
        expected={"charged_kwh": (41, 47), "used_kwh": (5.3, 7.2), "distance_km": (23.2, 24.8)},
    ),
    Scenario(
        title="the cloud of a fleet wakes each van each half hour",
        fields=FLAGS,
        soc_pct=70.0,
        life=[
            rest(2 * HOUR, every_s=30 * MINUTE),
            drive(60, kmh=40, every_s=30 * MINUTE),
            rest(2 * HOUR, every_s=30 * MINUTE),
            charge(3 * HOUR, kw=11, every_s=30 * MINUTE),
            rest(2 * HOUR, every_s=30 * MINUTE),
        ],
        # 60 km x 0.25 = 15 kWh; 3 h x 11 kW = 33 kWh.
        expected={"distance_km": (58.5, 61.5), "used_kwh": (13.5, 17), "charged_kwh": (30.5, 35.5)},
    ),
]

SPEEDS = [
    Scenario(
        title="the speed is in m/s; no odometer",
        fields=NO_ODOMETER,
        life=[always(speed_kmh=times(1 / 3.6)), rest(5 * MINUTE), drive(24), rest(10 * MINUTE)],
        # The fixes are 24 km apart; 10 km/h would make 6.7 km of them.
        expected={**A_DRIVE, "distance_km": (22.8, 25.2)},
    ),
    Scenario(
        title="the speed is in knots; no odometer",
        source="https://github.com/mendhak/gpslogger/issues/1094",
        fields=NO_ODOMETER,
        life=[always(speed_kmh=times(1 / 1.852)), rest(5 * MINUTE), drive(24), rest(10 * MINUTE)],
        expected={**A_DRIVE, "distance_km": (22.8, 25.2)},
    ),
    Scenario(
        title="the speed is that of knots a second time; no odometer",
        source="https://github.com/Kodo-kakaku/luci-app-gpoint/issues/42",
        fields=NO_ODOMETER,
        life=[always(speed_kmh=times(1.852)), rest(5 * MINUTE), drive(24), rest(10 * MINUTE)],
        # 44 km by speed in 40 minutes, 24 km by fixes, and the charge says 6 kWh.
        expected={**A_DRIVE, "distance_km": (22.8, 25.2)},
    ),
    Scenario(
        title="the speed is in m/s and the odometer right",
        life=[always(speed_kmh=times(1 / 3.6)), rest(5 * MINUTE), drive(24), rest(10 * MINUTE)],
        expected=A_DRIVE,
    ),
]

STANDS = [
    Scenario(
        title="each waking up begins with a fix 800 m away; no odometer",
        source="https://github.com/andreadegiovine/homeassistant-stellantis-vehicles/issues/91",
        fields=NO_ODOMETER,
        life=[
            rest(10 * MINUTE),
            *[step for _ in range(6) for step in (silence(2 * HOUR), rest(20, **far(0.8)), rest(5 * MINUTE))],
        ],
        expected=NOTHING,
    ),
    Scenario(
        title="each waking up begins with a fix 3 km away that the odometer denies",
        source="https://github.com/borski/ha-lucidmotors/issues/14",
        life=[
            rest(10 * MINUTE),
            *[step for _ in range(6) for step in (silence(2 * HOUR), rest(2 * MINUTE, **far(3)), rest(5 * MINUTE))],
        ],
        expected=NOTHING,
    ),
    Scenario(
        title="a receiver asleep wanders by 300 m over hours, polled each five minutes, with an odometer",
        life=[rest(12 * HOUR, every_s=5 * MINUTE, **wander(150))],
        expected=NOTHING,
    ),
    Scenario(
        title="positions on a grid of 1.1 km, the van on a line of it",
        fields=NO_ODOMETER,
        life=[
            always(latitude_deg=each(3, 48.11, "latitude_deg")),
            rest(6 * HOUR, every_s=MINUTE),
        ],
        expected=NOTHING,
    ),
    Scenario(
        title="two trackers under one name, 23 km apart, both parked",
        fields=NO_ODOMETER,
        life=[rest(5 * MINUTE), rest(6 * HOUR, every_s=30, latitude_deg=each(2, 48.307, "latitude_deg"))],
        expected=NOTHING,
    ),
    Scenario(
        title="latitude and longitude are exchanged now and then",
        fields=NO_ODOMETER,
        life=[
            always(latitude_deg=each(12, 11.5, "latitude_deg"), longitude_deg=each(12, 48.1, "longitude_deg")),
            rest(2 * HOUR, every_s=30),
        ],
        expected=NOTHING,
    ),
    Scenario(
        title="the BMS says 61.3 % and the van's status 60 %, by turns",
        source="https://github.com/SAIC-iSmart-API/saic-python-mqtt-gateway/pull/247",
        sender=Saic,
        fields=FLAGS,
        soc_pct=61.3,
        life=[rest(12 * HOUR, every_s=10 * MINUTE, soc_pct=each(2, 60.0, "soc_pct"))],
        expected={**NOTHING, "used_kwh": (0, 1.6)},
    ),
    Scenario(
        title="two sources of the state of charge take turns, 1.3 % apart, and nothing else tells of a cable",
        soc_pct=61.3,
        life=[rest(8 * HOUR, every_s=5 * MINUTE, soc_pct=each(2, 60.0, "soc_pct"))],
        # Nothing happens. The difference is 1.3 % x 0.83 kWh = 1.08 kWh. It may count as used once, not each time.
        expected={**NOTHING, "used_kwh": (0, 2.2)},
    ),
]

OTHERS = [
    Scenario(
        title="positions on a grid of 1.1 km while driving, with an odometer",
        life=[always(latitude_deg=rounded), rest(10 * MINUTE), drive(24), rest(10 * MINUTE)],
        expected=A_DRIVE,
    ),
    Scenario(
        title="positions on a grid of 1.1 km while driving, no odometer",
        fields=NO_ODOMETER,
        life=[always(latitude_deg=rounded), rest(10 * MINUTE), drive(24), rest(20 * MINUTE)],
        expected={**A_DRIVE, "distance_km": (22.5, 25.5)},
    ),
    Scenario(
        title="a charge in a hall in which the fixes scatter by 30 m",
        fields=(*NO_ODOMETER, "charging", "plugged_in"),
        soc_pct=40.0,
        life=[always(**wander(30)), rest(10 * MINUTE), charge(4 * HOUR, kw=11, every_s=30), rest(30 * MINUTE)],
        expected={"trips": 0, "charges": 1, "charged_kwh": (41, 47), "distance_km": (0, 0.5)},
    ),
    Scenario(
        title="'charging' whenever the van brakes",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/pull/358",
        sender=Ovms,
        fields=(*PLAIN, "charging"),
        soc_pct=60.0,
        life=[
            rest(10 * MINUTE),
            *[step for _ in range(10) for step in (drive(2.3), drive(0.1, kwh_per_km=-0.5, charging=True))],
            rest(20 * MINUTE),
        ],
        # 10 x (2.3 x 0.25 - 0.1 x 0.5) = 5.25 kWh.
        expected={"trips": 1, "charges": 0, "charged_kwh": (0, 0.3), "distance_km": (23.2, 24.8), "trip_kwh": (4.6, 6)},
    ),
    Scenario(
        title="there and back while nobody heard, a day apart, the last time with a charge at the other end",
        soc_pct=80.0,
        life=[
            rest(10 * MINUTE),
            unheard(drive(30, kmh=60), rest(3 * HOUR)),
            rest(20 * MINUTE),
            unheard(charge(HOUR, kw=11), rest(HOUR)),
            rest(20 * MINUTE),
            unheard(turn_round, drive(30, kmh=60)),
            rest(20 * MINUTE),
        ],
        # Twice 30 km, 15 kWh; 11 kWh.
        expected={"trips": 2, "distance_km": (59, 61), "used_kwh": (13.8, 16.8), "charges": 1, "charged_kwh": (10, 12)},
    ),
]


@pytest.mark.parametrize("fields", [PLAIN, NO_ODOMETER], ids=["odometer", "fixes"])
@pytest.mark.parametrize(
    ("poll_s", "km", "kmh"), [(30, 60, 60), (2 * MINUTE, 24, 36), (4 * MINUTE, 6, 30), (600, 24, 36)]
)
def test_a_cloud_that_repeats_everything_splits_no_drive(
    poll_s: float, km: float, kmh: float, fields: tuple[str, ...], tmp_path: Path
) -> None:
    names = [name for name in EVERYTHING_CACHED if name in fields]
    life = [rest(1800, every_s=poll_s), cached(*names), drive(km, kmh=kmh, every_s=poll_s), honest(*names)]
    kwh = km * KWH_PER_KM
    hold(
        Scenario(
            title="everything is repeated",
            fields=fields,
            life=[*life, rest(HOUR, every_s=poll_s)],
            expected={"trips": 1, "distance_km": (0.95 * km, 1.05 * km), "used_kwh": (0.9 * kwh, 1.17 * kwh)},
        ),
        tmp_path,
    )


@pytest.mark.parametrize("fields", [PLAIN, NO_ODOMETER], ids=["odometer", "fixes"])
@pytest.mark.parametrize("poll_s", [MINUTE, 2 * MINUTE, 3 * MINUTE, 5 * MINUTE, 10 * MINUTE])
def test_two_drives_that_are_polled_are_two_trips(poll_s: float, fields: tuple[str, ...], tmp_path: Path) -> None:
    there = [drive(24, every_s=poll_s), rest(HOUR, every_s=poll_s)]
    life = [rest(HOUR, every_s=poll_s), *there, *there]
    # Twice 24 km x 0.25 kWh/km.
    expected: Expected = {"trips": 2, "distance_km": (46.4, 49.6), "used_kwh": (10.8, 14)}
    hold(Scenario(title="polled", fields=fields, life=life, expected=expected), tmp_path)


@pytest.mark.parametrize(("km", "seconds"), [(0.25, 10), (0.5, 40), (0.8, 80), (0.95, 20)])
def test_a_receiver_that_wakes_up_elsewhere_moves_no_van(km: float, seconds: float, tmp_path: Path) -> None:
    waking = [silence(2 * HOUR), rest(seconds, **far(km)), rest(5 * MINUTE)]
    life = [rest(10 * MINUTE), *waking, *waking, *waking]
    hold(Scenario(title="wakes up elsewhere", fields=NO_ODOMETER, life=life, expected=NOTHING), tmp_path)


@pytest.mark.parametrize("scenario", SEEN_LATE, ids=lambda scenario: scenario.title)
def test_what_a_cloud_saw_late_has_happened_all_the_same(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", SPEEDS, ids=lambda scenario: scenario.title)
def test_a_speed_in_another_unit_makes_no_other_distance(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", STANDS, ids=lambda scenario: scenario.title)
def test_a_van_that_stands_stands(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", OTHERS, ids=lambda scenario: scenario.title)
def test_what_is_known_coarsely_is_known(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
