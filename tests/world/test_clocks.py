"""Wrong clocks, and messages that come late, in reverse order, twice, all at once or in arrays."""

from pathlib import Path

import pytest

from tests.world.gateways import Clock, Zoned
from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import START_MS
from tests.world.van import (
    FLAGS,
    HOUR,
    MINUTE,
    NO_ODOMETER,
    Value,
    Van,
    always,
    charge,
    drive,
    honest,
    rest,
)

DAY = 24 * HOUR
SINCE_1970_S = START_MS / 1000
ROLLOVER_S = 1024 * 7 * DAY
"""A receiver whose GPS week number has rolled over: it is 1024 weeks behind."""

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3), "charges": 0}


def once_in(count: int, clock_s: float) -> object:
    """A clock that is wrong by so much in one of so many readings."""
    return lambda van: clock_s if van.readings % count == 0 else 0.0


def to_the_minute(van: Van) -> Value:
    """How far a time that is cut to the minute is behind."""
    return -(van.time_s % 60)


CLOCKS = [
    Scenario(
        title="1970 until the receiver has a fix, ten minutes into the drive",
        sender=Clock,
        life=[rest(20 * MINUTE), drive(6, clock_s=-SINCE_1970_S), drive(18), rest(20 * MINUTE)],
        # 60 readings are dead letters. The odometer shows the distance that they would have shown.
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
        # Readings in the repeated hour are late. The odometer goes on.
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


@pytest.mark.parametrize("scenario", CLOCKS, ids=lambda scenario: scenario.title)
def test_a_clock_that_is_wrong_loses_no_way_and_makes_none(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
