"""States of charge from sleeping modules, second sources and frozen caches; and right ones that look wrong."""

from pathlib import Path

import pytest

from tests.world.scenario import Expected, Scenario, hold
from tests.world.van import (
    FLAGS,
    HOUR,
    MINUTE,
    NO_ODOMETER,
    POWER,
    always,
    charge,
    drive,
    each,
    honest,
    late,
    rest,
    silence,
    stuck,
    unheard,
)

NOTHING_CHARGED: Expected = {"charges": 0, "charged_kwh": (0, 0.3)}

ODD = [
    Scenario(
        title="0 % from a module asleep, each minute for a night, at 80 %; then it drives",
        source="https://github.com/evcc-io/evcc/issues/12740",
        fields=FLAGS,
        life=[
            rest(10 * MINUTE),
            rest(10 * HOUR, every_s=MINUTE, soc_pct=0.0),
            rest(5 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        # 24 km x 0.25 = 6.0 kWh.
        expected={**NOTHING_CHARGED, "used_kwh": (5.4, 7), "idle_kwh": (0, 0.5), "alert soc_critical": 0},
    ),
    Scenario(
        title="0 % from a module asleep, three days of it, then a silence, then the truth",
        fields=NO_ODOMETER,
        soc_pct=55.0,
        life=[
            rest(10 * MINUTE),
            rest(72 * HOUR, every_s=20 * MINUTE, soc_pct=0.0),
            silence(5 * HOUR),
            rest(30 * MINUTE),
        ],
        expected={**NOTHING_CHARGED, "used_kwh": (0, 0.5), "alert soc_critical": 0},
    ),
    Scenario(
        title="0 % in one reading of twenty while driving",
        source="https://github.com/evcc-io/evcc/issues/656",
        life=[rest(3 * MINUTE), drive(24, soc_pct=each(20, 0.0, "soc_pct")), rest(10 * MINUTE)],
        expected={**NOTHING_CHARGED, "used_kwh": (5.4, 7), "regenerated_kwh": (0, 1), "distance_km": (23.5, 24.5)},
    ),
    Scenario(
        title="0 % for five minutes in the middle of a drive",
        life=[rest(3 * MINUTE), drive(12), drive(3, soc_pct=0.0), drive(12), rest(10 * MINUTE)],
        expected={**NOTHING_CHARGED, "used_kwh": (6, 7.9), "regenerated_kwh": (0, 1), "alert soc_critical": 0},
    ),
    Scenario(
        title="0 % now and then in a charge",
        source="https://github.com/gburlingame/ioniq-app/issues/29",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(3 * HOUR, kw=11, every_s=30, soc_pct=each(15, 0.0, "soc_pct")),
            rest(30 * MINUTE, every_s=30),
        ],
        # 3 h x 11 kW.
        expected={"charges": 1, "charged_kwh": (31, 35), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="a single 100 % of a parked van that is polled each ten minutes",
        source="https://github.com/evcc-io/evcc/issues/28100",
        soc_pct=70.0,
        life=[
            rest(HOUR, every_s=10 * MINUTE),
            rest(10 * MINUTE, every_s=10 * MINUTE, soc_pct=100.0),
            rest(6 * HOUR, every_s=10 * MINUTE),
        ],
        expected={**NOTHING_CHARGED, "idle_kwh": (0, 0.5)},
    ),
    Scenario(
        title="100 % from a module asleep for a night, without a cable",
        fields=FLAGS,
        soc_pct=70.0,
        life=[rest(10 * MINUTE), rest(9 * HOUR, every_s=10 * MINUTE, soc_pct=100.0), rest(30 * MINUTE)],
        expected={**NOTHING_CHARGED, "idle_kwh": (0, 0.5)},
    ),
    Scenario(
        title="100 % in one reading of five all day: parked, on the road and at a charger of which no flag tells",
        source="https://github.com/buxtronix/phev2mqtt/issues/13",
        soc_pct=60.0,
        life=[
            always(soc_pct=each(5, 100.0, "soc_pct")),
            rest(20 * MINUTE, every_s=30),
            drive(12),
            rest(HOUR, every_s=MINUTE),
            charge(1.5 * HOUR, kw=7, every_s=30),
            rest(HOUR, every_s=MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        # 24 km x 0.25 = 6 kWh; 1.5 h x 7 kW = 10.5 kWh.
        expected={"used_kwh": (5.2, 7.4), "charged_kwh": (9.4, 11.8), "distance_km": (23.4, 24.6)},
    ),
    Scenario(
        title="100 % in one reading of three, driving and charging with flag and power",
        fields=POWER,
        soc_pct=60.0,
        life=[
            always(soc_pct=each(3, 100.0, "soc_pct")),
            rest(20 * MINUTE, every_s=30),
            drive(12),
            rest(HOUR, every_s=MINUTE),
            charge(1.5 * HOUR, kw=7, every_s=MINUTE),
            rest(HOUR, every_s=MINUTE),
        ],
        expected={"used_kwh": (2.5, 4), "charged_kwh": (9.4, 11.8), "charges": 1},
    ),
    Scenario(
        title="255 for 'not available' in one reading of ten",
        source="https://github.com/gburlingame/ioniq-app/issues/62",
        life=[
            always(soc_pct=each(10, 255.0, "soc_pct")),
            rest(10 * MINUTE),
            drive(24),
            rest(2 * HOUR, every_s=MINUTE),
        ],
        expected={**NOTHING_CHARGED, "used_kwh": (5.4, 7), "distance_km": (23.4, 24.6)},
    ),
    Scenario(
        title="127 for 'not available' from a parked van, and 63.5 half of it",
        life=[
            rest(10 * MINUTE),
            rest(2 * HOUR, every_s=5 * MINUTE, soc_pct=each(2, 63.5, "soc_pct")),
            rest(2 * HOUR, every_s=5 * MINUTE, soc_pct=each(2, 127.0, "soc_pct")),
            rest(10 * MINUTE),
        ],
        expected={**NOTHING_CHARGED, "idle_kwh": (0, 0.6)},
    ),
    Scenario(
        title="two sources while driving: every third is that of the last charge's end",
        source="https://github.com/Hyundai-Kia-Connect/kia_uvo/issues/1184",
        life=[rest(3 * MINUTE), drive(48, kmh=54, soc_pct=each(3, 80.0, "soc_pct")), rest(20 * MINUTE)],
        # 48 km x 0.25 = 12 kWh.
        expected={**NOTHING_CHARGED, "used_kwh": (11, 13.5), "regenerated_kwh": (0, 1)},
    ),
    Scenario(
        title="two sources 12 % apart while driving",
        life=[
            rest(3 * MINUTE),
            drive(48, kmh=54, soc_pct=each(3, lambda van: round(van.soc_pct + 12, 1), "soc_pct")),
            rest(20 * MINUTE),
        ],
        expected={**NOTHING_CHARGED, "used_kwh": (11, 13.5), "regenerated_kwh": (0, 1)},
    ),
    Scenario(
        title="two sources while charging: every third is that of its beginning",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=MINUTE, soc_pct=each(3, 40.0, "soc_pct")),
            rest(HOUR, every_s=MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (41.5, 46.5), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="two sources of a parked van ten minutes apart that do not say whether there is a cable",
        soc_pct=61.0,
        life=[rest(20 * MINUTE), rest(12 * HOUR, every_s=10 * MINUTE, soc_pct=each(2, 74.0, "soc_pct")), rest(MINUTE)],
        # 36 times 11 kWh into and out of a van that stands.
        expected={"charged_kwh": (0, 12), "idle_kwh": (0, 1), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="frozen while driving, and a fall when parked five minutes later",
        source="https://github.com/evcc-io/evcc/issues/26085",
        life=[
            rest(3 * MINUTE),
            always(soc_pct=stuck("soc_pct")),
            drive(36, kmh=54),
            rest(4 * MINUTE),
            honest("soc_pct"),
            rest(20 * MINUTE),
        ],
        # 36 km x 0.25 = 9 kWh.
        expected={"trips": 1, "used_kwh": (8.3, 10), "trip_kwh": (8.3, 10)},
    ),
    Scenario(
        title="frozen while driving, and a fall after a night's silence",
        life=[
            rest(3 * MINUTE),
            always(soc_pct=stuck("soc_pct")),
            drive(36, kmh=54),
            rest(10 * MINUTE),
            honest("soc_pct"),
            silence(9 * HOUR),
            rest(20 * MINUTE),
        ],
        expected={"trips": 1, "used_kwh": (8.3, 10), **NOTHING_CHARGED},
    ),
    Scenario(
        title="frozen through the drive of a small car that takes a third of what a van does",
        battery_kwh=6.1,
        soc_step_pct=0.02,
        fields=NO_ODOMETER,
        soc_pct=97.0,
        life=[
            rest(3 * MINUTE),
            always(soc_pct=stuck("soc_pct")),
            drive(54, kmh=45, kwh_per_km=0.08),
            honest("soc_pct"),
            rest(20 * MINUTE),
        ],
        # 54 km x 0.08 = 4.3 kWh, and nothing braked; 6.1 kWh are all that the battery holds.
        expected={"trips": 1, "used_kwh": (4.1, 4.7), "regenerated_kwh": (0, 0.3), **NOTHING_CHARGED},
    ),
    Scenario(
        title="twenty minutes late all day",
        life=[
            always(soc_pct=late("soc_pct", 20 * MINUTE)),
            rest(3 * MINUTE),
            drive(36, kmh=54),
            rest(HOUR),
            drive(36, kmh=54),
            rest(HOUR),
        ],
        # 72 km x 0.25 = 18 kWh.
        expected={"trips": 2, "used_kwh": (16.5, 20), **NOTHING_CHARGED},
    ),
    Scenario(
        title="recalibrated upwards by 4 % while parked, without a cable",
        fields=FLAGS,
        life=[rest(30 * MINUTE), rest(2 * HOUR, soc_pct=84.0, every_s=30), rest(MINUTE, soc_pct=84.0)],
        # 3.3 kWh in 30 s would be 400 kW.
        expected=NOTHING_CHARGED,
    ),
]

HONEST = [
    Scenario(
        title="a state of charge in steps of 5 %",
        soc_step_pct=5.0,
        life=[rest(5 * MINUTE), drive(90, kmh=60), rest(20 * MINUTE)],
        # 90 km x 0.25 = 22.5 kWh, known to half a step at each end.
        expected={"trips": 1, "used_kwh": (18.5, 27), **NOTHING_CHARGED},
    ),
    Scenario(
        title="a descent of 1500 m over 30 km feeds the battery",
        soc_pct=60.0,
        life=[rest(5 * MINUTE), drive(30, kmh=50, kwh_per_km=-0.2), rest(20 * MINUTE)],
        # 3500 kg x 9.81 x 1500 m = 14.3 kWh, of which 6 kWh come into the battery.
        expected={"trips": 1, **NOTHING_CHARGED, "trip_kwh": (-6.8, -5.0), "distance_km": (29.5, 30.5)},
    ),
    Scenario(
        title="heating in a stand: 3 kW for two hours",
        life=[rest(10 * MINUTE), rest(2 * HOUR, kw=3.0, every_s=30), rest(10 * MINUTE)],
        expected={"trips": 0, "used_kwh": (5.5, 6.8), **NOTHING_CHARGED},
    ),
    Scenario(
        title="a van that is driven empty: 8 % to 0 %, and is charged from there",
        fields=FLAGS,
        soc_pct=8.0,
        life=[
            rest(5 * MINUTE),
            drive(26),
            rest(HOUR, every_s=MINUTE),
            charge(3 * HOUR, kw=11, every_s=30),
            rest(10 * MINUTE),
        ],
        # 26 km x 0.25 = 6.5 kWh; 3 h x 11 kW = 33 kWh.
        expected={"charges": 1, "charged_kwh": (30.5, 35.5), "used_kwh": (5.6, 7.2), "alert soc_critical": 1},
    ),
    Scenario(
        title="a van that is driven empty, sleeps at 0 % for a night and is charged while silent",
        soc_pct=8.0,
        life=[
            rest(5 * MINUTE),
            drive(26),
            rest(8 * HOUR, every_s=10 * MINUTE),
            unheard(charge(4 * HOUR, kw=11)),
            rest(30 * MINUTE),
        ],
        # 4 h x 11 kW = 44 kWh.
        expected={"charges": 1, "charged_kwh": (41, 47)},
    ),
    Scenario(
        title="a charge to 100 %, and a night at 100 %",
        fields=FLAGS,
        soc_pct=60.0,
        life=[
            rest(5 * MINUTE),
            charge(HOUR * 3.111, kw=11, every_s=30, unplug=False),
            rest(9 * HOUR, every_s=5 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        # 40 % x 0.83 / 0.97 = 34.2 kWh; 24 km x 0.25 = 6 kWh.
        expected={"charges": 1, "charged_kwh": (32.5, 37), "used_kwh": (5.4, 7.2)},
    ),
    Scenario(
        title="a fast drive uphill: 1.6 % a minute for 20 minutes",
        life=[rest(5 * MINUTE), drive(30, kmh=90, kwh_per_km=0.9), rest(10 * MINUTE)],
        # 30 km x 0.9 = 27 kWh at 81 kW.
        expected={"trips": 1, "used_kwh": (25, 29.5)},
    ),
    Scenario(
        title="a van that stands for a week and says so each ten minutes",
        life=[rest(10 * MINUTE), rest(168 * HOUR, every_s=10 * MINUTE)],
        # Its charge has not moved by 0.1 %.
        expected={"trips": 0, "used_kwh": (0, 0.6), "idle_kwh": (0, 0.6), **NOTHING_CHARGED},
    ),
    Scenario(
        title="a cold battery that loses 3 % over a night's silence",
        life=[rest(10 * MINUTE), unheard(rest(12 * HOUR, kw=0.2)), rest(20 * MINUTE)],
        # 12 h x 0.2 kW = 2.4 kWh.
        expected={"trips": 0, "used_kwh": (2.0, 2.9), **NOTHING_CHARGED},
    ),
]


@pytest.mark.parametrize("scenario", ODD, ids=lambda scenario: scenario.title)
def test_a_state_of_charge_that_is_wrong_moves_no_energy(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", HONEST, ids=lambda scenario: scenario.title)
def test_a_state_of_charge_that_is_right_is_believed(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
