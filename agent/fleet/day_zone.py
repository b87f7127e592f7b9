"""Where a day begins: midnight in a time zone."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.errors import SettingsError

MS_PER_HOUR: Final = 3_600_000


class DayZone:
    """Where midnight is: an offset such as `+02:00`, or a name of the time zone database."""

    def __init__(self, name: str = "+00:00") -> None:
        self._zone = _zone(name)

    @property
    def tzinfo(self) -> tzinfo:
        """The zone, for times that are given without one."""
        return self._zone

    def bounds(self, time_ms: int) -> tuple[int, int]:
        """First millisecond of the day of a time, and of the next day."""
        midnight = self._local(time_ms).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        following = (midnight + timedelta(days=1)).replace(fold=0)
        return _epoch_ms(midnight), _epoch_ms(following)

    def hour(self, time_ms: int) -> int:
        """Hour of the day, 0 to 23."""
        return self._local(time_ms).hour

    def next_hour_ms(self, time_ms: int) -> int:
        """The next full hour in the zone. In UTC it may be at half past, or at a quarter to."""
        local = self._local(time_ms)
        return time_ms // 1000 * 1000 + MS_PER_HOUR - (local.minute * 60 + local.second) * 1000

    def _local(self, time_ms: int) -> datetime:
        return datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(self._zone)


def _zone(name: str) -> tzinfo:
    if name[:1] in ("+", "-"):
        try:
            hours, minutes = (int(part) for part in name[1:].split(":"))
            offset = timedelta(hours=hours, minutes=minutes)
            return timezone(offset if name[0] == "+" else -offset)
        except ValueError as error:
            raise SettingsError(f"UTC offset {name!r} is not of the form +02:00") from error
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"time zone {name!r} is not known on this system") from error


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp()) * 1000
