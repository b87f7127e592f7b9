"""Clocks that are wrong, and messages that take another way: late, backwards, again, all at once, in arrays."""

from pathlib import Path

import pytest

from tests.world.gateways import Clock, Gbt, Vss, Zoned, again, backlog, in_arrays, later, newest_first
from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import START_MS, Ovms, Saic, TeslaMate, from_store
from tests.world.van import (
    COUNTERS,
    FLAGS,
    HOUR,
    MINUTE,
    NO_ODOMETER,
    POWER,
    Value,
    Van,
    always,
    charge,
    delivered,
    drive,
    each,
    honest,
    rest,
    silence,
    turn_round,
    unheard,
)

DAY = 24 * HOUR
SINCE_1970_S = START_MS / 1000
ROLLOVER_S = 1024 * 7 * DAY
"""GPS counts 1024 weeks and begins again."""

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3), "charges": 0}


def once_in(count: int, clock_s: float) -> object:
    """A clock that is so wrong in one reading of so many."""
    return lambda van: clock_s if van.readings % count == 0 else 0.0


def to_the_minute(van: Van) -> Value:
    """How far behind a time is that is cut to the minute."""
    return -(van.time_s % 60)


CLOCKS = [
    Scenario(
        title="1970 until the receiver has a fix, ten minutes into the drive",
        sender=Clock,
        life=[rest(20 * MINUTE), drive(6, clock_s=-SINCE_1970_S), drive(18), rest(20 * MINUTE)],
        # 60 readings are dead letters; the odometer tells what they missed.
        expected={**A_DRIVE, "trips": (1, 2), "letters": 60},
    ),
    Scenario(
        title="one time in five is of the year 2080",
        sender=Clock,
        life=[always(clock_s=once_in(5, 54 * 365 * DAY)), rest(10 * MINUTE), drive(24), rest(20 * MINUTE)],
        # 60 + 240 + 120 readings.
        expected={**A_DRIVE, "trips": 1, "letters": 84},
    ),
    Scenario(
        title="the weeks of GPS begin again: a day is 19.6 years ago",
        source="https://github.com/canboat/canboat/pull/863",
        sender=Clock,
        life=[
            rest(10 * MINUTE),
            always(clock_s=-ROLLOVER_S),
            drive(24),
            rest(HOUR, every_s=MINUTE),
            honest("clock_s"),
            rest(20 * MINUTE),
        ],
        # 240 + 60 readings are dead letters.
        expected={**A_DRIVE, "trips": 1, "letters": 300},
    ),
    Scenario(
        title="four minutes ahead, and put right on the road",
        sender=Clock,
        life=[
            always(clock_s=4 * MINUTE),
            rest(10 * MINUTE),
            drive(12),
            always(clock_s=0.0),
            drive(12),
            rest(20 * MINUTE),
        ],
        # For four minutes, 2.4 km, every time has been there already.
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="summer time ends: an hour behind from the middle of a drive on",
        source="https://github.com/ImperialSpaceSociety/picotracker-Lora/issues/90",
        sender=Clock,
        life=[
            rest(10 * MINUTE),
            drive(6),
            always(clock_s=-HOUR),
            drive(18),
            rest(2 * HOUR, every_s=MINUTE),
        ],
        # What is heard in the hour that comes twice is late; the odometer goes on.
        expected={**A_DRIVE, "trips": (1, 2)},
    ),
    Scenario(
        title="summer time ends: an hour behind from a night on, and driven in the hour that comes twice",
        sender=Clock,
        life=[
            rest(10 * MINUTE),
            drive(12),
            rest(HOUR, every_s=MINUTE),
            always(clock_s=-HOUR),
            rest(5 * MINUTE),
            drive(24),
            rest(2 * HOUR, every_s=MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        # 48 km x 0.25 = 12 kWh.
        expected={"distance_km": (47, 49), "used_kwh": (11, 13.4), "trips": 3, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="summer time ends: an hour behind from the middle of a charge on",
        sender=Clock,
        fields=FLAGS,
        soc_pct=20.0,
        life=[
            rest(10 * MINUTE),
            charge(2 * HOUR, kw=11, every_s=30, unplug=False),
            always(clock_s=-HOUR),
            charge(3 * HOUR, kw=11, every_s=30),
            rest(2 * HOUR, every_s=MINUTE),
        ],
        # 5 h x 11 kW.
        expected={"charges": (1, 2), "charged_kwh": (52, 58), "used_kwh": (0, 1)},
    ),
    Scenario(
        title="summer time ends: an hour behind from the middle of a drive on; no odometer",
        sender=Clock,
        fields=NO_ODOMETER,
        life=[
            rest(10 * MINUTE),
            drive(6),
            always(clock_s=-HOUR),
            drive(18),
            rest(2 * HOUR, every_s=MINUTE),
        ],
        # 18 km between two fixes.
        expected={**A_DRIVE, "distance_km": (22.5, 25), "trips": (1, 2)},
    ),
    Scenario(
        title="summer time begins: an hour ahead is in the future until the module restarts",
        sender=Clock,
        life=[
            rest(10 * MINUTE),
            always(clock_s=HOUR),
            rest(10 * MINUTE),
            drive(24),
            honest("clock_s"),
            rest(20 * MINUTE),
        ],
        # 60 + 240 readings are dead letters.
        expected={**A_DRIVE, "trips": 1, "letters": 300},
    ),
    Scenario(
        title="local time with its zone, which changes on the road; full minutes are second 60",
        sender=Zoned,
        life=[rest(10 * MINUTE), drive(12), always(zone_h=1), drive(12), rest(20 * MINUTE)],
        expected={**A_DRIVE, "trips": 1, "letters": 0},
    ),
    Scenario(
        title="times are cut to the minute",
        sender=Clock,
        life=[always(clock_s=to_the_minute), rest(10 * MINUTE), drive(24), rest(20 * MINUTE)],
        # Of six readings the first counts.
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="the battery's own time is half an hour behind that of the location",
        source="https://github.com/evcc-io/evcc/issues/31084",
        life=[
            always(
                kind=lambda van: "location" if van.readings % 2 else "soc",
                late_s=lambda van: 0.0 if van.readings % 2 else 30 * MINUTE,
            ),
            rest(10 * MINUTE),
            drive(24),
            rest(90 * MINUTE, every_s=30),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
]

WAYS = [
    Scenario(
        title="newest first: a drive in a valley is sent backwards",
        source="https://github.com/traccar/traccar/issues/4417",
        life=[rest(10 * MINUTE), delivered(newest_first, drive(24), rest(10 * MINUTE)), rest(20 * MINUTE)],
        # The last reading tells 24 km over a silence; the others are late.
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="yesterday's drive arrives while the van is driven today",
        source="https://github.com/vitalidze/traccar-web/issues/1090",
        life=[
            rest(10 * MINUTE),
            delivered(later(20 * HOUR), drive(24)),
            silence(19 * HOUR),
            rest(10 * MINUTE),
            turn_round,
            drive(24),
            rest(20 * MINUTE),
        ],
        # 48 km, 12 kWh.
        expected={"distance_km": (47, 49), "used_kwh": (11, 13.4), "trips": 2, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="a buffer is sent in between: one old reading with each new one, all through the next drive",
        source="https://github.com/traccar/traccar-client-android/issues/178",
        life=[
            rest(10 * MINUTE),
            delivered(later(HOUR + 5), drive(24)),
            rest(10 * MINUTE, every_s=5 * MINUTE),
            drive(24),
            rest(2 * HOUR, every_s=MINUTE),
        ],
        expected={"distance_km": (47, 49), "used_kwh": (11, 13.4), "trips": 2, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="a buffer of nine days ago",
        life=[rest(10 * MINUTE), delivered(later(9 * DAY), drive(24)), silence(9 * DAY), rest(20 * MINUTE)],
        # Too old, all 240 of them; the odometer tells the way.
        expected={**A_DRIVE, "trips": 1, "letters": 240},
    ),
    Scenario(
        title="everything again three hours later, in the middle of the next drive",
        life=[
            delivered(again(3 * HOUR), rest(10 * MINUTE), drive(24)),
            rest(2 * HOUR, every_s=MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={"distance_km": (47, 49), "used_kwh": (11, 13.4), "trips": 2, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="OVMS: every value comes again after half a minute",
        sender=Ovms,
        life=[delivered(again(30), rest(10 * MINUTE), drive(24), rest(20 * MINUTE))],
        # Between each two values the odometer goes back by 0.3 km and comes again.
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="OVMS: a drive waits in the module's queue and comes in a moment",
        sender=Ovms,
        life=[rest(20 * MINUTE), delivered(backlog, drive(24)), rest(40 * MINUTE, every_s=30)],
        expected={**A_DRIVE, "trips": (0, 1)},
    ),
    Scenario(
        title="TeslaMate: a drive and a charge wait at the broker while the agent is away",
        sender=TeslaMate,
        fields=FLAGS,
        soc_pct=60.0,
        life=[
            rest(10 * MINUTE, every_s=30),
            delivered(
                backlog,
                drive(24, every_s=30),
                rest(10 * MINUTE, every_s=30),
                charge(2 * HOUR, kw=11, every_s=30),
                rest(10 * MINUTE, every_s=30),
            ),
            rest(40 * MINUTE, every_s=30),
        ],
        # 24 km, 6 kWh, 22 kWh; what is left is 59 % after 60 %, a whole percent each.
        expected={"distance_km": (23.4, 24.6), "charged_kwh": (13.5, 24), "used_kwh": (4, 7.5)},
    ),
    Scenario(
        title="SAIC: two hours of polls wait at the broker",
        sender=Saic,
        fields=FLAGS,
        life=[
            rest(20 * MINUTE, every_s=30),
            delivered(backlog, drive(24, every_s=30), rest(80 * MINUTE, every_s=10 * MINUTE)),
            rest(HOUR, every_s=MINUTE),
        ],
        expected={**A_DRIVE, "trips": (0, 1)},
    ),
    Scenario(
        title="SAIC: the gateway restarts on the road, and the broker delivers what it has retained",
        sender=Saic,
        fields=FLAGS,
        life=[
            rest(20 * MINUTE, every_s=30),
            drive(12, every_s=30),
            delivered(from_store, rest(1, odometer_km=4800.0, soc_pct=95.0, charging=True, latitude_deg=47.0)),
            drive(12, every_s=30),
            rest(30 * MINUTE, every_s=30),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="VSS: retained objects without a time are of last week",
        sender=Vss,
        fields=FLAGS,
        life=[
            delivered(from_store, rest(10, soc_pct=20.0, odometer_km=4700.0, latitude_deg=47.0, charging=True)),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="arrays of a minute in which elements are cut, mistyped and out of range",
        life=[
            delivered(
                in_arrays(6, '{"soc_pct": 255}', '"x"', '{"time": 1795000020000, "soc_pct": 300}'),
                rest(10 * MINUTE),
                drive(24),
                rest(10 * MINUTE),
            )
        ],
        # One dead letter for each of the 60 arrays; the readings in them count.
        expected={**A_DRIVE, "trips": 1, "letters": 60},
    ),
    Scenario(
        title="the odometer of the same moment is 0 first and right a minute later",
        life=[
            rest(10 * MINUTE),
            drive(12),
            delivered(again(MINUTE), drive(0.1, odometer_km=0.0)),
            delivered(later(MINUTE), lambda van: setattr(van, "time_s", van.time_s - 10), rest(10)),
            drive(11.9),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="Home Assistant's words where a number should be: unknown and unavailable",
        sender=Ovms,
        life=[
            always(soc_pct=each(7, "unavailable", "soc_pct"), odometer_km=each(11, "unknown", "odometer_km")),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="GB/T 32960: a drive is reissued hours later, between the reports of the next one",
        source="https://github.com/traccar/traccar/issues/2988",
        sender=Gbt,
        fields=POWER,
        life=[
            rest(20 * MINUTE),
            delivered(later(0), drive(24, late_s=HOUR)),
            rest(20 * MINUTE),
            drive(24),
            rest(2 * HOUR, every_s=30),
        ],
        # 48 km, 12 kWh; the state of charge is a whole percent.
        expected={"distance_km": (47, 49), "used_kwh": (10.5, 13.6), "trips": 2, "charged_kwh": (0, 0.5)},
    ),
    Scenario(
        title="GB/T 32960: a working day in whole percents, with a charge at noon",
        sender=Gbt,
        fields=POWER,
        soc_pct=70.0,
        life=[
            rest(20 * MINUTE, every_s=30),
            drive(40, kmh=40, every_s=30),
            rest(20 * MINUTE, every_s=30),
            charge(2 * HOUR, kw=11, every_s=30),
            rest(20 * MINUTE, every_s=30),
            drive(40, kmh=40, every_s=30),
            rest(HOUR, every_s=30),
        ],
        # 80 km x 0.25 = 20 kWh; 2 h x 11 kW = 22 kWh.
        expected={
            "distance_km": (79, 81),
            "used_kwh": (18.5, 22),
            "trips": 2,
            "charges": 1,
            "charged_kwh": (20.5, 23.5),
        },
    ),
    Scenario(
        title="GB/T 32960: mileage and state of charge are 'invalid' in every third report",
        sender=Gbt,
        fields=POWER,
        life=[
            always(
                raw_mileage=lambda van: 2**32 - 1 if van.readings % 3 == 0 else round(10 * van.odometer_km),
                raw_soc=lambda van: 254 if van.readings % 3 == 1 else int(van.soc_pct),
            ),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "used_kwh": (5, 7.5), "trips": 1, "letters": 0},
    ),
    Scenario(
        title="counters of a buffer that is older than what the van has said since",
        fields=COUNTERS,
        life=[
            rest(10 * MINUTE),
            delivered(later(2 * HOUR), drive(24)),
            unheard(rest(HOUR)),
            rest(2 * HOUR, every_s=MINUTE),
        ],
        expected={**A_DRIVE, "regenerated_kwh": (0, 0.5)},
    ),
]


@pytest.mark.parametrize("scenario", CLOCKS, ids=lambda scenario: scenario.title)
def test_a_clock_that_is_wrong_loses_no_way_and_makes_none(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", WAYS, ids=lambda scenario: scenario.title)
def test_the_way_of_a_message_changes_no_total(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
