import time

import pytest

from agent.commands.moments import format_moment, parse_moment
from agent.errors import SettingsError

T0 = 1_772_348_400_000
NUMBERS = ["2026", "202603", "1772348400", "9" * 15, "9" * 20, "9" * 5000, "9999-12-31", "0001-01-01"]


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("0", 0),
        ("1772348400000", T0),
        ("2026-03-01T07:00:00Z", T0),
        ("2026-03-01T07:00:00.5+00:00", T0 + 500),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-03-01", T0 - 7 * 3_600_000),
        ("20260301", T0 - 7 * 3_600_000),
        ("2026-03-01T07:00:00", T0),
    ],
)
def test_moments(text: str, time_ms: int) -> None:
    assert parse_moment(text, "--from") == time_ms
    assert parse_moment(format_moment(time_ms), "--from") == time_ms


@pytest.mark.parametrize(
    ("zone", "hours"), [("UTC", 0), ("Europe/Berlin", -1), ("+08:00", -8), ("America/New_York", 5)]
)
def test_what_names_no_zone_is_meant_where_the_fleets_days_begin(zone: str, hours: int) -> None:
    day, moment = (parse_moment(text, "--to", zone) for text in ("2026-03-01", "2026-03-01T07:00:00"))
    assert (day, moment) == (T0 + (hours - 7) * 3_600_000, T0 + hours * 3_600_000)
    assert parse_moment("2026-03-01T07:00:00Z", "--to", zone) == T0


def test_a_moment_some_time_ago() -> None:
    before_ms = time.time() * 1000
    parsed_ms = parse_moment("1.5h", "--from")
    assert before_ms - 1 <= parsed_ms + 5_400_000 <= time.time() * 1000 + 1


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "6y", "9" * 30 + "w", "1e400h", *NUMBERS])
def test_what_is_no_moment_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--from .* is not a date. Use 2026-11-28"):
        parse_moment(text, "--from")
