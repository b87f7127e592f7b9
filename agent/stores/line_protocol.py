"""Points as InfluxDB line protocol: `measurement,tag=text field=1.0,other="text" 1700000000000`, times in ms."""

import re
from functools import lru_cache
from typing import Final

from agent.fast.line_writer import line_writer
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import Rows, Series
from agent.stores.base import SERIES_KEPT

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_SPECIAL_IN_TAG: Final = re.compile(r"([,= ])")
_VEHICLE: Final = re.compile(r"^(?:\\.|[^ \\])*?,vehicle_id=([A-Za-z0-9._-]+)")
_SPECIAL_IN_TEXT: Final = re.compile(r'(["\\])')


def escape_tag(text: str) -> str:
    r"""A tag's text, escaped. What the protocol cannot express is replaced: control characters by a space, `\` by `/`.

    Leading and trailing spaces are removed. Servers differ in how they read these and a `\` before other characters.
    """
    return _SPECIAL_IN_TAG.sub(r"\\\1", _CONTROL.sub(" ", text).strip().replace("\\", "/"))


@lru_cache(maxsize=4096)
def escape_text(text: str) -> str:
    """A text field's content, escaped. Control characters become spaces, since not every server keeps them."""
    return _SPECIAL_IN_TEXT.sub(r"\\\1", _CONTROL.sub(" ", text))


class _TagTexts(dict[Series, str]):
    """The escaped tags of each series, as a line has them behind the measurement's name; made at first use."""

    def __missing__(self, series: Series) -> str:
        if len(self) >= SERIES_KEPT:
            self.clear()
        # In the order of their names, into which the server would sort them.
        tags = ((name, escape_tag(text)) for name, text in sorted(series.tags()))
        self[series] = text = "".join(f",{name}={text}" for name, text in tags if text)
        return text


class LineWriter:
    """Turns rows into lines; keeps the escaped tags of the series it has met."""

    def __init__(self) -> None:
        self._tags = _TagTexts()
        self._writers = {
            measurement.name: line_writer(
                measurement.name, [(field.name, field.type) for field in measurement.fields], escape_text
            )
            for measurement in MEASUREMENTS.values()
        }

    def lines(self, rows: Rows) -> list[str]:
        """One line for each row that has a value, in the order of the rows."""
        lines: list[str] = []
        for name, points in rows.items():
            if points:
                lines += self._writers[name](points, self._tags)
        return lines


def measurement_of(line: str) -> str:
    """The measurement of a line."""
    return re.split("[, ]", line, maxsplit=1)[0]


def vehicle_of(line: str) -> str:
    """The van of a line; empty for none. A `vehicle_id` has no characters that are escaped."""
    found = _VEHICLE.search(line)
    return found[1] if found else ""


def time_of(line: str) -> int:
    """The time of a line of `LineWriter`, ms."""
    return int(line.rpartition(" ")[2])
