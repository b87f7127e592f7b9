"""Senders that publish one bare value per topic, retained and without a time: OVMS, SAIC, TeslaMate.

* Values of one van that arrive within `JOIN_MS` of each other become one reading. Its event time is the arrival of the
  first value.
* The reading is complete with the van's next message after that, or with a tick.
* Some senders publish only what has changed. For them a value holds for `holds_ms` without being repeated.
* The age of values that the broker had retained is unknown. They become a reading of their own, marked `stale`.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from agent.dialects.base import Dialect, first_levels
from agent.dialects.memories import MAX_VANS, Memories
from agent.dialects.strict_json import parse_json
from agent.errors import Rejected
from agent.messages import Message, MessageKind
from agent.readings import RANGES, Reading

JOIN_MS: Final = 1000
SILENCE_MS: Final = 300_000
"""Values that arrive in a rush after a silence of this length were held back somewhere."""
LONGEST_RUSH_MS: Final = 30_000
LONGEST_VALUE: Final = 256

Value = float | bool | str
Values = dict[str, Value]
Meaning = Callable[[str], Values]
"""From the text of a payload to its values. Raises `Rejected`."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_FIELDS: Final = frozenset(Reading.__struct_fields__) - {"vehicle_id", "time_ms", "seq", "stale"}


class Group(msgspec.Struct, array_like=True):
    """Values that arrived together."""

    since_ms: int
    values: Values
    rush_ms: int = 0
    """After a silence: when the latest value arrived; else 0. In such a rush values that follow each other within
    `JOIN_MS` replace earlier ones."""


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


class BareValues(Dialect):
    """The base of these dialects. Each of them says how its topics are built and what its values mean."""

    name = "bare"
    meanings: Mapping[str, Meaning]
    """What the value under each topic tail means; other tails are ignored."""
    remembered: frozenset[str] = frozenset()
    """The values to keep in `VanValues.last`."""
    ranges: Mapping[str, tuple[float, float]] = RANGES
    """The range of each number."""
    holds_ms: int = 0
    """For how long a value holds without being repeated; 0 where senders repeat all values."""

    def __init__(self, *, identities: Mapping[str, str], max_vans: int = MAX_VANS) -> None:
        self.ignored = 0
        """Messages under topics without a meaning here."""
        self._identities = identities
        self._memories = Memories(VanValues, max_vans=max_vans)
        self._open: set[str] = set()

    @abstractmethod
    def split(self, topic: str) -> tuple[str, str] | None:
        """The whole name of the sender, and the topic's tail; None: the topic carries no value."""

    @abstractmethod
    def vehicle_of(self, sender: str) -> str:
        """The `vehicle_id` of the sender with this name. Raises `Rejected`."""

    @abstractmethod
    def refine(self, values: Values, last: Values) -> Values:
        """Correct the values of one reading for what is peculiar to the sender. Keys that are no field are dropped."""

    def sender(self, topic: str) -> str | None:
        """The van, if the topic names one that its user may speak for; else the user, by the first levels."""
        place = self.split(topic)
        try:
            vehicle_id = self.vehicle_of(place[0]) if place else None
        except Rejected:
            return first_levels(topic)
        # A user can invent any number of names of its own. Together they count as one sender.
        made_up = place is not None and vehicle_id == place[0].replace("/", ".", 1) and "/" in place[0]
        return first_levels(topic) if made_up else vehicle_id

    def identify(self, message: Message) -> str | None:
        """The topic's van."""
        place = self.split(message.topic)
        try:
            return self.vehicle_of(place[0]) if place else None
        except Rejected:
            return None

    def event_ms(self, values: Values, since_ms: int, last_ms: int) -> int:
        """The event time of a reading."""
        del values, last_ms
        return since_ms

    def decode(self, message: Message, received_ms: int) -> Iterable[Reading | Rejected]:
        """The reading that the arrival of this message completes, if any."""
        place = self.split(message.topic)
        meaning = self.meanings.get(place[1]) if place else None
        if place is None or meaning is None:
            self.ignored += 1
            return ()
        text = _text(message.payload)
        if not text:
            return ()
        values = meaning(text)
        check_values(values, self.ranges)
        vehicle_id = self.vehicle_of(place[0])
        memory = self._memories.of(vehicle_id)
        memory.source = self.source or memory.source
        completed = list(self._complete(vehicle_id, memory, received_ms, values, stale=message.retained))
        group = memory.stale if message.retained else memory.fresh
        if group is None:
            waited = 0 < memory.last_ms <= received_ms - SILENCE_MS and not message.retained
            group = Group(received_ms, {}, received_ms if waited else 0)
            if message.retained:
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
        if self.holds_ms and not message.retained:
            memory.held.update((name, (received_ms, value)) for name, value in values.items())
        return completed

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
        if memory.stale and _over(memory.stale, now_ms, coming if stale else None):
            group, memory.stale = memory.stale, None
            yield from self._give(vehicle_id, memory, group, stale=True)
        if memory.fresh and _over(memory.fresh, now_ms, None if stale else coming):
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


def number(name: str, scale: float = 1.0) -> Meaning:
    """A number, multiplied by `scale`."""

    def read(text: str) -> Values:
        return {name: parse_number(text) * scale + 0.0}

    return read


def choice(name: str, words: Mapping[str, bool]) -> Meaning:
    """A flag, written as one of two words. Raises `Rejected` for any other word."""

    def read(text: str) -> Values:
        try:
            return {name: words[text]}
        except KeyError:
            raise Rejected("schema", f"{name}: {text[:60]!r} is none of {', '.join(words)}") from None

    return read


def word(name: str) -> Meaning:
    """A word that the dialect judges other values by."""

    def read(text: str) -> Values:
        return {name: text[:32]}

    return read


def position(text: str) -> Values:
    """A JSON object with latitude, longitude and perhaps altitude."""
    fields = parse_json(text.encode())
    if not isinstance(fields, dict):
        raise Rejected("schema", "a position has to be an object")
    names = {"latitude": "latitude_deg", "longitude": "longitude_deg", "altitude": "altitude_m"}
    return {field: as_number(name, fields[name]) for name, field in names.items() if fields.get(name) is not None}


def as_number(name: str, value: object) -> float:
    """A JSON number as a float. Raises `Rejected` for any other type, and for an integer too large for a float."""
    if type(value) is float:
        return value
    if type(value) is not int:
        raise Rejected("schema", f"{name} has to be a number, not {repr(value)[:60]}")
    try:
        return float(value)
    except OverflowError as error:
        raise Rejected("out_of_range", f"{name}: {error}") from error


def parse_number(text: str) -> float:
    """A decimal number in ASCII. Raises `Rejected` for anything else, infinity and NaN included."""
    if not _NUMBER.fullmatch(text):
        raise Rejected("schema", f"{text[:60]!r} is not a number")
    return float(text)


def check_values(values: Values, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise `Rejected("out_of_range")` for the first number outside its range. Infinity is outside every range."""
    for name, value in values.items():
        if not isinstance(value, bool | str) and not within(value, *ranges[name]):
            low, high = ranges[name]
            raise Rejected("out_of_range", f"{name} = {value!r} is not within {low:g} to {high:g}")


def within(value: float, low: float, high: float) -> bool:
    """Whether the number is in the range, including both ends. NaN is in no range."""
    return low <= value <= high


def _text(payload: bytes) -> str:
    if len(payload) > LONGEST_VALUE:
        raise Rejected("oversize", f"{len(payload)} bytes for one value; the limit is {LONGEST_VALUE}")
    try:
        return payload.decode().strip()
    except UnicodeDecodeError as error:
        raise Rejected("malformed", f"not UTF-8: {error.reason} at byte {error.start}") from error


def _over(group: Group, now_ms: int, coming: Values | None) -> bool:
    """Whether the group is complete: its time is over, or a value arrives that is in it already."""
    if group.rush_ms:
        return not group.rush_ms <= now_ms < group.rush_ms + JOIN_MS or now_ms >= group.since_ms + LONGEST_RUSH_MS
    if not group.since_ms <= now_ms < group.since_ms + JOIN_MS:
        return True
    return coming is not None and now_ms != group.since_ms and not coming.keys().isdisjoint(group.values)
