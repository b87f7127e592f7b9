"""States of charge that sag, settle or scatter, two clocks, incomplete reports, messages queued for a night."""

from itertools import cycle
from pathlib import Path

import pytest

from tests.world.gateways import Clock, Gbt, VssBare, again, backlog, later
from tests.world.history import Figure
from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import Ovms, Saic, TeslaMate
from tests.world.van import (
    FLAGS,
    HOUR,
    MINUTE,
    NO_ODOMETER,
    PLAIN,
    POWER,
    Says,
    Value,
    Van,
    always,
    charge,
    delivered,
    drive,
    each,
    repeat,
    rest,
    silence,
    stuck,
    unheard,
)

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3), "charges": 0}
SECOND_CLOCK = lambda van: 4 * MINUTE if van.readings % 2 else 0.0  # noqa: E731


def sagging(pct: float) -> Says:
    """A state of charge from the voltage: lower by so much under load."""
    return lambda van: round(van.soc_pct - (pct if van.speed_kmh > 0 else 0.0), 1)


def settling(pct: float, seconds: float) -> Says:
    """A state of charge that rises by so much after a drive and is lower again on the next one."""
    stands: list[float] = []

    def said(van: Van) -> Value:
        if van.speed_kmh > 0 or (stands and stands[0] > van.time_s):
            stands.clear()
            return round(van.soc_pct - pct, 1)
        if not stands:
            stands.append(van.time_s)
        return round(van.soc_pct - pct * max(0.0, 1 - (van.time_s - stands[0]) / seconds), 1)

    return said


def wandering(pct: float) -> Says:
    """The truth for six readings, then so much more for six."""
    said = cycle([0.0] * 6 + [pct] * 6)
    return lambda van: round(van.soc_pct + next(said), 1)


def scattering(pct: float) -> Says:
    """A state of charge with a random error of up to so much."""
    return lambda van: round(min(100.0, van.soc_pct + van.random.uniform(-pct, pct)), 1)


SOC = [
    Scenario(
        title="the state of charge scatters by 0.5 % for a day, parked",
        life=[rest(24 * HOUR, every_s=MINUTE, soc_pct=scattering(0.5))],
        expected={"used_kwh": (0, 1), "charged_kwh": (0, 0.3), "charges": 0, "trips": 0},
    ),
    Scenario(
        title="the state of charge wandered one morning; eight trips later a small charge that no flag tells of",
        life=[
            rest(3 * HOUR, every_s=MINUTE, soc_pct=wandering(0.3)),
            repeat(8, drive(8), rest(20 * MINUTE, every_s=MINUTE)),
            charge(HOUR / 2, kw=3.3, every_s=MINUTE),
            rest(HOUR, every_s=MINUTE),
        ],
        # Half an hour at 3.3 kW is 1.65 kWh, or 1.9 % of 83 kWh; 64 km x 0.25 kWh/km = 16 kWh.
        expected={"charges": 1, "charged_kwh": (1.4, 1.9), "used_kwh": (15.2, 17.3), "trips": 8},
    ),
    Scenario(
        title="the state of charge scatters by 1 % for a day, parked and polled each ten minutes, without a cable",
        fields=FLAGS,
        life=[rest(24 * HOUR, every_s=10 * MINUTE, soc_pct=scattering(1.0))],
        # 2 % from beginning to end are 1.66 kWh. A standby of 20 W, which no reading contradicts, takes 0.48 kWh.
        expected={"used_kwh": (0, 2.2), "charged_kwh": (0, 0.3), "charges": 0, "trips": 0},
    ),
    Scenario(
        title="the state of charge scatters by 0.5 % on the road and on the charger",
        fields=FLAGS,
        soc_pct=60.0,
        life=[
            always(soc_pct=scattering(0.5)),
            rest(20 * MINUTE),
            drive(36),
            rest(HOUR, every_s=MINUTE),
            charge(2 * HOUR, kw=11, every_s=MINUTE),
            rest(HOUR, every_s=MINUTE),
        ],
        # 9 kWh and 22 kWh.
        expected={"used_kwh": (8.2, 11), "charged_kwh": (20.7, 23.3), "charges": 1, "trips": 1},
    ),
    Scenario(
        title="the state of charge sags by 2 % under load and comes back at each of thirty doors",
        life=[
            always(soc_pct=sagging(2.0)),
            rest(10 * MINUTE),
            repeat(30, drive(1.2, kmh=36, every_s=10), rest(2 * MINUTE)),
            rest(20 * MINUTE),
        ],
        # 36 km x 0.25 = 9 kWh; 2 % thirty times would be 50.
        expected={"used_kwh": (8.2, 11), "distance_km": (35, 37), "charged_kwh": (0, 0.3), "charges": 0, "trips": 1},
    ),
    Scenario(
        title="the state of charge settles by 1.5 % within half an hour after each of eight drives",
        fields=FLAGS,
        life=[
            always(soc_pct=settling(1.5, 30 * MINUTE)),
            rest(HOUR, every_s=MINUTE),
            repeat(8, drive(6, every_s=10), rest(40 * MINUTE, every_s=MINUTE)),
            rest(HOUR, every_s=MINUTE),
        ],
        # 48 km x 0.25 = 12 kWh; no cable.
        expected={"used_kwh": (10.8, 14), "distance_km": (47, 49), "charged_kwh": (0, 0.3), "charges": 0, "trips": 8},
    ),
    Scenario(
        title="LFP: the state of charge stands at 62 % for 40 km, and is put right at the next full charge",
        fields=FLAGS,
        soc_pct=62.0,
        life=[
            rest(10 * MINUTE),
            drive(20, soc_pct=62.0),
            rest(20 * MINUTE, soc_pct=62.0),
            drive(20, soc_pct=62.0),
            rest(20 * MINUTE, soc_pct=62.0),
            charge(5 * HOUR, kw=8, every_s=30),
            rest(20 * MINUTE),
        ],
        # 40 km x 0.25 = 10 kWh; 5 h x 8 kW = 40 kWh.
        expected={"used_kwh": (7, 12), "charged_kwh": (37.5, 42.5), "charges": 1, "trips": 2, "distance_km": (39, 41)},
    ),
    Scenario(
        title="in steps of 5 %, polled each ten minutes, through a charge of ten hours",
        fields=FLAGS,
        soc_pct=22.0,
        life=[
            always(soc_pct=lambda van: float(int(van.soc_pct / 5) * 5)),
            rest(HOUR, every_s=10 * MINUTE),
            charge(10 * HOUR, kw=5, every_s=10 * MINUTE),
            rest(2 * HOUR, every_s=10 * MINUTE),
        ],
        # 50 kWh, a step is 4.15.
        expected={"charges": 1, "charged_kwh": (45.8, 54.2), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="a slow charge of 1.8 kW for 20 hours, of which one reading an hour tells",
        fields=FLAGS,
        soc_pct=30.0,
        life=[
            rest(3 * HOUR, every_s=HOUR),
            charge(20 * HOUR, kw=1.8, every_s=HOUR),
            rest(5 * HOUR, every_s=HOUR),
        ],
        # 36 kWh.
        expected={"charges": 1, "charged_kwh": (34, 38), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="a fast charger reboots for three minutes in the middle",
        fields=FLAGS,
        soc_pct=15.0,
        life=[
            rest(10 * MINUTE),
            charge(10 * MINUTE, kw=100, unplug=False),
            rest(3 * MINUTE),
            charge(10 * MINUTE, kw=100),
            rest(20 * MINUTE),
        ],
        # 33.3 kWh.
        expected={"charges": 1, "charged_kwh": (31.5, 35), "charge_kind": "dc"},
    ),
    Scenario(
        title="-1 for 'not known' in one state of charge of four and one odometer of six",
        life=[
            always(soc_pct=each(4, -1.0, "soc_pct"), odometer_km=each(6, -1.0, "odometer_km")),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 420 readings: 105 and 70, of which 35 are both.
        expected={**A_DRIVE, "trips": 1, "letters": 140},
    ),
    Scenario(
        title="temperatures in °F: 14 outside, 95 of the battery",
        life=[
            always(ambient_temp_c=14.0, battery_temp_c=95.0),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="an odometer that shows each tenth kilometre only",
        life=[
            always(odometer_km=lambda van: float(int(van.odometer_km / 10) * 10)),
            rest(10 * MINUTE),
            drive(48),
            rest(20 * MINUTE),
        ],
        expected={"distance_km": (46.5, 49.5), "used_kwh": (11, 13.4), "trips": 1},
    ),
]

UNITS = [
    Scenario(
        title="every second message is of a unit whose clock is four minutes ahead",
        sender=Clock,
        life=[always(clock_s=SECOND_CLOCK), rest(10 * MINUTE), drive(24), rest(20 * MINUTE)],
        expected={**A_DRIVE, "distance_km": (23.2, 24.8), "trips": 1},
    ),
    Scenario(
        title="the place is of a phone whose clock is four minutes ahead, the charge of the unit",
        sender=Clock,
        fields=NO_ODOMETER,
        life=[
            always(
                kind=lambda van: "location" if van.readings % 2 else "soc",
                clock_s=SECOND_CLOCK,
            ),
            rest(10 * MINUTE),
            drive(24, every_s=5),
            rest(30 * MINUTE),
        ],
        expected={**A_DRIVE, "distance_km": (23, 25), "trips": 1},
    ),
    Scenario(
        title="OVMS: the module is out of coverage for a night of charging and sends its queue in the morning",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        soc_pct=30.0,
        life=[
            rest(20 * MINUTE, every_s=MINUTE),
            delivered(
                backlog,
                charge(6 * HOUR, kw=6.4, grid_kw=7.2, every_s=5 * MINUTE),
                rest(2 * HOUR, every_s=5 * MINUTE),
            ),
            rest(20 * MINUTE, every_s=MINUTE),
            drive(24),
            rest(20 * MINUTE, every_s=MINUTE),
        ],
        # 6 h x 6.4 kW = 38.4 kWh.
        expected={"charges": 1, "charged_kwh": (36.5, 40.5), "used_kwh": (5.3, 7.4), "distance_km": (23.4, 24.6)},
    ),
    Scenario(
        title="VSS: bare values of a drive wait at the broker while the agent is away",
        sender=VssBare,
        fields=POWER,
        life=[rest(20 * MINUTE), delivered(backlog, drive(24), rest(10 * MINUTE)), rest(40 * MINUTE, every_s=30)],
        expected={**A_DRIVE, "trips": (0, 1)},
    ),
    Scenario(
        title="TeslaMate: the queue comes slowly, a message each 0.4 s for three minutes, behind half an hour's outage",
        sender=TeslaMate,
        fields=FLAGS,
        life=[
            rest(20 * MINUTE, every_s=30),
            delivered(
                lambda messages: [
                    message._replace(arrival_s=messages[-1].arrival_s + 0.4 * number)
                    for number, message in enumerate(messages)
                ],
                drive(18, every_s=15),
            ),
            unheard(rest(4 * MINUTE)),
            rest(40 * MINUTE, every_s=30),
        ],
        # 18 km, 4.5 kWh; whole percents.
        expected={"distance_km": (17.5, 18.5), "used_kwh": (3.6, 5.6), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="OVMS: half of the messages come again after five minutes",
        sender=Ovms,
        life=[delivered(again(5 * MINUTE), rest(10 * MINUTE), drive(24)), rest(40 * MINUTE)],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="SAIC: 'charging' stays for a night after the cable is out, polled each half hour",
        sender=Saic,
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(HOUR, every_s=30 * MINUTE),
            charge(2 * HOUR, kw=7, every_s=30 * MINUTE),
            rest(10 * HOUR, every_s=30 * MINUTE, charging=True),
            drive(24, every_s=30),
            rest(HOUR, every_s=10 * MINUTE),
        ],
        expected={"charges": 1, "charged_kwh": (13, 15.2), "used_kwh": (5.3, 7.4), "distance_km": (23.4, 24.6)},
    ),
    Scenario(
        title="GB/T 32960: 'charging while driving' for all of a drive, and 'charged' for a night",
        sender=Gbt,
        fields=POWER,
        soc_pct=60.0,
        life=[
            rest(20 * MINUTE),
            drive(24),
            charge(2 * HOUR, kw=11, every_s=30),
            rest(6 * HOUR, every_s=5 * MINUTE, plugged_in=True),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={"trips": 2, "charges": 1, "charged_kwh": (20.3, 23.7), "used_kwh": (10.6, 13.6)},
    ),
    Scenario(
        title="a tracker is silent when the ignition is off: three drives with an hour between, and a charge at noon",
        fields=PLAIN,
        soc_pct=60.0,
        life=[
            rest(MINUTE),
            drive(24),
            silence(HOUR),
            rest(MINUTE),
            drive(24),
            unheard(charge(2 * HOUR, kw=11)),
            rest(MINUTE),
            drive(24),
            rest(MINUTE),
            silence(2 * HOUR),
            rest(MINUTE),
        ],
        # 72 km x 0.25 = 18 kWh. 22 kWh were charged in silence.
        expected={"trips": 3, "distance_km": (71, 73), "used_kwh": (16.5, 20), "charged_kwh": (20, 24), "charges": 1},
    ),
    Scenario(
        title="yesterday's buffer arrives behind midnight: no day counts it twice",
        life=[
            unheard(rest(11 * HOUR)),
            rest(10 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
            delivered(later(4 * HOUR), drive(12)),
            rest(20 * MINUTE),
            silence(6 * HOUR),
            drive(12),
            rest(30 * HOUR, every_s=10 * MINUTE),
        ],
        # 36 km, of which the days have all.
        expected={"distance_km": (35, 37), Figure("day", sum, "distance_km"): (35, 37), "used_kwh": (8.2, 10.5)},
    ),
    Scenario(
        title="the receiver is frozen since the morning, through three drives, and wakes up 36 km away",
        life=[
            rest(10 * MINUTE),
            always(latitude_deg=stuck("latitude_deg")),
            repeat(3, drive(12), rest(20 * MINUTE)),
            always(latitude_deg=lambda van: van.truth()["latitude_deg"]),
            rest(20 * MINUTE),
        ],
        # Odometer, speed and charge tell 36 km.
        expected={"distance_km": (35, 37), "used_kwh": (8.2, 10.5), "trips": 3},
    ),
]


@pytest.mark.parametrize("scenario", SOC, ids=lambda scenario: scenario.title)
def test_a_state_of_charge_that_is_only_nearly_right(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", UNITS, ids=lambda scenario: scenario.title)
def test_units_and_queues(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
