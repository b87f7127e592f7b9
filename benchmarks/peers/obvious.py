"""The usual Python stack: aiomqtt, pydantic, and the asynchronous client of influxdb-client.

It is written as their documentation shows. It validates, keeps the last state of charge per van, computes an energy
figure from it, and writes points in batches. It has no journal, so acknowledged messages are lost when it ends.
`python -m benchmarks.peers.obvious MQTT_PORT INFLUX_URL MESSAGES` prints its CPU seconds and peak memory.
"""

import asyncio
import resource
import sys
import time

import aiomqtt
from influxdb_client import Point, WritePrecision
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from pydantic import BaseModel, ConfigDict, Field

BATCH_POINTS = 5000
BATTERY_KWH = 83.0


class Telemetry(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    time: int
    seq: int | None = None
    soc_pct: float = Field(ge=0, le=100, allow_inf_nan=False)
    battery_power_kw: float | None = Field(None, ge=-1000, le=1000, allow_inf_nan=False)
    latitude_deg: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude_deg: float = Field(ge=-180, le=180, allow_inf_nan=False)
    speed_kmh: float | None = Field(None, ge=0, le=300, allow_inf_nan=False)
    odometer_km: float | None = Field(None, ge=0, allow_inf_nan=False)
    ambient_temp_c: float | None = Field(None, ge=-80, le=80, allow_inf_nan=False)


def points(vehicle_id: str, reading: Telemetry, used_kwh: float) -> list[Point]:
    battery = (
        Point("battery")
        .tag("vehicle_id", vehicle_id)
        .field("soc_pct", reading.soc_pct)
        .field("battery_power_kw", reading.battery_power_kw)
        .field("ambient_temp_c", reading.ambient_temp_c)
        .field("used_kwh_total", used_kwh)
        .time(reading.time, WritePrecision.MS)
    )
    location = (
        Point("location")
        .tag("vehicle_id", vehicle_id)
        .field("latitude_deg", reading.latitude_deg)
        .field("longitude_deg", reading.longitude_deg)
        .field("speed_kmh", reading.speed_kmh)
        .field("odometer_km", reading.odometer_km)
        .time(reading.time, WritePrecision.MS)
    )
    return [battery, location]


async def main(port: int, url: str, messages: int) -> None:
    last_soc: dict[str, float] = {}
    used: dict[str, float] = {}
    waiting: list[Point] = []
    taken = 0
    began = 0.0
    async with (
        InfluxDBClientAsync(url=url, token="bench", org="bench", enable_gzip=True) as influx,
        aiomqtt.Client("127.0.0.1", port, identifier="obvious", clean_session=False) as client,
    ):
        write = influx.write_api()
        await client.subscribe("vans/#", qos=1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        async for message in client.messages:
            began = began or time.process_time()
            vehicle_id = str(message.topic).split("/")[1]
            reading = Telemetry.model_validate_json(message.payload)
            before = last_soc.get(vehicle_id, reading.soc_pct)
            used[vehicle_id] = used.get(vehicle_id, 0.0) + max(0.0, before - reading.soc_pct) / 100 * BATTERY_KWH
            last_soc[vehicle_id] = reading.soc_pct
            waiting += points(vehicle_id, reading, used[vehicle_id])
            taken += 1
            if len(waiting) >= BATCH_POINTS or taken == messages:
                await write.write(bucket="bench", record=waiting, write_precision=WritePrecision.MS)
                waiting = []
            if taken == messages:
                break
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(f"{time.process_time() - began} {peak_bytes}\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
