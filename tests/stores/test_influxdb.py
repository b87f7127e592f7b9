"""Writing to InfluxDB and reading it again: points, requests, and the meaning of each status."""

import gzip

import pytest

from agent.commands.ports import free_port
from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points.rows import empty_rows
from agent.stores.influxdb import InfluxStore
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.stores.influx import is_bad, many, opened, select, times
from tests.stores.rows import AGENT, NORD, VAN_1, VAN_2, battery, row, rows_of


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


async def test_nothing_to_write_sends_nothing(store: InfluxStore, front_end: FrontEnd) -> None:
    assert await store.write(empty_rows()) == []
    assert front_end.answers == []


async def test_victoria_semantics_accept_everything(store: InfluxStore, front_end: FrontEnd) -> None:
    front_end.semantics, front_end.refuses = "victoria", is_bad({3})
    assert await store.write(many(10)) == []


def test_the_body_is_plain_gzip() -> None:
    from agent.stores.influxdb import _encode

    assert gzip.decompress(_encode(["a", "b"], compress=True)) == b"a\nb"
