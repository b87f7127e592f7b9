"""Closed days in the history file: the points of one series, measurement and day of UTC, compressed."""

import logging
from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec

from agent.points.measurements import Measurement
from agent.stores.columns import ABSENT, DamagedDay, decode, encode

log = logging.getLogger(__name__)

StoredPoint = tuple[Any, ...]
"""time_ms, and the fields in the order of the measurement, as they are kept: integers, or None for an absent one."""

_TIME: Final = "time_ms"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ClosedDay(NamedTuple):
    """One row of `<name>_days`."""

    day: int
    series_id: int
    newest: bytes
    """The newest point, so that the last values need no decompression: fields by name, in MessagePack."""
    columns: bytes


def column_names(measurement: Measurement) -> tuple[str, ...]:
    """The columns of a closed day, in the order of a stored point."""
    return (_TIME, *measurement.field_names)


def close_day(measurement: Measurement, day: int, series_id: int, columns: Sequence["array[int]"]) -> ClosedDay:
    """Compress columns, which are in order of time, without two points of one time."""
    named = dict(zip(column_names(measurement), columns, strict=True))
    last = {name: values[-1] for name, values in named.items() if values[-1] != ABSENT}
    return ClosedDay(day, series_id, msgspec.msgpack.encode(last), encode(named))


def points_of(measurement: Measurement, content: bytes) -> Iterator[StoredPoint]:
    """The points of a closed day in order of time, made while they are read. Raises `DamagedDay`."""
    count, columns = decode(content)
    if count and _TIME not in columns:
        raise DamagedDay("it has no times")
    return zip(*(columns.get(name, repeat(None, count)) for name in column_names(measurement)), strict=True)


def newest_of(measurement: Measurement, newest: bytes) -> StoredPoint:
    """The newest point of a closed day. Raises `DamagedDay`."""
    try:
        found = msgspec.msgpack.decode(newest, type=dict[str, int])
    except msgspec.MsgspecError as error:
        raise DamagedDay(str(error)) from error
    if _TIME not in found:
        raise DamagedDay("its newest point has no time")
    return tuple(found.get(name) for name in column_names(measurement))


def unite(closed: StoredPoint, hot: StoredPoint) -> StoredPoint:
    """One point out of two for the same time: the fields of the hot one, and those that only the closed one has."""
    return tuple(old if new is None else new for old, new in zip(closed, hot, strict=True))


def with_late_points(closed: Iterable[StoredPoint], columns: Sequence["array[int]"]) -> list["array[int]"]:
    """The columns of a closed day with hot points, as columns, merged in."""
    points = {point[0]: point for point in closed}
    for values in zip(*columns, strict=True):
        late = tuple(None if value == ABSENT else value for value in values)
        known = points.get(late[0])
        points[late[0]] = late if known is None else unite(known, late)
    in_order = (points[time_ms] for time_ms in sorted(points))
    return [array("q", (ABSENT if v is None else v for v in values)) for values in zip(*in_order, strict=True)]


def report_damage(measurement: Measurement, vehicle_id: str | None, day: int, error: Exception) -> None:
    """Say which van and day can't be read."""
    whose = f"van {vehicle_id}" if vehicle_id else "no van"
    log.error("history: %s of %s on %s is damaged and is left out: %s", measurement.name, whose, date_of(day), error)


def date_of(day: int) -> str:
    """The date of a day's number, as in ISO 8601; the number itself outside the calendar."""
    try:
        return (_EPOCH + timedelta(days=day)).date().isoformat()
    except OverflowError:
        return f"day {day}"
