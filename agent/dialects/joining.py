"""Values of one van that arrive one by one and become one reading.

* Values that arrive within `join_ms` of each other become one reading. Its event time is the arrival of the first one.
* Values that come with a time of their own become one reading if that time is the same. It is their event time.
* The reading is complete with the van's next message after that, or with a tick.
* Some senders publish only what has changed. For them a value holds for `holds_ms` without being repeated.
* The age of values that the broker had retained is unknown. They become a reading of their own, marked `stale`.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from agent.dialects.memories import MAX_VANS, Memories
from agent.messages import Message, MessageKind
from agent.readings import RANGES, Reading

JOIN_MS: Final = 1000
SILENCE_MS: Final = 300_000
"""Values that arrive in a rush after a silence of this length were held back somewhere."""
LONGEST_RUSH_MS: Final = 30_000
OWN_TIME: Final = "own_time_ms"
"""The name of the time that came with a value."""

Value = float | bool | str
Values = dict[str, Value]

_FIELDS: Final = frozenset(Reading.__struct_fields__) - {"vehicle_id", "time_ms", "seq", "stale"}


class Group(msgspec.Struct, array_like=True):
    """Values that arrived together."""

    since_ms: int
    values: Values
    rush_ms: int = 0
    """After a silence: when the latest value arrived; else 0. In such a rush values that follow each other within
    the joining time replace earlier ones."""


class VanValues(msgspec.Struct, array_like=True):
    """What is remembered of one van."""

    fresh: Group | None = None
    stale: Group | None = None
    last: Values = {}
    """The latest of the few values that the dialect needs to judge later ones."""
    held: dict[str, tuple[int, Value]] = {}
    """The latest of each value and when it arrived, for senders that do not repeat unchanged values."""
    last_ms: int = 0
    """The event time of the latest reading that was completed."""
    source: int = 0
    """The source of the latest value."""


class JoinedValues:
    """The part of a dialect that joins values. It owns what is remembered of the vans."""

    remembered: frozenset[str] = frozenset()
    """The values to keep in `VanValues.last`."""
    holds_ms: int = 0
    """For how long a value holds without being repeated; 0 where senders repeat all values."""
    join_ms: int = JOIN_MS
    source: int
    """As in `Dialect`."""

    def __init__(self, *, max_vans: int = MAX_VANS) -> None:
        self._memories = Memories(VanValues, max_vans=max_vans)
        self._open: set[str] = set()

    def refine(self, values: Values, last: Values) -> Values:
        """Correct the values of one reading for what is peculiar to the sender. Keys that are no field are dropped."""
        del last
        return values

    def event_ms(self, values: Values, since_ms: int, last_ms: int) -> int:
        """The event time of a reading."""
        del last_ms
        return int(values.get(OWN_TIME, since_ms))

    def join(
        self, vehicle_id: str, values: Values, message: Message, received_ms: int, *, stale: bool
    ) -> list[Reading]:
        """Take the values of a message. Returns the readings that its arrival completes."""
        memory = self._memories.of(vehicle_id)
        memory.source = self.source or memory.source
        completed = list(self._complete(vehicle_id, memory, received_ms, values, stale=stale))
        group = memory.stale if stale else memory.fresh
        if group is None:
            waited = 0 < memory.last_ms <= received_ms - SILENCE_MS and not stale
            group = Group(received_ms, {}, received_ms if waited else 0)
            if stale:
                memory.stale = group
            else:
                memory.fresh = group
            self._open.add(vehicle_id)
        group.values.update(values)
        if group.rush_ms:
            group.rush_ms = received_ms
        if message.kind == MessageKind.REPLAYED and received_ms < memory.last_ms:
            return completed  # older than what the van has sent since, so later values are not judged by it
        memory.last.update((name, value) for name, value in values.items() if name in self.remembered)
        if self.holds_ms and not stale:
            memory.held.update((name, (received_ms, value)) for name, value in values.items() if name != OWN_TIME)
        return completed

    def let_go(self, vehicle_id: str, names: Iterable[str]) -> None:
        """Values that have become unknown are no longer held."""
        memory = self._memories.of(vehicle_id)
        for name in names:
            memory.held.pop(name, None)

    def tick(self, time_ms: int, heard: Container[int] = (0,)) -> Iterable[Reading]:
        """The readings that no further value can join."""
        readings: list[Reading] = []
        for vehicle_id in sorted(self._open):
            memory = self._memories.of(vehicle_id)
            if memory.source not in heard:
                continue
            readings.extend(self._complete(vehicle_id, memory, time_ms))
            if memory.fresh is None and memory.stale is None:
                self._open.discard(vehicle_id)
        return readings

    def changed(self) -> dict[str, bytes]:
        """See `Dialect.changed`."""
        return self._memories.changed()

    def restore(self, memories: Mapping[str, bytes]) -> None:
        """See `Dialect.restore`."""
        self._memories.restore(memories)
        self._open = {vehicle_id for vehicle_id, memory in self._memories if memory.fresh or memory.stale}

    def _complete(
        self, vehicle_id: str, memory: VanValues, now_ms: int, coming: Values | None = None, *, stale: bool = False
    ) -> Iterator[Reading]:
        """The readings of groups that are complete: by time, or because a value that arrives is in them already."""
        if memory.stale and self._is_over(memory.stale, now_ms, coming if stale else None):
            group, memory.stale = memory.stale, None
            yield from self._give(vehicle_id, memory, group, stale=True)
        if memory.fresh and self._is_over(memory.fresh, now_ms, None if stale else coming):
            group, memory.fresh = memory.fresh, None
            yield from self._give(vehicle_id, memory, group, stale=False)

    def _give(self, vehicle_id: str, memory: VanValues, group: Group, *, stale: bool) -> Iterator[Reading]:
        values = group.values
        if self.holds_ms and not stale:
            since_ms = group.since_ms - self.holds_ms
            values = {name: value for name, (at_ms, value) in memory.held.items() if at_ms >= since_ms} | values
        fields = canonical(self.refine(values, memory.last))
        if fields:
            time_ms = self.event_ms(group.values, group.rush_ms or group.since_ms, memory.last_ms)
            if not stale:
                memory.last_ms = time_ms
            fields = {"vehicle_id": vehicle_id, "time_ms": time_ms, "stale": stale, **fields}
            yield msgspec.convert(fields, Reading)

    def _is_over(self, group: Group, now_ms: int, coming: Values | None) -> bool:
        """Whether the group is complete: its time is over, or a value arrives that does not belong to it."""
        if coming is not None and coming.get(OWN_TIME) != group.values.get(OWN_TIME):
            return True
        if group.rush_ms:
            in_rush = group.rush_ms <= now_ms < group.rush_ms + self.join_ms
            return not in_rush or now_ms >= group.since_ms + LONGEST_RUSH_MS
        if not group.since_ms <= now_ms < group.since_ms + self.join_ms:
            return True
        if coming is None or now_ms == group.since_ms:
            return False
        return any(name in group.values for name in coming if name != OWN_TIME)


def canonical(values: Values) -> Values:
    """The values that are fields of a reading and in range. A position with one coordinate is left out."""
    fields = {
        name: value
        for name, value in values.items()
        if name in _FIELDS and (isinstance(value, bool | str) or within(value, *RANGES[name]))
    }
    if ("latitude_deg" in fields) != ("longitude_deg" in fields):
        fields.pop("latitude_deg", None)
        fields.pop("longitude_deg", None)
    return fields


def within(value: float, low: float, high: float) -> bool:
    """Whether the number is in the range, including both ends. NaN is in no range."""
    return low <= value <= high
