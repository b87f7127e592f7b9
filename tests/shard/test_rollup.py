import random

import pytest

from agent.fleet.modes import STATES
from agent.shard.rollup import RollUp
from agent.shard.summary import VanSummary


def van(depot="north", state="parked", *, soc=50.0, power=0.0, used=1.0, grid=2.0, km=3.0, co2e=4.0, avoided=5.0):
    mode = STATES.index(state)
    return depot, VanSummary(1, 0, 0, mode, False, 0, 0, False, 0, 0, soc, power, used, grid, km, co2e, avoided)


def roll_up(vans, time_ms):
    table = RollUp()
    for row, (depot, seen) in enumerate(vans):
        table.append(depot)
        table.put(row, seen)
    return table.records(time_ms)


def test_no_vans_no_points():
    assert roll_up([], 60_000) == []


def test_one_point_per_depot_in_order_of_names():
    records = roll_up([van("south"), van("north"), van("south")], 60_000)
    assert [(record.depot, record.vans, record.time_ms) for record in records] == [
        ("north", 1, 60_000),
        ("south", 2, 60_000),
    ]


@pytest.mark.parametrize(
    ("title", "states", "online", "driving", "charging"),
    [
        ("all states", ["driving", "stopped", "parked", "charging", "offline"], 4, 2, 1),
        ("nobody there", ["offline", "offline"], 0, 0, 0),
        ("a delivery stop is part of a trip", ["stopped"], 1, 1, 0),
    ],
)
def test_states(title, states, online, driving, charging):
    (record,) = roll_up([van(state=state) for state in states], 0)
    assert (record.vans, record.online, record.driving, record.charging) == (
        len(states),
        online,
        driving,
        charging,
    ), title


def test_what_is_not_known_is_left_out():
    (record,) = roll_up([van(soc=None, power=None), van(soc=20.0, power=5.0), van(soc=80.0, power=-11.0)], 0)
    assert (record.soc_mean_pct, record.soc_min_pct, record.power_kw) == (50.0, 20.0, -6.0)
    (record,) = roll_up([van(soc=None, power=None)], 0)
    assert (record.soc_mean_pct, record.soc_min_pct, record.power_kw) == (None, None, None)


def test_an_offline_van_adds_to_totals_and_not_to_power():
    (record,) = roll_up([van(state="offline", power=20.0), van(power=1.0)], 0)
    assert record.power_kw == 1.0
    assert record.used_kwh_total == 2.0
    assert record.avoided_co2e_g_total == 10.0


def test_the_order_of_the_vans_does_not_matter():
    vans = [van(used=random.Random(i).random() * 10 ** (i % 17), soc=i / 7 % 100) for i in range(500)]
    expected = roll_up(vans, 0)
    for seed in range(5):
        random.Random(seed).shuffle(vans)
        assert roll_up(vans, 0) == expected
