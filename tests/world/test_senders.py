"""Between van and agent: retained values, buffers, copies and sleeping modules; and incomplete generation data."""

from pathlib import Path

import pytest

from tests.world.generation import a75
from tests.world.history import Figure, first
from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import Ovms, Saic, TeslaMate, buffered, from_store, swapped, twice
from tests.world.van import (
    EVERYTHING,
    FLAGS,
    HOUR,
    MINUTE,
    NO_ODOMETER,
    PLAIN,
    Says,
    Van,
    always,
    charge,
    delivered,
    drive,
    each,
    rest,
    silence,
    stuck,
    turn_round,
    unheard,
)

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"trips": 1, "distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charges": 0}


def moved(name: str, by: float) -> Says:
    """A value with this error."""

    def said(van: Van) -> float:
        truth = van.truth()[name]
        assert isinstance(truth, float)
        return truth + by

    return said


SCENARIOS = [
    Scenario(
        title="TeslaMate: the broker delivers last week's retained values before the first live one",
        source="https://github.com/evcc-io/evcc/issues/12120",
        sender=TeslaMate,
        fields=FLAGS,
        soc_pct=60.0,
        life=[
            delivered(
                from_store,
                rest(10, soc_pct=90.0, odometer_km=4700.0, latitude_deg=47.0, charging=True, plugged_in=True),
            ),
            rest(10 * MINUTE, every_s=30),
            drive(24, every_s=5),
            rest(10 * MINUTE, every_s=30),
        ],
        expected={**A_DRIVE, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="OVMS: retained values are delivered again in the middle of the day",
        source="https://github.com/a529987659852/openwbmqtt/issues/28",
        sender=Ovms,
        fields=(*PLAIN, "charging"),
        soc_pct=60.0,
        life=[
            rest(20 * MINUTE, every_s=MINUTE),
            delivered(from_store, rest(10, soc_pct=45.0, odometer_km=4900.0, charging=True)),
            rest(20 * MINUTE, every_s=MINUTE),
            drive(24),
            rest(20 * MINUTE, every_s=MINUTE),
        ],
        expected={**A_DRIVE, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="TeslaMate: as the car falls asleep its battery level reverts to an old one",
        source="https://github.com/teslamate-org/teslamate/issues/3436",
        sender=TeslaMate,
        fields=FLAGS,
        life=[
            rest(10 * MINUTE, every_s=30),
            drive(24, every_s=5),
            rest(15 * MINUTE, every_s=30),
            rest(MINUTE, every_s=MINUTE, soc_pct=80.0),
            silence(7 * HOUR),
            rest(30 * MINUTE, every_s=30),
        ],
        # The battery level is a whole percent.
        expected={**A_DRIVE, "used_kwh": (5, 7.6), "charged_kwh": (0, 0.5)},
    ),
    Scenario(
        title="OVMS: the module crashes and says 0 % and 0 km until it hears the bus again",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/issues/373",
        sender=Ovms,
        fields=(*PLAIN, "charging"),
        life=[
            rest(10 * MINUTE, every_s=30),
            rest(40 * MINUTE, every_s=30, soc_pct=0.0, odometer_km=0.0),
            rest(20 * MINUTE, every_s=30),
            drive(24),
            rest(20 * MINUTE, every_s=30),
        ],
        expected={**A_DRIVE, "charged_kwh": (0, 0.3), "alert soc_critical": 0},
    ),
    Scenario(
        title="SAIC: 102.3 % for 'not available', and a mileage of 0, of a van asleep",
        source="https://github.com/townsmcp/mg-saic-ha/issues/19",
        sender=Saic,
        fields=FLAGS,
        life=[
            rest(10 * MINUTE, every_s=30),
            drive(24, every_s=30),
            rest(20 * MINUTE, every_s=30),
            rest(8 * HOUR, every_s=10 * MINUTE, soc_pct=102.3, odometer_km=0.0),
            rest(20 * MINUTE, every_s=30),
        ],
        expected={**A_DRIVE, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="SAIC: the mileage goes to 0 and back when there is no connection to the van",
        source="https://github.com/townsmcp/mg-saic-ha/issues/194",
        sender=Saic,
        fields=FLAGS,
        odometer_km=31200.5,
        life=[
            always(odometer_km=each(6, 0.0, "odometer_km")),
            rest(HOUR, every_s=5 * MINUTE),
            drive(24, every_s=30),
            rest(6 * HOUR, every_s=10 * MINUTE),
        ],
        expected=A_DRIVE,
    ),
    Scenario(
        title="5 and 100 % at random among the readings of a bridge",
        source="https://github.com/buxtronix/phev2mqtt/issues/13",
        life=[
            always(soc_pct=each(9, lambda van: 5.0 if van.readings % 18 else 100.0, "soc_pct")),
            rest(HOUR, every_s=30),
            drive(24),
            rest(2 * HOUR, every_s=2 * MINUTE),
        ],
        expected={**A_DRIVE, "charged_kwh": (0, 0.3), "alert soc_critical": 0},
    ),
    Scenario(
        title="a drive behind a hill arrives as one array, a quarter of an hour late",
        life=[rest(10 * MINUTE), delivered(buffered, drive(24), rest(15 * MINUTE)), rest(10 * MINUTE)],
        expected=A_DRIVE,
    ),
    Scenario(
        title="every message comes twice",
        life=[delivered(twice, rest(10 * MINUTE), drive(24), rest(10 * MINUTE))],
        expected=A_DRIVE,
    ),
    Scenario(
        title="of two messages the later one arrives first",
        life=[delivered(swapped, rest(10 * MINUTE), drive(24), rest(10 * MINUTE))],
        # Every second reading is late: it is stored and changes nothing.
        expected={**A_DRIVE, "distance_km": (23, 25)},
    ),
    Scenario(
        title="the clock of a second tracker: one message in ten is a copy of a place an hour ago",
        life=[
            rest(10 * MINUTE),
            drive(
                24, latitude_deg=each(10, lambda van: 48.1, "latitude_deg"), odometer_km=each(10, 5000.0, "odometer_km")
            ),
            rest(10 * MINUTE),
        ],
        expected=A_DRIVE,
    ),
    Scenario(
        title="a poll each five minutes tells a delivery day: there, a charge of an hour, and back",
        fields=FLAGS,
        soc_pct=70.0,
        life=[
            rest(HOUR, every_s=5 * MINUTE),
            drive(30, kmh=60, every_s=5 * MINUTE),
            rest(HOUR, every_s=5 * MINUTE),
            charge(HOUR, kw=11, every_s=5 * MINUTE),
            rest(HOUR, every_s=5 * MINUTE),
            turn_round,
            drive(30, kmh=60, every_s=5 * MINUTE),
            rest(HOUR, every_s=5 * MINUTE),
        ],
        # 60 km x 0.25 = 15 kWh; 1 h x 11 kW.
        expected={"distance_km": (58.5, 61.5), "used_kwh": (13.5, 16.8), "charges": 1, "charged_kwh": (10, 12)},
    ),
    Scenario(
        title="OVMS: everything it can say, each ten minutes for two days with two charges",
        sender=Ovms,
        fields=EVERYTHING,
        soc_pct=70.0,
        life=[
            rest(2 * HOUR, every_s=10 * MINUTE),
            drive(40, kmh=40, every_s=10),
            rest(6 * HOUR, every_s=10 * MINUTE),
            charge(3 * HOUR, kw=6.4, grid_kw=7.2, every_s=10 * MINUTE),
            rest(12 * HOUR, every_s=10 * MINUTE),
            drive(40, kmh=40, every_s=10),
            rest(6 * HOUR, every_s=10 * MINUTE),
            charge(3 * HOUR, kw=6.4, grid_kw=7.2, every_s=10 * MINUTE),
            rest(6 * HOUR, every_s=10 * MINUTE),
        ],
        # 80 km x 0.25 = 20 kWh; 6 h x 6.4 kW = 38.4 kWh, 6 h x 7.2 kW = 43.2 of the grid.
        expected={
            "trips": 2,
            "distance_km": (79, 81),
            "used_kwh": (18.5, 22),
            "charges": 2,
            "charged_kwh": (36, 41),
            "charge_grid_kwh": (40.5, 46),
        },
    ),
    Scenario(
        title="a charge over midnight is in two days",
        fields=FLAGS,
        soc_pct=30.0,
        life=[
            unheard(rest(9 * HOUR)),
            rest(10 * MINUTE),
            charge(5 * HOUR, kw=9, every_s=30),
            rest(24 * HOUR, every_s=10 * MINUTE),
        ],
        # 5 h x 9 kW = 45 kWh from 20:17 on; 3.72 h until midnight are 33.5 kWh.
        expected={
            "charges": 1,
            "charged_kwh": (42.5, 48),
            Figure("day", first, "charged_kwh"): (31.5, 35.5),
            Figure("day", sum, "charged_kwh"): (42.5, 48),
        },
    ),
    Scenario(
        title="the odometer falls to 0 at midnight and comes back in the morning",
        life=[
            unheard(rest(9 * HOUR)),
            rest(10 * MINUTE),
            drive(24),
            rest(2 * HOUR, every_s=MINUTE),
            rest(8 * HOUR, every_s=10 * MINUTE, odometer_km=0.0),
            rest(2 * HOUR, every_s=MINUTE),
            rest(20 * HOUR, every_s=10 * MINUTE),
        ],
        expected={**A_DRIVE, Figure("day", sum, "distance_km"): (23.4, 24.6), Figure("day", sum, "trips"): 1},
    ),
    Scenario(
        title="a state of charge frozen at midnight, in a charge, jumps in the morning",
        fields=FLAGS,
        soc_pct=30.0,
        life=[
            unheard(rest(9 * HOUR)),
            rest(10 * MINUTE),
            charge(5 * HOUR, kw=9, every_s=30, unplug=False, soc_pct=stuck("soc_pct")),
            rest(6 * HOUR, every_s=5 * MINUTE, soc_pct=30.0),
            rest(2 * HOUR, every_s=MINUTE),
        ],
        # The energy is counted once. Whether the later rise belongs to the same charge is unknown.
        expected={"charges": (1, 2), "charged_kwh": (42.5, 48)},
    ),
]


def german(*, without: str = "", from_hour: int = 8, **more: tuple[float, int]) -> str:
    """Twelve hours of German generation. One fuel ends early."""
    fuels = {"B02": 12000.0, "B05": 6000.0, "B04": 9000.0, "B19": 12000.0, "B16": 2000.0, "B01": 4500.0}
    return a75({code: (power, from_hour if code == without else 12) for code, power in fuels.items()} | more)


# 12000 x 820 + 6000 x 820 + 9000 x 490 + 12000 x 11 + 2000 x 45 + 4500 x 230, of 45,500 MW, / 0.93: 482.7 g/kWh.
WHOLE = (478, 488)


def source(right: str) -> Expected:
    """The source of the intensity of the ninth hour."""
    return {Figure("emissions", first, "intensity_source", None, 8.2 * HOUR, 8.8 * HOUR): right}


def intensity(low: float, high: float) -> Expected:
    """The intensity of the ninth hour, g/kWh."""
    return {Figure("emissions", first, "grid_g_per_kwh", None, 8.2 * HOUR, 8.8 * HOUR): (low, high)}


GRIDS: list[tuple[str, str, str, Expected]] = [
    ("lignite alone is missing", "DE", german(without="B02"), source("annual")),
    ("wind alone is missing, which errs upwards", "DE", german(without="B19"), source("annual")),
    ("gas alone is missing", "DE", german(without="B04"), source("annual")),
    ("all fuels are there", "DE", german(), source("hourly") | intensity(*WHOLE)),
    (
        "a fuel of 10 MW in 45,500 is missing: the mix is what it is to 0.1 %",
        "DE",
        german(B17=(10.0, 8)),
        source("hourly") | intensity(*WHOLE),
    ),
    ("a fuel of 10 MW begins late", "DE", german(B17=(10.0, 3)), source("hourly")),
    (
        "nuclear is missing in France",
        "FR",
        a75({"B14": (40000, 8), "B12": (8000, 12), "B04": (3000, 12)}, area="10YFR-RTE------C"),
        source("annual"),
    ),
    (
        "France with its nuclear power",
        "FR",
        a75({"B14": (40000, 12), "B12": (8000, 12), "B04": (3000, 12)}, area="10YFR-RTE------C"),
        source("hourly"),
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_what_lies_between_changes_no_figure(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize(("title", "country", "document", "expected"), GRIDS, ids=[title for title, *_ in GRIDS])
def test_a_mix_that_lacks_its_usual_fuels_is_no_clean_hour(
    title: str, country: str, document: str, expected: Expected, tmp_path: Path
) -> None:
    grid = Scenario(
        title=title,
        source="https://github.com/electricitymaps/electricitymaps-contrib/issues/3732",
        fields=(*NO_ODOMETER, "charging"),
        soc_pct=30.0,
        toml=f'fleet.country = "{country}"\nemissions.intensity_file = "{{where}}/grid.xml"\n',
        files={"grid.xml": document},
        life=[unheard(rest(7.5 * HOUR)), rest(10 * MINUTE), charge(HOUR, kw=10, every_s=30), rest(MINUTE)],
        expected=expected,
    )
    hold(grid, tmp_path)
