from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from agent.stores.influxdb import InfluxStore
from tests.servers.influxdb import MISSING, FrontEnd, InfluxServer, influx_server
from tests.stores.influx import opened

_NUMBERS = count()


@pytest.fixture(scope="package")
def influxd() -> Iterator[InfluxServer]:
    if not InfluxServer.is_installed():
        pytest.skip(MISSING)
    with influx_server() as server:
        yield server


@pytest.fixture
def bucket(influxd: InfluxServer) -> str:
    name = f"bucket-{next(_NUMBERS)}"
    influxd.create_database(name)
    return name


@pytest.fixture
async def front_end(influxd: InfluxServer) -> AsyncIterator[FrontEnd]:
    async with FrontEnd(influxd) as front_end:
        yield front_end


@pytest.fixture
async def store(front_end: FrontEnd, bucket: str) -> AsyncIterator[InfluxStore]:
    async with opened(front_end.store_url(bucket)) as store:
        yield store
