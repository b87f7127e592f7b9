"""Rare journeys: ferries, car trains, towing, jammers, mountain passes."""

from pathlib import Path
from typing import Any

import pytest

from tests.world.history import Figure
from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import Ovms, Saic
from tests.world.van import (
    COUNTERS,
    EVERYTHING,
    FLAGS,
    HOUR,
    KM_PER_DEGREE,
    MINUTE,
    NO_ODOMETER,
    POWER,
    Says,
    Step,
    Value,
    Van,
    always,
    carried,
    charge,
    drive,
    rest,
    turn_round,
    unheard,
)

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3), "charges": 0}


def towed(km: float, *, kmh: float = 36.0, kw: float, **says: Says) -> Step:
    """Towed with the wheels on the road. The motor brakes and charges the battery."""

    def step(van: Van) -> None:
        for step_s in van.steps(km / kmh * HOUR, None):
            van.pass_time(step_s, kmh=kmh, kw=kw)
            van.say(**says)
        van.speed_kmh = 0.0

    return step


def predicted(faster: float, each_s: float) -> Says:
    """A state of charge that is predicted too fast and corrected at intervals."""
    known: list[float] = []

    def said(van: Van) -> Value:
        if not known or van.time_s < known[0] or van.time_s - known[0] >= each_s:
            known[:] = [van.time_s, van.soc_pct]
        return round(min(100.0, known[1] + faster * (van.soc_pct - known[1])), 1)

    return said


def jammed(km: float) -> dict[str, Any]:
    """Every fix is the same wrong place, far away."""
    return {"latitude_deg": round(48.1 + km / KM_PER_DEGREE, 6), "longitude_deg": 11.5}


WAYS = [
    Scenario(
        title="a slow ferry with a refrigerator on board: 2 kW, 28 km/h, four hours",
        life=[
            rest(20 * MINUTE),
            carried(112, kmh=28, kw=-2, every_s=30),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # Odometer and speed do not change, and 0.07 kWh/km is no driving. 8 kWh for the cold and 6 kWh for driving.
        expected={"distance_km": (23, 25.5), "used_kwh": (13, 15.5), "trips": 1},
    ),
    Scenario(
        title="a car train through a tunnel, with the heating on, and no odometer",
        fields=NO_ODOMETER,
        life=[
            rest(20 * MINUTE),
            carried(50, kmh=80, kw=-2, every_s=30),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 1.25 kWh of heating, 1.5 %; a drive of 50 km would take 12.5 kWh.
        expected={"distance_km": (23, 25.5), "used_kwh": (6.4, 8.5), "trips": 1},
    ),
    Scenario(
        title="a car train that nobody hears: 50 km on, 0.5 % less, no odometer",
        fields=NO_ODOMETER,
        life=[
            rest(20 * MINUTE),
            unheard(carried(50, kmh=80, kw=-0.6)),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={"distance_km": (23, 25.5), "used_kwh": (5.4, 7.5), "trips": 1},
    ),
    Scenario(
        title="towed on a rope for 20 km: the wheels turn, and the battery gains 3.3 kWh",
        fields=POWER,
        soc_pct=30.0,
        life=[rest(10 * MINUTE), drive(12), rest(2 * MINUTE), towed(20, kw=6), rest(20 * MINUTE)],
        # 12 km x 0.25 = 3 kWh out, 6 kW x 33 min = 3.3 kWh back; no charger.
        expected={"distance_km": (31.4, 32.6), "used_kwh": (2.6, 3.6), "charged_kwh": (0, 0.3), "charges": 0},
    ),
    Scenario(
        title="a receiver is jammed for 20 km of a drive and shows an airport 300 km away",
        source="https://github.com/traccar/traccar/issues/865",
        life=[rest(10 * MINUTE), drive(12), drive(20, **jammed(300)), drive(12), rest(20 * MINUTE)],
        # 44 km x 0.25 = 11 kWh.
        expected={"distance_km": (43, 45), "used_kwh": (10, 12.4), "trips": 1, "charges": 0},
    ),
    Scenario(
        title="a receiver is jammed for 20 km of a drive and shows an airport 300 km away; no odometer",
        source="https://github.com/mjaakko/NeoStumbler/issues/746",
        fields=NO_ODOMETER,
        life=[rest(10 * MINUTE), drive(12), drive(20, **jammed(300)), drive(12), rest(20 * MINUTE)],
        # The speed goes on: 44 km.
        expected={"distance_km": (41, 46), "used_kwh": (10, 12.4), "trips": 1, "charges": 0},
    ),
    Scenario(
        title="a receiver is jammed all night at the depot and shows an airport 60 km away",
        fields=NO_ODOMETER,
        life=[
            rest(10 * MINUTE),
            drive(12),
            rest(HOUR, every_s=MINUTE),
            rest(9 * HOUR, every_s=5 * MINUTE, **jammed(60)),
            rest(HOUR, every_s=MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        # 96 km would have taken 24 kWh.
        expected={**A_DRIVE, "trips": 2},
    ),
    Scenario(
        title="the longitude has lost its sign in one reading of six",
        fields=NO_ODOMETER,
        life=[
            always(longitude_deg=lambda van: -11.5 if van.readings % 6 == 0 else 11.5),
            rest(20 * MINUTE),
            drive(24),
            rest(HOUR, every_s=MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="a heavy trailer up a pass: 95 kWh/100 km",
        life=[rest(10 * MINUTE), drive(25, kmh=50, kwh_per_km=0.95), rest(20 * MINUTE)],
        # 25 km x 0.95 = 23.8 kWh.
        expected={"distance_km": (24.5, 25.5), "used_kwh": (22.3, 25.3), "trips": 1, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="30 km down a pass, polled each minute, with counters",
        fields=COUNTERS,
        soc_pct=50.0,
        life=[
            rest(20 * MINUTE),
            drive(12),
            drive(30, kmh=45, kwh_per_km=-0.2, every_s=MINUTE),
            rest(20 * MINUTE),
        ],
        # 3 kWh out, 6 kWh back by braking and none by charging.
        expected={
            "distance_km": (41, 43),
            "used_kwh": (2.6, 3.6),
            "regenerated_kwh": (5.4, 6.6),
            "charged_kwh": (0, 0.3),
            "charges": 0,
        },
    ),
    Scenario(
        title="the place each ten seconds, odometer and charge each minute",
        life=[
            always(
                kind=lambda van: "telemetry" if van.readings % 6 == 0 else "location",
                odometer_km=lambda van: round(van.odometer_km, 1) if van.readings % 6 == 0 else None,
                speed_kmh=lambda van: van.speed_kmh if van.readings % 6 == 0 else None,
            ),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="SAIC: a delivery day polled each half hour",
        sender=Saic,
        fields=FLAGS,
        soc_pct=90.0,
        life=[
            rest(2 * HOUR, every_s=30 * MINUTE),
            drive(45, kmh=30, every_s=30 * MINUTE),
            rest(2 * HOUR, every_s=30 * MINUTE),
            turn_round,
            drive(45, kmh=30, every_s=30 * MINUTE),
            rest(HOUR, every_s=30 * MINUTE),
            charge(3 * HOUR, kw=7, every_s=30 * MINUTE),
            rest(3 * HOUR, every_s=30 * MINUTE),
        ],
        # 90 km x 0.25 = 22.5 kWh; 3 h x 7 kW = 21 kWh.
        expected={"distance_km": (88, 92), "used_kwh": (20.8, 24.2), "charges": 1, "charged_kwh": (19.5, 22.5)},
    ),
    Scenario(
        title="everything that a van can say, with a fast charge and a slow one, over midnight",
        sender=Ovms,
        fields=EVERYTHING,
        life=[
            rest(10 * MINUTE),
            drive(80, kmh=80, every_s=10),
            charge(20 * MINUTE, kw=60, grid_kw=64, every_s=10),
            drive(40, kmh=80, every_s=10),
            rest(4 * HOUR, every_s=5 * MINUTE),
            charge(6 * HOUR, kw=4, grid_kw=4.6, every_s=5 * MINUTE),
            rest(3 * HOUR, every_s=5 * MINUTE),
        ],
        # 120 km x 0.25 = 30 kWh; 20 + 24 = 44 kWh, 21.3 + 27.6 = 48.9 of the grid.
        expected={
            "distance_km": (118.5, 121.5),
            "used_kwh": (28, 32),
            "charges": 2,
            "charged_kwh": (42, 46),
            "grid_kwh": (46, 51.5),
            Figure("day", sum, "distance_km"): (118.5, 121.5),
        },
    ),
]


@pytest.mark.parametrize("scenario", WAYS, ids=lambda scenario: scenario.title)
def test_rare_ways(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
