"""Speeds and fixes that are no movement of the van, and movement that only they show."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.world.scenario import Scenario, hold
from tests.world.senders import Ovms
from tests.world.van import (
    FLAGS,
    HOUR,
    KM_PER_DEGREE,
    MINUTE,
    NO_ODOMETER,
    Van,
    always,
    carried,
    drive,
    each,
    rest,
    stuck,
    unheard,
    wander,
)


def elsewhere(km: float) -> Callable[[Van], float]:
    """A fix so far north of the van."""
    return lambda van: round(48.1 + (van.north_km + km) / KM_PER_DEGREE, 6)


def to_and_fro(km: float) -> dict[str, Any]:
    """A fix that jumps by so much with every reading."""
    return {"latitude_deg": lambda van: round(48.1 + (van.readings % 2) * km / KM_PER_DEGREE, 6)}


SOC_AND_SPEED = ("soc_pct", "speed_kmh")
NOTHING_OF_SPEED = ("soc_pct", "latitude_deg", "longitude_deg")

ODD = [
    Scenario(
        title="the last driven speed stays for a night while odometer, fix and charge stand",
        source="https://github.com/YossiKon/geely-connect/issues/44",
        life=[rest(3 * MINUTE), drive(12), rest(10 * HOUR, every_s=MINUTE, speed_kmh=57.0), rest(5 * MINUTE)],
        expected={"trips": 1, "distance_km": (11.6, 12.4), "longest_trip_s": (1100, 1600)},
    ),
    Scenario(
        title="the last driven speed stays for a night, and the receiver wanders by 8 m",
        source="https://github.com/traccar/traccar/issues/3231",
        fields=NO_ODOMETER,
        life=[
            rest(3 * MINUTE),
            drive(12),
            rest(8 * HOUR, every_s=30, speed_kmh=23.0, **wander(8)),
            rest(10 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (11.4, 12.9), "longest_trip_s": (1100, 1700)},
    ),
    Scenario(
        title="a speed is stuck through the night and the van is driven in the morning",
        source="https://github.com/kvanbiesen/bmw-cardata-ha/pull/137",
        fields=NO_ODOMETER,
        life=[
            rest(3 * MINUTE),
            drive(12),
            rest(8 * HOUR, every_s=MINUTE, speed_kmh=36.0),
            drive(12),
            rest(10 * MINUTE),
        ],
        expected={"trips": 2, "distance_km": (23, 25.5), "longest_trip_s": (1100, 1700)},
    ),
    Scenario(
        title="at ignition the bus says 254 km/h for two readings",
        source="https://github.com/HutchBusinessGroup/ELDv3.0/issues/66",
        fields=NO_ODOMETER,
        life=[rest(10 * MINUTE), rest(20, speed_kmh=254.0), rest(20 * MINUTE), rest(20, speed_kmh=254.0), rest(HOUR)],
        expected={"trips": 0, "distance_km": (0, 0.1)},
    ),
    Scenario(
        title="an engine that is off has the largest speed there is",
        source="https://github.com/ClutchEngineering/Pelican/issues/131",
        life=[rest(10 * MINUTE), drive(12), rest(4 * HOUR, every_s=30, speed_kmh=255.0), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (11.6, 12.4), "longest_trip_s": (1100, 1600)},
    ),
    Scenario(
        title="one speed in ten is 255 while driving",
        fields=NO_ODOMETER,
        life=[rest(3 * MINUTE), drive(12, speed_kmh=each(10, 255.0, "speed_kmh")), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (11.2, 12.8)},
    ),
    Scenario(
        title="speeds in a stand of hours now and then, no odometer, fixes within 25 m",
        source="https://github.com/traccar/traccar/issues/5449",
        fields=NO_ODOMETER,
        life=[rest(6 * HOUR, every_s=30, speed_kmh=each(9, 12.0, "speed_kmh"), **wander(8)), rest(5 * MINUTE)],
        expected={"trips": 0, "distance_km": (0, 0.3)},
    ),
    Scenario(
        title="a receiver in a hall scatters by 60 m, says so, and knows no speed",
        fields=NOTHING_OF_SPEED,
        life=[rest(6 * HOUR, every_s=30, accuracy_m=150.0, **wander(60)), rest(5 * MINUTE)],
        expected={"trips": 0, "distance_km": (0, 0.3)},
    ),
    Scenario(
        title="a receiver that stands wanders by 12 m and knows no speed",
        fields=NOTHING_OF_SPEED,
        life=[rest(6 * HOUR, every_s=10, **wander(12))],
        expected={"trips": 0, "distance_km": (0, 0.3)},
    ),
    Scenario(
        title="a tracker sends the position 0, 0 now and then",
        source="https://github.com/traccar/traccar/issues/2326",
        fields=NO_ODOMETER,
        life=[
            always(latitude_deg=each(15, 0.0, "latitude_deg"), longitude_deg=each(15, 0.0, "longitude_deg")),
            rest(20 * MINUTE),
            drive(12),
            rest(30 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (11.4, 12.7)},
    ),
    Scenario(
        title="a parked tracker loses its fix and sends 0, 0 for ten hours",
        source="https://github.com/traccar/traccar/issues/5156",
        fields=NO_ODOMETER,
        life=[
            rest(20 * MINUTE),
            rest(10 * HOUR, every_s=MINUTE, latitude_deg=0.0, longitude_deg=0.0),
            rest(20 * MINUTE),
        ],
        expected={"trips": 0, "distance_km": (0, 0.1), "used_kwh": (0, 0.3)},
    ),
    Scenario(
        title="the position jumps again and again to the same place 23 km away",
        source="https://github.com/traccar/traccar/issues/1720",
        fields=NO_ODOMETER,
        life=[
            rest(5 * MINUTE),
            drive(12, latitude_deg=each(5, elsewhere(23), "latitude_deg")),
            rest(30 * MINUTE, latitude_deg=each(7, elsewhere(23), "latitude_deg")),
        ],
        expected={"trips": 1, "distance_km": (11.4, 12.7)},
    ),
    Scenario(
        title="behind a tunnel the position is on Svalbard for a moment",
        source="https://github.com/osmandapp/OsmAnd/issues/20485",
        life=[
            rest(3 * MINUTE),
            drive(6),
            drive(4, latitude_deg=stuck("latitude_deg")),
            drive(0.2, latitude_deg=78.2, longitude_deg=15.6),
            drive(13.8),
            rest(10 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (23.4, 24.6)},
    ),
    Scenario(
        title="a lorry carries the van for two hours at 80 km/h",
        source="https://github.com/teslamate-org/teslamate/issues/307",
        life=[rest(10 * MINUTE), carried(160), rest(20 * MINUTE)],
        # Odometer, state of charge and speed do not change: it neither drove nor used energy.
        expected={"trips": 0, "distance_km": (0, 0.5), "used_kwh": (0, 0.4), "avoided_g": (-200, 200)},
    ),
    Scenario(
        title="a lorry carries the van, and the speed is the receiver's",
        source="https://github.com/teslamate-org/teslamate/issues/425",
        life=[rest(10 * MINUTE), carried(160, speed_kmh=80.0), rest(20 * MINUTE)],
        expected={"trips": 0, "distance_km": (0, 0.5), "used_kwh": (0, 0.4)},
    ),
    Scenario(
        title="a lorry carries a van that has no odometer and stands by its own speed",
        fields=NO_ODOMETER,
        life=[rest(10 * MINUTE), carried(160), rest(20 * MINUTE)],
        # 160 km would take 40 kWh, half of the battery; its charge has not moved by 0.1 %.
        expected={"trips": 0, "distance_km": (0, 0.5), "used_kwh": (0, 0.4)},
    ),
    Scenario(
        title="a lorry carries a silent van to another town",
        life=[rest(10 * MINUTE), unheard(carried(300)), rest(20 * MINUTE)],
        expected={"trips": 0, "distance_km": (0, 0.5), "used_kwh": (0, 0.4), "regenerated_kwh": (0, 0.4)},
    ),
    Scenario(
        title="a ferry, after which the van drives on",
        life=[
            rest(10 * MINUTE),
            drive(6),
            rest(20 * MINUTE),
            carried(70, kmh=35, every_s=30, speed_kmh=35.0),
            rest(10 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
        ],
        # 6 km before and 12 km after; 18 km x 0.25 = 4.5 kWh.
        expected={"trips": 2, "distance_km": (17.3, 18.8), "used_kwh": (4, 5.3), "longest_trip_s": (1100, 1700)},
    ),
    Scenario(
        title="a van charges on a ferry",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            carried(70, kmh=35, kw=11, every_s=30, charging=True, plugged_in=True),
            rest(20 * MINUTE),
        ],
        # 2 h x 11 kW = 22 kWh; nothing driven.
        expected={"trips": 0, "distance_km": (0, 0.5), "charges": 1, "charged_kwh": (20.5, 23.5)},
    ),
]

HONEST = [
    Scenario(
        title="the speed reads 0 for a whole drive that odometer and fixes tell",
        source="https://github.com/YossiKon/geely-connect/issues/44",
        life=[rest(3 * MINUTE), drive(12, speed_kmh=0.0), rest(10 * MINUTE)],
        expected={"trips": 1, "distance_km": (11.6, 12.4), "used_kwh": (2.7, 3.6)},
    ),
    Scenario(
        title="the speed reads 0 for a whole drive that fixes and charge tell",
        fields=NO_ODOMETER,
        life=[rest(3 * MINUTE), drive(24, speed_kmh=0.0), rest(10 * MINUTE)],
        # 24 km x 0.25 = 6 kWh, 7.2 %.
        expected={"trips": 1, "distance_km": (22.8, 25), "used_kwh": (5.4, 7)},
    ),
    Scenario(
        title="fixes alone tell a drive: no speed, no odometer",
        fields=NOTHING_OF_SPEED,
        life=[rest(5 * MINUTE, **wander(6)), drive(24, **wander(6)), rest(20 * MINUTE, **wander(6))],
        expected={"trips": 1, "distance_km": (22.8, 25.5), "used_kwh": (5.4, 7)},
    ),
    Scenario(
        title="a van without a receiver: speed and charge alone tell a drive",
        sender=Ovms,
        fields=SOC_AND_SPEED,
        life=[rest(5 * MINUTE), drive(24), rest(20 * MINUTE)],
        expected={"trips": 1, "distance_km": (23, 25), "used_kwh": (5.4, 7)},
    ),
    Scenario(
        title="a tunnel of 6 km without an odometer: the fix comes back 6 km on",
        fields=NO_ODOMETER,
        life=[rest(3 * MINUTE), drive(9), drive(6, latitude_deg=stuck("latitude_deg")), drive(9), rest(10 * MINUTE)],
        # 24 km by speed; the chord through the tunnel is 6 km.
        expected={"trips": 1, "distance_km": (23, 25)},
    ),
    Scenario(
        title="a location each ten minutes and nothing else, for two hours on the road",
        life=[
            always(kind="location"),
            rest(30 * MINUTE, every_s=10 * MINUTE),
            drive(120, kmh=60, every_s=10 * MINUTE),
            rest(40 * MINUTE, every_s=10 * MINUTE),
        ],
        expected={"distance_km": (117, 123)},
    ),
    Scenario(
        title="battery and location each ten minutes, five minutes apart",
        life=[
            always(kind=lambda van: "location" if van.readings % 2 else "soc"),
            rest(30 * MINUTE, every_s=5 * MINUTE),
            drive(120, kmh=60, every_s=5 * MINUTE),
            rest(40 * MINUTE, every_s=5 * MINUTE),
        ],
        # 120 km x 0.25 = 30 kWh.
        expected={"distance_km": (117, 123), "used_kwh": (27, 33), "charges": 0},
    ),
    Scenario(
        title="deliveries: twenty hops of 300 m with two minutes at each door",
        life=[
            rest(10 * MINUTE),
            *[step for _ in range(20) for step in (drive(0.3, kmh=27), rest(2 * MINUTE))],
            rest(10 * MINUTE),
        ],
        expected={"trips": 1, "distance_km": (5.7, 6.3), "stops": (18, 21)},
    ),
]


@pytest.mark.parametrize("scenario", ODD, ids=lambda scenario: scenario.title)
def test_what_only_looks_like_driving_is_none(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)


@pytest.mark.parametrize("scenario", HONEST, ids=lambda scenario: scenario.title)
def test_driving_counts_whoever_tells_it(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
