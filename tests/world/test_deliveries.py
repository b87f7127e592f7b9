"""Messages that come late, in reverse order, twice, all at once or in arrays."""

from pathlib import Path

import pytest

from tests.world.gateways import Gbt, Vss, again, backlog, in_arrays, later, newest_first
from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import START_MS, Ovms, Saic, TeslaMate, from_store
from tests.world.van import (
    COUNTERS,
    FLAGS,
    HOUR,
    MINUTE,
    POWER,
    always,
    charge,
    delivered,
    drive,
    each,
    rest,
    silence,
    turn_round,
    unheard,
)

DAY = 24 * HOUR
SINCE_1970_S = START_MS / 1000
ROLLOVER_S = 1024 * 7 * DAY
"""A receiver whose GPS week number has rolled over: it is 1024 weeks behind."""

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3), "charges": 0}


WAYS = [
    Scenario(
        title="newest first: a drive in a valley is sent backwards",
        source="https://github.com/traccar/traccar/issues/4417",
        life=[rest(10 * MINUTE), delivered(newest_first, drive(24), rest(10 * MINUTE)), rest(20 * MINUTE)],
        # The last reading shows 24 km after a silence. The others are late.
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
        # All 240 are too old. The odometer shows the distance.
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


@pytest.mark.parametrize("scenario", WAYS, ids=lambda scenario: scenario.title)
def test_the_way_of_a_message_changes_no_total(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
