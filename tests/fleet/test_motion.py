"""How many trips, stops and charges come of what happened."""

from collections.abc import Callable

import pytest

from tests.fleet.drives import Van
from tests.fleet.scenarios import (
    charged_elsewhere_while_offline,
    charged_while_offline,
    drift_while_parked,
    driven_while_offline,
    flag_while_driving,
    flagged_charge,
    long_descent,
    next_door,
    one_fast_glitch,
    one_trip,
    red_light,
    rising_charge,
    trip_then_key_off,
    trip_with_delivery,
    two_short_trips,
    two_trips,
)

Scenario = tuple[str, Callable[[Van], None], int, int, int]

SCENARIOS: list[Scenario] = [
    ("a trip ends 300 s after the van came to rest", one_trip, 1, 0, 0),
    ("a trip ends with the last reading when the van falls silent", trip_then_key_off, 1, 0, 0),
    ("a rest of 150 s is a stop", trip_with_delivery, 1, 1, 0),
    ("a red light is none", red_light, 1, 0, 0),
    ("two doors are two stops, not parking", next_door, 1, 2, 0),
    ("parking between two trips", two_trips, 2, 0, 0),
    ("two short trips after one waking up", two_short_trips, 2, 0, 0),
    ("one fast reading is no departure", one_fast_glitch, 0, 0, 0),
    ("a wandering position is no trip", drift_while_parked, 0, 0, 0),
    ("the flag begins and ends a charge", flagged_charge, 0, 0, 1),
    ("a rise at rest is a charge", rising_charge, 0, 0, 1),
    ("regeneration is no charge", long_descent, 1, 0, 0),
    ("a flag while driving is no charge", flag_while_driving, 1, 0, 0),
    ("a charge nobody reported", charged_while_offline, 0, 0, 1),
    ("a charge and a trip nobody reported", charged_elsewhere_while_offline, 1, 0, 1),
    ("a trip nobody reported", driven_while_offline, 1, 0, 0),
]


@pytest.mark.parametrize(("title", "happen", "trips", "stops", "charges"), SCENARIOS, ids=[row[0] for row in SCENARIOS])
def test_what_happened(title: str, happen: Callable[[Van], None], trips: int, stops: int, charges: int):
    van = Van()
    happen(van)
    assert (len(van.trips), len(van.stops), len(van.charges)) == (trips, stops, charges), title
