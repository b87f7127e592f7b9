"""Honest vans that do unusual things. The filters against wrong values must accept them."""

from pathlib import Path
from typing import Any

import pytest

from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import Ovms
from tests.world.van import (
    COUNTERS,
    FLAGS,
    HOUR,
    KM_PER_DEGREE,
    MINUTE,
    NO_ODOMETER,
    POWER,
    Says,
    Van,
    always,
    charge,
    drive,
    rest,
    silence,
    turn_round,
    unheard,
    wander,
)

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"trips": 1, "distance_km": (23.2, 24.8), "used_kwh": (5.4, 7), "charges": 0}


def fix_each(seconds: float) -> Says:
    """A receiver that has a new fix at intervals and repeats the last one in between."""
    last: list[Any] = []

    def said(van: Van) -> float:
        if not last or not 0 <= van.time_s - last[0] < seconds:  # the life starts at 0
            last[:] = [van.time_s, round(48.1 + van.north_km / KM_PER_DEGREE, 6)]
        value: float = last[1]
        return value

    return said


SCENARIOS = [
    Scenario(
        title="a van that heats for four hours with 3 kW and says its power",
        fields=POWER,
        life=[rest(10 * MINUTE), rest(4 * HOUR, kw=3.0, every_s=30), rest(10 * MINUTE)],
        expected={"trips": 0, "used_kwh": (11.2, 13.2), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="a saw runs off the van's battery: 2 kW for five hours",
        fields=NO_ODOMETER,
        life=[rest(10 * MINUTE), rest(5 * HOUR, kw=2.0), rest(10 * MINUTE)],
        expected={"trips": 0, "used_kwh": (9.2, 11), "idle_kwh": (9, 11), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="a van that heats in a silence of three hours",
        life=[rest(10 * MINUTE), unheard(rest(3 * HOUR, kw=3.0)), rest(30 * MINUTE)],
        expected={"trips": 0, "used_kwh": (8.2, 10), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="a trailer: 60 kWh/100 km",
        life=[rest(5 * MINUTE), drive(48, kmh=72, kwh_per_km=0.6), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (47.5, 48.5), "used_kwh": (27, 31)},
    ),
    Scenario(
        title="an empty van in a summer: 12 kWh/100 km",
        life=[rest(5 * MINUTE), drive(48, kmh=54, kwh_per_km=0.12), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (47.5, 48.5), "used_kwh": (5.2, 6.8)},
    ),
    Scenario(
        title="a small battery on a motorway: 2.1 % a minute",
        battery_kwh=32.6,
        soc_pct=90.0,
        life=[rest(5 * MINUTE), drive(60, kmh=120, kwh_per_km=0.35), rest(10 * MINUTE)],
        # 60 km x 0.35 = 21 kWh.
        expected={"trips": 1, "used_kwh": (19.5, 23), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="a small battery at a fast charger: 4 % a minute",
        battery_kwh=32.6,
        soc_pct=10.0,
        fields=FLAGS,
        life=[rest(5 * MINUTE), charge(18 * MINUTE, kw=80), rest(10 * MINUTE)],
        # 18 min x 80 kW = 24 kWh.
        expected={"charges": 1, "charged_kwh": (22, 26), "charge_kind": "dc"},
    ),
    Scenario(
        title="a large battery at a fast charger, of which only the state of charge tells",
        battery_kwh=113.0,
        soc_pct=10.0,
        life=[rest(5 * MINUTE), charge(40 * MINUTE, kw=115, every_s=30), rest(30 * MINUTE)],
        # 40 min x 115 kW = 76.7 kWh.
        expected={"charges": 1, "charged_kwh": (72, 82)},
    ),
    Scenario(
        title="a receiver that has a new fix each minute; no odometer",
        fields=NO_ODOMETER,
        life=[always(latitude_deg=fix_each(60)), rest(5 * MINUTE), drive(24), rest(10 * MINUTE)],
        expected=A_DRIVE,
    ),
    Scenario(
        title="a receiver that has a new fix each three minutes; no odometer",
        fields=NO_ODOMETER,
        life=[always(latitude_deg=fix_each(180)), rest(10 * MINUTE), drive(24), rest(20 * MINUTE)],
        expected={**A_DRIVE, "distance_km": (22.5, 25)},
    ),
    Scenario(
        title="fixes that scatter by 10 m all along a drive; no odometer",
        fields=NO_ODOMETER,
        life=[always(**wander(10)), rest(10 * MINUTE), drive(24), rest(20 * MINUTE)],
        expected={**A_DRIVE, "distance_km": (23, 25.2)},
    ),
    Scenario(
        title="a state of charge and an odometer in whole kilometres: nothing else is known",
        sender=Ovms,
        fields=("soc_pct", "odometer_km"),
        life=[
            always(odometer_km=lambda van: float(int(van.odometer_km))),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={"distance_km": (22.9, 25.1), "used_kwh": (5.4, 7), "charges": 0},
    ),
    Scenario(
        title="a drive in a silence of a van without a receiver",
        sender=Ovms,
        fields=("soc_pct", "speed_kmh", "odometer_km"),
        life=[rest(20 * MINUTE, every_s=30), unheard(drive(40, kmh=40)), silence(HOUR), rest(30 * MINUTE, every_s=30)],
        expected={"distance_km": (39, 41), "used_kwh": (9, 11.2), "charges": 0},
    ),
    Scenario(
        title="forty hops of 400 m by an odometer in whole kilometres",
        life=[
            always(odometer_km=lambda van: float(int(van.odometer_km))),
            rest(10 * MINUTE),
            *[step for _ in range(40) for step in (drive(0.4, kmh=24), rest(2 * MINUTE))],
            rest(10 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (15, 17), "used_kwh": (3.5, 5)},
    ),
    Scenario(
        title="there and back: the place is the same again, the odometer is not",
        life=[rest(5 * MINUTE), drive(12), turn_round, drive(12), rest(20 * MINUTE)],
        expected=A_DRIVE,
    ),
    Scenario(
        title="rounds of 1.2 km on a yard, five minutes each",
        life=[
            rest(10 * MINUTE),
            *[step for _ in range(20) for step in (drive(0.6, kmh=14.4), turn_round)],
            rest(10 * MINUTE),
        ],
        # Twenty times 0.6 km.
        expected={"trips": 1, "distance_km": (11.4, 12.6), "used_kwh": (2.6, 3.6)},
    ),
    Scenario(
        title="a charge that is polled each ten minutes and of which only the state of charge tells",
        soc_pct=40.0,
        life=[
            rest(HOUR, every_s=10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=10 * MINUTE),
            rest(2 * HOUR, every_s=10 * MINUTE),
        ],
        # 4 h x 11 kW.
        expected={"charged_kwh": (41, 46.5), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="a charge that is polled each ten minutes, with its flag",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(HOUR, every_s=10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=10 * MINUTE),
            rest(2 * HOUR, every_s=10 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (41, 46.5), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="a slow charge of an hour that is polled each five minutes, and no flag tells of it",
        soc_pct=40.0,
        life=[
            rest(HOUR, every_s=5 * MINUTE),
            charge(HOUR, kw=3.3, every_s=5 * MINUTE),
            rest(2 * HOUR, every_s=5 * MINUTE),
        ],
        # 3.3 kWh, 3.9 %.
        expected={"charged_kwh": (2.6, 4), "used_kwh": (0, 0.5)},
    ),
    Scenario(
        title="a charge that is polled each five minutes, and counters and the state of charge tell of it",
        fields=COUNTERS,
        soc_pct=40.0,
        life=[
            rest(HOUR),
            drive(12),
            rest(20 * MINUTE),
            charge(1.5 * HOUR, kw=11, every_s=5 * MINUTE),
            rest(2 * HOUR, every_s=5 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        # 1.5 h x 11 kW = 16.5 kWh; 24 km x 0.25 = 6 kWh.
        expected={"charged_kwh": (15.3, 17.8), "used_kwh": (5.4, 7), "regenerated_kwh": (0, 0.7)},
    ),
    Scenario(
        title="a charge of a van whose flag never says so, with the cable in",
        fields=FLAGS,
        soc_pct=40.0,
        life=[rest(10 * MINUTE), charge(4 * HOUR, kw=11, every_s=30, charging=False), rest(30 * MINUTE)],
        expected={"charges": 1, "charged_kwh": (41, 46.5)},
    ),
    Scenario(
        title="a charge of a van whose flag and plug never say so: an hour's steady rise",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=30, charging=False, plugged_in=False),
            rest(30 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        # 480 readings agree with each other, and the drive goes on from 91 %.
        expected={"charges": 1, "charged_kwh": (41, 46.5), "used_kwh": (5.3, 7.2)},
    ),
    Scenario(
        title="an odometer that reads 0 with the ignition off, all through a charge",
        source="https://github.com/andreadegiovine/homeassistant-stellantis-vehicles/issues/241",
        fields=FLAGS,
        soc_pct=60.0,
        life=[
            rest(5 * MINUTE),
            drive(12),
            rest(20 * MINUTE, odometer_km=0.0),
            charge(2 * HOUR, kw=11, every_s=30, odometer_km=0.0),
            rest(20 * MINUTE, odometer_km=0.0),
            rest(MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        # 24 km; 22 kWh charged.
        expected={"trips": 2, "distance_km": (23.3, 24.7), "charges": 1, "charged_kwh": (20.5, 23.8)},
    ),
    Scenario(
        title="only the battery is reported on the road, and then the place, 40 km on",
        life=[
            rest(10 * MINUTE),
            always(kind="soc"),
            drive(40, kmh=40, every_s=10 * MINUTE),
            always(kind="telemetry"),
            rest(30 * MINUTE),
        ],
        expected={"distance_km": (39, 41), "used_kwh": (9, 11.2), "charges": 0},
    ),
    Scenario(
        title="a valley: 10 km up, 10 km down, and up and down again",
        soc_pct=70.0,
        life=[
            rest(5 * MINUTE),
            drive(10, kmh=50, kwh_per_km=0.6),
            drive(10, kmh=50, kwh_per_km=-0.15),
            drive(10, kmh=50, kwh_per_km=0.6),
            drive(10, kmh=50, kwh_per_km=-0.15),
            rest(20 * MINUTE),
        ],
        # 12 kWh out and 3 kWh back: 9 net, and no charge.
        expected={"trips": 1, "trip_kwh": (8, 10), "charges": 0, "charged_kwh": (0, 0.3), "distance_km": (39.5, 40.5)},
    ),
    Scenario(
        title="a charge of which whole percents tell, each 5 s, and no flag",
        fields=NO_ODOMETER,
        soc_pct=42.0,
        soc_step_pct=1.0,
        life=[rest(20 * MINUTE, every_s=5), charge(2 * HOUR, kw=11, every_s=5), rest(HOUR, every_s=5)],
        # 2 h x 11 kW = 22 kWh, known to the steps at both ends, of 0.83 kWh each.
        expected={"charges": 1, "charged_kwh": (20.5, 23.5), "charge_kwh": (20.5, 23.5)},
    ),
    Scenario(
        title="a night with readings each minute, and the first one on the road is 1.5 km on, before a red light",
        life=[
            rest(8 * HOUR, every_s=MINUTE),
            drive(1.5, kmh=60, every_s=90),
            rest(50, every_s=50),
            drive(22.5, kmh=45, every_s=MINUTE),
            rest(20 * MINUTE),
        ],
        expected=A_DRIVE,
    ),
    Scenario(
        title="from 80 km/h to a stop of three minutes between two readings, and on at 80 km/h",
        life=[
            rest(10 * MINUTE),
            drive(12, kmh=80, every_s=MINUTE),
            rest(3 * MINUTE, every_s=MINUTE),
            drive(12, kmh=80, every_s=MINUTE),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "stops": 1},
    ),
    Scenario(
        title="four times the state of charge settles by one step at rest, then a charge of 2 % without a flag",
        soc_step_pct=0.5,
        life=[
            *(4 * [rest(30 * MINUTE), rest(MINUTE, soc_pct=lambda van: van.truth()["soc_pct"] + 0.5), rest(HOUR)]),
            charge(30 * MINUTE, kw=3.6, every_s=MINUTE),
            rest(HOUR, every_s=MINUTE),
        ],
        # 1/2 h x 3.6 kW = 1.8 kWh, which is 2.1 %; a step is 0.42 kWh.
        expected={"charges": 1, "charged_kwh": (1.3, 2.3)},
    ),
    Scenario(
        title="a dozen short ways with readings each minute, the first fix of each waits for a second one",
        life=[
            rest(10 * MINUTE),
            *(12 * [drive(2.5, kmh=75, every_s=MINUTE), rest(HOUR, every_s=MINUTE)]),
        ],
        expected={"trips": 12, "distance_km": (29.6, 30.4), "trip_km": (29.6, 30.4)},
    ),
    Scenario(
        title="polled each five minutes: a far place was taken once, and the next far places are driven to",
        life=[
            rest(HOUR, every_s=5 * MINUTE),
            drive(1.5, kmh=62, every_s=5 * MINUTE),
            drive(5, kmh=84, every_s=5 * MINUTE),
            rest(30, every_s=30),
            drive(5, kmh=60, every_s=5 * MINUTE),
            rest(HOUR, every_s=5 * MINUTE),
            drive(6, kmh=39, every_s=5 * MINUTE),
            rest(10),
            drive(4, kmh=48, every_s=150),
            rest(HOUR, every_s=5 * MINUTE),
        ],
        expected={"distance_km": (21.3, 21.7), "trip_km": (21.3, 21.7)},
    ),
    Scenario(
        title="eight short charges of which whole percents tell, and no flag",
        soc_pct=62.0,
        soc_step_pct=1.0,
        life=8
        * [drive(10), rest(71 * MINUTE), charge(30 * MINUTE, kw=3.6, every_s=MINUTE), rest(HOUR, every_s=MINUTE)],
        # 8 x 1.8 kWh = 14.4 kWh, each known to the steps at both ends; 80 km x 0.25 = 20 kWh.
        expected={"charges": 8, "charged_kwh": (13.4, 15.4), "used_kwh": (18.8, 21.4)},
    ),
    Scenario(
        title="the same without an odometer",
        fields=NO_ODOMETER,
        life=[
            rest(10 * MINUTE),
            drive(12, kmh=80, every_s=MINUTE),
            rest(3 * MINUTE, every_s=MINUTE),
            drive(12, kmh=80, every_s=MINUTE),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "stops": 1},
    ),
]


@pytest.mark.parametrize("every_s", [10.0, 30.0])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_an_honest_van_keeps_its_figures(scenario: Scenario, every_s: float, tmp_path: Path) -> None:
    hold(scenario, tmp_path, every_s=every_s)


@pytest.mark.parametrize("every_s", [10.0, 30.0])
@pytest.mark.parametrize("fix_s", [2 * MINUTE, 4 * MINUTE, 5 * MINUTE])
def test_rare_fixes_beside_an_odometer_count_nothing_twice(fix_s: float, every_s: float, tmp_path: Path) -> None:
    life = [always(latitude_deg=fix_each(fix_s)), rest(10 * MINUTE), drive(24), rest(20 * MINUTE)]
    hold(Scenario(title="rare fixes", life=life, expected=A_DRIVE), tmp_path, every_s=every_s)
