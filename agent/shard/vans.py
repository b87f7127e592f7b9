"""All vans: those in use as objects, the others asleep, encoded as in a checkpoint, in a fifth of the room.

A van sleeps when it has not been heard for some minutes, or when too many are awake; it is woken when it is heard, or
when a tick has something to do for it. Nothing that comes out depends on who sleeps.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import add, sub
from typing import Final, NamedTuple

import msgspec

from agent.errors import JournalCorrupt
from agent.fleet import Context, VanState, decode_state, encode_state, new_state
from agent.fleet.alerts import active_payload
from agent.fleet.modes import OFFLINE
from agent.fleet.records import FleetRecord
from agent.fleet.state import check_version, condense
from agent.points.rows import Series
from agent.shard.rollup import FleetTable
from agent.shard.roster import Roster
from agent.shard.summary import NEVER_MS, VanSummary, patience_ms, summarize
from agent.shard.tags import FleetTags

AWAKE_VANS: Final = 10_000
"""A fleet of so many can be awake as a whole; of a larger one fewer are, down to an eighth of this, since most of its
vans have to be woken anyway."""
ROOM_SHARE: Final = 32
"""When one too many wakes up, this fraction of those awake makes room."""
QUIET_MS: Final = 300_000
"""A van that was not heard for this long is put to sleep, however few are awake."""
QUIET_VANS: Final = 1000
"""At most so many of them at one tick, which is not to take long."""
SNAPSHOT_VANS: Final = 500
CLOCK_SLACK_MS: Final = 60_000
"""Time from which on the clock counts as set back."""


class StoredVan(msgspec.Struct, array_like=True, gc=False):
    """One van in a checkpoint, or asleep. Those of old have no glance."""

    state: bytes
    unused: object = None
    """Where earlier versions kept what the rate limit knew of the van."""
    summary: VanSummary | None = None


class _Cover(msgspec.Struct, array_like=True, gc=False):
    """`StoredVan` of which only the glance is decoded."""

    state: msgspec.Raw
    unused: msgspec.Raw
    summary: VanSummary | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(StoredVan)
_COVER_DECODER: Final = msgspec.msgpack.Decoder(_Cover)


class Van:
    """One van that is awake: its state, what is known about it, and its tags."""

    __slots__ = ("context", "dirty", "number", "series", "state")

    def __init__(self, number: int, state: VanState, context: Context, series: Series) -> None:
        self.number = number
        self.state = state
        self.context = context
        self.series = series
        self.dirty = False
        """It has changed since the last snapshot, or since it was woken."""


class ShardTotals(NamedTuple):
    """What the vans' states add up to."""

    offline: int
    positions_rejected: int
    soc_rejected: int
    carbon_mg: int = 0
    imbalance_mg: int = 0
    adjusted_mg: int = 0
    odometer_rejected: int = 0
    power_rejected: int = 0

    @classmethod
    def of(cls, van: VanSummary) -> "ShardTotals":
        """What one van adds."""
        return cls(
            int(van.mode == OFFLINE),
            van.positions_rejected,
            van.soc_rejected,
            van.carbon_mg,
            van.imbalance_mg,
            van.adjusted_mg,
            van.odometer_rejected,
            van.power_rejected,
        )

    def plus(self, more: "ShardTotals") -> "ShardTotals":
        """Both together."""
        return ShardTotals(*map(add, self, more))

    def less(self, part: "ShardTotals") -> "ShardTotals":
        """What is left without a part."""
        return ShardTotals(*map(sub, self, part))


NOBODY: Final = ShardTotals(0, 0, 0)


class Vans:
    """Every van has a number, in the order in which they were first heard: a row in columns of what all must tell."""

    def __init__(self, roster: Roster, *, awake_vans: int = AWAKE_VANS) -> None:
        self.awake: dict[str, Van] = {}
        """Never replaced, so that it may be looked into directly."""
        self.tags = roster.tags()
        """In force: from the files of now until the journal says otherwise."""
        self._roster = roster
        self._awake_vans = awake_vans
        self._turn = 0
        self._forget()

    def _forget(self) -> None:
        self.awake.clear()
        self._dirty: dict[str, None] = {}
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._series: list[Series | None] = []
        self._asleep: list[bytes | None] = []
        self._arrivals_ms = array("q")
        self._patience_ms = array("q")
        """The silence for which a van can sleep on."""
        self._alerting = bytearray()
        self._of_sleepers = NOBODY
        self._table = FleetTable()

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def state(self, vehicle_id: str) -> VanState:
        """The state of a van, to be read: of one that sleeps it is a copy."""
        van = self.awake.get(vehicle_id)
        return van.state if van is not None else decode_state(self._kept(self._numbers[vehicle_id]).state)

    # -- waking and sleeping

    def wake(self, vehicle_id: str) -> Van | None:
        """Wake a van up; None for one that was never heard of."""
        number = self._numbers.get(vehicle_id)
        if number is None:
            return None
        self._make_room()
        return self._wake(number)

    def add(self, vehicle_id: str) -> Van:
        """A van that is heard for the first time."""
        self._make_room()
        number = self._new_row(vehicle_id)
        return self._get_up(number, new_state(vehicle_id))

    def touch(self, van: Van) -> None:
        """The van has changed: the next snapshot takes it."""
        van.dirty = True
        self._dirty[self._ids[van.number]] = None

    def _new_row(self, vehicle_id: str) -> int:
        number = self._numbers[vehicle_id] = len(self._ids)
        self._ids.append(vehicle_id)
        self._series.append(None)
        self._asleep.append(None)
        self._arrivals_ms.append(0)
        self._patience_ms.append(NEVER_MS)
        self._alerting.append(False)
        self._table.append(self.tags.of(vehicle_id).depot)
        return number

    def _wake(self, number: int) -> Van:
        kept = self._kept(number)
        assert kept.summary is not None, number  # noqa: S101  # nobody is laid down without
        self._of_sleepers = self._of_sleepers.less(ShardTotals.of(kept.summary))
        self._asleep[number] = None
        self._patience_ms[number] = NEVER_MS
        return self._get_up(number, decode_state(kept.state))

    def _get_up(self, number: int, state: VanState) -> Van:
        vehicle_id = self._ids[number]
        context = self._roster.context(vehicle_id)
        series = self._series[number]
        if series is None:
            series = self._series[number] = self._series_of(vehicle_id)
        van = Van(number, state, context, series)
        self.awake[vehicle_id] = van
        return van

    def _series_of(self, vehicle_id: str) -> Series:
        tags = self.tags.of(vehicle_id)
        return Series(vehicle_id=vehicle_id, depot=tags.depot, model=tags.model, country=tags.country)

    def retag(self, tags: FleetTags) -> None:
        """From here on the points have these tags."""
        before, self.tags = self.tags, tags
        for number, vehicle_id in enumerate(self._ids):
            if tags.of(vehicle_id) != before.of(vehicle_id):
                self._series[number] = None
                self._table.depots[number] = tags.of(vehicle_id).depot
                self._part_day(number)

    def _part_day(self, number: int) -> None:
        """A day that silence has closed is not written again under other tags; what follows of it is another point."""
        sleeps = self._asleep[number] is not None
        van = self._wake(number) if sleeps else self.awake[self._ids[number]]
        van.series = self._series[number] = self._series_of(self._ids[number])
        if van.state.day.closed:
            van.state.day.closed = False
            self.touch(van)
        if sleeps:
            self._put_to_sleep(van)

    def _kept(self, number: int) -> StoredVan:
        encoded = self._asleep[number]
        assert encoded is not None, number  # noqa: S101  # the van sleeps
        return _DECODER.decode(encoded)

    def _put_to_sleep(self, van: Van) -> None:
        number = van.number
        seen = summarize(van.state)
        kept = StoredVan(condense(encode_state(van.state)), summary=seen)
        del self.awake[self._ids[number]]
        self._lay_down(number, _encode_tightly(kept), seen)

    def _lay_down(self, number: int, encoded: bytes, seen: VanSummary) -> None:
        self._asleep[number] = encoded
        self._arrivals_ms[number] = seen.arrival_ms
        self._patience_ms[number] = patience_ms(seen, self._roster.thresholds)
        self._alerting[number] = seen.alerting
        self._of_sleepers = self._of_sleepers.plus(ShardTotals.of(seen))
        self._table.put(number, seen)

    def _make_room(self) -> None:
        """Vans that report in turn would always miss each other if the longest awake had to go: any may have to."""
        excess = len(self._ids) - self._awake_vans
        if len(self.awake) < max(self._awake_vans // 8, self._awake_vans - max(0, excess) // 4):
            return
        self._turn = (self._turn + 1) % ROOM_SHARE
        for van in list(islice(self.awake.values(), self._turn, None, ROOM_SHARE)) or list(self.awake.values()):
            self._put_to_sleep(van)

    def settle(self, now_ms: int) -> None:
        """Put vans to sleep that were not heard for long."""
        quiet = (van for van in self.awake.values() if abs(now_ms - van.state.last_arrival_ms) >= QUIET_MS)
        for van in list(islice(quiet, QUIET_VANS)):
            self._put_to_sleep(van)

    # -- all vans, or those that matter

    def due(self, now_ms: int, listening_since_ms: int) -> Iterator[tuple[Van, int]]:
        """The vans that a tick may mean something to, by number, and for how long each has been silent, ms.

        Who sleeps is woken for it and then sleeps on.
        """
        # What seems to have arrived in the future did so before our clock was set back: it says nothing any more.
        ahead_ms = now_ms + CLOCK_SLACK_MS
        numbers = [van.number for van in self.awake.values()]
        numbers += [
            number
            for number, (arrival_ms, patience) in enumerate(zip(self._arrivals_ms, self._patience_ms, strict=True))
            if patience <= max(0, now_ms - max(arrival_ms if arrival_ms <= ahead_ms else 0, listening_since_ms))
        ]
        numbers.sort()
        for number in numbers:
            sleeps = self._asleep[number] is not None
            van = self._wake(number) if sleeps else self.awake[self._ids[number]]
            arrival_ms = van.state.last_arrival_ms
            yield van, max(0, now_ms - max(arrival_ms if arrival_ms <= ahead_ms else 0, listening_since_ms))
            if sleeps:
                self._put_to_sleep(van)

    def roll_up(self, time_ms: int) -> list[FleetRecord]:
        """One record per depot, in order of their names."""
        for van in self.awake.values():
            self._table.put(van.number, summarize(van.state))
        return self._table.roll_up(time_ms)

    def totals(self) -> ShardTotals:
        """A look over all vans: some milliseconds."""
        awake = [ShardTotals.of(summarize(van.state)) for van in self.awake.values()]
        return self._of_sleepers.plus(ShardTotals(*map(sum, zip(*awake, strict=True))) if awake else NOBODY)

    def active_alerts(self, vehicle_id: str) -> bytes:
        """The van's active alerts as JSON; empty when there is none, or when the van is not known (any more)."""
        if vehicle_id not in self._numbers:
            return b""
        return active_payload(vehicle_id, self.state(vehicle_id).alerts)

    def alerting(self) -> list[str]:
        """The vans that have an active alert."""
        for van in self.awake.values():
            self._alerting[van.number] = bool(van.state.alerts.active)
        return [vehicle_id for vehicle_id, alerting in zip(self._ids, self._alerting, strict=True) if alerting]

    # -- checkpoints

    def snapshot(self) -> Iterator[dict[str, bytes]]:
        """The vans that changed since the last snapshot, encoded, a few hundred at a time."""
        changed, self._dirty = iter(self._dirty), {}
        while chunk := {vehicle_id: self._encoded(vehicle_id) for vehicle_id in islice(changed, SNAPSHOT_VANS)}:
            yield chunk

    def _encoded(self, vehicle_id: str) -> bytes:
        van = self.awake.get(vehicle_id)
        if van is None:
            encoded = self._asleep[self._numbers[vehicle_id]]
            assert encoded is not None, vehicle_id  # noqa: S101  # who is not awake sleeps
            return encoded
        van.dirty = False
        # Not condensed: that takes longer than the encoding, and this is done for every van on the road.
        return _encode_tightly(StoredVan(encode_state(van.state), summary=summarize(van.state)))

    def restore(self, kept: Iterable[tuple[str, bytes]], tags: FleetTags) -> None:
        """Replace all vans by these, asleep. Raises `JournalCorrupt` for one that cannot be read."""
        series = dict(zip(self._ids, self._series, strict=True)) if tags == self.tags else {}
        self._forget()
        self.tags = tags
        for vehicle_id, encoded in kept:
            number = self._new_row(vehicle_id)
            self._series[number] = series.get(vehicle_id)
            try:
                cover = _COVER_DECODER.decode(encoded)
                if cover.summary is None:
                    self._take_up(number, encoded)
                else:
                    check_version(cover.summary.version)
                    self._lay_down(number, encoded, cover.summary)
            except msgspec.DecodeError as error:
                raise JournalCorrupt(f"the state of van {vehicle_id!r} cannot be read: {error}") from error

    def _take_up(self, number: int, encoded: bytes) -> None:
        """A van kept by a version that stored no glance."""
        kept = _DECODER.decode(encoded)
        kept.summary = summarize(decode_state(kept.state))
        kept.state = condense(kept.state)
        self._lay_down(number, _encode_tightly(kept), kept.summary)


def _encode_tightly(kept: StoredVan) -> bytes:
    """Copied, since the bytes of an encoder keep the room that it had in reserve: half as much again."""
    return bytes(memoryview(_ENCODER.encode(kept)))
