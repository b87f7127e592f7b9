"""What Grafana does around a query: it fills in variables, makes frames of the answers and applies transformations.

This covers what the dashboards use, after Grafana's documentation and sources. Arithmetic takes a missing value as 0,
as JavaScript does. A dashboard that does not filter out such rows therefore fails its test.
"""

import math
import re
from collections.abc import Mapping
from statistics import fmean
from typing import Any, NamedTuple

Value = float | int | str | bool | None
Frame = dict[str, list[Value]]
"""Columns of equal length by name."""


class Range(NamedTuple):
    """The shown time range and the values of the variables."""

    start_ms: int
    end_ms: int
    interval: str = "10m"
    variables: Mapping[str, str] = {"depot": ".*", "model": ".*", "van": ".*", "min_km": "0"}


def expanded(query: str, shown: Range) -> str:
    """The query as Grafana sends it."""
    query = query.replace("$timeFilter", f"time >= {shown.start_ms}ms AND time <= {shown.end_ms}ms")
    query = query.replace("$__interval", shown.interval)
    for name, value in shown.variables.items():
        query = re.sub(rf"\${name}\b", lambda _, text=value: text, query)
    assert not re.search(r"\$[A-Za-z_]", query), query
    return query


def several(*values: str) -> str:
    """Several chosen values as a part of a regular expression."""
    return "(" + "|".join(re.sub(r"([\\^$.|?*+(){}\[\]/])", r"\\\1", value) for value in values) + ")"


def as_table(series: list[dict[str, Any]]) -> Frame:
    """All series of an answer in the table format: time, tags, columns."""
    frame: Frame = {}
    if not series:
        return frame
    names = ["Time", *series[0].get("tags", {}), *series[0]["columns"][1:]]
    for each in series:
        tags = list(each.get("tags", {}).values())
        for row in each["values"]:
            for name, value in zip(names, [row[0], *tags, *row[1:]], strict=True):
                frame.setdefault(name, []).append(value)
    return frame


def rows(frame: Frame) -> list[dict[str, Value]]:
    return [dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True)]


def frame_of(names: list[str], records: list[dict[str, Value]]) -> Frame:
    return {name: [record.get(name) for record in records] for name in names}


def transformed(frames: list[Frame], steps: list[dict[str, Any]]) -> Frame:
    """The frame that a table or chart shows. Raises `KeyError` if a step names a missing column."""
    for step in steps:
        frames = _STEPS[step["id"]](frames, step["options"])
    assert len(frames) == 1
    return frames[0]


def _filter_fields(frames: list[Frame], options: dict[str, Any]) -> list[Frame]:
    include = options["include"]
    if "pattern" in include:
        return [{name: column for name, column in f.items() if re.match(include["pattern"], name)} for f in frames]
    for name in include["names"]:
        if not any(name in frame for frame in frames):
            raise KeyError(name)
    return [{name: column for name, column in f.items() if name in include["names"]} for f in frames]


def _merge(frames: list[Frame], _: dict[str, Any]) -> list[Frame]:
    frames = [frame for frame in frames if frame]
    keys = [name for name in frames[0] if all(name in frame for frame in frames)]
    names = list(dict.fromkeys(name for frame in frames for name in frame))
    joined: dict[tuple[Value, ...], dict[str, Value]] = {}
    for frame in frames:
        for record in rows(frame):
            joined.setdefault(tuple(record[key] for key in keys), {}).update(record)
    return [frame_of(names, list(joined.values()))]


def _calculate(frames: list[Frame], options: dict[str, Any]) -> list[Frame]:
    (frame,) = frames
    length = len(next(iter(frame.values())))
    if options["mode"] == "unary":
        assert options["unary"]["operator"] == "floor"
        column: list[Value] = [math.floor(_number(value)) for value in frame[options["unary"]["fieldName"]]]
    else:
        binary = options["binary"]
        sides = [_side(frame, binary[side], length) for side in ("left", "right")]
        column = [_operate(binary["operator"], one, other) for one, other in zip(*sides, strict=True)]
    return [{**frame, options["alias"]: column}]


def _side(frame: Frame, text: str, length: int) -> list[float]:
    if text in frame:
        return [_number(value) for value in frame[text]]
    try:
        return [float(text)] * length
    except ValueError:
        raise KeyError(text) from None


def _number(value: Value) -> float:
    assert not isinstance(value, str)
    return float(value or 0)


def _operate(operator: str, one: float, other: float) -> float:
    match operator:
        case "+":
            return one + other
        case "*":
            return one * other
        case "/" if other == 0:
            return math.nan if one == 0 else math.copysign(math.inf, one)
        case "/":
            return one / other
    raise AssertionError(operator)


def _filter_values(frames: list[Frame], options: dict[str, Any]) -> list[Frame]:
    (frame,) = frames
    assert options["type"] == "include"
    assert options["match"] == "all"
    kept = [record for record in rows(frame) if all(_passes(record, each) for each in options["filters"])]
    return [frame_of(list(frame), kept)]


def _passes(record: dict[str, Value], condition: dict[str, Any]) -> bool:
    value, test = record[condition["fieldName"]], condition["config"]
    match test["id"]:
        case "isNotNull":
            return value is not None
        case "greater":
            return _number(value) > test["options"]["value"]
    raise AssertionError(test["id"])


def _group_by(frames: list[Frame], options: dict[str, Any]) -> list[Frame]:
    (frame,) = frames
    (by,) = [name for name, field in options["fields"].items() if field["operation"] == "groupby"]
    groups: dict[Value, list[dict[str, Value]]] = {}
    for record in rows(frame):
        groups.setdefault(record[by], []).append(record)
    result: Frame = {by: list(groups)}
    for name, field in options["fields"].items():
        for aggregation in field["aggregations"]:
            result[f"{name} ({aggregation})"] = [
                _aggregate(aggregation, [_number(record[name]) for record in group if record[name] is not None])
                for group in groups.values()
            ]
    return [result]


def _aggregate(name: str, values: list[float]) -> float:
    match name:
        case "sum":
            return sum(values)
        case "count":
            return len(values)
        case "mean":
            return fmean(values)
    raise AssertionError(name)


def _sort(frames: list[Frame], options: dict[str, Any]) -> list[Frame]:
    (frame,) = frames
    (by,) = options["sort"]
    return [frame_of(list(frame), sorted(rows(frame), key=lambda record: _number(record[by["field"]])))]


def _organize(frames: list[Frame], options: dict[str, Any]) -> list[Frame]:
    (frame,) = frames
    for name in options["renameByName"]:
        if name not in frame:
            raise KeyError(name)
    ordered = sorted(frame, key=lambda name: options["indexByName"][name])
    return [{options["renameByName"].get(name, name): frame[name] for name in ordered}]


_STEPS = {
    "filterFieldsByName": _filter_fields,
    "merge": _merge,
    "calculateField": _calculate,
    "filterByValue": _filter_values,
    "groupBy": _group_by,
    "sortBy": _sort,
    "organize": _organize,
}
