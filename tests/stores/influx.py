"""What the tests of the InfluxDB store have in common."""

import asyncio
from typing import Any

from agent.points.rows import Rows
from agent.stores.influxdb import InfluxStore
from agent.stores.influxdb_history import InfluxHistory
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.stores.rows import VAN_1, battery, rows_of


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


def is_bad(numbers: set[int]) -> Any:
    return lambda line: int(line.rpartition(" ")[2]) in numbers
