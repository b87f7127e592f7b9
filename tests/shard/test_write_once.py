"""A row, once written, is never written with other content: whoever writes late, the store ends up the same.

The vans of each dialect with every fault, over 1, 2 and 8 shards that are restarted and taken back at random. The rows
are also those of one shard that was never disturbed.
"""

import random
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.messages import Batch
from benchmarks.same_rows import SimulatedFleet, simulate
from tests.shard.partitions import run, split

Key = tuple[str, tuple[tuple[str, str], ...], int]

REWRITTEN = ("day", "fleet")
"""The roll-up needs the vans of all shards. A day that silence has closed is written again when its van is heard."""
VANS, HOURS = 3, 1.5
HALF_AN_HOUR = 180
"""So many batches."""


@cache
def fleet_of(dialect: str) -> SimulatedFleet:
    """Every fifth batch comes again half an hour later, as a van reissues what it believes was not received."""
    fleet = simulate(dialect, VANS, hours=HOURS)
    batches: list[Batch] = []
    for number, batch in enumerate(fleet.batches):
        again = fleet.batches[number - HALF_AN_HOUR].messages[:-1] if number >= HALF_AN_HOUR and number % 5 == 0 else []
        offset = batches[-1].end if batches else 0
        batches.append(Batch(offset, batch.received_ms, batch.listening_since_ms, [*again, *batch.messages]))
    return SimulatedFleet(dialect, fleet.fleet_file, batches)


def written(fleet: SimulatedFleet, partitions: int, seed: int | None) -> dict[Key, tuple[str, ...]]:
    """What the store has in the end; fails for a row that is written a second time with other content."""
    rows: dict[Key, tuple[str, ...]] = {}
    for number, batches in enumerate(split(fleet, partitions)):
        chance = None if seed is None else random.Random(seed + number)
        for out in run(fleet, batches, chance):
            for measurement, some in out.rows.items():
                for series, time_ms, *values in some:
                    if measurement in REWRITTEN:
                        continue
                    key = (measurement, series.tags(), time_ms)
                    content = tuple(map(repr, values))
                    assert rows.setdefault(key, content) == content, key
    return rows


@cache
def undisturbed(dialect: str) -> dict[Key, tuple[str, ...]]:
    return written(fleet_of(dialect), 1, None)


@pytest.mark.parametrize("dialect", ["native", "gbt32960", "ovms", "saic", "vss"])
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([1, 2, 8]), st.integers(0, 2**32))
def test_a_row_is_written_once(dialect: str, partitions: int, seed: int) -> None:
    assert written(fleet_of(dialect), partitions, seed) == undisturbed(dialect)
