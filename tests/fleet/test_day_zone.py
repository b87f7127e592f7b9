from datetime import datetime

import pytest

from agent.errors import SettingsError
from agent.fleet.day_zone import DayZone

DAY = 24 * 3_600_000


def ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("title", "zone", "time", "start", "end"),
    [
        ("UTC, noon", "+00:00", "2025-06-01T12:00Z", "2025-06-01T00:00Z", "2025-06-02T00:00Z"),
        (
            "the first millisecond belongs to the day",
            "+00:00",
            "2025-06-01T00:00Z",
            "2025-06-01T00:00Z",
            "2025-06-02T00:00Z",
        ),
        ("ahead of UTC", "+02:00", "2025-06-01T22:30Z", "2025-06-01T22:00Z", "2025-06-02T22:00Z"),
        ("behind UTC", "-05:30", "2025-06-01T05:00Z", "2025-05-31T05:30Z", "2025-06-01T05:30Z"),
        ("by name, summer", "Europe/Berlin", "2025-06-01T12:00Z", "2025-05-31T22:00Z", "2025-06-01T22:00Z"),
        ("23 hours", "Europe/Berlin", "2025-03-30T12:00Z", "2025-03-29T23:00Z", "2025-03-30T22:00Z"),
        ("25 hours", "Europe/Berlin", "2025-10-26T12:00Z", "2025-10-25T22:00Z", "2025-10-26T23:00Z"),
        ("the hour that comes twice", "Europe/Berlin", "2025-10-26T01:30Z", "2025-10-25T22:00Z", "2025-10-26T23:00Z"),
        ("before the epoch", "+00:00", "1969-12-31T23:00Z", "1969-12-31T00:00Z", "1970-01-01T00:00Z"),
    ],
)
def test_bounds(title, zone, time, start, end):
    assert DayZone(zone).bounds(ms(time)) == (ms(start), ms(end)), title


@pytest.mark.parametrize(("name", "minutes"), [("+00:00", 0), ("+02:00", 120), ("-05:30", -330), ("+05:45", 345)])
def test_a_day_begins_earlier_by_the_offset(name, minutes):
    assert DayZone(name).bounds(10 * DAY)[0] % DAY == -minutes * 60_000 % DAY


@pytest.mark.parametrize("name", ["+2", "+ab:00", "Mars/Base", "+99:00", "", "../etc/passwd"])
def test_a_bad_zone_is_refused(name):
    with pytest.raises(SettingsError, match=r"UTC offset|time zone"):
        DayZone(name)
