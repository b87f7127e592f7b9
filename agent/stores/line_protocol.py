"""Points as InfluxDB line protocol: `measurement,tag=text field=1.0,other="text" 1700000000000`, times in ms."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from agent.points.measurements import MEASUREMENTS, Field, Measurement
from agent.points.rows import PointRow, Rows, Series
from agent.stores.rowcode import compile_function, variables

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_SPECIAL_IN_TAG: Final = re.compile(r"([,= ])")
_VEHICLE: Final = re.compile(r"^(?:\\.|[^ \\])*?,vehicle_id=([A-Za-z0-9._-]+)")
_SPECIAL_IN_TEXT: Final = re.compile(r'(["\\])')


def escape_tag(text: str) -> str:
    r"""A tag's text. What the protocol cannot express is replaced: control characters by a space, `\` by `/`.

    Leading and trailing spaces go, since servers disagree about them, as they do about what `\` before others means.
    """
    return _SPECIAL_IN_TAG.sub(r"\\\1", _CONTROL.sub(" ", text).strip().replace("\\", "/"))


@lru_cache(maxsize=4096)
def escape_text(text: str) -> str:
    """A text field's content; line breaks and other control characters become spaces: not every server keeps them."""
    return _SPECIAL_IN_TEXT.sub(r"\\\1", _CONTROL.sub(" ", text))


class _Prefixes(dict[Series, str]):
    """The measurement and tags of each series, made once; tags in the order that the server sorts them into."""

    def __init__(self, measurement: str) -> None:
        super().__init__()
        self._measurement = measurement

    def __missing__(self, series: Series) -> str:
        tags = ((name, escape_tag(text)) for name, text in sorted(series.tags()))
        prefix = ",".join((self._measurement, *(f"{name}={text}" for name, text in tags if text))) + " "
        self[series] = prefix
        return prefix


class LineWriter:
    """Turns rows into lines; remembers the prefix of every series it has met."""

    def __init__(self) -> None:
        self._writers = {
            name: (_line_writer(measurement), _Prefixes(name)) for name, measurement in MEASUREMENTS.items()
        }

    def lines(self, rows: Rows) -> list[str]:
        """One line per row that says anything, in the order of the rows."""
        found: list[str] = []
        for name, points in rows.items():
            if points:
                write, prefixes = self._writers[name]
                found += write(points, prefixes)
        return found


def _line_writer(measurement: Measurement) -> Callable[[list[PointRow], dict[Series, str]], list[str]]:
    """A function from points and prefixes to lines: one expression per field, each with its own comma behind it.

    The numbers and booleans of all points are written by one JSON encoder, which takes a third of the time of `repr`;
    JSON and line protocol spell them alike. What JSON calls null is absent.
    """
    fields = dict(zip(variables(measurement), measurement.fields, strict=True))
    numbers = [name for name, field in fields.items() if field.type != "text"]
    expressions = "".join(_field_expression(name, field) for name, field in fields.items())
    source = (
        "def write(points, prefixes):\n"
        "    numbers = []\n"
        "    extend = numbers.extend\n"
        f"    for _, _, {', '.join(fields)} in points:\n"
        f"        extend(({', '.join(numbers)},))\n"
        "    texts = iter(encode(numbers).decode()[1:-1].split(','))\n"
        "    lines = []\n"
        "    append = lines.append\n"
        f"    rows = zip({', '.join(['texts'] * len(numbers))})\n"
        f"    for (series, time_ms, {', '.join(fields)}), ({', '.join(numbers)},) in zip(points, rows):\n"
        f'        fields = f"""{expressions}"""\n'
        "        if fields:\n"
        '            append(f"{prefixes[series]}{fields[:-1]} {time_ms}")\n'
        "    return lines\n"
    )
    return compile_function("write", source, {"encode": msgspec.json.encode, "escape": escape_text})


def _field_expression(name: str, field: Field) -> str:
    if field.type == "text":
        return f"{{'' if {name} is None else f'{field.name}=\"{{escape({name})}}\",'}}"
    suffix = "i" if field.type == "integer" else ""
    return f"{{'' if {name} == 'null' else f'{field.name}={{{name}}}{suffix},'}}"


def measurement_of(line: str) -> str:
    """The measurement that a line belongs to."""
    return re.split("[, ]", line, maxsplit=1)[0]


def vehicle_of(line: str) -> str:
    """The van that a line is about; empty for none. A `vehicle_id` has nothing in it that is escaped."""
    found = _VEHICLE.search(line)
    return found[1] if found else ""


def time_of(line: str) -> int:
    """The time of a line that `LineWriter` has made, ms."""
    return int(line.rpartition(" ")[2])
