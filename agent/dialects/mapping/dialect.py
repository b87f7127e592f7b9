"""The dialect that a mapping describes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import MsgspecError

from agent.dialects.base import LONGEST_KEPT, Dialect, Item, first_levels
from agent.dialects.drops import drop_of
from agent.dialects.identity import resolve, resolve_of_user
from agent.dialects.mapping.quick import QuickReader, UnusualPayload, quick_reader
from agent.dialects.mapping.route import Route, Said, with_whole_position
from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.mapping.topics import USER, VAN
from agent.dialects.native import oldest_first
from agent.dialects.timestamps import DAY_MS, MINUTE_MS, check_window
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import DropReading, Reading

_KEPT: Final = 16_384
"""Topics, and names in payloads, whose van is kept."""
_UNUSUAL: Final = (
    MsgspecError,
    UnusualPayload,
    Rejected,
    UnicodeDecodeError,
    RecursionError,
    OverflowError,
    TypeError,
    ValueError,
)
"""What the quick way raises for a payload that the plain way has to read."""


class Place(NamedTuple):
    """What a topic means: its route, the van, the user whose rights it shows, and who counts as its sender."""

    route: Route
    quick: QuickReader | None
    vehicle_id: str | None
    """None: the payload names the van."""
    user: str | None
    sender: str | None


class MappingDialect(Dialect):
    """A dialect that is described in the settings; each message is a reading, or an array of readings.

    `identities` gives the `vehicle_id` of a sender that is known by another name. `max_age_ms` and `max_ahead_ms` bound
    the event time against the arrival, `max_elements` the length of an array. Raises `SettingsError`.
    """

    def __init__(
        self,
        name: str,
        settings: MappingSettings,
        *,
        identities: Mapping[str, str],
        max_age_ms: int = 7 * DAY_MS,
        max_ahead_ms: int = 5 * MINUTE_MS,
        max_elements: int = 5000,
    ) -> None:
        self.name = name
        self.settings = settings
        self._identities = identities
        self._max_age_ms = max_age_ms
        self._max_ahead_ms = max_ahead_ms
        self._max_elements = max_elements
        self._of_drops = settings.is_of_drops()
        self._known_names: dict[str, str] = {}
        self._routes: list[tuple[Route, QuickReader | None]] = [
            (route, self.quick_reader(route))
            for route in (Route(pattern, settings) for pattern in settings.topics().values())
        ]
        self._places: dict[str, Place] = {}
        self.ignored = 0
        """Messages, or elements of them, that say nothing: their condition does not hold, or all values are unknown."""

    def quick_reader(self, route: Route) -> QuickReader | None:
        """The quick way to read this route's payloads, if there is one."""
        if self._of_drops:
            return None
        return quick_reader(route, self._known_names, max_age_ms=self._max_age_ms, max_ahead_ms=self._max_ahead_ms)

    def topic_filters(self) -> list[str]:
        """The filter of each of its topics."""
        return [route.pattern.topic_filter for route, _ in self._routes]

    def claims(self, topic: str) -> bool:
        """Whether one of its topics fits."""
        return topic in self._places or any(route.pattern.match(topic) is not None for route, _ in self._routes)

    def sender(self, topic: str) -> str | None:
        """The van, if the topic names one that its sender may speak for; else the sender, by the first levels.

        None: the payload names the van, so that a gateway speaks for many.
        """
        try:
            return self.place_of(topic).sender
        except Rejected:
            return first_levels(topic)

    def identify(self, message: Message) -> str | None:
        """The van that the topic names, else that of the payload's first record."""
        try:
            place = self.place_of(message.topic)
            if place.vehicle_id is not None:
                return place.vehicle_id
            return self.van_of(place, self.records(place, message.payload)[0])
        except Rejected:
            return None

    def decode(self, message: Message, received_ms: int) -> Iterable[Item]:
        """The readings of one message, oldest first; see `Dialect.decode`."""
        place = self._places.get(message.topic) or self.place_of(message.topic)
        if place.quick is not None:
            try:
                return place.quick(message.payload, place.vehicle_id, received_ms, message.retained)
            except _UNUSUAL:
                pass
        records = self.records(place, message.payload)
        if len(records) == 1:
            item = self._item(place, records[0], message, received_ms)
            return () if item is None else (item,)
        items = [self._element(place, record, records[0], message, received_ms) for record in records]
        known = [item for item in items if item is not None]
        readings = [item for item in known if not isinstance(item, DropReading)]
        return oldest_first(readings) if len(readings) == len(known) else known

    def place_of(self, topic: str) -> Place:
        """What a topic means. Raises `Rejected` for a topic, or a van, that is not known."""
        if (known := self._places.get(topic)) is not None:
            return known
        found = next(
            ((each, levels) for each in self._routes if (levels := each[0].pattern.match(topic)) is not None), None
        )
        if found is None:
            patterns = ", ".join(route.pattern.text for route, _ in self._routes)
            raise Rejected("unknown_topic", f"{topic[:200]!r} is none of {patterns}")
        (route, quick), levels = found
        name, user = levels.get(VAN), levels.get(USER)
        vehicle_id = None if name is None else self._vehicle_of(name, user)
        # A user can invent any number of names of its own. Together they count as one sender.
        of_user = user is not None and (vehicle_id is None or vehicle_id == f"{user}.{name}")
        place = Place(route, quick, vehicle_id, user, first_levels(topic) if of_user else vehicle_id)
        if len(self._places) >= _KEPT:
            self._places.clear()
        if len(topic) <= LONGEST_KEPT:
            self._places[topic] = place
        return place

    def records(self, place: Place, payload: bytes) -> list[Any]:
        """The records of a payload; none if it is empty. Raises `Rejected`."""
        records = place.route.records(payload)
        if len(records) > self._max_elements:
            raise Rejected("oversize", f"{len(records)} readings in one message; the limit is {self._max_elements}")
        return records

    def said(self, place: Place, record: Any, message: Message, received_ms: int) -> tuple[str, Said] | None:
        """The van of one record, and what the record says; None if it does not count. Raises `Rejected`."""
        if isinstance(record, dict) and not place.route.counts(record):
            self.ignored += 1
            return None
        said = place.route.say(record)
        vehicle_id = self.van_of(place, record)
        check_window(
            received_ms if said.time_ms is None else said.time_ms,
            received_ms,
            max_age_ms=self._max_age_ms,
            max_ahead_ms=self._max_ahead_ms,
            other_arrival_ms=message.other_arrival_ms,
        )
        return vehicle_id, said

    def check_van(self, place: Place, record: Any, first: Any) -> None:
        """Raise `Rejected` if an element of an array is of another van than the first one."""
        if place.vehicle_id is None and record is not first and self.van_of(place, record) != self.van_of(place, first):
            raise Rejected("identity_mismatch", "an array holds readings of one van: that of its first element")

    def _element(
        self, place: Place, record: Any, first: Any, message: Message, received_ms: int
    ) -> Reading | DropReading | Rejected | None:
        """One element of an array. Does not raise."""
        try:
            self.check_van(place, record, first)
            return self._item(place, record, message, received_ms)
        except Rejected as rejected:
            return rejected

    def _item(self, place: Place, record: Any, message: Message, received_ms: int) -> Reading | DropReading | None:
        """The reading or drop of one record; None if it says nothing. Raises `Rejected`."""
        if (found := self.said(place, record, message, received_ms)) is None:
            return None
        vehicle_id, said = found
        time_ms = received_ms if said.time_ms is None else said.time_ms
        values = said.values()
        if self._of_drops:
            any_ms = abs(received_ms - time_ms)  # the window has been checked
            return drop_of(
                {"time": time_ms, **values},
                vehicle_id,
                received_ms,
                imported=False,
                max_age_ms=any_ms,
                max_ahead_ms=any_ms,
            )
        values = with_whole_position(values)
        if not values:
            self.ignored += 1
            return None
        stale = message.retained and said.time_ms is None
        return msgspec.convert({"vehicle_id": vehicle_id, "time_ms": time_ms, "stale": stale, **values}, Reading)

    def _vehicle_of(self, name: str, user: str | None) -> str:
        """The van with this name; see `agent/dialects/identity.py`. Raises `Rejected`."""
        return resolve(self._identities, name) if user is None else resolve_of_user(self._identities, user, name)

    def van_of(self, place: Place, record: Any) -> str:
        """The van of a record under this topic. Raises `Rejected`."""
        if place.vehicle_id is not None:
            return place.vehicle_id
        name = place.route.name_of(record)
        vehicle_id = self._vehicle_of(name, place.user)
        if place.user is None:
            if len(self._known_names) >= _KEPT:
                self._known_names.clear()
            self._known_names[name] = vehicle_id
        return vehicle_id
