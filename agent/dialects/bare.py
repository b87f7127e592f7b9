"""Senders that publish one bare value per topic, retained and without a time: OVMS, SAIC, TeslaMate.

`joining.py` makes readings of them.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from agent.dialects.base import Dialect, first_levels
from agent.dialects.joining import JoinedValues, Values, within
from agent.dialects.memories import MAX_VANS
from agent.dialects.strict_json import parse_json
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import RANGES, Reading

LONGEST_VALUE: Final = 256

Meaning = Callable[[str], Values]
"""From the text of a payload to its values. Raises `Rejected`."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


class BareValues(JoinedValues, Dialect):
    """The base of these dialects. Each of them says how its topics are built and what its values mean."""

    name = "bare"
    meanings: Mapping[str, Meaning]
    """What the value under each topic tail means; other tails are ignored."""
    ranges: Mapping[str, tuple[float, float]] = RANGES
    """The range of each number."""

    def __init__(self, *, identities: Mapping[str, str], max_vans: int = MAX_VANS) -> None:
        super().__init__(max_vans=max_vans)
        self.ignored = 0
        """Messages under topics without a meaning here."""
        self._identities = identities

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
        return self.join(vehicle_id, values, message, received_ms, stale=message.retained)


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


def _text(payload: bytes) -> str:
    if len(payload) > LONGEST_VALUE:
        raise Rejected("oversize", f"{len(payload)} bytes for one value; the limit is {LONGEST_VALUE}")
    try:
        return payload.decode().strip()
    except UnicodeDecodeError as error:
        raise Rejected("malformed", f"not UTF-8: {error.reason} at byte {error.start}") from error
