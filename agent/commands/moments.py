"""Moments in time as people write them in a command, and as commands write them."""

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
"""What lies outside is a slip of the pen."""
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def add_period(parser: argparse.ArgumentParser) -> None:
    """`--from` and `--to`."""
    moment = "a date or RFC 3339 (without zone: in fleet.timezone), ms since the epoch, or how long ago, like 6h or 7d"
    parser.add_argument("--from", dest="start", metavar="T", help=f"first moment: {moment}")
    parser.add_argument("--to", dest="end", metavar="T", help="first moment after it, likewise")


def period(arguments: argparse.Namespace, timezone: str) -> tuple[int | None, int | None]:
    """The first moment and the first after it, ms since the epoch; `None` is open. Raises `SettingsError`."""
    start_ms = None if arguments.start is None else parse_moment(arguments.start, "--from", timezone)
    end_ms = None if arguments.end is None else parse_moment(arguments.end, "--to", timezone)
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise SettingsError(f"--from {arguments.start} is not before --to {arguments.end}")
    return start_ms, end_ms


def parse_moment(text: str, option: str, timezone: str = "UTC") -> int:
    """Milliseconds since the epoch; a date is its midnight, and what names no zone is meant in `timezone`.

    A number is milliseconds if it is too long for a date, a year or seconds. Raises `SettingsError`, which names the
    `option`.
    """
    with contextlib.suppress(ValueError, OverflowError):
        moment = _moment(text, timezone)
        if _FIRST < moment < _LAST:
            return (moment - _EPOCH) // timedelta(milliseconds=1)
    raise SettingsError(
        f"{option} {text!r} is no moment: use 2026-06-01, 2026-06-01T08:00:00Z, milliseconds, or 6h for so long ago"
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
