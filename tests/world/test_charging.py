"""Charges while the van reports: flags that stick, flicker or are missing, frozen states of charge; and honest ones."""

from pathlib import Path

import pytest

from tests.world.history import Figure
from tests.world.scenario import Scenario, hold
from tests.world.senders import Ovms
from tests.world.van import (
    EVERYTHING,
    FLAGS,
    HOUR,
    MINUTE,
    NO_ODOMETER,
    PLAIN,
    POWER,
    Step,
    Van,
    always,
    charge,
    drive,
    each,
    honest,
    rest,
    stuck,
)

FLAG = (*PLAIN, "charging")


def creep(seconds: float) -> Step:
    """Some metres out of its place at walking pace, with the charging flag set."""

    def step(van: Van) -> None:
        for each_s in van.steps(seconds, None):
            van.pass_time(each_s, kmh=2.0)
            van.say(charging=True)

    return step


ODD = [
    Scenario(
        title="the flag is set whenever the van moves: it creeps out of its place before each drive",
        fields=FLAG,
        life=[
            rest(30 * MINUTE),
            *(5 * [creep(20), drive(3, charging=True), rest(10 * MINUTE)]),
        ],
        # 5 x 3 km x 0.25 = 3.75 kWh; who drives does not charge.
        expected={"charges": 0, "charged_kwh": 0, "trips": 5, "used_kwh": (3.4, 4.3), "distance_km": (14.8, 15.3)},
    ),
    Scenario(
        title="the charging flag is stuck through two drives",
        source="https://github.com/gburlingame/ioniq-app/issues/79",
        fields=FLAGS,
        soc_pct=50.0,
        life=[
            rest(10 * MINUTE),
            charge(HOUR, kw=11, every_s=30),
            always(charging=True),
            rest(5 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        # 1 h x 11 kW = 11 kWh; 24 km x 0.25 = 6 kWh.
        expected={"charges": 1, "charged_kwh": (10, 12), "trips": 2, "distance_km": (23.3, 24.7), "used_kwh": (5.3, 7)},
    ),
    Scenario(
        title="the charging flag is always on, also on the road",
        source="https://github.com/home-assistant/core/issues/118537",
        fields=FLAG,
        life=[always(charging=True), rest(10 * MINUTE), drive(24), rest(HOUR, every_s=30)],
        expected={"trips": 1, "distance_km": (23.3, 24.7), "charged_kwh": (0, 0.4), "used_kwh": (5.3, 7)},
    ),
    Scenario(
        title="'charging' for some minutes after parking, without a cable",
        source="https://github.com/kerniger/leapmotor-ha/issues/61",
        fields=FLAGS,
        life=[
            rest(10 * MINUTE),
            drive(12),
            rest(5 * MINUTE, charging=True),
            rest(30 * MINUTE),
            drive(12),
            rest(5 * MINUTE, charging=True),
            rest(30 * MINUTE),
        ],
        expected={"charged_kwh": (0, 0.3), "charge_kwh": (0, 0.3), "trips": 2, "used_kwh": (5.3, 7)},
    ),
    Scenario(
        title="the charging flag stays on for a night after the charge has ended",
        source="https://github.com/its-me-prash/vwgroup-connect-ha/issues/32",
        fields=FLAGS,
        soc_pct=50.0,
        life=[
            rest(10 * MINUTE),
            charge(HOUR, kw=11, every_s=30, unplug=False),
            rest(9 * HOUR, every_s=MINUTE, charging=True),
            rest(10 * MINUTE),
        ],
        # 11 / 0.89 = 12.4 kWh of the grid.
        expected={"charges": 1, "charged_kwh": (10, 12), "charge_grid_kwh": (11.5, 13.8)},
    ),
    Scenario(
        title="the flag flickers and nothing says whether there is a cable",
        source="https://github.com/evcc-io/evcc/issues/23327",
        fields=FLAG,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=MINUTE, charging=each(13, wrong=False, name="charging")),
            rest(30 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (42, 46.5), "alert charge_ended_early": 0},
    ),
    Scenario(
        title="the cable flickers",
        source="https://github.com/fredli74/smartcharge-dev/issues/430",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=MINUTE, plugged_in=each(11, wrong=False, name="plugged_in")),
            rest(30 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (42, 46.5), "alert charge_ended_early": 0},
    ),
    Scenario(
        title="flag and cable flicker together",
        source="https://github.com/teslamate-org/teslamate/issues/1221",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(
                4 * HOUR,
                kw=11,
                every_s=MINUTE,
                charging=each(11, wrong=False, name="charging"),
                plugged_in=each(11, wrong=False, name="plugged_in"),
            ),
            rest(30 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (42, 46.5), "alert charge_ended_early": 0},
    ),
    Scenario(
        title="the flag flickers each ten seconds at the slow end of a charge",
        fields=FLAGS,
        soc_pct=94.0,
        life=[
            rest(10 * MINUTE),
            charge(2 * HOUR, kw=2.2, unplug=False, charging=each(2, wrong=False, name="charging")),
            rest(30 * MINUTE),
        ],
        # 2 h x 2.2 kW = 4.4 kWh.
        expected={"charges": 1, "charged_kwh": (3.7, 5.2), "alert charge_ended_early": 0},
    ),
    Scenario(
        title="the state of charge is frozen during the charge, and jumps when the cable is pulled",
        source="https://github.com/evcc-io/evcc/issues/17453",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=MINUTE, soc_pct=stuck("soc_pct")),
            rest(HOUR, every_s=MINUTE),
        ],
        # 4 h x 11 kW = 44 kWh, 49.4 of the grid.
        expected={"charges": 1, "charged_kwh": (41, 47), "charge_grid_kwh": (45.5, 54)},
    ),
    Scenario(
        title="the state of charge is frozen until 95 % and is then one big step",
        source="https://github.com/flobz/psa_car_controller/issues/755",
        fields=FLAGS,
        soc_pct=45.0,
        life=[
            rest(10 * MINUTE),
            charge(3.9 * HOUR, kw=11, every_s=30, soc_pct=stuck("soc_pct")),
            charge(20 * MINUTE, kw=4, every_s=30),
            rest(HOUR, every_s=30),
        ],
        # 42.9 + 1.3 kWh.
        expected={"charges": 1, "charged_kwh": (41, 47.5)},
    ),
    Scenario(
        title="a frozen state of charge jumps after a charge of which no flag tells, and the van drives on from there",
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            always(soc_pct=stuck("soc_pct")),
            charge(4 * HOUR, kw=11, every_s=MINUTE),
            honest("soc_pct"),
            rest(2 * HOUR, every_s=MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        # It stands at 91.4 % for hours and drives on from there: 44 kWh have come in.
        expected={"charged_kwh": (41, 47), "used_kwh": (5.3, 7.2)},
    ),
]

HONEST = [
    Scenario(
        title="a fast DC charge at 150 kW",
        fields=POWER,
        soc_pct=10.0,
        life=[rest(10 * MINUTE), charge(20 * MINUTE, kw=150), rest(20 * MINUTE)],
        # 20 min x 150 kW = 50 kWh.
        expected={"charges": 1, "charged_kwh": (47, 53.5), "charge_kind": "dc"},
    ),
    Scenario(
        title="a fast DC charge of which only the state of charge tells",
        source="https://github.com/stevelea/evconduit-homeassistant/issues/9",
        soc_pct=20.0,
        life=[rest(10 * MINUTE), charge(20 * MINUTE, kw=120), rest(20 * MINUTE)],
        expected={"charges": 1, "charged_kwh": (37, 43), "charge_kind": "dc"},
    ),
    Scenario(
        title="a fast DC charge of which a poll each five minutes tells",
        fields=FLAGS,
        soc_pct=20.0,
        life=[
            rest(10 * MINUTE, every_s=5 * MINUTE),
            charge(20 * MINUTE, kw=120, every_s=5 * MINUTE),
            rest(30 * MINUTE, every_s=5 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (37, 43)},
    ),
    Scenario(
        title="an AC charge of which only the state of charge tells",
        soc_pct=40.0,
        life=[rest(10 * MINUTE), charge(4 * HOUR, kw=7, every_s=30), rest(30 * MINUTE, every_s=30)],
        # 4 h x 7 kW = 28 kWh.
        expected={"charges": 1, "charged_kwh": (26, 30)},
    ),
    Scenario(
        title="a slow charge of 1.4 kW of which only the state of charge tells, in whole percents",
        soc_pct=40.0,
        soc_step_pct=1.0,
        life=[rest(10 * MINUTE), charge(10 * HOUR, kw=1.4, every_s=MINUTE), rest(2 * HOUR, every_s=MINUTE)],
        # 10 h x 1.4 kW = 14 kWh.
        expected={"charges": 1, "charged_kwh": (12.3, 15.7)},
    ),
    Scenario(
        title="two charges with an hour between",
        fields=FLAGS,
        soc_pct=30.0,
        life=[
            rest(10 * MINUTE),
            charge(HOUR, kw=11, every_s=30),
            rest(HOUR, every_s=30),
            charge(HOUR, kw=11, every_s=30),
            rest(HOUR, every_s=30),
        ],
        expected={"charges": 2, "charged_kwh": (20.5, 23.5)},
    ),
    Scenario(
        title="a charge that the grid interrupts at 60 %: the cable stays in",
        fields=FLAGS,
        soc_pct=40.0,
        life=[rest(10 * MINUTE), charge(1.5 * HOUR, kw=11, every_s=30, unplug=False), rest(3 * HOUR, every_s=MINUTE)],
        # 1.5 h x 11 kW = 16.5 kWh: 59 %, and somebody should look.
        expected={"charges": 1, "charged_kwh": (15.2, 17.8), "alert charge_ended_early": 1},
    ),
    Scenario(
        title="battery alone each half hour while charging",
        fields=NO_ODOMETER,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            always(kind="soc", charging=lambda van: van.charging, plugged_in=lambda van: van.plugged_in),
            charge(4 * HOUR, kw=8, every_s=30 * MINUTE),
            rest(HOUR, every_s=30 * MINUTE),
            honest("kind", "charging", "plugged_in"),
            rest(10 * MINUTE),
        ],
        # 4 h x 8 kW = 32 kWh.
        expected={"charges": 1, "charged_kwh": (30, 34.5)},
    ),
    Scenario(
        title="everything that a van can say, in a day with two trips and a charge",
        sender=Ovms,
        fields=EVERYTHING,
        life=[
            rest(10 * MINUTE),
            drive(24),
            rest(HOUR, every_s=MINUTE),
            charge(2 * HOUR, kw=7, every_s=30),
            rest(30 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        # 48 km x 0.25 = 12 kWh, 2 h x 7 kW = 14 kWh, 14 / 0.89 = 15.7.
        expected={
            "trips": 2,
            "charges": 1,
            "distance_km": (47, 49),
            "used_kwh": (11, 13.4),
            "charged_kwh": (13, 15.2),
            "grid_kwh": (14.8, 17),
            Figure("charge", len, where=("inferred", True)): 0,
        },
    ),
]


@pytest.mark.parametrize("scenario", ODD, ids=lambda scenario: scenario.title)
def test_a_charge_is_what_entered_the_battery(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", HONEST, ids=lambda scenario: scenario.title)
def test_an_honest_charge_counts_whatever_field_shows_it(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
