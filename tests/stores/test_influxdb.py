import asyncio
import gzip
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent.commands.ports import free_port
from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points.rows import Rows, empty_rows
from agent.stores.influxdb import MAX_REFUSALS, WITNESS_S, InfluxStore
from agent.stores.influxdb_history import InfluxHistory
from tests.doubles import Clock
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.stores.rows import AGENT, NORD, VAN_1, VAN_2, battery, row, rows_of


@pytest.fixture
async def store(front_end: FrontEnd, bucket: str) -> AsyncIterator[InfluxStore]:
    async with opened(front_end.store_url(bucket)) as store:
        yield store


class opened:  # noqa: N801  # reads as a word
    def __init__(self, url: str, **options: Any) -> None:
        self._store = InfluxStore(url, **options)

    async def __aenter__(self) -> InfluxStore:
        await self._store.open()
        return self._store

    async def __aexit__(self, *_: object) -> None:
        await self._store.close()


def many(number: int, *, start: int = 0) -> Rows:
    return rows_of("battery", *(battery(VAN_1, start + n, soc_pct=n / 10) for n in range(number)))


def times(influxd: InfluxServer, bucket: str, measurement: str = "battery", field: str = "soc_pct") -> list[int]:
    series = influxd.query(f'SELECT "{field}" FROM "{measurement}"', bucket)
    return [values[0] for values in series[0]["values"]] if series else []


async def select(front_end: FrontEnd, bucket: str, measurement: str, **options: Any) -> list[dict[str, Any]]:
    history = InfluxHistory(front_end.store_url(bucket), token=options.pop("token", ""))
    return await asyncio.to_thread(lambda: list(history.select(measurement, **options)))


# -- there and back


async def test_points_come_back_with_tags_and_without_what_is_absent(
    store: InfluxStore, front_end: FrontEnd, bucket: str
) -> None:
    rows = rows_of("battery", battery(VAN_1, 1000, soc_pct=80, charging=True, plugged_in=False))
    rows["energy"].append(row("energy", VAN_2, 1000, state="driving", power_kw=-3.5, used_kwh_total=0.0))
    rows["fleet"].append(row("fleet", NORD, 60_000, vans=3, online=2, soc_mean_pct=55.5))
    rows["agent"].append(row("agent", AGENT, 60_000, messages_total=2**40))
    rows["battery"].append(battery(VAN_2, 1000))
    assert await store.write(rows) == []
    van_1 = {"vehicle_id": "van-1", "depot": "Nord", "model": "e-ducato", "country": "DE"}
    van_2 = {"vehicle_id": "van-2", "depot": "Süd, Halle 3", "model": "e transit", "country": "FR"}
    (point,) = await select(front_end, bucket, "battery")
    assert point == {"time_ms": 1000, **van_1, "soc_pct": 80.0, "charging": True, "plugged_in": False}
    assert type(point["soc_pct"]) is float
    assert await select(front_end, bucket, "energy") == [
        {"time_ms": 1000, **van_2, "state": "driving", "power_kw": -3.5, "used_kwh_total": 0.0}
    ]
    (fleet,) = await select(front_end, bucket, "fleet")
    assert fleet == {"time_ms": 60_000, "depot": "Nord", "vans": 3, "online": 2, "soc_mean_pct": 55.5}
    assert await select(front_end, bucket, "agent") == [{"time_ms": 60_000, "messages_total": 2**40}]
    assert await select(front_end, bucket, "trip") == []


async def test_fields_of_one_moment_are_united(store: InfluxStore, front_end: FrontEnd, bucket: str) -> None:
    await store.write(rows_of("battery", battery(VAN_1, 1000, soc_pct=80.0)))
    await store.write(rows_of("battery", battery(VAN_1, 1000, voltage_v=400.0)))
    (point,) = await select(front_end, bucket, "battery")
    assert (point["soc_pct"], point["voltage_v"]) == (80.0, 400.0)


async def test_select_by_van_and_time_and_latest(store: InfluxStore, front_end: FrontEnd, bucket: str) -> None:
    rows = [battery(van, time_ms, soc_pct=1.0) for time_ms in range(12_000) for van in (VAN_1, VAN_2)]
    await store.write(rows_of("battery", *rows[:-1]))
    assert len(await select(front_end, bucket, "battery")) == 23_999
    some = await select(front_end, bucket, "battery", vehicle_id="van-2", start_ms=100, end_ms=103)
    assert [(p["time_ms"], p["vehicle_id"]) for p in some] == [(t, "van-2") for t in (100, 101, 102)]
    latest = await select(front_end, bucket, "battery", latest=True)
    assert [(p["time_ms"], p["vehicle_id"]) for p in latest] == [(11_998, "van-2"), (11_999, "van-1")]
    await store.write(rows_of("agent", row("agent", AGENT, 5, vans=1), row("agent", AGENT, 6, vans=2)))
    assert await select(front_end, bucket, "agent", latest=True) == [{"time_ms": 6, "vans": 2}]


async def test_requests_are_of_bounded_size_and_compressed_on_a_network(front_end: FrontEnd, bucket: str) -> None:
    async with opened(front_end.store_url(bucket), batch_points=400, compress=True) as store:
        await store.write(many(1000))
    assert front_end.taken == [400, 400, 200]
    assert not InfluxStore("influxdb://127.0.0.1?bucket=b")._compress
    assert InfluxStore("influxdb://db.example?bucket=b")._compress


# -- every status


def unavailable(seconds: float | None) -> tuple[type[Exception], float | None]:
    return StoreUnavailable, seconds


MISCONFIGURED = (StoreMisconfigured, None)
NEVER = "Wed, 21 Oct 2015 07:28:00 GMT"
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"Retry-After": "7"}, unavailable(7.0)),
        (503, {"Retry-After": "900"}, unavailable(60.0)),
        (503, {"Retry-After": NEVER}, unavailable(0.0)),
        (503, {"Date": NEVER, "Retry-After": "Wed, 21 Oct 2015 07:28:09 GMT"}, unavailable(9.0)),
        (503, {"Retry-After": "soon"}, unavailable(None)),
        (500, {}, unavailable(None)),
        (502, HTML, unavailable(None)),
        (504, {}, unavailable(None)),
        (408, {}, unavailable(None)),
        (401, {}, MISCONFIGURED),
        (403, {}, MISCONFIGURED),
        (404, {}, MISCONFIGURED),
        (405, {}, MISCONFIGURED),
        (411, {}, MISCONFIGURED),
        (415, {}, MISCONFIGURED),
        (301, {"Location": "http://127.0.0.1:1/"}, MISCONFIGURED),
        (307, {"Location": "/elsewhere"}, MISCONFIGURED),
        (200, HTML, MISCONFIGURED),
        (400, HTML, MISCONFIGURED),
        (202, {}, MISCONFIGURED),
    ],
)
async def test_an_answer_means_one_thing(
    store: InfluxStore,
    front_end: FrontEnd,
    influxd: InfluxServer,
    bucket: str,
    status: int,
    headers: dict[str, str],
    expected: tuple[type[Exception], float | None],
) -> None:
    front_end.fail("answer", status=status, headers=headers, body="in the server's words")
    error, retry_after_s = expected
    with pytest.raises(error, match=f"{status}.*in the server's words") as raised:
        await store.write(many(10))
    assert getattr(raised.value, "retry_after_s", None) == retry_after_s
    assert times(influxd, bucket) == []
    assert await store.write(many(10)) == []
    assert times(influxd, bucket) == list(range(10))


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_stored_in_three_ways(store: InfluxStore, front_end: FrontEnd, status: int) -> None:
    front_end.fail("answer", status=status, headers={"Content-Type": "application/json"})
    assert await store.write(many(1)) == []


async def test_no_answer(front_end: FrontEnd, bucket: str, influxd: InfluxServer) -> None:
    async with opened(front_end.store_url(bucket), timeout_s=0.2) as store:
        front_end.fail("hang")
        with pytest.raises(StoreUnavailable, match=r"did not answer in 0\.2 s"):
            await store.write(many(5))
    async with opened(front_end.store_url(bucket), timeout_s=30.0) as store:
        front_end.fail("close")
        with pytest.raises(StoreUnavailable):
            await store.write(many(5))
        assert times(influxd, bucket) == []
        front_end.fail("lost")
        with pytest.raises(StoreUnavailable):
            await store.write(many(5))
        assert times(influxd, bucket) == list(range(5))
        assert await store.write(many(5)) == []
        assert times(influxd, bucket) == list(range(5))


async def test_nobody_there() -> None:
    async with opened(f"influxdb://127.0.0.1:{free_port()}?bucket=b") as store:
        with pytest.raises(StoreUnavailable):
            await store.write(many(1))
        with pytest.raises(StoreUnavailable):
            await store.check()


async def test_check_says_what_a_write_would(front_end: FrontEnd, bucket: str) -> None:
    front_end.write_tokens, front_end.read_tokens = {"writer"}, {"reader"}
    for token, words in (("", "401"), ("nonsense", "401"), ("reader", "403")):
        async with opened(front_end.store_url(bucket), token=token) as store:
            with pytest.raises(StoreMisconfigured, match=words):
                await store.check()
            with pytest.raises(StoreMisconfigured, match=words):
                await store.write(many(1))
    async with opened(front_end.store_url(bucket), token="writer") as store:
        await store.check()
        assert await store.write(many(1)) == []
    with pytest.raises(StoreMisconfigured, match="401"):
        await select(front_end, bucket, "battery")
    assert len(await select(front_end, bucket, "battery", token="reader")) == 1


async def test_a_bucket_that_is_made_later(front_end: FrontEnd, influxd: InfluxServer) -> None:
    async with opened(front_end.store_url("later")) as store:
        for attempt in (store.check(), store.write(many(3))):
            with pytest.raises(StoreMisconfigured, match="404"):
                await attempt
        influxd.create_database("later")
        await store.check()
        assert await store.write(many(3)) == []
    assert times(influxd, "later") == [0, 1, 2]


# -- bad lines among good ones


def is_bad(numbers: set[int]) -> Any:
    return lambda line: int(line.rpartition(" ")[2]) in numbers


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
    """Somebody has written `soc_pct` of another van as text, in the shard of the first day only."""
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
    with pytest.raises(StoreMisconfigured, match=r"taken before are refused now.*refused by the test"):
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
    with pytest.raises(StoreMisconfigured, match="no line of 'battery' is taken"):  # noqa: PT012
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


# -- a bucket that keeps less than a van buffers

HOUR_MS = 3_600_000


def keep_one_hour(influxd: InfluxServer, bucket: str) -> None:
    influxd.query(f'ALTER RETENTION POLICY "autogen" ON "{bucket}" DURATION 1h SHARD DURATION 1h')


@pytest.mark.parametrize(("semantics", "status"), [("2.9", 422), ("1.8", 400)])
async def test_readings_older_than_the_bucket_keeps_stop_nobody(
    store: InfluxStore, front_end: FrontEnd, influxd: InfluxServer, bucket: str, semantics: Any, status: int
) -> None:
    """A van empties the buffer of two days, and `day` points stand at midnight: 1.6.7 and 2 refuse them by number."""
    front_end.semantics, front_end.refusal_status = semantics, status
    now_ms = time.time_ns() // 1_000_000
    rows = rows_of(
        "battery",
        *(battery(VAN_2, now_ms - 48 * HOUR_MS + n, soc_pct=1.0) for n in range(3000)),
        *(battery(VAN_1, now_ms - n, soc_pct=2.0) for n in range(500)),
    )
    rows["day"] = [row("day", VAN_1, now_ms - 24 * HOUR_MS, distance_km=5.0)]
    keep_one_hour(influxd, bucket)
    for _ in range(3):  # also when it goes on
        requests = store.requests
        rejected = await store.write(rows)
        assert store.requests - requests <= 4
        assert Counter((each.measurement, each.vehicle_id) for each in rejected) == {
            ("battery", "van-2"): 3000,
            ("day", "van-1"): 1,
        }
        assert "beyond retention policy" in rejected[0].detail
    assert times(influxd, bucket) == [now_ms - n for n in reversed(range(500))]
    # A line that is bad for another reason is found among them all the same.
    front_end.refuses = lambda line: line.endswith(f" {now_ms - 7}")
    assert len(await store.write(rows)) == 3002


async def test_a_line_that_was_taken_and_has_aged_since_bears_no_witness(
    store: InfluxStore, front_end: FrontEnd, influxd: InfluxServer, bucket: str
) -> None:
    """The probe wrote such a line again, was refused, and held the store for misconfigured until a restart."""
    now_ms = time.time_ns() // 1_000_000
    assert await store.write(many(100)) == []  # of 1970; they age all at once:
    keep_one_hour(influxd, bucket)
    front_end.refuses = lambda line: line.endswith(f" {now_ms}")
    for _ in range(3):
        (refused,) = await store.write(rows_of("battery", *(battery(VAN_1, now_ms - n, soc_pct=1.0) for n in range(9))))
        assert refused.line.endswith(f" {now_ms}")
    assert len([each for each in times(influxd, bucket) if each > now_ms - HOUR_MS]) == 8


async def test_a_line_that_was_taken_long_ago_bears_no_witness(front_end: FrontEnd, bucket: str) -> None:
    clock = Clock()
    store = InfluxStore(front_end.store_url(bucket), clock_s=clock)
    await store.open()
    assert await store.write(many(100)) == []
    taken = set[str]()
    front_end.refuses = lambda line: bool(taken.add(line)) or line.startswith("battery")
    clock.now_s += WITNESS_S + 1
    assert len(await store.write(many(1, start=1000))) == 1
    assert {line.rpartition(" ")[2] for line in taken} == {"1000"}
    await store.close()


async def test_nothing_to_write_sends_nothing(store: InfluxStore, front_end: FrontEnd) -> None:
    assert await store.write(empty_rows()) == []
    assert front_end.answers == []


async def test_victoria_semantics_accept_everything(store: InfluxStore, front_end: FrontEnd) -> None:
    front_end.semantics, front_end.refuses = "victoria", is_bad({3})
    assert await store.write(many(10)) == []


def test_the_body_is_plain_gzip() -> None:
    from agent.stores.influxdb import _encode

    assert gzip.decompress(_encode(["a", "b"], compress=True)) == b"a\nb"
