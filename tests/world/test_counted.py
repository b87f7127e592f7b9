"""Counters that count something else, and whole working days of each kind of sender."""

from pathlib import Path
from typing import Any

import pytest

from tests.world.gateways import Vss, VssBare
from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import TeslaMate
from tests.world.van import (
    COUNTERS,
    FLAGS,
    HOUR,
    MINUTE,
    POWER,
    Says,
    Value,
    Van,
    always,
    charge,
    drive,
    rest,
)

KM_PER_MILE = 1.609344

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3), "charges": 0}
TWO_DRIVES: Expected = {"distance_km": (46.8, 49.2), "used_kwh": (10.8, 13.4), "trips": 2, "charges": 0}


def since_start(name: str, offset: float = 0.0) -> Says:
    """A counter that starts at 0 in the first reading."""
    first: list[Any] = []

    def said(van: Van) -> Value:
        truth = van.truth()[name]
        if not first or van.readings < first[0]:
            first[:] = [van.readings, truth]
        return round(truth - first[1] + offset, 2)  # type: ignore[operator]

    return said


COUNTED = [
    Scenario(
        title="the counter of energy in counts braking alone, no charge",
        fields=(*FLAGS, "energy_out_total_kwh", "energy_in_total_kwh"),
        soc_pct=60.0,
        life=[
            always(energy_in_total_kwh=900.0),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
            charge(2 * HOUR, kw=11, every_s=30),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={"used_kwh": (11, 13.4), "charged_kwh": (20.5, 23.5), "charges": 1, "trips": 2},
    ),
    Scenario(
        title="counters of whole kilowatt-hours",
        fields=(*FLAGS, "energy_out_total_kwh", "energy_in_total_kwh"),
        soc_pct=60.0,
        life=[
            always(
                energy_out_total_kwh=lambda van: float(int(van.out_kwh)),
                energy_in_total_kwh=lambda van: float(int(van.in_kwh)),
            ),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
            charge(2 * HOUR, kw=11, every_s=30),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={"used_kwh": (11, 13.4), "charged_kwh": (20.5, 23.5), "charges": 1, "trips": 2},
    ),
    Scenario(
        title="counters begin at 0 with each trip",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/pull/1127",
        fields=COUNTERS,
        life=[
            step
            for _ in range(4)
            for step in (
                always(
                    energy_out_total_kwh=since_start("energy_out_total_kwh"),
                    energy_in_total_kwh=since_start("energy_in_total_kwh"),
                ),
                rest(10 * MINUTE),
                drive(12),
                rest(10 * MINUTE),
            )
        ],
        # 48 km x 0.25.
        expected={"used_kwh": (11, 13.4), "distance_km": (46.8, 49.2), "trips": 4, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="VSS: the consumed energy is in Wh",
        sender=Vss,
        fields=(*FLAGS, "energy_out_total_kwh"),
        life=[
            always(energy_out_total_kwh=lambda van: round(van.out_kwh * 1000)),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="VSS: an update brings the displayed state of charge beside the physical one, 3 % higher",
        sender=Vss,
        fields=FLAGS,
        soc_pct=70.0,
        life=[
            rest(10 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
            always(displayed_pct=lambda van: round(van.soc_pct + 3, 1)),
            rest(2 * HOUR, every_s=MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        # Without a cable: no charge of 2.5 kWh.
        expected={**A_DRIVE, "trips": 2},
    ),
    Scenario(
        title="VSS: power, charge and place as bare values, a working day",
        sender=VssBare,
        fields=POWER,
        soc_pct=70.0,
        life=[
            rest(20 * MINUTE),
            drive(24),
            rest(HOUR, every_s=MINUTE),
            charge(2 * HOUR, kw=11, every_s=30),
            rest(20 * MINUTE, every_s=30),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={
            "distance_km": (46.8, 49.2),
            "used_kwh": (11, 13.4),
            "charged_kwh": (20.5, 23.5),
            "charges": 1,
            "trips": 2,
        },
    ),
    Scenario(
        title="VSS: a van that reverses says a negative speed",
        sender=Vss,
        life=[
            rest(10 * MINUTE),
            drive(12),
            drive(0.1, kmh=6, speed_kmh=-6.0),
            rest(10 * MINUTE),
            drive(0.1, kmh=6, speed_kmh=-6.0),
            drive(11.8),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 2},
    ),
    Scenario(
        title="a gauge of eight bars: 12.5 % each",
        fields=FLAGS,
        soc_pct=94.0,
        life=[
            always(soc_pct=lambda van: float(int(van.soc_pct / 12.5) * 12.5)),
            rest(20 * MINUTE),
            drive(120, kmh=60),
            rest(HOUR, every_s=MINUTE),
            charge(3 * HOUR, kw=11, every_s=30),
            rest(HOUR, every_s=MINUTE),
        ],
        # 120 km x 0.25 = 30 kWh, 36.1 %; 33 kWh, 38.6 %. A bar is 10.4 kWh.
        expected={"distance_km": (118, 122), "used_kwh": (22, 38), "charged_kwh": (22, 44), "charges": 1, "trips": 1},
    ),
    Scenario(
        title="TeslaMate: whole percents and kilowatts, a working day with a charge",
        sender=TeslaMate,
        fields=(*POWER, "charger_power_kw"),
        soc_pct=70.0,
        life=[
            rest(20 * MINUTE, every_s=30),
            drive(40, kmh=60, every_s=5),
            rest(HOUR, every_s=MINUTE),
            charge(2 * HOUR, kw=10, grid_kw=11, every_s=30),
            rest(HOUR, every_s=MINUTE),
            drive(40, kmh=60, every_s=5),
            rest(30 * MINUTE, every_s=MINUTE),
        ],
        # 80 km x 0.25 = 20 kWh; 20 kWh, 22 of the grid.
        expected={
            "distance_km": (79, 81),
            "used_kwh": (18.5, 22),
            "charged_kwh": (18.5, 21.7),
            "grid_kwh": (20.5, 24.5),
            "charges": 1,
            "trips": 2,
        },
    ),
]


@pytest.mark.parametrize("scenario", COUNTED, ids=lambda scenario: scenario.title)
def test_each_way_of_counting_tells_the_same_energy(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
