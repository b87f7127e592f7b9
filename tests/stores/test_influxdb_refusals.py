"""A refused write: exactly the bad lines are rejected, and a wrong set-up rejects none."""

from typing import Any

import pytest

from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.stores.influxdb import MAX_REFUSALS, InfluxStore
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.stores.influx import is_bad, many, times
from tests.stores.rows import VAN_1, battery, row, rows_of


@pytest.mark.parametrize(
    ("semantics", "status"), [("2.9", 400), ("2.9", 422), ("1.8", 400), ("3 core", 400)], ids=lambda value: f"{value}"
)
@pytest.mark.parametrize(
    "bad", [{0}, {1999}, {7, 8, 1500}, set(range(40, 1040, 20))], ids=lambda bad: f"{len(bad)} from {min(bad)}"
)
async def test_exactly_the_bad_lines_are_rejected(
    store: InfluxStore,
    front_end: FrontEnd,
    influxd: InfluxServer,
    bucket: str,
    semantics: Any,
    status: int,
    bad: set[int],
) -> None:
    front_end.semantics, front_end.refusal_status, front_end.refuses = semantics, status, is_bad(bad)
    rejected = await store.write(many(2000))
    assert sorted(int(refused.line.rpartition(" ")[2]) for refused in rejected) == sorted(bad)
    assert {refused.measurement for refused in rejected} == {"battery"}
    assert all(refused.detail for refused in rejected)
    assert times(influxd, bucket) == [number for number in range(2000) if number not in bad]
    front_end.refuses = None
    assert await store.write(many(10, start=9000)) == []


async def test_a_type_conflict_in_the_real_database(store: InfluxStore, influxd: InfluxServer, bucket: str) -> None:
    """Another program has written `soc_pct` as text, in the shard of the first day only."""
    tags = "country=DE,depot=Nord,model=e-ducato,vehicle_id=van-1"
    await store.write_lines([f'battery,{tags} soc_pct="full" 1000'])
    day = 86_400_000
    rows = rows_of("battery", *(battery(VAN_1, n * 14 * day + 1, soc_pct=1.0) for n in range(5)))
    rows["location"] = [row("location", VAN_1, 5, speed_kmh=3.0)]
    (refused,) = await store.write(rows)
    assert "field type conflict" in refused.detail
    assert refused.line.endswith(" 1")
    assert times(influxd, bucket) == [n * 14 * day + 1 for n in range(1, 5)]
    assert times(influxd, bucket, "location", "speed_kmh") == [5]


async def test_a_request_that_is_too_large_is_cut_and_the_size_remembered(
    store: InfluxStore, front_end: FrontEnd, influxd: InfluxServer, bucket: str
) -> None:
    front_end.max_lines = 700
    assert await store.write(many(5000)) == []
    assert times(influxd, bucket) == list(range(5000))
    front_end.answers.clear()
    assert await store.write(many(5000, start=5000)) == []
    assert 413 not in front_end.answers
    front_end.max_bytes = 10
    (refused,) = await store.write(many(1, start=20_000))
    assert "too large" in refused.detail


async def test_a_server_that_fails_on_large_requests_gets_smaller_ones(store: InfluxStore, front_end: FrontEnd) -> None:
    for _ in range(6):
        front_end.fail("answer", status=500, body="cache-max-memory-size exceeded")
        with pytest.raises(StoreUnavailable):
            await store.write(many(5000))
    assert await store.write(many(5000)) == []
    assert max(front_end.taken[:1]) == 1250
    assert sum(front_end.taken) == 5000


async def test_a_server_that_asks_for_patience_gets_the_same_again(store: InfluxStore, front_end: FrontEnd) -> None:
    for _ in range(6):
        front_end.fail("answer", status=503)
        with pytest.raises(StoreUnavailable):
            await store.write(many(5000))
    await store.write(many(5000))
    assert front_end.taken == [5000]


async def test_a_lasting_refusal_is_a_wrong_setup_and_no_flood_of_dead_letters(
    store: InfluxStore, front_end: FrontEnd, influxd: InfluxServer, bucket: str
) -> None:
    assert await store.write(many(100)) == []
    front_end.refuses = lambda _: True
    requests = store.requests
    with pytest.raises(StoreMisconfigured, match=r"accepted before are refused now.*refused by the test"):
        await store.write(many(5000, start=1000))
    assert store.requests == requests + 2
    front_end.refuses = None
    assert await store.write(many(5000, start=1000)) == []
    assert len(times(influxd, bucket)) == 5100


async def test_a_refusal_from_the_start_is_found_out_after_a_few_lines(store: InfluxStore, front_end: FrontEnd) -> None:
    front_end.refuses = lambda _: True
    with pytest.raises(StoreMisconfigured, match=f"more than {MAX_REFUSALS} lines|no line of 'battery'"):
        await store.write(many(1000))
    front_end.refuses = None
    assert await store.write(many(1000)) == []


async def test_small_writes_do_not_get_around_the_limit(store: InfluxStore, front_end: FrontEnd) -> None:
    front_end.refuses = lambda line: line.startswith("battery")
    rejected = 0
    with pytest.raises(StoreMisconfigured, match="no line of 'battery' is accepted"):  # noqa: PT012
        for number in range(100):
            rows = many(2, start=10 * number)
            rows["location"] = [row("location", VAN_1, number, speed_kmh=1.0)]
            rejected += len(await store.write(rows))
    assert rejected <= MAX_REFUSALS
    front_end.refuses = None
    assert await store.write(many(2)) == []
    front_end.refuses = is_bad({5})
    assert len(await store.write(many(9))) == 1


async def test_the_store_goes_away_while_a_bad_line_is_looked_for(
    store: InfluxStore, front_end: FrontEnd, influxd: InfluxServer, bucket: str
) -> None:
    front_end.semantics, front_end.refuses = "3 core", is_bad({37})
    front_end.refusal_status = 400
    written = store.requests
    for wait in (1, 2):
        front_end.fail("delay", times=wait)
        front_end.fail("answer", status=503)
        with pytest.raises(StoreUnavailable):
            await store.write(many(100))
    (refused,) = await store.write(many(100))
    assert refused.line.endswith(" 37")
    assert store.requests > written
    assert times(influxd, bucket) == [number for number in range(100) if number != 37]
