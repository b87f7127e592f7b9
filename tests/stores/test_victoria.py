import pytest

from agent.stores.influxdb import InfluxStore
from tests.servers.victoria import MISSING, VictoriaServer, victoria_server
from tests.stores.rows import VAN_1, VAN_2, battery, row, rows_of


@pytest.mark.skipif(not VictoriaServer.is_installed(), reason=MISSING)
async def test_victoria_metrics_takes_the_same_lines() -> None:
    with victoria_server() as server:
        store = InfluxStore(server.store_url(), compress=True)
        await store.open()
        await store.check()
        start = 1_700_000_000_000
        rows = rows_of(
            "battery", *(battery(van, start + n, soc_pct=n + 0.5) for n in range(500) for van in (VAN_1, VAN_2))
        )
        rows["trip"] = [row("trip", VAN_1, start, start_ms=start - 9, distance_km=12.25, inferred=True)]
        assert await store.write(rows) == []
        assert await store.write(rows) == []
        await store.close()
        server.flush()
        (series,) = server.export('battery_soc_pct{vehicle_id="van-2"}')
        assert series["metric"]["depot"] == "Süd, Halle 3"
        assert dict(zip(series["timestamps"], series["values"], strict=True)) == {
            start + n: n + 0.5 for n in range(500)
        }
        (distance,) = server.export("trip_distance_km")
        assert set(distance["values"]) == {12.25}
