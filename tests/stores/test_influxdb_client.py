"""The same points written by influxdb-client, InfluxData's own library, and by our store read back the same.

The two writers share no code: names, escapes, number formats and the precision of the time come from each on its own.
"""

import asyncio
import random
from typing import Any

from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS

from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow, Rows, Series
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.stores.influx import opened, select
from tests.stores.rows import NORD, VAN_1, VAN_2, battery, row, rows_of

START_MS = 1_700_000_000_000


def point_of(measurement: str, given: PointRow) -> Point:
    """One row as influxdb-client would have it."""
    series, time_ms, *values = given
    assert isinstance(series, Series)
    point = Point(measurement)
    for name, text in series.tags():
        point.tag(name, text)
    for field, value in zip(MEASUREMENTS[measurement].fields, values, strict=True):
        if value is not None:
            point.field(field.name, float(value) if field.type == "float" else value)  # type: ignore[arg-type]
    return point.time(time_ms, WritePrecision.MS)


def write_with_the_client(front_end: FrontEnd, bucket: str, rows: Rows) -> None:
    points = [point_of(name, given) for name, found in rows.items() for given in found]
    with InfluxDBClient(f"http://127.0.0.1:{front_end.port}", token="any", org="test") as client:
        client.write_api(write_options=SYNCHRONOUS).write(bucket, record=points, write_precision=WritePrecision.MS)


async def read_back(front_end: FrontEnd, bucket: str, rows: Rows) -> dict[str, list[dict[str, Any]]]:
    found = {name: await select(front_end, bucket, name) for name, given in rows.items() if given}
    return {name: sorted(points, key=lambda point: (point["time_ms"], repr(point))) for name, points in found.items()}


async def assert_same(front_end: FrontEnd, influxd: InfluxServer, bucket: str, rows: Rows) -> None:
    """Write to a bucket each; what is read back has to be the same."""
    theirs = f"{bucket}-client"
    influxd.create_database(theirs)
    async with opened(front_end.store_url(bucket)) as store:
        assert await store.write(rows) == []
    await asyncio.to_thread(write_with_the_client, front_end, theirs, rows)
    expected = await read_back(front_end, theirs, rows)
    assert all(expected.values())
    assert await read_back(front_end, bucket, rows) == expected


async def test_every_type_and_every_escape(front_end: FrontEnd, influxd: InfluxServer, bucket: str) -> None:
    rows = rows_of(
        "battery",
        battery(VAN_1, START_MS, soc_pct=80, charging=True, plugged_in=False),
        battery(VAN_2, START_MS, soc_pct=55.5, voltage_v=400.0),
    )
    rows["trip"] = [row("trip", VAN_2, START_MS + 1, start_ms=START_MS, distance_km=12.25, stops=0, inferred=True)]
    rows["alert"] = [row("alert", VAN_1, START_MS, message='say "no", a\\b = c; é🚐')]
    rows["fleet"] = [row("fleet", NORD, START_MS, vans=3, soc_mean_pct=1e-7)]
    await assert_same(front_end, influxd, bucket, rows)


async def test_random_numbers_and_depots(front_end: FrontEnd, influxd: InfluxServer, bucket: str) -> None:
    chance = random.Random(15)
    depots = ["Nord", "a b", "a,b", "a=b", "Süd, Halle=3", "東京"]
    rows = rows_of(
        "battery",
        *(
            battery(
                Series(vehicle_id=f"van-{number % 7}", depot=depots[number % 7 % len(depots)], model="e ducato"),
                START_MS + number,
                soc_pct=chance.uniform(0, 100),
                voltage_v=chance.choice([0.0, -0.0, 1e-9, 400.0, 1e21, 123456.789]),
                charging=chance.random() < 0.5,
            )
            for number in range(300)
        ),
    )
    await assert_same(front_end, influxd, bucket, rows)
