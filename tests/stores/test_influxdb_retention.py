"""Points older than the bucket keeps: they are rejected, and hold up no other point."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from agent.stores.influxdb import PROBE_AGE_S, InfluxStore
from agent.stores.influxdb_history import InfluxHistory
from tests.doubles import Clock
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.stores.influx import many, opened, times
from tests.stores.rows import VAN_1, VAN_2, battery, row, rows_of

HOUR_MS = 3_600_000


def keep_one_hour(influxd: InfluxServer, bucket: str) -> None:
    influxd.query(f'ALTER RETENTION POLICY "autogen" ON "{bucket}" DURATION 1h SHARD DURATION 1h')


@pytest.mark.parametrize(("semantics", "status"), [("2.9", 422), ("1.8", 400)])
async def test_readings_older_than_the_bucket_keeps_stop_nobody(
    store: InfluxStore, front_end: FrontEnd, influxd: InfluxServer, bucket: str, semantics: Any, status: int
) -> None:
    """A van sends a buffer of two days, and `day` points have the time of midnight. The server tells how many."""
    front_end.semantics, front_end.refusal_status = semantics, status
    now_ms = time.time_ns() // 1_000_000
    rows = rows_of(
        "battery",
        *(battery(VAN_2, now_ms - 48 * HOUR_MS + n, soc_pct=1.0) for n in range(3000)),
        *(battery(VAN_1, now_ms - n, soc_pct=2.0) for n in range(500)),
    )
    rows["day"] = [row("day", VAN_1, now_ms - 24 * HOUR_MS, distance_km=5.0)]
    keep_one_hour(influxd, bucket)
    for _ in range(3):  # each of several writes
        requests = store.requests
        rejected = await store.write(rows)
        assert store.requests - requests <= 4
        assert Counter((each.measurement, each.vehicle_id) for each in rejected) == {
            ("battery", "van-2"): 3000,
            ("day", "van-1"): 1,
        }
        assert "beyond retention policy" in rejected[0].detail
    assert times(influxd, bucket) == [now_ms - n for n in reversed(range(500))]
    # A line that is bad for another reason is still found among them.
    front_end.refuses = lambda line: line.endswith(f" {now_ms - 7}")
    assert len(await store.write(rows)) == 3002


@pytest.mark.parametrize("policy", ["year", ""])
async def test_a_bucket_that_names_a_retention_policy_is_read_where_it_is_written(
    front_end: FrontEnd, influxd: InfluxServer, bucket: str, policy: str
) -> None:
    """InfluxDB 1.8 takes the bucket of a write as `DATABASE/POLICY`, or `DATABASE/` for the default policy."""
    influxd.query(f'CREATE RETENTION POLICY "year" ON "{bucket}" DURATION 52w REPLICATION 1')
    now_ms = time.time_ns() // 1_000_000
    url = front_end.store_url(f"{bucket}/{policy}")
    async with opened(url) as store:
        assert await store.write(rows_of("battery", battery(VAN_1, now_ms, soc_pct=1.0))) == []
    history = InfluxHistory(url)
    found = await asyncio.to_thread(lambda: list(history.select("battery")))
    assert [point["time_ms"] for point in found] == [now_ms]
    in_policy = influxd.query(f'SELECT soc_pct FROM "{policy or "autogen"}"."battery"', bucket)
    assert len(in_policy[0]["values"]) == 1


async def test_an_accepted_line_that_has_aged_since_is_no_probe(
    store: InfluxStore, front_end: FrontEnd, influxd: InfluxServer, bucket: str
) -> None:
    """The refusal of such a line must not make the store count as misconfigured until a restart."""
    now_ms = time.time_ns() // 1_000_000
    assert await store.write(many(100)) == []  # of 1970: with a retention they are all too old
    keep_one_hour(influxd, bucket)
    front_end.refuses = lambda line: line.endswith(f" {now_ms}")
    for _ in range(3):
        (refused,) = await store.write(rows_of("battery", *(battery(VAN_1, now_ms - n, soc_pct=1.0) for n in range(9))))
        assert refused.line.endswith(f" {now_ms}")
    assert len([each for each in times(influxd, bucket) if each > now_ms - HOUR_MS]) == 8


async def test_a_line_accepted_long_ago_is_no_probe(front_end: FrontEnd, bucket: str) -> None:
    clock = Clock()
    store = InfluxStore(front_end.store_url(bucket), clock_s=clock)
    await store.open()
    assert await store.write(many(100)) == []
    taken = set[str]()
    front_end.refuses = lambda line: bool(taken.add(line)) or line.startswith("battery")
    clock.now_s += PROBE_AGE_S + 1
    assert len(await store.write(many(1, start=1000))) == 1
    assert {line.rpartition(" ")[2] for line in taken} == {"1000"}
    await store.close()
