"""What reads the store, for however many browsers look.

Rows are read in threads and applied in the event loop, so pages never see half a tick and need no lock. Two connections:
one follows what is new, tick by tick; the other reads what takes longer, in slices: full hours, and vans that are watched.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final, Literal

from agent.stores.base import History
from dashboards.live.agent_metrics import Metrics, MetricsClient
from dashboards.live.channel import FAILURES, Channel, Sweep, timed
from dashboards.live.fleet_view import FleetView
from dashboards.live.hours import Amounts, HourBook, Standing, full_hours, midnight_ms, standing
from dashboards.live.van_view import VanView

log = logging.getLogger(__name__)

Points = list[dict[str, Any]]

LATEST: Final = ("battery", "location", "energy", "emissions")
EVENTS: Final = ("alert", "trip", "charge")
VAN_MEASUREMENTS: Final = ("battery", "location", "energy", "trip", "charge")

DAY_MS: Final = 86_400_000
OVERLAP_MS: Final = 30_000
"""Read again on every tick: what was written late, or by a van whose clock is behind."""
WIDE_OVERLAP_MS: Final = 600_000
WIDE_EVERY: Final = 60
"""Ticks between reads with the wide overlap."""
LOOK_BACK_MS: Final = 8 * DAY_MS
"""How far back silent vans are looked for."""
LOOK_AHEAD_MS: Final = 600_000
EVENTS_BACK_MS: Final = 7 * DAY_MS
EVENTS_OVERLAP_MS: Final = 900_000
EVENTS_WIDE_OVERLAP_MS: Final = 6 * 3_600_000
HOUR_WINDOW_MS: Final = 120_000
"""How long before a full hour a van's counters still stand for that hour."""
FIRST_ROWS: Final = 100_000
"""Rows looked through for the first counters of vans that were silent at the start of the day."""
SWEEP_BUDGET_S: Final = 0.4
RETRY_S: Final = 3.0

StoreState = Literal["starting", "empty", "live", "unreachable"]


@dataclass(slots=True)
class _Rows:
    """What one tick brought."""

    latest: dict[str, Points] = field(default_factory=dict)
    events: dict[str, Points] = field(default_factory=dict)
    agent: Points = field(default_factory=list)


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
        self._older: Sweep | None = None
        self._hours_due_s = 0.0
        self._hours_front_ms = 0
        self._today: tuple[tuple[int, int], Standing] = ((-1, 0), {})
        self._by_hour: tuple[tuple[int, int], list[tuple[int, Amounts]]] = ((-1, 0), [])

    @contextmanager
    def subscription(self, callback: Callable[[], None], *, metrics: bool = False) -> Iterator[None]:
        """Call `callback` in the event loop after every tick, until left."""
        self._subscribers[callback] = None
        self._metrics_wanted += metrics
        try:
            yield
        finally:
            self._subscribers.pop(callback, None)
            self._metrics_wanted -= metrics

    @contextmanager
    def watching(self, vehicle_id: str, hours: int) -> Iterator[VanView]:
        """Also read one van in detail, until left; those who look at the same van share it."""
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
    def subscribers(self) -> int:
        """Pages that are open."""
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
            pause_s = self.tick_s
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
        """Read what is new and apply it; raises one of `FAILURES`."""
        front_ms, newest_ms = self.view.front_ms(), self.view.newest_ms
        if front_ms is None or newest_ms is None:
            await self._look_back()
        else:
            self._apply(await self._new.read(lambda history: self._read_new(history, front_ms, newest_ms)))
            self._ticks += 1
            await self._look_further_back()
        state: StoreState = "live" if self.view.vans else "empty"
        if state != self.state:
            log.info("the store answers: %d vans", len(self.view.vans))
        self.state, self.problem = state, ""

    async def _look_back(self) -> None:
        """Find the newest of the store, which may be seconds or years old."""
        now_ms = self.clock_ms() + LOOK_AHEAD_MS
        sweep = Sweep(end_ms=now_ms, oldest_ms=now_ms - LOOK_BACK_MS, slice_ms=LOOK_AHEAD_MS + OVERLAP_MS)
        while not sweep.done and not self.view.vans:
            await self._sweep_back(sweep)
        if not self.view.vans:
            self._apply(await self._new.read(lambda history: _Rows(latest=_latest(history, None, None))))
            sweep.end_ms = sweep.oldest_ms
        self._older = sweep

    async def _look_further_back(self) -> None:
        """Go on looking for vans that are silent, a little on each tick, until all have been met."""
        started_s = time.monotonic()
        while self._older is not None and time.monotonic() - started_s < SWEEP_BUDGET_S:
            known = self.view.agent.get("vans")
            if self._older.done or (known is not None and len(self.view.vans) >= known):
                self._older = None
            else:
                await self._sweep_back(self._older)

    async def _sweep_back(self, sweep: Sweep) -> None:
        start_ms, end_ms = sweep.next()
        latest, took_s = await self._new.read(timed(lambda history: _latest(history, start_ms, end_ms)))
        sweep.took(start_ms, took_s)
        self._apply(_Rows(latest=latest))

    def _read_new(self, history: History, front_ms: int, newest_ms: int) -> _Rows:
        wide = self._ticks % WIDE_EVERY == WIDE_EVERY - 1
        events_ms = EVENTS_BACK_MS if not self._ticks else EVENTS_WIDE_OVERLAP_MS if wide else EVENTS_OVERLAP_MS
        agent_ms = self.view.agent.get("time_ms")
        return _Rows(
            latest=_latest(history, front_ms - (WIDE_OVERLAP_MS if wide else OVERLAP_MS), None),
            events={name: list(history.select(name, start_ms=newest_ms - events_ms)) for name in EVENTS},
            agent=list(history.select("agent", start_ms=agent_ms + 1 if agent_ms else newest_ms - DAY_MS)),
        )

    def _apply(self, rows: _Rows) -> None:
        self.view.begin()
        for measurement, points in rows.latest.items():
            self.view.latest(measurement, points)
        for measurement, points in rows.events.items():
            self.view.happened(measurement, points)
        self.view.agent_points(rows.agent)

    # -- what takes longer

    async def read_slow(self) -> None:
        """Go on with the vans that are watched and with the full hours; raises one of `FAILURES`."""
        if self.view.newest_ms is not None:
            for watched in list(self._watched.values()):
                await self._read_van(watched, self.view.newest_ms)
            await self._read_hours_if_due()

    async def _read_van(self, watched: "_Watched", newest_ms: int) -> None:
        view = watched.view
        if watched.sweep is None:
            watched.sweep = Sweep(end_ms=newest_ms + 1, oldest_ms=newest_ms - view.hours * 3_600_000)
            view.newest_ms = dict.fromkeys(VAN_MEASUREMENTS, newest_ms)
        since_ms = dict(view.newest_ms)
        new = await self._slow.read(
            lambda history: {
                name: list(history.select(name, vehicle_id=view.vehicle_id, start_ms=since_ms[name] + 1))
                for name in VAN_MEASUREMENTS
            }
        )
        for name, points in new.items():
            view.add(name, points)
        started_s = time.monotonic()
        while not watched.sweep.done and time.monotonic() - started_s < SWEEP_BUDGET_S:
            start_ms, end_ms = watched.sweep.next()
            older, took_s = await self._slow.read(
                timed(lambda history, low=start_ms, high=end_ms: _of_van(history, view.vehicle_id, low, high))  # type: ignore[misc]
            )
            watched.sweep.took(start_ms, took_s)
            for name, points in older.items():
                view.add(name, points)

    async def _read_hours_if_due(self) -> None:
        front_ms = self.view.front_ms()
        if front_ms is None:
            return
        jumped = front_ms - self._hours_front_ms > 300_000
        if time.monotonic() < self._hours_due_s and not jumped:
            return
        started_s = time.monotonic()
        hours = full_hours(front_ms, self.zone)
        book = HourBook()
        for hour in reversed(hours):
            book.at[hour] = await self._slow.read(lambda history, at=hour: _standing_at(history, at))  # type: ignore[misc]
        missing = {vehicle_id for vehicle_id in self.view.vans if vehicle_id not in book.at[hours[0]]}
        if missing:
            book.first = await self._slow.read(lambda history: _first_standing(history, hours[0], missing))
        self.hours = book
        self._hours_front_ms = front_ms
        self._hours_due_s = time.monotonic() + max(20.0, 60 * (time.monotonic() - started_s))

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
        """Every van's counters as they stand."""
        now: Standing = {}
        standing((van.energy for van in self.view.vans.values() if van.energy), "energy", now)
        standing((van.emissions for van in self.view.vans.values() if van.emissions), "emissions", now)
        return now

    def today_ms(self) -> int:
        """The start of the day of the newest data."""
        return midnight_ms(self.view.front_ms() or self.clock_ms(), self.zone)

    def today(self) -> Standing:
        """Amounts by van since midnight."""
        key = (self.view.version, id(self.hours))
        if self._today[0] != key:
            self._today = (key, self.hours.since(self.today_ms(), self.now_standing()))
        return self._today[1]

    def by_hour(self) -> list[tuple[int, Amounts]]:
        """(start of hour, amounts of the fleet) of the last 24 hours, oldest first."""
        key = (self.view.version, id(self.hours))
        if self._by_hour[0] != key:
            table = [(hour, groups.get("", {})) for hour, groups in self.hours.by_hour(self.now_standing())]
            self._by_hour = (key, table[-24:])
        return self._by_hour[1]


@dataclass(slots=True)
class _Watched:
    """A van that somebody looks at."""

    view: VanView
    watchers: int = 0
    sweep: Sweep | None = None


def _latest(history: History, start_ms: int | None, end_ms: int | None) -> dict[str, Points]:
    return {name: list(history.select(name, start_ms=start_ms, end_ms=end_ms, latest=True)) for name in LATEST}


def _of_van(history: History, vehicle_id: str, start_ms: int, end_ms: int) -> dict[str, Points]:
    return {
        name: list(history.select(name, vehicle_id=vehicle_id, start_ms=start_ms, end_ms=end_ms))
        for name in VAN_MEASUREMENTS
    }


def _standing_at(history: History, hour_ms: int) -> Standing:
    """The counters just before a full hour."""
    into: Standing = {}
    for measurement in ("energy", "emissions"):
        points = history.select(measurement, start_ms=hour_ms - HOUR_WINDOW_MS, end_ms=hour_ms, latest=True)
        standing(points, measurement, into)
    return into


def _first_standing(history: History, start_ms: int, missing: set[str]) -> dict[str, tuple[int, Amounts]]:
    """The first counters at or after `start_ms` of the vans in `missing`, as far as they are found soon."""
    first_ms: dict[str, int] = {}
    into: Standing = {}
    for measurement in ("energy", "emissions"):
        wanted = set(missing)
        for number, point in enumerate(history.select(measurement, start_ms=start_ms)):
            vehicle_id = point.get("vehicle_id")
            if vehicle_id in wanted:
                wanted.discard(vehicle_id)
                first_ms[vehicle_id] = point["time_ms"]
                standing((point,), measurement, into)
            if not wanted or number > FIRST_ROWS:
                break
    return {vehicle_id: (first_ms[vehicle_id], into[vehicle_id]) for vehicle_id in into}
