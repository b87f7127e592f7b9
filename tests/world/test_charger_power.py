"""What a charger says of its power, against what arrived in the battery."""

from pathlib import Path

import pytest

from tests.world.scenario import Scenario, hold
from tests.world.senders import Ovms, TeslaMate
from tests.world.van import FLAGS, HOUR, MINUTE, PLAIN, always, charge, rest

CHARGER = (*FLAGS, "charger_power_kw")

ODD = [
    Scenario(
        title="the charger says 3.7 kW, one phase of three",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, grid_kw=3.7, every_s=MINUTE),
            rest(30 * MINUTE, every_s=MINUTE),
        ],
        # 44 kWh went in; by default 44 / 0.89 = 49.4 of the grid.
        expected={"charges": 1, "charge_kwh": (41, 47), "charge_grid_kwh": (45.5, 54)},
    ),
    Scenario(
        title="the charger's power is that of the DC side: no losses at all",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, grid_kw=11, every_s=MINUTE),
            rest(30 * MINUTE, every_s=MINUTE),
        ],
        expected={"charges": 1, "charge_kwh": (41, 47), "charge_grid_kwh": (44, 54)},
    ),
    Scenario(
        title="the charger's power is three times too high",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, grid_kw=37, every_s=MINUTE),
            rest(30 * MINUTE, every_s=MINUTE),
        ],
        # 148 kWh for 44 would be an efficiency of 30 %.
        expected={"charges": 1, "charge_kwh": (41, 47), "charge_grid_kwh": (45.5, 60)},
    ),
    Scenario(
        title="the charger's power comes in W",
        source="https://github.com/lbbrhzn/ocpp/issues/1989",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=0.45, grid_kw=500.4, every_s=MINUTE),
            rest(30 * MINUTE, every_s=MINUTE),
        ],
        # 0.45 kW x 4 h = 1.8 kWh, some 2.1 of the grid, and not 2000.
        expected={"charge_kwh": (1.2, 2.6), "charge_grid_kwh": (1.3, 3.5)},
    ),
    Scenario(
        title="TeslaMate's charger power stays at 11 after the charge, and the van stands for a night",
        source="https://github.com/Rain1971/V2C_trydant/issues/25",
        sender=TeslaMate,
        fields=CHARGER,
        soc_pct=50.0,
        life=[
            rest(10 * MINUTE, every_s=30),
            charge(2 * HOUR, kw=10, grid_kw=11, every_s=30),
            always(charger_power_kw=11.0),
            rest(8 * HOUR, every_s=MINUTE),
        ],
        # 2 h x 10 kW = 20 kWh, 22 of the grid.
        expected={"charges": 1, "charge_kwh": (18, 22), "charge_grid_kwh": (20, 25)},
    ),
]

HONEST = [
    Scenario(
        title="a charger that reports its power well: 12.2 kW for 11",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, grid_kw=12.2, every_s=30),
            rest(30 * MINUTE, every_s=30),
        ],
        # 12.2 kW x 4 h = 48.8 kWh.
        expected={"charges": 1, "charge_kwh": (42, 46.5), "charge_grid_kwh": (47.5, 50)},
    ),
    Scenario(
        title="an old charger that loses a fifth: 14 kW for 11",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, grid_kw=14, every_s=30),
            rest(30 * MINUTE, every_s=30),
        ],
        expected={"charges": 1, "charge_grid_kwh": (54.5, 57.5)},
    ),
]


@pytest.mark.parametrize("scenario", ODD, ids=lambda scenario: scenario.title)
def test_grid_energy_is_never_out_of_proportion_to_what_arrived(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", HONEST, ids=lambda scenario: scenario.title)
def test_a_charger_that_is_right_is_believed(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
