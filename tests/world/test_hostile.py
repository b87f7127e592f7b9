"""A hostile sender with valid credentials: totals stay within physics, whatever it sends and however fast.

Also: a quantity that is set aside for long is reported.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.world.history import Figure
from tests.world.scenario import Scenario, hold
from tests.world.van import (
    COUNTERS,
    FLAGS,
    HOUR,
    KM_PER_DEGREE,
    MINUTE,
    NO_ODOMETER,
    PLAIN,
    Says,
    Step,
    Value,
    Van,
    always,
    drive,
    each,
    rest,
)

MS = 0.001
DAY = 24 * HOUR


def largest(values: list[Any]) -> Any:
    return max(values, default=0)


def load(**fields: Any) -> Step:
    """Report the load."""

    def step(van: Van) -> None:
        van.time_s += 1
        van.messages += van.sender.messages(van.time_s, {"kind": "load", **fields})

    return step


def growing(name: str, per_reading: float) -> Says:
    """A value that starts at the truth and grows by so much with every reading."""
    so_far: list[Any] = []

    def said(van: Van) -> Value:
        so_far.append(so_far[-1] + per_reading if so_far else van.truth()[name])
        value: float = round(so_far[-1], 2)
        return value

    return said


def toggled(low: Any, high: Any) -> Any:
    """Readings alternate between two values."""
    return lambda van: high if van.readings % 2 else low


HOSTILE = [
    Scenario(
        odometer_km=5000.4,
        title="an odometer that goes on by 1 km each millisecond",
        life=[rest(5 * MINUTE), rest(3, every_s=MS, odometer_km=growing("odometer_km", 1)), rest(5 * MINUTE)],
        # 3 s at 160 km/h are 0.13 km.
        expected={"distance_km": (0, 1), "trips": 0},
    ),
    Scenario(
        odometer_km=5000.4,
        title="an odometer that goes on by 1 km each millisecond, with a speed to it",
        life=[
            rest(5 * MINUTE),
            rest(3, every_s=MS, odometer_km=growing("odometer_km", 1), speed_kmh=150.0),
            rest(5 * MINUTE),
        ],
        expected={"distance_km": (0, 1.2)},
    ),
    Scenario(
        odometer_km=5000.4,
        title="an odometer that goes on by 1 km each ten minutes, standing still for a week",
        life=[rest(5 * MINUTE), rest(7 * DAY, every_s=10 * MINUTE, odometer_km=growing("odometer_km", 1))],
        expected={"distance_km": (0, 5), "used_kwh": (0, 1), "avoided_g": (-500, 1600)},
    ),
    Scenario(
        odometer_km=5000.4,
        title="an odometer that goes on by 26 km each ten minutes, standing still for a week",
        life=[rest(5 * MINUTE), rest(7 * DAY, every_s=10 * MINUTE, odometer_km=growing("odometer_km", 26))],
        expected={"distance_km": (0, 30), "used_kwh": (0, 8), "avoided_g": (-500, 9600)},
    ),
    Scenario(
        title="a counter that goes on by 300 kWh each millisecond",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            drive(24),
            rest(2, every_s=MS, energy_out_total_kwh=growing("energy_out_total_kwh", 300)),
            rest(5 * MINUTE),
        ],
        # The drive: 24 km x 0.25 = 6 kWh.
        expected={"used_kwh": (5.4, 8), "charged_kwh": (0, 1)},
    ),
    Scenario(
        title="both counters go on by 300 kWh each millisecond",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            drive(24),
            rest(
                2,
                every_s=MS,
                energy_out_total_kwh=growing("energy_out_total_kwh", 300),
                energy_in_total_kwh=growing("energy_in_total_kwh", 300),
            ),
            rest(5 * MINUTE),
        ],
        expected={"used_kwh": (5.4, 8), "charged_kwh": (0, 1), "regenerated_kwh": (0, 1)},
    ),
    Scenario(
        title="both counters go on by 1 kWh each 30 s for a day, parked",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            drive(24),
            rest(
                DAY,
                every_s=30,
                energy_out_total_kwh=growing("energy_out_total_kwh", 1),
                energy_in_total_kwh=growing("energy_in_total_kwh", 1),
            ),
        ],
        # 120 kW out of and into a van that stands, at an equal state of charge: nothing of it has been driven.
        expected={"used_kwh": (5.4, 16), "charged_kwh": (0, 10), "regenerated_kwh": (0, 10)},
    ),
    Scenario(
        title="48 and 50 % with a flag to it each 10 ms for 20 s",
        fields=FLAGS,
        soc_pct=50.0,
        life=[
            rest(5 * MINUTE),
            rest(20, every_s=10 * MS, soc_pct=toggled(48.0, 50.0), charging=toggled(True, False)),
            rest(5 * MINUTE),
        ],
        # 20 s x 250 kW would be 1.4 kWh.
        expected={"charged_kwh": (0, 1.8), "used_kwh": (0, 1.8)},
    ),
    Scenario(
        title="48 and 50 % with a flag to it each ten seconds for two hours",
        fields=FLAGS,
        soc_pct=50.0,
        life=[
            rest(5 * MINUTE),
            rest(2 * HOUR, soc_pct=toggled(48.0, 50.0), charging=toggled(True, False)),
            rest(5 * MINUTE),
        ],
        # 2 % in 10 s are 600 kW.
        expected={"charged_kwh": (0, 5), "used_kwh": (0, 5), "charges": (0, 2)},
    ),
    Scenario(
        title="48 and 50 % with a flag to it each five minutes for a day",
        fields=FLAGS,
        soc_pct=50.0,
        life=[
            rest(5 * MINUTE),
            rest(DAY, every_s=5 * MINUTE, soc_pct=toggled(48.0, 50.0), charging=toggled(True, False)),
            rest(5 * MINUTE),
        ],
        # 20 kW into it and 20 kW out of a van that stands, 144 times.
        expected={"charged_kwh": (0, 25), "used_kwh": (0, 25)},
    ),
    Scenario(
        title="20 and 80 % each ten minutes for a week",
        soc_pct=80.0,
        life=[rest(5 * MINUTE), rest(7 * DAY, every_s=10 * MINUTE, soc_pct=toggled(20.0, 80.0))],
        expected={"charged_kwh": (0, 60), "used_kwh": (0, 60)},
    ),
    Scenario(
        title="a speed of 300 without a fix that moves, each minute for a day",
        fields=NO_ODOMETER,
        life=[rest(5 * MINUTE), rest(DAY, every_s=MINUTE, speed_kmh=300.0), rest(5 * MINUTE)],
        expected={"distance_km": (0, 1), "trips": 0},
    ),
    Scenario(
        title="a speed of 100 without a fix that moves, each ten seconds for four hours",
        fields=NO_ODOMETER,
        life=[rest(5 * MINUTE), rest(4 * HOUR, speed_kmh=100.0), rest(5 * MINUTE)],
        expected={"distance_km": (0, 1), "trips": 0},
    ),
    Scenario(
        title="fixes 1 km to and fro each minute for a day, while odometer, speed and charge stand",
        life=[
            rest(5 * MINUTE),
            rest(
                DAY,
                every_s=MINUTE,
                latitude_deg=lambda van: round(48.1 + van.readings % 2 / KM_PER_DEGREE, 6),
            ),
        ],
        expected={"distance_km": (0, 1), "trips": 0},
    ),
    Scenario(
        title="50,000 kg in a van of 1 t, and 100,000 parcels",
        life=[
            rest(5 * MINUTE),
            load(payload_kg=50_000.0, parcels=100_000),
            drive(24),
            rest(10 * MINUTE),
            load(payload_kg=0.0, parcels=0),
            rest(14 * HOUR, every_s=MINUTE),
        ],
        # A van of 3.5 t carries 1 t; a parcel of 100,000 would have 10 g and a tenth of a litre.
        expected={
            "trips": 1,
            Figure("tour", largest, "mass_kg"): (0, 2000),
            Figure("tour", largest, "items"): (0, 20_000),
            Figure("tour", largest, "load_factor_pct"): (0, 200),
            "distance_km": (23.4, 24.6),
        },
    ),
    Scenario(
        title="everything at once, each millisecond",
        fields=(*PLAIN, "energy_out_total_kwh", "energy_in_total_kwh", "charging", "battery_power_kw"),
        life=[
            rest(5 * MINUTE),
            rest(
                2,
                every_s=MS,
                soc_pct=toggled(0.0, 100.0),
                odometer_km=growing("odometer_km", 3),
                speed_kmh=toggled(0.0, 300.0),
                energy_out_total_kwh=growing("energy_out_total_kwh", 250),
                energy_in_total_kwh=growing("energy_in_total_kwh", 250),
                charging=toggled(True, False),
                battery_power_kw=toggled(-1000.0, 1000.0),
                latitude_deg=toggled(0.0, 90.0),
            ),
            rest(20 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
        ],
        # 12 km and 3 kWh are true; 2 s at the limits of a van add 0.1 km and 0.15 kWh.
        expected={"distance_km": (11, 13.2), "used_kwh": (2.5, 5), "charged_kwh": (0, 2)},
    ),
]

HONEST = [
    Scenario(
        title="900 kg and 120 parcels in a van of 1 t",
        life=[
            rest(5 * MINUTE),
            load(payload_kg=900.0, parcels=120),
            drive(24),
            rest(10 * MINUTE),
            load(payload_kg=0.0, parcels=0),
            rest(14 * HOUR, every_s=MINUTE),
        ],
        expected={
            "trips": 1,
            # 900 kg all the way, of 1 t.
            Figure("tour", largest, "load_factor_pct"): (89.9, 90.1),
        },
    ),
    Scenario(
        title="a reading each second all along a drive",
        life=[rest(5 * MINUTE), drive(24, every_s=1), rest(10 * MINUTE, every_s=1)],
        expected={"trips": 1, "distance_km": (23.5, 24.5), "used_kwh": (5.4, 7)},
    ),
]

SAID = [
    Scenario(
        title="the odometer stands for 36 km of driving",
        life=[rest(3 * MINUTE), drive(36, odometer_km=5000.0), rest(10 * MINUTE)],
        expected={"alert odometer_implausible": (1, 3), "distance_km": (35, 37)},
    ),
    Scenario(
        title="the odometer is ten times too high for a whole drive",
        life=[
            rest(3 * MINUTE),
            drive(12),
            always(odometer_km=lambda van: round(van.odometer_km * 10, 1)),
            drive(24),
            rest(10 * MINUTE),
        ],
        expected={"alert odometer_implausible": (1, 3), "distance_km": (34.5, 37.5)},
    ),
    Scenario(
        title="the power is in W for hours",
        fields=(*PLAIN, "battery_power_kw"),
        life=[
            always(battery_power_kw=lambda van: round(van.battery_kw * 1000, 1)),
            rest(10 * MINUTE),
            rest(3 * HOUR, kw=0.4),
        ],
        expected={"alert power_implausible": (1, 3), "used_kwh": (0.8, 1.8)},
    ),
    Scenario(
        title="the state of charge of a second source comes each third reading of a long drive",
        life=[rest(3 * MINUTE), drive(48, kmh=54, soc_pct=each(3, 95.0, "soc_pct")), rest(20 * MINUTE)],
        expected={"alert soc_implausible": (1, 3), "used_kwh": (11, 13.5)},
    ),
    Scenario(
        title="an honest van, all day",
        fields=FLAGS,
        life=[rest(10 * MINUTE), drive(24), rest(2 * HOUR, every_s=MINUTE, kw=0.2), drive(24), rest(10 * MINUTE)],
        expected={
            "alert odometer_implausible": 0,
            "alert power_implausible": 0,
            "alert soc_implausible": 0,
            "alert position_implausible": 0,
        },
    ),
]


@pytest.mark.parametrize("scenario", HOSTILE, ids=lambda scenario: scenario.title)
def test_totals_stay_within_physics(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", HONEST, ids=lambda scenario: scenario.title)
def test_what_is_unusual_but_possible_counts(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", SAID, ids=lambda scenario: scenario.title)
def test_a_witness_that_is_set_aside_for_long_is_said_to_be(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
