"""Paths into JSON, in a part of JMESPath's notation.

`gps.lat` is a member of a member. `"can.vehicle.speed"` is a name that has dots or other characters. `cells[0]` is an
element of an array, `cells[-1]` the last one. `@` is the whole value. What is not there is None, like `null`.
"""

import re
from typing import Any, Final, NamedTuple

LONGEST_PATH: Final = 256
MOST_STEPS: Final = 16

_FIRST: Final = r"[A-Za-z_$][\w$-]*"
_STEP: Final = re.compile(
    rf'(?P<first>^{_FIRST})|(?P<name>\.[\w$-]+)|(?P<quoted>(?:^|\.)"(?P<text>[^"\\\x00-\x1f]+)")|\[(?P<index>-?\d{{1,4}})\]',
    re.ASCII,
)


class Path(NamedTuple):
    """A path as it was written, and its steps: names of members and indexes of elements."""

    text: str
    steps: tuple[str | int, ...]


def parse_path(text: str) -> Path:
    """Read a path. Raises `ValueError` that says where it cannot be read."""
    if len(text) > LONGEST_PATH:
        raise ValueError(f"a path has at most {LONGEST_PATH} characters")
    path, end = scan_path(text, 0)
    if path is None or end != len(text):
        raise ValueError(f'this path cannot be read from {text[end:][:20]!r} on; examples: gps.lat, cells[0], "a.b".c')
    return path


def scan_path(text: str, start: int) -> tuple[Path | None, int]:
    """The path that begins at `start`, and where it ends. None: there is none."""
    if text.startswith("@", start):
        return Path("@", ()), start + 1
    rest = text[start:]
    steps: list[str | int] = []
    end = 0
    if rest.startswith("."):
        return None, start
    while match := _STEP.match(rest, end):
        if match["index"] is not None:
            if not steps:
                break
            steps.append(int(match["index"]))
        else:
            steps.append(match["text"] or match["first"] or match["name"][1:])
        end = match.end()
        if len(steps) > MOST_STEPS:
            raise ValueError(f"a path has at most {MOST_STEPS} steps")
    if not steps:
        return None, start
    return Path(rest[:end], tuple(steps)), start + end


def value_at(value: Any, path: Path) -> Any:
    """The value at the path; None if it is not there."""
    for step in path.steps:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value
