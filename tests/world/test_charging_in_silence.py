"""Charges while the van is silent: the readings before and after the silence show them."""

from pathlib import Path

import pytest

from tests.world.scenario import Scenario, hold
from tests.world.van import FLAGS, HOUR, MINUTE, POWER, charge, drive, rest, silence, unheard

SCENARIOS = [
    Scenario(
        title="a charge in a silence, confirmed by every reading since",
        soc_pct=40.0,
        life=[rest(10 * MINUTE), unheard(charge(4 * HOUR, kw=8.56)), silence(HOUR), rest(30 * MINUTE)],
        # 40 % x 0.83 / 0.97 = 34.2 kWh.
        expected={"charges": 1, "charged_kwh": (32, 36.5)},
    ),
    Scenario(
        title="a charge in a silence, the cable still in at waking up",
        fields=FLAGS,
        soc_pct=40.0,
        life=[rest(10 * MINUTE), unheard(charge(4 * HOUR, kw=8.56, unplug=False)), silence(HOUR), rest(30 * MINUTE)],
        expected={"charges": 1, "charged_kwh": (32, 36.5)},
    ),
    Scenario(
        title="a charge in a night's silence, the cable out on both sides of it, and a day's drive after",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            unheard(charge(4 * HOUR, kw=8.56)),
            silence(2 * HOUR),
            rest(30 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (32, 36.5), "used_kwh": (5.3, 7.2)},
    ),
    Scenario(
        title="a charge in a silence of which the first reading is the beginning of a drive",
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            unheard(charge(4 * HOUR, kw=8.56)),
            drive(24),
            rest(10 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (32, 36.5), "used_kwh": (5.3, 7.2), "trips": 1},
    ),
    Scenario(
        title="unplugged in a night's silence, first heard on the road, the curve and the standby of a small car",
        fields=FLAGS,
        battery_kwh=22.2,
        soc_pct=75.0,
        life=[rest(10 * MINUTE), unheard(charge(2 * HOUR, kw=1.36)), silence(9.5 * HOUR), drive(12), rest(20 * MINUTE)],
        # 2 h x 1.36 kW = 2.72 kWh; 12 km x 0.25 kWh/km = 3 kWh. Steps of 0.1 % are 0.02 kWh. The truth has no curve and
        # takes nothing asleep; the core's curve has 1 % hold 5 % more at 80 %.
        expected={"charges": 1, "charged_kwh": (2.66, 2.95), "used_kwh": (2.85, 3.3), "trip_kwh": (2.85, 3.3)},
    ),
    Scenario(
        title="unplugged in a night's silence, first heard as it leaves, and slow again a moment later",
        fields=FLAGS,
        battery_kwh=22.2,
        soc_pct=35.0,
        life=[
            rest(10 * MINUTE),
            unheard(charge(4 * HOUR, kw=1.3)),
            silence(7.5 * HOUR),
            drive(0.025, kmh=9.0),
            drive(0.012, kmh=4.2),
            drive(12),
            rest(20 * MINUTE),
        ],
        # 4 h x 1.3 kW = 5.2 kWh; 12 km x 0.25 kWh/km = 3 kWh: the rise is no energy that the drive gave back.
        expected={"charges": 1, "charged_kwh": (5.0, 5.5), "used_kwh": (2.8, 3.3), "trips": 1, "trip_kwh": (2.8, 3.3)},
    ),
    Scenario(
        title="unplugged in a night's silence, first heard on the road, where power is found to be wrong",
        fields=POWER,
        battery_kwh=22.2,
        soc_pct=60.0,
        life=[
            rest(10 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
            unheard(charge(2 * HOUR, kw=1.5)),
            silence(9.5 * HOUR),
            drive(24, battery_power_kw=lambda van: 3.0 * van.battery_kw),
            rest(20 * MINUTE),
        ],
        # 2 h x 1.5 kW = 3 kWh; 36 km x 0.25 kWh/km = 9 kWh, whatever the power says in the second drive.
        expected={"charges": 1, "charged_kwh": (2.9, 3.2), "used_kwh": (8.5, 9.8), "trips": 2},
    ),
    Scenario(
        title="a fast charge in a silence of 25 minutes",
        soc_pct=20.0,
        life=[rest(10 * MINUTE), unheard(charge(25 * MINUTE, kw=113)), rest(20 * MINUTE)],
        # 25 min x 113 kW = 47 kWh.
        expected={"charges": 1, "charged_kwh": (44, 50), "charge_kind": "dc"},
    ),
    Scenario(
        title="a drive and a charge in one silence",
        soc_pct=60.0,
        life=[
            rest(10 * MINUTE),
            unheard(drive(40, kmh=40), charge(3 * HOUR, kw=11), rest(HOUR)),
            rest(30 * MINUTE),
        ],
        # The charge alone is seen: 33 x 0.97 - 10 = 22 kWh more in the battery, at a place 40 km away.
        expected={"distance_km": (39, 41), "charged_kwh": (21, 36)},
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_a_charge_in_silence_counts(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
