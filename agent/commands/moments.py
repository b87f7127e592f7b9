"""Times and dates: how people write them as options, and how commands print them."""

import argparse
import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.errors import SettingsError
from agent.fleet.day_zone import DayZone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(3000, 1, 1, tzinfo=UTC)
"""A time outside these limits is a typing error."""
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def add_period(parser: argparse.ArgumentParser) -> None:
    """`--from` and `--to`."""
    time = "date or RFC 3339 time, in fleet.timezone if it has no zone; ms since the epoch; or how long ago, such as 6h"
    parser.add_argument("--from", dest="start", metavar="T", help=f"start of the period: {time}")
    parser.add_argument("--to", dest="end", metavar="T", help="end of the period, which is not included")


def period(arguments: argparse.Namespace, timezone: str) -> tuple[int | None, int | None]:
    """Start and end of the period, ms since the epoch; `None` means open. Raises `SettingsError`."""
    start_ms = None if arguments.start is None else parse_moment(arguments.start, "--from", timezone)
    end_ms = None if arguments.end is None else parse_moment(arguments.end, "--to", timezone)
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise SettingsError(f"--from {arguments.start} is not before --to {arguments.end}")
    return start_ms, end_ms


def parse_moment(text: str, option: str, timezone: str = "UTC") -> int:
    """Milliseconds since the epoch. A date means its midnight; a time without a zone is in `timezone`.

    A number of 11 digits or more is milliseconds; a shorter one would be a date, a year or seconds. Raises
    `SettingsError`, which names the `option`.
    """
    with contextlib.suppress(ValueError, OverflowError):
        moment = _moment(text, timezone)
        if _FIRST < moment < _LAST:
            return (moment - _EPOCH) // timedelta(milliseconds=1)
    raise SettingsError(
        f"{option} {text!r} is not a date. Use 2026-11-28, an RFC 3339 time, 6h for six hours ago, or milliseconds."
    )


def _moment(text: str, timezone: str) -> datetime:
    """Raises ValueError, OverflowError."""
    ago = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if ago:
        return datetime.now(UTC) - timedelta(seconds=float(ago[1]) * _UNITS_S[ago[2]])
    if re.fullmatch(r"0|-?\d{11,15}", text):
        return _EPOCH + timedelta(milliseconds=int(text))
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=DayZone(timezone).tzinfo)


def format_moment(time_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
