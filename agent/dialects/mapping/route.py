"""What becomes of the messages of one topic pattern: from a payload to what is said of a van.

This is the plain way. It gives a reason for everything. `quick.py` reads the usual payloads faster.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from agent.dialects.mapping.paths import Path, value_at
from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.mapping.sources import MappedField, Outcome
from agent.dialects.mapping.topics import TopicPattern
from agent.dialects.timestamps import LAST_MS, parse_time
from agent.errors import Rejected

LONGEST_VALUE: Final = 256
MOST_BRACKETS: Final = 200


class Said(NamedTuple):
    """What one record says of a van."""

    time_ms: int | None
    """None: the record has no time of its own."""
    outcomes: list[Outcome]

    def values(self) -> dict[str, Any]:
        """The known values."""
        return {each.field: each.value for each in self.outcomes if each.value is not None}


class Route:
    """One topic pattern of a mapping with the fields that are read under it."""

    def __init__(self, pattern: TopicPattern, settings: MappingSettings) -> None:
        of_drop = settings.is_of_drops()
        self.pattern = pattern
        self.name_paths = settings.vehicle_id.path if settings.vehicle_id else ()
        self.time = settings.time
        self.when = settings.when
        self.fields = [
            MappedField(name, source, of_drop=of_drop)
            for name, source in settings.sources().items()
            if (source.topic or settings.topic) == pattern
        ]
        self.is_bare = all(field.paths[0].text == "@" and field.from_text for field in self.fields)
        self._keys = frozenset(step for path in self.paths() for step in path.steps if isinstance(step, str))

    def paths(self) -> list[Path]:
        """Every path that is read."""
        found = [*self.name_paths, *(self.time.path if self.time else ()), *(self.when.paths() if self.when else ())]
        for field in self.fields:
            found += [*field.paths, *(field.when.paths() if field.when else ())]
        return found

    def records(self, payload: bytes) -> list[Any]:
        """The records of a payload: the elements of an array, else the payload itself. Raises `Rejected`."""
        if self.is_bare:
            text = _text(payload)
            return [text] if text else []
        content = self.parse(payload)
        if not isinstance(content, list):
            return [content]
        if not content:
            raise Rejected("schema", "an array without a reading")
        return content

    def parse(self, payload: bytes) -> Any:
        """The JSON value of a payload. Raises `Rejected` for what is no JSON, and for a name that is read twice."""
        check_depth(payload)
        try:
            return json.loads(
                payload.decode(), object_pairs_hook=self._unique, parse_constant=_no_constant, parse_int=_integer
            )
        except UnicodeDecodeError as error:
            raise Rejected("malformed", f"not UTF-8: {error.reason} at byte {error.start}") from error
        except ValueError as error:
            raise Rejected("malformed", str(error)) from error

    def name_of(self, record: Any) -> str:
        """The name that a record gives its van. Raises `Rejected`."""
        name = _first(record, self.name_paths)
        if type(name) is int:
            name = str(name)
        if not isinstance(name, str) or not name:
            there = "is not there" if name is None else f"is {repr(name)[:60]}"
            raise Rejected("schema", f"the van's name {there} at {' | '.join(path.text for path in self.name_paths)}")
        return name

    def counts(self, record: Any) -> bool:
        """Whether the mapping's condition holds."""
        return self.when is None or self.when.holds(record)

    def say(self, record: Any) -> Said:
        """What a record says. Raises `Rejected` for the first wrong type, else for the first value out of range."""
        if not self.is_bare and not isinstance(record, dict):
            raise Rejected("schema", f"an object is expected, not {repr(record)[:60]}")
        outcomes = self.look(record)
        raise_first(outcomes)
        if all(each.raw is None for each in outcomes):
            raise Rejected("schema", "none of the mapping's paths is in it")
        return Said(self.time_of(record), outcomes)

    def look(self, record: Any) -> list[Outcome]:
        """What becomes of each field. Does not raise."""
        return [field.look(record) for field in self.fields]

    def time_of(self, record: Any) -> int | None:
        """The time of a record in milliseconds since the epoch; None if the mapping has none. Raises `Rejected`."""
        if self.time is None:
            return None
        raw: Any = _first(record, self.time.path)
        where = " | ".join(path.text for path in self.time.path)
        if raw is None:
            raise Rejected("schema", f"the time is not there at {where}")
        if self.time.unit is None:
            return parse_time(raw)
        if self.time.unit == "iso":
            return parse_time(raw if isinstance(raw, str) else None)
        if type(raw) not in {int, float}:
            raise Rejected("schema", f"the time at {where} has to be a number, not {repr(raw)[:60]}")
        factor = 1000 if self.time.unit == "s" else 1
        if not -LAST_MS <= raw * factor <= LAST_MS:
            raise Rejected("out_of_range", f"the time at {where} is beyond the year 9999 in {self.time.unit}")
        milliseconds: int = round(raw * factor)
        return milliseconds

    def _unique(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        unique = dict(pairs)
        if len(unique) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen and key in self._keys:
                    raise Rejected("malformed", f"{key[:60]!r} occurs twice in one object")
                seen.add(key)
        return unique


def raise_first(outcomes: Iterable[Outcome]) -> None:
    """Raise `Rejected` if a field refuses the message: for a wrong type before a value out of range."""
    refused = [each for each in outcomes if each.refused is not None]
    first = next((each for each in refused if each.refused == "schema"), refused[0] if refused else None)
    if first is not None and first.refused is not None:
        raise Rejected(first.refused, first.why)


def with_whole_position(values: dict[str, Any]) -> dict[str, Any]:
    """The values without a position that has one coordinate."""
    if ("latitude_deg" in values) == ("longitude_deg" in values):
        return values
    return {name: value for name, value in values.items() if name not in {"latitude_deg", "longitude_deg"}}


def check_depth(payload: bytes) -> None:
    """Raise `Rejected` for a payload that nests too deeply. Few brackets cannot; many are judged by the fast parser."""
    if payload.count(b"[") + payload.count(b"{") > MOST_BRACKETS:
        try:
            from_json(payload)
        except ValueError as error:
            raise Rejected("malformed", str(error)) from error


def _first(record: Any, paths: Iterable[Path]) -> Any:
    return next((value for path in paths if (value := value_at(record, path)) is not None), None)


def _text(payload: bytes) -> str:
    if len(payload) > LONGEST_VALUE:
        raise Rejected("oversize", f"{len(payload)} bytes for one value; the limit is {LONGEST_VALUE}")
    try:
        return payload.decode().strip()
    except UnicodeDecodeError as error:
        raise Rejected("malformed", f"not UTF-8: {error.reason} at byte {error.start}") from error


def _integer(digits: str) -> int | float:
    """An integer; infinity for one that no float holds, so that it is out of range wherever it is read."""
    return int(digits) if len(digits) <= 300 else float(digits)


def _no_constant(constant: str) -> None:
    raise Rejected("malformed", f"{constant} is not JSON")
