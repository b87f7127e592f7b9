"""What becomes of one field of a message: the value at its path, sentinels, condition, type, unit and range.

A value that is not there, is `null`, is a sentinel, or whose condition does not hold is unknown. A value of a wrong
type refuses the message as `schema`, one outside the field's range as `out_of_range`, as in the native dialect.
"""

import math
import re
from typing import Any, Final, NamedTuple

from agent.dialects.mapping.field_source import COUNTS, DROP_TEXTS, FLAGS, FieldSource
from agent.dialects.mapping.paths import Path, value_at
from agent.dialects.mapping.units import Unit, conversion
from agent.errors import Reason, Rejected
from agent.readings import DROP_RANGES, RANGES

LARGEST_INTEGER: Final = 2**63 - 1
LONGEST_TEXT: Final = 256
_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)

Value = float | bool | str | None


class Outcome(NamedTuple):
    """What became of a field: the path that was used, what was there, and the value or the reason why there is none."""

    field: str
    path: str
    raw: Any
    value: Value
    why: str = ""
    refused: Reason | None = None
    """The message is refused for this reason; `why` is the detail."""


class MappedField:
    """One field of a mapping, ready for use."""

    def __init__(self, name: str, source: FieldSource, *, of_drop: bool) -> None:
        self.name = name
        self.paths = source.path or (Path("@", ()),)
        self.when = source.when
        self.is_flag = name in FLAGS
        self.is_text = name in DROP_TEXTS
        self.is_count = name in COUNTS
        self.values = source.values
        self.sentinels = source.sentinels
        self.from_text = source.text or source.path is None
        self.separator = source.separator
        self.part = source.part
        ranges = DROP_RANGES if of_drop else RANGES
        limits: tuple[float, float] = (0, LARGEST_INTEGER) if name == "seq" else ranges.get(name, (-math.inf, math.inf))
        self.low, self.high = limits
        unit = conversion(source.unit, name) if source.unit else Unit("")
        self.scale, self.offset = source.scale, source.offset
        self.multiply, self.divide, self.add = unit.multiply * source.sign, unit.divide, unit.add

    @property
    def is_converted(self) -> bool:
        """Whether a raw number is in another unit than the field."""
        return (self.scale, self.offset, self.multiply, self.divide, self.add) != (1.0, 0.0, 1.0, 1.0, 0.0)

    @property
    def is_number(self) -> bool:
        """Whether the raw value is a JSON number: no flag, text, listed value, or number written as text."""
        return not (self.is_flag or self.is_text or self.values or self.from_text or self.separator)

    def look(self, record: Any) -> Outcome:
        """What becomes of this field in a JSON value, or in the text of a payload. Does not raise."""
        path, raw = self.paths[0], None
        for each in self.paths:
            there = value_at(record, each)
            if there is not None and (raw is None or self.is_sentinel(raw)):
                path, raw = each, there
        if raw is None:
            return Outcome(self.name, " | ".join(each.text for each in self.paths), None, None, "not there")
        if self.is_sentinel(raw):
            return Outcome(self.name, path.text, raw, None, "a sentinel")
        if self.when is not None and not self.when.holds(record):
            return Outcome(self.name, path.text, raw, None, f"{self.when.text} does not hold")
        try:
            value = self.value_of(raw)
        except Rejected as rejected:
            return Outcome(
                self.name, path.text, raw, None, f"{self.name} at {path.text}: {rejected.detail}", rejected.reason
            )
        return Outcome(self.name, path.text, raw, value, "" if value is not None else "not among values")

    def is_sentinel(self, raw: Any) -> bool:
        """Whether a raw value means unknown. A boolean is no number; a number may be written as text."""
        if not self.sentinels:
            return False
        if any(raw == each and isinstance(raw, bool) == isinstance(each, bool) for each in self.sentinels):
            return True
        if not isinstance(raw, str) or not (self.from_text or self.separator is not None):
            return False
        return (written := self._written(raw)) is not None and any(
            written == each and not isinstance(each, bool) for each in self.sentinels
        )

    def value_of(self, raw: Any) -> Value:
        """The value of a raw value that counts; None for one that is not among `values`. Raises `Rejected`."""
        if self.values is not None:
            return self._listed(raw)
        if self.is_flag:
            if not isinstance(raw, bool):
                raise Rejected("schema", f"true or false is expected, not {_shown(raw)}")
            return raw
        if self.is_text:
            if type(raw) is int:
                return str(raw)
            if not isinstance(raw, str):
                raise Rejected("schema", f"text is expected, not {_shown(raw)}")
            return raw
        if self.from_text or self.separator is not None:
            raw = self._from_text(raw)
        return self._in_range(self.convert(_number(raw)), raw)

    def convert(self, number: float) -> float:
        """A raw number in the field's own unit. `quick.py` computes the same."""
        if not self.is_converted:
            return number
        return (number * self.scale + self.offset) * self.multiply / self.divide + self.add

    def _listed(self, raw: Any) -> Value:
        if isinstance(raw, dict | list):
            raise Rejected("schema", f"a single value is expected, not {_shown(raw)}")
        text = ("true" if raw else "false") if isinstance(raw, bool) else str(raw)
        if type(raw) is float and raw.is_integer():
            text = str(int(raw))
        value = self.values.get(text) if self.values else None
        if value is None or self.is_flag or self.is_text:
            return value
        return self._in_range(float(value), raw)

    def _from_text(self, raw: Any) -> Any:
        """The number that a text holds. A number that is no text stays as it is."""
        if not isinstance(raw, str):
            if self.separator is None:
                return raw
            raise Rejected("schema", f"text is expected, not {_shown(raw)}")
        if (written := self._written(raw)) is None:
            raise Rejected("schema", f"{_shown(raw)} holds no number")
        return written

    def _written(self, raw: str) -> float | None:
        """The decimal number that a text holds; None if it holds none."""
        if len(raw) > LONGEST_TEXT:
            return None
        parts = raw.split(self.separator) if self.separator is not None else [raw]
        text = parts[self.part].strip() if self.part < len(parts) else ""
        return float(text) if _DECIMAL.fullmatch(text) else None

    def _in_range(self, value: float, raw: Any) -> float:
        if not self.low <= value <= self.high:
            raise Rejected("out_of_range", f"{value:g} from {_shown(raw)} is not within {self.low:g} to {self.high:g}")
        if self.is_count:
            if value != int(value):
                raise Rejected("schema", f"a whole number is expected, not {_shown(raw)}")
            return int(value)
        return value


def _number(raw: Any) -> float:
    """A JSON number as a float. Raises `Rejected` for any other type, and for an integer too large for a float."""
    if type(raw) is float:
        return raw
    if type(raw) is not int:
        raise Rejected("schema", f"a number is expected, not {_shown(raw)}")
    try:
        return float(raw)
    except OverflowError as error:
        raise Rejected("out_of_range", str(error)) from error


def _shown(raw: Any) -> str:
    return repr(raw)[:60]
