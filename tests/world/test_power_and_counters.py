"""Battery power in the wrong unit, with the wrong sign or frozen; lifetime counters that reset or jump."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.world.scenario import Expected, Scenario, hold
from tests.world.van import (
    COUNTERS,
    FLAGS,
    HOUR,
    MINUTE,
    PLAIN,
    POWER,
    Van,
    always,
    charge,
    drive,
    each,
    honest,
    rest,
    silence,
    stuck,
)

PLAIN_POWER = (*PLAIN, "battery_power_kw")
COUNTERS_AND_FLAGS = (*FLAGS, "energy_out_total_kwh", "energy_in_total_kwh")


def counters(out: Callable[[Van], float], into: Callable[[Van], float] = lambda van: van.in_kwh) -> dict[str, Any]:
    """The values of a van's counters."""
    return {
        "energy_out_total_kwh": lambda van: round(out(van), 2),
        "energy_in_total_kwh": lambda van: round(into(van), 2),
    }


# 24 km at 36 km/h and 0.25 kWh/km are 9 kW and 6.0 kWh.
A_DRIVE: Expected = {"trips": 1, "distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3)}

ODD = [
    Scenario(
        title="the power has the wrong sign while driving",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/issues/1468",
        fields=PLAIN_POWER,
        life=[always(battery_power_kw=lambda van: -van.battery_kw), rest(3 * MINUTE), drive(24), rest(10 * MINUTE)],
        expected={**A_DRIVE, "regenerated_kwh": (0, 1), "charges": 0},
    ),
    Scenario(
        title="the power has the wrong sign while charging",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/issues/1469",
        fields=POWER,
        soc_pct=40.0,
        life=[
            always(battery_power_kw=lambda van: -van.battery_kw),
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=30),
            rest(30 * MINUTE),
        ],
        # 4 h x 11 kW.
        expected={"charges": 1, "charged_kwh": (41.5, 46.5), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="the power of an idle van is in W",
        source="https://github.com/jello1974/duosidaEV-home-assistant/issues/1",
        fields=PLAIN_POWER,
        life=[
            always(battery_power_kw=lambda van: round(van.battery_kw * 1000, 1)),
            rest(10 * MINUTE),
            rest(3 * HOUR, kw=0.4),
            rest(10 * MINUTE),
        ],
        # 0.4 kW x 3 h = 1.2 kWh.
        expected={"trips": 0, "used_kwh": (0.8, 1.8), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="the power while driving is ten times too high",
        fields=PLAIN_POWER,
        life=[
            always(battery_power_kw=lambda van: van.battery_kw * 10),
            rest(3 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        expected=A_DRIVE,
    ),
    Scenario(
        title="the power stays at its last charging value for a night, unplugged",
        source="https://github.com/Rain1971/V2C_trydant/issues/25",
        fields=POWER,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(HOUR, kw=11, every_s=30),
            rest(8 * HOUR, battery_power_kw=11.0, every_s=30),
            rest(10 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (10, 12), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="the power stays at its last charging value on the road",
        fields=POWER,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(HOUR, kw=11, every_s=30),
            always(battery_power_kw=11.0),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (10, 12), "used_kwh": (5.3, 7.2), "regenerated_kwh": (0, 1), "trips": 1},
    ),
    Scenario(
        title="the power stays at its last driving value in a stand of hours",
        fields=PLAIN_POWER,
        life=[rest(3 * MINUTE), drive(24), rest(6 * HOUR, battery_power_kw=-9.0), rest(10 * MINUTE)],
        # 9 kW for 6 h would be 54 kWh of a charge that has not moved.
        expected=A_DRIVE,
    ),
    Scenario(
        title="a power of 1000 kW from a parked van for an hour",
        fields=PLAIN_POWER,
        life=[rest(10 * MINUTE), rest(HOUR, battery_power_kw=-1000.0), rest(10 * MINUTE)],
        expected={"used_kwh": (0, 1), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="one power in twenty is 500 kW into the battery while driving",
        fields=PLAIN_POWER,
        life=[rest(3 * MINUTE), drive(24, battery_power_kw=each(20, 500.0, "battery_power_kw")), rest(10 * MINUTE)],
        expected={**A_DRIVE, "regenerated_kwh": (0, 1)},
    ),
    Scenario(
        title="the counters read 0 once while parked and once while driving",
        source="https://github.com/evcc-io/evcc/issues/26734",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            rest(10, energy_out_total_kwh=0.0, energy_in_total_kwh=0.0),
            rest(5 * MINUTE),
            drive(12),
            drive(0.1, energy_out_total_kwh=0.0, energy_in_total_kwh=0.0),
            drive(11.9),
            rest(10 * MINUTE),
        ],
        expected={**A_DRIVE, "regenerated_kwh": (0, 0.5)},
    ),
    Scenario(
        title="the counters begin again at 0: a new module",
        source="https://github.com/evcc-io/evcc/issues/4997",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            drive(12),
            always(**counters(lambda van: van.out_kwh - 4003, lambda van: van.in_kwh - 900)),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected={**A_DRIVE, "regenerated_kwh": (0, 0.5)},
    ),
    Scenario(
        title="a counter jumps by 300 kWh and goes on from there",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            drive(12),
            always(**counters(lambda van: van.out_kwh + 300)),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected=A_DRIVE,
    ),
    Scenario(
        title="a counter jumps by 60 kWh, less than the battery holds, while the charge stands",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
            always(**counters(lambda van: van.out_kwh + 60)),
            rest(20 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 2},
    ),
    Scenario(
        title="both counters jump by 300 kWh: nothing net",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            drive(12),
            always(**counters(lambda van: van.out_kwh + 300, lambda van: van.in_kwh + 300)),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected={**A_DRIVE, "regenerated_kwh": (0, 0.5)},
    ),
    Scenario(
        title="the counters are in Wh",
        source="https://github.com/MK-2001/ioBroker.go-e/issues/18",
        fields=COUNTERS,
        life=[
            always(**counters(lambda van: van.out_kwh * 1000, lambda van: van.in_kwh * 1000)),
            rest(5 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        expected=A_DRIVE,
    ),
    Scenario(
        title="an update turns the counters from kWh into Wh on the road",
        source="https://github.com/ngardiner/TWCManager/issues/422",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            drive(12),
            always(**counters(lambda van: van.out_kwh * 1000, lambda van: van.in_kwh * 1000)),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected=A_DRIVE,
    ),
    Scenario(
        title="a charge counter says 36.9 kWh in three minutes",
        source="https://github.com/evcc-io/evcc/issues/29099",
        fields=COUNTERS_AND_FLAGS,
        soc_pct=96.0,
        life=[
            rest(10 * MINUTE),
            always(**counters(lambda van: van.out_kwh, lambda van: van.in_kwh + 36.9)),
            charge(3 * MINUTE, kw=3),
            rest(HOUR),
        ],
        # 3 kW x 3 min = 0.15 kWh; only 3.3 kWh would fit.
        expected={"charged_kwh": (0, 1), "charge_kwh": (0, 1), "regenerated_kwh": (0, 1)},
    ),
    Scenario(
        title="the counters stand still while the van drives",
        source="https://github.com/fesch/CanZE/issues/523",
        fields=COUNTERS,
        life=[
            always(energy_out_total_kwh=stuck("energy_out_total_kwh"), energy_in_total_kwh=900.0),
            rest(5 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        # The state of charge falls by 7.2 %: 6.0 kWh.
        expected=A_DRIVE,
    ),
    Scenario(
        title="the counters are written at the end of the trip",
        fields=COUNTERS,
        life=[
            rest(5 * MINUTE),
            always(energy_out_total_kwh=stuck("energy_out_total_kwh")),
            drive(24),
            honest("energy_out_total_kwh"),
            rest(20 * MINUTE),
        ],
        expected=A_DRIVE,
    ),
]

HONEST = [
    Scenario(
        title="counters that are right, through a drive with recuperation and a charge",
        fields=COUNTERS_AND_FLAGS,
        soc_pct=60.0,
        life=[
            rest(10 * MINUTE),
            drive(18, kwh_per_km=0.3),
            drive(6, kwh_per_km=-0.1),
            rest(20 * MINUTE),
            charge(2 * HOUR, kw=7, every_s=30),
            rest(30 * MINUTE),
        ],
        # 18 x 0.3 = 5.4 kWh out, 6 x 0.1 = 0.6 back; 2 h x 7 kW = 14.
        expected={"used_kwh": (5.1, 6.2), "regenerated_kwh": (0.4, 0.9), "charged_kwh": (13.2, 15), "charges": 1},
    ),
    Scenario(
        title="counters over a drive that nobody heard",
        fields=COUNTERS,
        life=[
            rest(10 * MINUTE),
            lambda van: setattr(van, "muted", True),
            drive(60, kmh=60),
            lambda van: setattr(van, "muted", False),
            silence(HOUR),
            rest(10 * MINUTE),
        ],
        # 60 x 0.25 = 15 kWh.
        expected={"used_kwh": (14, 16.5), "distance_km": (59, 61), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="a power of 150 kW in a charge, and of 100 kW at full throttle",
        fields=POWER,
        soc_pct=20.0,
        life=[
            rest(10 * MINUTE),
            charge(18 * MINUTE, kw=150),
            rest(10 * MINUTE),
            drive(10, kmh=120, kwh_per_km=0.8333),
            rest(10 * MINUTE),
        ],
        # 18 min x 150 kW = 45 kWh; 5 min x 100 kW = 8.3 kWh.
        expected={"charged_kwh": (42.5, 48), "used_kwh": (7.6, 9.3), "charges": 1, "trips": 1},
    ),
    Scenario(
        title="a power that is right, all day",
        fields=POWER,
        life=[
            rest(10 * MINUTE),
            drive(24),
            rest(HOUR, kw=0.3),
            drive(24),
            rest(10 * MINUTE),
            charge(2 * HOUR, kw=7, every_s=30),
            rest(20 * MINUTE),
        ],
        # 12 kWh and 0.3 in the stand; 14 kWh charged.
        expected={"used_kwh": (11.3, 13.4), "charged_kwh": (13.2, 15), "trips": 2, "charges": 1},
    ),
]


@pytest.mark.parametrize("scenario", ODD, ids=lambda scenario: scenario.title)
def test_power_and_counters_that_are_wrong_move_no_energy(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", HONEST, ids=lambda scenario: scenario.title)
def test_power_and_counters_that_are_right_are_believed(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
