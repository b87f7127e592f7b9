"""Event times: RFC 3339 text with a zone, or integer milliseconds since the epoch."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from agent.errors import Rejected, SettingsError

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999. A larger integer is not a time."""

_RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_FRACTIONS: Final = {"Z": 0, **{f".{ms:03d}Z": ms for ms in range(1000)}}
_SECONDS_KEPT: Final = 4096
_seconds: dict[str, int] = {}
"""A cache of parsed seconds: vans that report at the same time share them. The result does not depend on it."""


def parse_time(value: object) -> int:
    """Milliseconds since the epoch from the `time` of a payload.

    Raises `Rejected`: `schema` for anything but an integer or a valid RFC 3339 time with a zone, `out_of_range` for an
    integer beyond the year 9999.
    """
    if type(value) is str:
        second_ms = _seconds.get(value[:19])
        fraction_ms = _FRACTIONS.get(value[19:])
        if second_ms is not None and fraction_ms is not None:
            return second_ms + fraction_ms
        return _parse_text(value)
    if type(value) is int:
        if not -LAST_MS <= value <= LAST_MS:
            raise Rejected("out_of_range", "time is beyond the year 9999: milliseconds are expected")
        return value
    raise Rejected("schema", f"time has to be RFC 3339 with a zone or integer milliseconds, not {_shown(value)}")


def parse_zone(text: str) -> int:
    """Minutes east of UTC from `+HH:MM`. Raises `SettingsError`."""
    match = re.fullmatch(r"([+-])(\d\d):(\d\d)", text, re.ASCII)
    if not match or int(match[2]) > 14 or int(match[3]) > 59:
        raise SettingsError(f"{text!r} is not a zone such as +08:00")
    return (int(match[2]) * 60 + int(match[3])) * (-1 if match[1] == "-" else 1)


def check_window(
    time_ms: int, received_ms: int, *, max_age_ms: int, max_ahead_ms: int, other_arrival_ms: int = 0
) -> None:
    """Raise `Rejected` if the event time is too far from the arrival time.

    A replayed message has two arrival times (`Message.other_arrival_ms`). Its event time is too old if it is so by the
    earlier one, and in the future if it is so by the later one. So a reading does not become too old by waiting for the
    replay, and an agent's clock that was wrong at one of the arrivals is no reason to refuse it.
    """
    first_ms, last_ms = received_ms, received_ms
    if other_arrival_ms:
        first_ms, last_ms = min(received_ms, other_arrival_ms), max(received_ms, other_arrival_ms)
    if time_ms < first_ms - max_age_ms:
        raise Rejected("too_old", f"{_span(first_ms - time_ms)} before its arrival")
    if time_ms > last_ms + max_ahead_ms:
        raise Rejected("in_future", f"{_span(time_ms - last_ms)} after its arrival")


def _parse_text(text: str) -> int:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise Rejected("schema", f"time {_shown(text)} is not RFC 3339 with a zone")
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = match.groups()
    leap_ms = 1000 if second == "60" else 0
    try:
        zone = (
            timezone(timedelta(hours=int(zone_hour), minutes=int(zone_minute)) * (-1 if sign == "-" else 1))
            if sign
            else UTC
        )
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), 59 if leap_ms else int(second), tzinfo=zone
        )
        second_ms = (moment - _EPOCH) // _MILLISECOND + leap_ms
    except (ValueError, OverflowError) as error:
        raise Rejected("schema", f"time {_shown(text)}: {error}") from error
    if not sign:
        if len(_seconds) >= _SECONDS_KEPT:
            _seconds.clear()
        _seconds[text[:19]] = second_ms
    return second_ms + (int(fraction[:3].ljust(3, "0")) if fraction else 0)


def _shown(value: object) -> str:
    return repr(value)[:60]


def _span(duration_ms: int) -> str:
    days, rest = divmod(duration_ms, DAY_MS)
    hours, rest = divmod(rest, 60 * MINUTE_MS)
    return f"{days} d {hours} h {rest // MINUTE_MS} min"
