"""The registry: every van of a shard, those in use as objects, all others in the sleeping store.

A van sleeps when it was not heard for some minutes, or when too many vans are awake. It wakes when it is heard, or when
a tick is due for it. Which vans sleep shows in nothing that leaves the shard.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

import msgspec

from agent.errors import LogCorrupt
from agent.fleet import Context, VanState, decode_state, new_state
from agent.fleet.alert_state import active_payload
from agent.fleet.stored_state import check_version
from agent.points.rows import Series
from agent.shard.rollup import DepotPart, RollUp
from agent.shard.roster import Roster
from agent.shard.sleepers import SleepingStore, silence_ms
from agent.shard.sources import NAMELESS
from agent.shard.stored_van import load_summary, load_van, store_van, store_van_condensed, with_summary
from agent.shard.summary import summarize
from agent.shard.tags import FleetTags
from agent.shard.totals import ShardTotals

AWAKE_VANS: Final = 10_000
"""A fleet of this size can be awake as a whole. Of a larger one fewer are, down to an eighth of this number: most of
its vans have to be woken anyway."""
ROOM_SHARE: Final = 32
"""When one van too many wakes up, this fraction of those awake is put to sleep."""
ASLEEP_AFTER_MS: Final = 300_000
"""A van that was not heard for this long is put to sleep, however few are awake."""
ASLEEP_AT_ONCE: Final = 1000
"""At most this many of them at one tick, which bounds the time that it takes."""
SNAPSHOT_VANS: Final = 500


class Van:
    """One van that is awake: its state, what is known about it, and its tags."""

    __slots__ = ("context", "dirty", "number", "series", "source", "state")

    def __init__(self, number: int, state: VanState, context: Context, series: Series, source: int) -> None:
        self.number = number
        self.state = state
        self.context = context
        self.series = series
        self.dirty = False
        """It has changed since the last snapshot, or since it was woken."""
        self.source = source
        """The number of the source of its last message."""


class VanRegistry:
    """Finds vans, wakes them and puts them to sleep, and encodes those that changed for a checkpoint.

    Each van has a number, in the order in which the vans were first heard. `awake_vans` bounds the vans that are
    awake; None: no van is put to sleep.
    """

    def __init__(self, roster: Roster, *, awake_vans: int | None = AWAKE_VANS) -> None:
        self.awake: dict[str, Van] = {}
        """By vehicle. The same object for the life of the registry, so that the hot path may look into it directly."""
        self.tags = roster.tags()
        """The tags in force: those of the fleet file until the journal says otherwise."""
        self._roster = roster
        self._awake_vans = awake_vans
        self._turn = 0
        self._clear()

    def _clear(self) -> None:
        self.awake.clear()
        self._dirty: dict[str, None] = {}
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._series: list[Series | None] = []
        self._unnamed = 0
        self._sleepers = SleepingStore(self._roster.thresholds)
        self._rollup = RollUp()

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def state(self, vehicle_id: str) -> VanState:
        """The state of a van, to be read. Of one that sleeps it is a copy."""
        van = self.awake.get(vehicle_id)
        return van.state if van is not None else decode_state(self._sleepers.get(self._numbers[vehicle_id]).state)

    # -- waking up and falling asleep

    def wake(self, vehicle_id: str) -> Van | None:
        """The van, awake; None for one that was never heard."""
        van = self.awake.get(vehicle_id)
        if van is not None:
            return van
        number = self._numbers.get(vehicle_id)
        if number is None:
            return None
        self._make_room()
        return self._wake(number)

    def admits(self, vehicle_id: str) -> bool:
        """Whether a van that was never heard is taken in: the fleet file names it, or there is room for an unnamed one.

        The vans of this shard alone are counted.
        """
        return self._roster.names(vehicle_id) or self._unnamed < self._roster.max_unnamed

    def add(self, vehicle_id: str) -> Van:
        """Take in a van that is heard for the first time."""
        self._make_room()
        number = self._new_number(vehicle_id)
        return self._rise(number, new_state(vehicle_id), NAMELESS)

    def touch(self, van: Van) -> None:
        """The van has changed: the next snapshot takes it."""
        van.dirty = True
        self._dirty[self._ids[van.number]] = None

    def _new_number(self, vehicle_id: str) -> int:
        number = self._numbers[vehicle_id] = len(self._ids)
        self._ids.append(vehicle_id)
        self._series.append(None)
        self._rollup.append(self.tags.of(vehicle_id).depot)
        self._unnamed += not self._roster.names(vehicle_id)
        return number

    def _wake(self, number: int) -> Van:
        stored = self._sleepers.take(number)
        return self._rise(number, decode_state(stored.state), stored.source)

    def _rise(self, number: int, state: VanState, source: int) -> Van:
        vehicle_id = self._ids[number]
        series = self._series[number]
        if series is None:
            series = self._series[number] = self._series_of(vehicle_id)
        van = Van(number, state, self._roster.context(vehicle_id), series, source)
        self.awake[vehicle_id] = van
        return van

    def _fall_asleep(self, van: Van) -> None:
        summary = summarize(van.state)
        del self.awake[self._ids[van.number]]
        self._sleepers.put(van.number, store_van_condensed(van.state, summary, van.source), summary, van.source)
        self._rollup.put(van.number, summary)

    def _make_room(self) -> None:
        """Put some vans to sleep if too many are awake.

        Every 32nd van goes, from a start that moves on. If those that were awake longest went, vans that report in turn
        would each be asleep just when their turn comes.
        """
        if self._awake_vans is None:
            return
        excess = max(0, len(self._ids) - self._awake_vans)
        if len(self.awake) < max(self._awake_vans // 8, self._awake_vans - excess // 4):
            return
        self._turn = (self._turn + 1) % ROOM_SHARE
        for van in list(islice(self.awake.values(), self._turn, None, ROOM_SHARE)) or list(self.awake.values()):
            self._fall_asleep(van)

    def fall_asleep(self, now_ms: int) -> None:
        """Put vans to sleep that were not heard for long."""
        if self._awake_vans is None:
            return
        quiet = (van for van in self.awake.values() if abs(now_ms - van.state.last_arrival_ms) >= ASLEEP_AFTER_MS)
        for van in list(islice(quiet, ASLEEP_AT_ONCE)):
            self._fall_asleep(van)

    # -- tags

    def _series_of(self, vehicle_id: str) -> Series:
        tags = self.tags.of(vehicle_id)
        return Series(vehicle_id=vehicle_id, depot=tags.depot, model=tags.model, country=tags.country)

    def retag(self, tags: FleetTags) -> None:
        """From here on the points have these tags."""
        before, self.tags = self.tags, tags
        for number, vehicle_id in enumerate(self._ids):
            if tags.of(vehicle_id) != before.of(vehicle_id):
                self._series[number] = None
                self._rollup.move(number, tags.of(vehicle_id).depot)
                self._part_day(number)

    def _part_day(self, number: int) -> None:
        """Do not write a day that silence has closed again under other tags: what follows of it is another point."""
        sleeps = number in self._sleepers
        van = self._wake(number) if sleeps else self.awake[self._ids[number]]
        van.series = self._series[number] = self._series_of(self._ids[number])
        if van.state.day.closed:
            van.state.day.closed = False
            self.touch(van)
        if sleeps:
            self._fall_asleep(van)

    # -- all vans

    def due(self, now_ms: int, heard: Mapping[int, int]) -> Iterator[tuple[Van, int]]:
        """The vans that a tick may change, by number, and for how long each has been silent, ms.

        `heard` has the sources for which time passes, and since when each was listened to. Every van of theirs that is
        awake is among them. One that sleeps is woken for its turn and falls asleep again after it.
        """
        numbers = [van.number for van in self.awake.values() if van.source in heard]
        numbers += self._sleepers.due(now_ms, heard)
        numbers.sort()
        for number in numbers:
            sleeps = number in self._sleepers
            van = self._wake(number) if sleeps else self.awake[self._ids[number]]
            yield van, silence_ms(now_ms, van.state.last_arrival_ms, heard[van.source])
            if sleeps:
                self._fall_asleep(van)

    def roll_up(self) -> dict[str, DepotPart]:
        """What the vans add to each depot."""
        for van in self.awake.values():
            self._rollup.put(van.number, summarize(van.state))
        return self._rollup.depots()

    def totals(self) -> ShardTotals:
        """Figures over all vans. Takes some milliseconds."""
        return self._sleepers.totals.plus(ShardTotals.over(summarize(van.state) for van in self.awake.values()))

    def active_alerts(self, vehicle_id: str) -> bytes:
        """The van's active alerts as JSON; empty when there is none, and for a van that is not known."""
        if vehicle_id not in self._numbers:
            return b""
        return active_payload(vehicle_id, self.state(vehicle_id).alerts)

    def alerting(self) -> list[str]:
        """The vans that have an active alert, by number."""
        awake = {van.number for van in self.awake.values() if van.state.alerts.active}
        return [self._ids[number] for number in sorted(awake | self._sleepers.alerting())]

    # -- checkpoints

    def snapshot(self) -> Iterator[dict[str, bytes]]:
        """The vans that changed since the last snapshot, encoded, some hundred at a time."""
        changed, self._dirty = iter(self._dirty), {}
        while part := {vehicle_id: self._encoded(vehicle_id) for vehicle_id in islice(changed, SNAPSHOT_VANS)}:
            yield part

    def _encoded(self, vehicle_id: str) -> bytes:
        van = self.awake.get(vehicle_id)
        if van is None:
            return self._sleepers.encoded(self._numbers[vehicle_id])
        van.dirty = False
        return store_van(van.state, summarize(van.state), van.source)

    def restore(self, stored: Iterable[tuple[str, bytes]], tags: FleetTags) -> None:
        """Replace all vans by these, asleep. Raises `LogCorrupt` for one that cannot be read."""
        series = dict(zip(self._ids, self._series, strict=True)) if tags == self.tags else {}
        self._clear()
        self.tags = tags
        for vehicle_id, encoded in stored:
            number = self._new_number(vehicle_id)
            self._series[number] = series.get(vehicle_id)
            try:
                self._restore(number, encoded)
            except msgspec.DecodeError as error:
                raise LogCorrupt(f"the state of van {vehicle_id!r} cannot be read: {error}") from error

    def _restore(self, number: int, encoded: bytes) -> None:
        summary, source = load_summary(encoded)
        if summary is None:
            stored = load_van(encoded)
            encoded, summary = with_summary(stored, decode_state(stored.state))
        check_version(summary.version)
        self._sleepers.put(number, encoded, summary, source)
        self._rollup.put(number, summary)
