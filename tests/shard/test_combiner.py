"""Roll-ups over several shards: the rows of one shard, whatever is killed, however the parts are mixed."""

import random
from collections.abc import Sequence
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.fleet.records import FleetRecord
from agent.shard.combiner import Combiner, CombinerMark, SaidPart
from agent.shard.rollup import DepotPart, RollUpPart
from benchmarks.same_rows import SimulatedFleet, simulate
from tests.shard.partitions import run, split

Said = tuple[int, RollUpPart]


@cache
def fleet() -> SimulatedFleet:
    return simulate("native", 6, hours=1.0)


@cache
def of_one_shard() -> list[tuple[object, ...]]:
    """The `fleet` rows of one shard that has all vans."""
    return [
        (series.depot, time_ms, *map(repr, values))
        for out in run(fleet(), split(fleet(), 1)[0])
        for series, time_ms, *values in out.rows["fleet"]
    ]


def rows(records: Sequence[FleetRecord]) -> list[tuple[object, ...]]:
    names = [name for name in FleetRecord.__struct_fields__ if name not in ("depot", "time_ms")]
    return [(each.depot, each.time_ms, *(repr(getattr(each, name)) for name in names)) for each in records]


def mixed(sequences: Sequence[Sequence[Said]], chance: random.Random) -> list[Said]:
    """All sequences as one; each keeps its order."""
    waiting = [list(sequence) for sequence in sequences]
    found: list[Said] = []
    while any(waiting):
        way = chance.choice([way for way in waiting if way])
        found.append(way.pop(0))
    return found


def combined(said: Sequence[Said], shards: int, chance: random.Random) -> list[tuple[object, ...]]:
    """The rows, each once. The combiner is killed now and then and goes on from its last mark."""
    encoded = [SaidPart(shard, part).encode() for shard, part in said]
    written: dict[tuple[object, ...], tuple[object, ...]] = {}
    mark, position, kills = CombinerMark(), 0, 10
    combiner = Combiner(shards, mark)
    while position < len(encoded):
        found = SaidPart.decode(encoded[position])
        assert found is not None
        combiner.add(position, found.shard, found.part)
        position += 1
        for records in combiner.complete():
            for row in rows(records):
                assert written.setdefault(row[:2], row) == row
        if chance.random() < 0.05:
            mark = CombinerMark.decode(combiner.mark().encode())
        elif kills and chance.random() < 0.05:
            kills -= 1
            combiner, position = Combiner(shards, mark), mark.position
    return list(written.values())


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([1, 2, 8]), st.integers(0, 2**32))
def test_the_rows_are_those_of_one_shard_bit_for_bit(partitions: int, seed: int) -> None:
    """Shards that are killed say some parts again; a partition without a van says its part, too."""
    sequences = [
        [
            (number, part)
            for out in run(fleet(), batches, random.Random(seed + number), is_whole=False)
            for part in out.roll_ups
        ]
        for number, batches in enumerate(split(fleet(), partitions))
    ]
    chance = random.Random(seed)
    assert combined(mixed(sequences, chance), partitions, chance) == of_one_shard()


def part(minute: int, *, offset: int | None = None, vans: int = 1) -> RollUpPart:
    depot = DepotPart(vans, vans, 0, 0, 0, [], None, 0, [], [], [], [], [], [])
    return RollUpPart(minute * 60_000, minute if offset is None else offset, {"north": depot})


def minutes(combiner: Combiner) -> list[tuple[int, int]]:
    return [(each.time_ms // 60_000, each.vans) for records in combiner.complete() for each in records]


def test_a_minute_waits_for_every_shard() -> None:
    combiner = Combiner(2, CombinerMark())
    combiner.add(0, 0, part(1))
    combiner.add(1, 0, part(2))
    assert minutes(combiner) == []
    combiner.add(2, 1, part(1))
    assert minutes(combiner) == [(1, 2)]


def test_for_a_minute_that_a_shard_has_skipped_its_next_part_stands() -> None:
    combiner = Combiner(2, CombinerMark())
    for position, (shard, minute, vans) in enumerate([(0, 1, 1), (0, 2, 1), (0, 3, 1), (1, 1, 10), (1, 3, 30)]):
        combiner.add(position, shard, part(minute, vans=vans))
    assert minutes(combiner) == [(1, 11), (2, 31), (3, 31)]


def test_a_clock_that_was_set_back_is_followed() -> None:
    combiner = Combiner(2, CombinerMark())
    for position, minute in enumerate([60, 61, 2, 3]):
        for shard in (0, 1):
            combiner.add(2 * position + shard, shard, part(minute, offset=position))
    assert [minute for minute, _ in minutes(combiner)] == [60, 61, 2, 3]


def test_what_is_no_part_is_none() -> None:
    assert SaidPart.decode(b"") is None
    assert SaidPart.decode(b"\x91\x01") is None
