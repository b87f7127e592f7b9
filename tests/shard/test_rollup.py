import random
from fractions import Fraction
from math import fsum

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.fleet.modes import STATES
from agent.shard.rollup import RollUp, RollUpPart, combine, exact_sum
from agent.shard.summary import VanSummary


def van(depot="north", state="parked", *, soc=50.0, power=0.0, used=1.0, grid=2.0, km=3.0, co2e=4.0, avoided=5.0):
    mode = STATES.index(state)
    return depot, VanSummary(1, 0, 0, mode, False, 0, 0, False, 0, 0, soc, power, used, grid, km, co2e, avoided)


def part_of(vans):
    table = RollUp()
    for row, (depot, seen) in enumerate(vans):
        table.append(depot)
        table.put(row, seen)
    return table.depots()


def roll_up(vans, time_ms):
    return combine(time_ms, [part_of(vans)])


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


NUMBERS = st.floats(-1e12, 1e12) | st.sampled_from([0.0, -0.0, 0.1, 1e16, 1.0, -1e16, 5e-324])


@given(st.lists(NUMBERS, max_size=40))
@example([1e16, 1.0, 1e-30, -1e16])
def test_a_sum_has_no_error(values):
    """Rational numbers have none."""
    assert sum(map(Fraction, exact_sum(values)), Fraction(0)) == sum(map(Fraction, values), Fraction(0))


VANS = st.builds(
    van,
    depot=st.sampled_from(["north", "south"]),
    state=st.sampled_from(STATES),
    soc=st.none() | st.floats(0, 100),
    power=st.none() | NUMBERS,
    used=NUMBERS,
    grid=NUMBERS,
    km=NUMBERS,
    co2e=NUMBERS,
    avoided=NUMBERS,
)


@given(st.lists(VANS, max_size=30), st.sampled_from([1, 2, 8]), st.randoms(use_true_random=False))
def test_the_parts_of_several_shards_give_what_one_shard_gives(vans, shards, chance):
    """Bit for bit, in any order, and through the form in which the parts travel."""
    divided = [[] for _ in range(shards)]
    for each in vans:
        chance.choice(divided).append(each)
    said = [msgspec.msgpack.encode(RollUpPart(60_000, 0, part_of(some))) for some in divided]
    parts = [msgspec.msgpack.decode(encoded, type=RollUpPart).depots for encoded in said]
    whole, combined = roll_up(vans, 60_000), combine(60_000, parts)
    assert list(map(repr, combined)) == list(map(repr, whole))
    for record in whole:
        mine = [seen for depot, seen in vans if depot == record.depot]
        assert record.used_kwh_total == fsum(seen.used_kwh for seen in mine)
        assert record.distance_km_total == fsum(seen.distance_km for seen in mine)
