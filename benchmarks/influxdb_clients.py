"""What an HTTP client for InfluxDB costs: `python -m benchmarks.influxdb_clients [POINTS]`.

Import: CPU and resident memory in a fresh interpreter. Reading: CPU and time for the points of one measurement from a
real InfluxDB 1.6.7, as chunked JSON, decoded; the least of five runs.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import aiohttp
import urllib3

from tests.servers.influxdb import InfluxServer, influx_server

IMPORTS = {
    "urllib": "import urllib.request",
    "aiohttp": "import aiohttp",
    "influxdb-client": "import influxdb_client",
}
RUNS = 5
CHUNK_POINTS = 5000
MEASURE = """
import time
before_s = time.process_time()
{statement}
spent_ms = (time.process_time() - before_s) * 1000
pages_kb = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(spent_ms, pages_kb / 1024)
"""


def cost_of_import(statement: str) -> tuple[float, float]:
    """CPU milliseconds and MB of an interpreter with nothing else in it."""
    code = [sys.executable, "-c", MEASURE.format(statement=statement)]
    runs = [subprocess.run(code, capture_output=True, text=True, check=True).stdout.split() for _ in range(RUNS)]
    cpu_ms, memory_mb = zip(*[(float(cpu), float(memory)) for cpu, memory in runs], strict=True)
    return min(cpu_ms), min(memory_mb)


def fill(server: InfluxServer, points: int) -> str:
    """Store the points; returns the address of the query for all of them."""
    server.create_database("fleet")
    for start in range(0, points, 10_000):
        lines = [
            f"battery,vehicle_id=van-{n % 100} soc_pct={n % 1000 / 10},voltage_v=400.5,current_a=-3.5 {n * 100}"
            for n in range(start, min(start + 10_000, points))
        ]
        write = Request(f"{server.url}/write?db=fleet&precision=ms", data="\n".join(lines).encode())  # noqa: S310  # http
        with urlopen(write):  # noqa: S310
            pass
    query = 'SELECT "vehicle_id", "soc_pct", "voltage_v", "current_a" FROM "battery"'
    parameters = {"db": "fleet", "epoch": "ms", "q": query, "chunked": "true", "chunk_size": CHUNK_POINTS}
    return f"{server.url}/query?{urlencode(parameters)}"


def count(lines: Iterable[bytes]) -> int:
    """How many points are in these lines of JSON."""
    documents = (json.loads(line) for line in lines if line.strip())
    return sum(len(found["values"]) for each in documents for found in each["results"][0].get("series", ()))


def with_urllib(url: str) -> int:
    with urlopen(url) as answer:  # noqa: S310
        return count(answer)


def with_urllib3(url: str) -> int:
    """What influxdb-client stands on; it offers no InfluxQL of its own."""
    answer, points, rest = urllib3.PoolManager().request("GET", url, preload_content=False), 0, b""
    for chunk in answer.stream(65_536):
        *lines, rest = (rest + chunk).split(b"\n")
        points += count(lines)
    return points + count([rest])


def with_aiohttp(url: str) -> int:
    async def read() -> int:
        points, rest = 0, b""
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                points += count(lines)
        return points + count([rest])

    return asyncio.run(read())


READERS: dict[str, Callable[[str], int]] = {"urllib": with_urllib, "urllib3": with_urllib3, "aiohttp": with_aiohttp}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", type=int, nargs="?", default=200_000)
    points = parser.parse_args().points
    _, nothing_mb = cost_of_import("pass")
    for name, statement in IMPORTS.items():
        cpu_ms, memory_mb = cost_of_import(statement)
        print(f"import {name}: {cpu_ms:.0f} ms CPU, {memory_mb - nothing_mb:.0f} MB")
    with influx_server() as server:
        url = fill(server, points)
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in READERS}
        for _ in range(RUNS):
            for name, read in READERS.items():
                cpu_s, wall_s = time.process_time(), time.perf_counter()
                found = read(url)
                spent[name].append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
                if found != points:
                    raise SystemExit(f"{name} found {found} of {points} points")
        for name, runs in spent.items():
            print(f"read with {name}: {min(cpu for cpu, _ in runs):.2f} s CPU, {min(wall for _, wall in runs):.2f} s")


if __name__ == "__main__":
    main()
