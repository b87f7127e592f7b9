"""Hand-written stand-ins for what the stages of the pipeline talk to."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from agent.config import FleetFile, Settings
from agent.dialects.decoder import Decoder, make_dialects
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import Rows, empty_rows
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from agent.stores.base import RejectedRow


class Clock:
    """Seconds that pass only when a test says so; sleeping passes them at once."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


class FakeReceiver:
    """Delivers what a test gives it; remembers acknowledgements, pauses and what was published."""

    limits: BrokerLimits | None = None

    def __init__(self) -> None:
        self.counters = ReceiverCounters(connected=True, subscribed_since_ms=1)
        self.acknowledged: list[Delivery] = []
        self.published: list[tuple[str, bytes]] = []
        self.reachable = True
        self.failure: Exception | None = None
        self.on_delivery: Callable[[Delivery], None] | None = None
        self._ended = asyncio.Event()

    async def run(self, on_delivery: Callable[[Delivery], None]) -> None:
        self.on_delivery = on_delivery
        await self._ended.wait()
        if self.failure is not None:
            raise self.failure

    def acknowledge(self, delivery: Delivery) -> None:
        self.acknowledged.append(delivery)

    def pause(self) -> None:
        self.counters.paused = True

    def resume(self) -> None:
        self.counters.paused = False

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        assert retain
        if self.reachable:
            self.published.append((topic, payload))
        return self.reachable

    async def stop(self) -> None:
        self._ended.set()

    def end(self, failure: Exception | None = None) -> None:
        """Let `run` return, or fail, without having been asked to."""
        self.failure = failure
        self._ended.set()


class FakeStore:
    """Keeps points by measurement, vehicle and time, as a store does; fails with `failures` one by one, then `away`."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, str | None, int], tuple[object, ...]] = {}
        self.writes = 0
        self.failures: deque[Exception] = deque()
        self.away: Exception | None = None
        self.refused: list[RejectedRow] = []
        self.opened = self.closed = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def open(self) -> None:
        self.opened = True

    async def write(self, rows: Rows) -> list[RejectedRow]:
        self.writes += 1
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.popleft()
        if self.away is not None:
            raise self.away
        for name, found in rows.items():
            for series, time_ms, *values in found:
                self.points[name, series.vehicle_id or series.depot, time_ms] = tuple(values)
        refused, self.refused = self.refused, []
        return refused

    async def check(self) -> None:
        if self.away is not None:
            raise self.away

    async def close(self) -> None:
        self.closed = True

    def of(self, measurement: str) -> dict[tuple[str, str | None, int], tuple[object, ...]]:
        """The points of one measurement."""
        return {key: values for key, values in self.points.items() if key[0] == measurement}


def make_shard(
    *, awake_vans: int = 10_000, dialects: Sequence[str] = ("native",), settings: Settings | None = None
) -> Shard:
    """The real one, with native vans that nobody has named."""
    settings = settings or Settings()
    roster = Roster(FleetFile(), fleet_settings=settings.fleet, emissions=settings.emissions, derived_every_s=10.0)
    return Shard(Decoder(make_dialects(dialects)), roster, awake_vans=awake_vans)


def rows_of(measurement: str, *rows: tuple[object, ...]) -> Rows:
    """Rows with nothing else in them."""
    found = empty_rows()
    for row in rows:
        missing = 2 + len(MEASUREMENTS[measurement].field_names) - len(row)
        found[measurement].append((*row, *[None] * missing))
    return found


async def until(condition: Callable[[], object], *, timeout_s: float = 20.0) -> None:
    """Let the event loop turn until the condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # the condition is a look at others' counters
            await asyncio.sleep(0.0005)
