"""At the depot: chargers that share power, pause or discharge, exchanged batteries, long stands."""

from pathlib import Path

import pytest

from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import Ovms, Saic, TeslaMate
from tests.world.van import (
    FLAGS,
    HOUR,
    MINUTE,
    PLAIN,
    POWER,
    Says,
    Step,
    Value,
    Van,
    always,
    charge,
    drive,
    each,
    honest,
    repeat,
    rest,
    silence,
    unheard,
)

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3), "charges": 0}


def given_back(seconds: float, *, kw: float, every_s: float | None = None, **says: Says) -> Step:
    """Stand plugged in and feed the depot from the battery."""

    def step(van: Van) -> None:
        van.plugged_in = True
        for step_s in van.steps(seconds, every_s):
            van.pass_time(step_s, kw=-kw)
            van.say(**says)

    return step


def recalibrated(to_pct: float) -> Step:
    """The battery management corrects its state of charge, or the battery was exchanged."""
    return lambda van: setattr(van, "soc_pct", to_pct)


def predicted(faster: float, each_s: float) -> Says:
    """A state of charge that is predicted too fast and corrected at intervals."""
    known: list[float] = []

    def said(van: Van) -> Value:
        if not known or van.time_s < known[0] or van.time_s - known[0] >= each_s:
            known[:] = [van.time_s, van.soc_pct]
        return round(min(100.0, known[1] + faster * (van.soc_pct - known[1])), 1)

    return said


def running_on(pct_per_h: float) -> Says:
    """A state of charge that is still predicted to rise after the charger has stopped."""
    begun: list[float] = []

    def said(van: Van) -> Value:
        if not begun or van.time_s < begun[0]:
            begun[:] = [van.time_s, van.soc_pct]
        return round(min(100.0, begun[1] + pct_per_h * (van.time_s - begun[0]) / HOUR), 1)

    return said


CHARGES = [
    Scenario(
        title="ten minutes of a fast charge, of which two polls tell",
        fields=FLAGS,
        soc_pct=25.0,
        life=[
            rest(HOUR, every_s=10 * MINUTE),
            charge(10 * MINUTE, kw=150, every_s=5 * MINUTE),
            rest(HOUR, every_s=10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 150 kW for 10 min are 25 kWh.
        expected={"charges": 1, "charged_kwh": (23, 27), "used_kwh": (5.3, 7.2)},
    ),
    Scenario(
        title="ten minutes of a fast charge between two polls, of which no flag tells",
        soc_pct=25.0,
        life=[
            rest(HOUR, every_s=10 * MINUTE),
            unheard(charge(8 * MINUTE, kw=150)),
            rest(HOUR, every_s=10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 20 kWh.
        expected={"charges": 1, "charged_kwh": (18.4, 21.6), "used_kwh": (5.3, 7.2)},
    ),
    Scenario(
        title="a charge of 40 minutes at 22 kW, polled each half hour",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(2 * HOUR, every_s=30 * MINUTE),
            charge(30 * MINUTE, kw=22, every_s=30 * MINUTE),
            unheard(charge(10 * MINUTE, kw=22)),
            rest(4 * HOUR, every_s=30 * MINUTE),
        ],
        # 14.7 kWh.
        expected={"charges": 1, "charged_kwh": (13.4, 16)},
    ),
    Scenario(
        title="the charge is interrupted twenty times by load management, the cable in",
        source="https://github.com/teslamate-org/teslamate/issues/1623",
        fields=FLAGS,
        soc_pct=30.0,
        life=[
            rest(10 * MINUTE),
            repeat(20, charge(6 * MINUTE, kw=11, every_s=30, unplug=False), rest(7 * MINUTE, every_s=30)),
            rest(HOUR, every_s=MINUTE),
        ],
        # 2 h x 11 kW = 22 kWh.
        expected={"charges": (1, 20), "charged_kwh": (20.7, 23.3), "charge_kwh": (20.7, 23.3), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="TeslaMate: the charge is interrupted twenty times by clouds",
        source="https://github.com/teslamate-org/teslamate/issues/3634",
        sender=TeslaMate,
        fields=(*FLAGS, "charger_power_kw"),
        soc_pct=30.0,
        life=[
            rest(10 * MINUTE),
            repeat(20, charge(6 * MINUTE, kw=10, grid_kw=11, every_s=30, unplug=False), rest(7 * MINUTE, every_s=30)),
            rest(HOUR, every_s=MINUTE),
        ],
        # 2 h x 10 kW = 20 kWh, 22 of the grid; whole percents: 0.8 kWh at each end.
        expected={"charges": (1, 20), "charged_kwh": (18.5, 21.7), "grid_kwh": (20.5, 25), "used_kwh": (0, 1.66)},
    ),
    Scenario(
        title="the charge is interrupted twenty times, and no flag tells of it",
        soc_pct=30.0,
        life=[
            rest(10 * MINUTE),
            repeat(20, charge(6 * MINUTE, kw=11, every_s=30), rest(7 * MINUTE, every_s=30)),
            rest(HOUR, every_s=MINUTE),
        ],
        expected={"charges": (1, 20), "charged_kwh": (20.5, 23.5), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="the charge is interrupted for an hour each by a tariff, polled each ten minutes",
        source="https://github.com/teslamate-org/teslamate/issues/3864",
        fields=FLAGS,
        soc_pct=30.0,
        life=[
            rest(HOUR, every_s=10 * MINUTE),
            repeat(
                4,
                charge(30 * MINUTE, kw=7, every_s=10 * MINUTE, unplug=False),
                rest(HOUR, every_s=10 * MINUTE),
            ),
            rest(HOUR, every_s=10 * MINUTE),
        ],
        # 2 h x 7 kW = 14 kWh.
        expected={"charges": (1, 4), "charged_kwh": (13, 15), "charge_kwh": (13, 15), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="preheating on the plug: the charger gives 6.2 kW for half an hour, the battery takes nothing",
        source="https://github.com/bassmaster187/TeslaLogger/issues/1458",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        life=[
            rest(30 * MINUTE),
            charge(30 * MINUTE, kw=0.0, grid_kw=6.2),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 3.1 kWh from the grid heat the cabin and do not reach the battery.
        expected={**A_DRIVE, "charges": (0, 1), "grid_kwh": (2.8, 3.4), "trips": 1},
    ),
    Scenario(
        title="preheating takes more than the plug gives: the state of charge falls while the van charges",
        fields=FLAGS,
        soc_pct=60.0,
        life=[
            rest(10 * MINUTE),
            charge(2 * HOUR, kw=2, every_s=30, unplug=False),
            charge(HOUR, kw=-3, every_s=30),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 4 kWh in; 3 kWh out by heating, 6 kWh by driving.
        expected={"charged_kwh": (3.2, 4.8), "used_kwh": (8.3, 10.4), "trips": 1, "charges": (1, 2)},
    ),
    Scenario(
        title="a van feeds the depot with 10 kW for three hours and is charged in the night",
        source="https://github.com/V2G-liberty/addon-v2g-liberty/issues/193",
        fields=FLAGS,
        life=[
            rest(10 * MINUTE),
            given_back(3 * HOUR, kw=10),
            rest(HOUR, every_s=MINUTE),
            charge(4 * HOUR, kw=8, every_s=30),
            rest(20 * MINUTE),
        ],
        # 30 kWh out of the battery and 32 kWh into it.
        expected={"used_kwh": (28, 32), "charged_kwh": (30, 34), "charges": 1, "trips": 0, "distance_km": (0, 0.1)},
    ),
    Scenario(
        title="a van feeds the depot with 10 kW for three hours and says its power",
        fields=POWER,
        life=[
            rest(10 * MINUTE),
            given_back(3 * HOUR, kw=10),
            rest(HOUR, every_s=MINUTE),
            charge(4 * HOUR, kw=8, every_s=30),
            rest(20 * MINUTE),
        ],
        expected={"used_kwh": (28, 32), "charged_kwh": (30, 34), "charges": 1, "trips": 0},
    ),
    Scenario(
        title="a van feeds the depot with 10 kW, polled each five minutes; the flag says that it charges",
        source="https://github.com/V2G-liberty/addon-v2g-liberty/issues/259",
        fields=FLAGS,
        life=[
            rest(30 * MINUTE, every_s=5 * MINUTE),
            given_back(2 * HOUR, kw=10, every_s=5 * MINUTE, charging=True),
            charge(2 * HOUR, kw=10, every_s=5 * MINUTE),
            rest(HOUR, every_s=5 * MINUTE),
        ],
        # 20 kWh out and 20 kWh in.
        expected={"used_kwh": (18, 22), "charged_kwh": (18.4, 21.6), "trips": 0},
    ),
    Scenario(
        title="the cloud predicts the state of charge a quarter too fast and puts it right each ten minutes",
        source="https://github.com/JjyKsi/bmw-cardata-ha/issues/35",
        fields=FLAGS,
        soc_pct=30.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=MINUTE, soc_pct=predicted(1.25, 10 * MINUTE)),
            rest(HOUR, every_s=MINUTE),
        ],
        # 4 h x 11 kW.
        expected={"charges": 1, "charged_kwh": (41.8, 46.2), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="the charger stops after half an hour, the cloud predicts on to 100 %, and at unplugging it is 57 %",
        source="https://github.com/kvanbiesen/bmw-cardata-ha/issues/355",
        fields=FLAGS,
        soc_pct=53.0,
        life=[
            rest(10 * MINUTE),
            charge(30 * MINUTE, kw=7.2, every_s=MINUTE),
            lambda van: setattr(van, "plugged_in", True),
            rest(6 * HOUR, every_s=MINUTE, charging=True, soc_pct=running_on(8.4), plugged_in=True),
            lambda van: setattr(van, "plugged_in", False),
            rest(HOUR, every_s=MINUTE),
        ],
        # 3.6 kWh.
        expected={"charges": 1, "charged_kwh": (3.2, 4.2), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="a full van stays on the cable for a weekend and is topped up by 0.1 % now and then",
        fields=(*FLAGS, "charger_power_kw"),
        sender=Saic,
        soc_pct=100.0,
        life=[
            rest(10 * MINUTE),
            repeat(
                20,
                rest(2.9 * HOUR, every_s=10 * MINUTE, kw=0.03, plugged_in=True),
                charge(6 * MINUTE, kw=0.87, every_s=MINUTE, unplug=False),
            ),
            rest(20 * MINUTE),
        ],
        # Each time 0.087 kWh: 1.74 kWh at most in all.
        expected={"charged_kwh": (0, 2.2), "used_kwh": (0, 2.2), "trips": 0},
    ),
    Scenario(
        title="the 12 V battery dies: the module starts each two minutes and says 0 for everything at first",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/issues/711",
        sender=Ovms,
        fields=(*PLAIN, "charging"),
        soc_pct=60.0,
        life=[
            rest(10 * MINUTE),
            drive(12),
            always(
                **{name: each(12, 0.0, name) for name in ("soc_pct", "odometer_km", "latitude_deg", "longitude_deg")}
            ),
            rest(10 * HOUR, every_s=10),
            honest("soc_pct", "odometer_km", "latitude_deg", "longitude_deg"),
            rest(10 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 2, "alert soc_critical": 0},
    ),
    Scenario(
        title="the battery is exchanged at a station within five minutes: 12 % and then 95 %",
        fields=FLAGS,
        soc_pct=20.0,
        life=[
            rest(10 * MINUTE),
            drive(24),
            rest(5 * MINUTE),
            silence(4 * MINUTE),
            recalibrated(95.0),
            rest(5 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # No cable, and 83 % in four minutes would be 1 MW. The two drives take 12 kWh.
        expected={"used_kwh": (10.8, 13.4), "distance_km": (46.8, 49.2), "trips": (1, 2), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="the battery management takes back 6 % of a van at rest",
        fields=FLAGS,
        life=[rest(HOUR), recalibrated(74.0), rest(HOUR), drive(24), rest(20 * MINUTE)],
        # 6 % are 5 kWh; in ten seconds that would be 1.8 MW.
        expected={**A_DRIVE, "idle_kwh": (0, 0.5), "trips": 1},
    ),
    Scenario(
        title="a cold battery shows 4 % less in the morning, and gives 3 % back as it warms up on the road",
        fields=FLAGS,
        life=[
            rest(HOUR, every_s=MINUTE),
            always(soc_pct=lambda van: round(van.soc_pct - min(4.0, max(0.0, (van.time_s - 3600) / 9000)), 1)),
            rest(12 * HOUR, every_s=10 * MINUTE),
            always(soc_pct=lambda van: round(van.soc_pct - 4.0 + min(3.0, (van.odometer_km - 5000) / 8), 1)),
            drive(24),
            always(soc_pct=lambda van: round(van.soc_pct - 1.0, 1)),
            rest(20 * MINUTE),
        ],
        # 6 kWh. The 1 % (0.8 kWh) that disappears may count as well.
        expected={"used_kwh": (5.4, 10), "trip_kwh": (3, 7), "charged_kwh": (0, 0.3), "charges": 0, "trips": 1},
    ),
    Scenario(
        title="a state of charge that falls by 2 % a day, polled each half hour for five days",
        life=[rest(5 * 24 * HOUR, every_s=30 * MINUTE, kw=0.069)],
        # 5 x 24 h x 69 W = 8.3 kWh.
        expected={"used_kwh": (7.6, 9), "charged_kwh": (0, 0.3), "charges": 0, "trips": 0},
    ),
    Scenario(
        title="nine days of silence in which nothing was used",
        life=[rest(HOUR), silence(9 * 24 * HOUR), rest(HOUR)],
        # The same state of charge to 0.1 %, 0.08 kWh.
        expected={"used_kwh": (0, 0.5), "charged_kwh": (0, 0.3), "charges": 0, "trips": 0},
    ),
]


@pytest.mark.parametrize("scenario", CHARGES, ids=lambda scenario: scenario.title)
def test_what_enters_and_leaves_at_a_depot(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
