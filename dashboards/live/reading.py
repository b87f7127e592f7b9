"""Reads the store once for all browsers.

Threads read the rows, and the event loop applies them. Pages therefore never see a half-applied tick and need no lock.
There are two connections. One reads new rows at every tick. The other reads larger amounts in slices: the events of the
last days, full hours, and the vans that somebody watches.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import partial
from itertools import islice
from typing import Any, Final, Literal

from agent.stores.base import History
from dashboards.live.agent_metrics import Metrics, MetricsClient
from dashboards.live.channel import FAILURES, Channel, Sweep, timed
from dashboards.live.charged import ChargedToday
from dashboards.live.corrected import Corrected
from dashboards.live.delivered import Delivered
from dashboards.live.fleet_view import FleetView
from dashboards.live.hour_reading import HourReader
from dashboards.live.hours import Amounts, HourBook, Standing, midnight_ms, standing
from dashboards.live.large_fleet import LARGE_FLEET, Depots
from dashboards.live.large_reading import LARGE_TICK_S, LATEST, LargeFleetReading
from dashboards.live.van_view import VanView

log = logging.getLogger(__name__)

Points = list[dict[str, Any]]

EVENTS: Final = ("alert", "trip", "charge")
VAN_MEASUREMENTS: Final = ("battery", "location", "energy", "trip", "tour", "drop", "charge")

DAY_MS: Final = 86_400_000
OVERLAP_MS: Final = 3_000
"""This much is read again at every tick, for rows that arrive with a delay."""
WIDE_OVERLAP_MS: Final = 30_000
WIDE_EVERY: Final = 5
"""Ticks between reads with the wide overlap, for vans whose clock is behind."""
ALL_EVERY: Final = 120
"""Ticks between reads of the newest points of all vans, of any age."""
TICK_ROWS: Final = 10_000
"""Largest number of rows of a measurement per tick.

There are more while past data is written. Then only the newest point of each van is read.
"""
EVENTS_BACK_MS: Final = 7 * DAY_MS
EVENTS_OVERLAP_MS: Final = 900_000
SWEEP_BUDGET_S: Final = 0.2
RETRY_S: Final = 3.0

StoreState = Literal["starting", "empty", "live", "unreachable"]


@dataclass(slots=True)
class _Rows:
    """The rows of one tick."""

    latest: dict[str, Points] = field(default_factory=dict)
    events: dict[str, Points] = field(default_factory=dict)
    agent: Points = field(default_factory=list)
    shown: list[str] | None = None
    """Of a large fleet: the vans that pages show."""


class Reader:
    """Follows the store and tells subscribers when something changed."""

    def __init__(
        self,
        open_history: Callable[[], History],
        *,
        zone: tzinfo = UTC,
        metrics: MetricsClient | None = None,
        tick_s: float = 1.0,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.view = FleetView()
        self.hours = HourBook()
        self.charged = ChargedToday()
        self.delivered = Delivered()
        self.corrected = Corrected()
        self.is_large = False
        """Whether there are too many vans to keep all of them. `view` then has those that pages show."""
        self.large = LargeFleetReading(zone)
        self.state: StoreState = "starting"
        self.problem = ""
        self.metrics: Metrics | None = None
        self.metrics_problem = ""
        self.zone = zone
        self.clock_ms = clock_ms
        self.tick_s = tick_s
        self._new = Channel(open_history, "live-new")
        self._slow = Channel(open_history, "live-slow")
        self._metrics_client = metrics
        self._metrics_wanted = 0
        self._subscribers: dict[Callable[[], None], None] = {}
        self._watched: dict[tuple[str, int], _Watched] = {}
        self._ticks = 0
        self._events: Sweep | None = None
        self._hour_reader = HourReader(zone)
        self._today: tuple[tuple[int, int], Standing] = ((-1, 0), {})
        self._by_hour: tuple[tuple[int, int], list[tuple[int, Amounts]]] = ((-1, 0), [])

    @contextmanager
    def subscription(self, callback: Callable[[], None], *, metrics: bool = False) -> Iterator[None]:
        """Call `callback` in the event loop after every tick while the context is open."""
        self._subscribers[callback] = None
        self._metrics_wanted += metrics
        try:
            yield
        finally:
            self._subscribers.pop(callback, None)
            self._metrics_wanted -= metrics

    @contextmanager
    def watching(self, vehicle_id: str, hours: int) -> Iterator[VanView]:
        """Read one van in detail while the context is open. Pages of the same van share it."""
        key = (vehicle_id, hours)
        watched = self._watched.setdefault(key, _Watched(VanView(vehicle_id, hours)))
        watched.watchers += 1
        try:
            yield watched.view
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                self._watched.pop(key, None)

    @property
    def depots(self) -> Depots:
        """Of a large fleet: the figures of its depots."""
        return self.large.depots

    @property
    def has_data(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.depots.newest if self.is_large else self.view.vans)

    async def vehicle_ids(self, **choice: Any) -> list[str]:
        """See `History.vehicle_ids`. Raises one of `FAILURES`."""
        return await self._slow.read(lambda history: history.vehicle_ids(**choice))

    @property
    def subscribers(self) -> int:
        """Number of open pages."""
        return len(self._subscribers)

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._repeat(self.tick, tell=True), name="live-ticks")
                tasks.create_task(self._repeat(self.read_slow, tell=False), name="live-slow")
                if self._metrics_client is not None:
                    tasks.create_task(self._follow_metrics(self._metrics_client), name="live-metrics")
        finally:
            await self._new.close()
            await self._slow.close()

    async def _repeat(self, step: Callable[[], Any], *, tell: bool) -> None:
        while True:
            started_s = time.monotonic()
            pause_s = max(self.tick_s, LARGE_TICK_S) if self.is_large else self.tick_s
            try:
                await step()
            except FAILURES as error:
                self._failed(error)
                pause_s = RETRY_S
            if tell:
                for callback in list(self._subscribers):
                    callback()
            await asyncio.sleep(max(0.1, pause_s - (time.monotonic() - started_s)))

    def _failed(self, error: Exception) -> None:
        if self.state != "unreachable":
            log.warning("the store cannot be read: %s", error)
        self.state = "unreachable"
        self.problem = str(error) or type(error).__name__

    async def tick(self) -> None:
        """Read new rows and apply them. Raises one of `FAILURES`."""
        if self._ticks % ALL_EVERY == 0 and not self.is_large:
            self.is_large = await self._new.read(_is_large)
        self._apply(await self._new.read(self._read_large if self.is_large else self._read_new))
        self._ticks += 1
        state: StoreState = "live" if self.has_data else "empty"
        if state != self.state:
            vans = self.depots.figures().vans if self.is_large else len(self.view.vans)
            log.info("the store answers: %d vans", vans)
        self.state, self.problem = state, ""

    def _read_new(self, history: History) -> _Rows:
        front_ms, newest_ms = self.view.front_ms(), self.view.newest_ms
        if front_ms is None or newest_ms is None:
            return _Rows(latest=_newest(history, None))
        overlap_ms = WIDE_OVERLAP_MS if self._ticks % WIDE_EVERY == 0 else OVERLAP_MS
        agent_ms = self.view.agent.get("time_ms")
        return _Rows(
            latest=_newest(history, None if self._ticks % ALL_EVERY == 0 else front_ms - overlap_ms),
            events={name: list(history.select(name, start_ms=newest_ms - EVENTS_OVERLAP_MS)) for name in EVENTS},
            agent=list(history.select("agent", start_ms=agent_ms + 1 if agent_ms else newest_ms - DAY_MS)),
        )

    def _read_large(self, history: History) -> _Rows:
        vans, latest = self.large.read(history, everything=self._ticks % ALL_EVERY == 0)
        newest_ms = self.depots.newest_ms or self.clock_ms()
        agent_ms = self.view.agent.get("time_ms")
        return _Rows(
            latest=latest,
            events={"alert": list(islice(history.select("alert", start_ms=newest_ms - EVENTS_OVERLAP_MS), TICK_ROWS))},
            agent=list(history.select("agent", start_ms=agent_ms + 1 if agent_ms else newest_ms - DAY_MS)),
            shown=vans,
        )

    def _apply(self, rows: _Rows) -> None:
        self.view.begin()
        if rows.shown is not None:
            self.large.take_depots()
            self.view.keep(rows.shown, self.depots.newest_ms)
        for measurement, points in rows.latest.items():
            self.view.latest(measurement, points)
        for measurement, points in rows.events.items():
            self.view.happened(measurement, points)
        self.view.agent_points(rows.agent)

    # -- what takes longer

    async def read_slow(self) -> None:
        """Continue each of the larger reads for a fraction of a second. Raises one of `FAILURES`."""
        newest_ms = self.view.newest_ms
        front_ms = newest_ms if self.is_large else self.view.front_ms()
        if newest_ms is None or front_ms is None:
            return
        for watched in list(self._watched.values()):
            await self._read_van(watched, newest_ms)
        if self.is_large:
            if self._hour_reader.due(front_ms):
                self.hours = await self._hour_reader.read(self._slow, front_ms, self.depots.newest.keys(), depots=True)
            return
        await self._read_events(newest_ms)
        if self._hour_reader.due(front_ms):
            self.hours = await self._hour_reader.read(self._slow, front_ms, self.view.vans.keys())
        if self.charged.due():
            await self.charged.read(self._slow, self.today_ms(), newest_ms)
        if self.delivered.due():
            await self.delivered.read(self._slow, newest_ms)
        if self.corrected.due():
            await self.corrected.read(self._slow, newest_ms)

    async def _read_events(self, newest_ms: int) -> None:
        """The last days' alerts, trips and charges, newest first."""
        if self._events is None:
            self._events = Sweep(end_ms=newest_ms + 1, oldest_ms=newest_ms - EVENTS_BACK_MS, slice_ms=3_600_000)
        started_s = time.monotonic()
        while not self._events.done and time.monotonic() - started_s < SWEEP_BUDGET_S:
            start_ms, end_ms = self._events.next()
            events, took_s = await self._slow.read(timed(partial(_events, start_ms=start_ms, end_ms=end_ms)))
            self._events.took(start_ms, took_s)
            self._apply(_Rows(events=events))

    async def _read_van(self, watched: "_Watched", newest_ms: int) -> None:
        view = watched.view
        if watched.sweep is None:
            watched.sweep = Sweep(end_ms=newest_ms + 1, oldest_ms=newest_ms - view.hours * 3_600_000)
            view.newest_ms = dict.fromkeys(VAN_MEASUREMENTS, newest_ms) | {"tour": newest_ms - EVENTS_OVERLAP_MS}
        since_ms = dict(view.newest_ms)
        new = await self._slow.read(
            lambda history: {
                name: list(history.select(name, vehicle_id=view.vehicle_id, start_ms=since_ms[name] + 1))
                for name in VAN_MEASUREMENTS
            }
        )
        if new["tour"]:
            # Drops are written at the end of their tour, with their own times.
            start_ms = min(point["start_ms"] for point in new["tour"])
            new["drop"] = await self._slow.read(
                lambda history: list(history.select("drop", vehicle_id=view.vehicle_id, start_ms=start_ms))
            )
        for name, points in new.items():
            view.add(name, points)
        started_s = time.monotonic()
        while not watched.sweep.done and time.monotonic() - started_s < SWEEP_BUDGET_S:
            start_ms, end_ms = watched.sweep.next()
            older, took_s = await self._slow.read(
                timed(partial(_of_van, vehicle_id=view.vehicle_id, start_ms=start_ms, end_ms=end_ms))
            )
            watched.sweep.took(start_ms, took_s)
            for name, points in older.items():
                view.add(name, points)

    async def _follow_metrics(self, client: MetricsClient) -> None:
        while True:
            if self._metrics_wanted or (self.metrics is None and not self.metrics_problem):
                try:
                    self.metrics = await asyncio.to_thread(client.read)
                    self.metrics_problem = ""
                except (OSError, ValueError) as error:
                    self.metrics = None
                    self.metrics_problem = str(error) or type(error).__name__
            await asyncio.sleep(self.tick_s)

    # -- sums, computed once for all pages

    def now_standing(self) -> Standing:
        """The present counters of every van; of a large fleet, of every depot."""
        now: Standing = {}
        if self.is_large:
            standing(self.depots.newest.values(), "fleet", now)
            return now
        standing((van.energy for van in self.view.vans.values() if van.energy), "energy", now)
        standing((van.emissions for van in self.view.vans.values() if van.emissions), "emissions", now)
        return now

    def heard_ms(self) -> dict[str, int]:
        """The time of the newest counters of every van."""
        if self.is_large:
            return {depot: point["time_ms"] for depot, point in self.depots.newest.items()}
        return {
            vehicle_id: max(point["time_ms"] for point in (van.energy, van.emissions) if point)
            for vehicle_id, van in self.view.vans.items()
            if van.energy or van.emissions
        }

    def today_ms(self) -> int:
        """The start of the day of the newest data."""
        front_ms = self.depots.newest_ms if self.is_large else self.view.front_ms()
        return midnight_ms(front_ms or self.clock_ms(), self.zone)

    def today(self) -> Standing:
        """Amounts by van since midnight; of a large fleet, by depot."""
        key = (self.view.version, id(self.hours))
        if self._today[0] != key:
            self._today = (key, self.hours.since(self.today_ms(), self.now_standing(), self.heard_ms()))
        return self._today[1]

    def today_of_vans(self) -> Standing:
        """Amounts by van since midnight; of a large fleet, of the vans that pages show."""
        return self.large.today_of_vans(self.view.vans, self.today_ms()) if self.is_large else self.today()

    def by_hour(self) -> list[tuple[int, Amounts]]:
        """(start of hour, amounts of the fleet) of the last 24 hours, oldest first."""
        key = (self.view.version, id(self.hours))
        if self._by_hour[0] != key:
            hours = self.hours.by_hour(self.now_standing(), self.heard_ms())
            table = [(hour, groups.get("", {})) for hour, groups in hours]
            self._by_hour = (key, table[-24:])
        return self._by_hour[1]


@dataclass(slots=True)
class _Watched:
    """A van that at least one page shows."""

    view: VanView
    watchers: int = 0
    sweep: Sweep | None = None


def _is_large(history: History) -> bool:
    return len(history.vehicle_ids(limit=LARGE_FLEET + 1)) > LARGE_FLEET


def _newest(history: History, start_ms: int | None) -> dict[str, Points]:
    """The points from `start_ms` on, or the newest point of every van. The view ignores points that it already has."""
    found: dict[str, Points] = {}
    for name in LATEST:
        points = [] if start_ms is None else list(islice(history.select(name, start_ms=start_ms), TICK_ROWS))
        if start_ms is None or len(points) == TICK_ROWS:
            points = list(history.select(name, latest=True))
        found[name] = points
    return found


def _of_van(history: History, vehicle_id: str, start_ms: int, end_ms: int) -> dict[str, Points]:
    return {
        name: list(history.select(name, vehicle_id=vehicle_id, start_ms=start_ms, end_ms=end_ms))
        for name in VAN_MEASUREMENTS
    }


def _events(history: History, start_ms: int, end_ms: int) -> dict[str, Points]:
    return {name: list(history.select(name, start_ms=start_ms, end_ms=end_ms)) for name in EVENTS}
