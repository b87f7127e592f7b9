from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialects.timestamps import DAY_MS, LAST_MS, MINUTE_MS, check_window, parse_time, parse_zone
from agent.errors import Rejected, SettingsError


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-09T14:05:30Z", 1773065130000),
        ("2026-03-09T14:05:30.123Z", 1773065130123),
        ("2026-03-09T14:05:30.1Z", 1773065130100),
        ("2026-03-09T14:05:30.1239999Z", 1773065130123),
        ("2026-03-09t14:05:30z", 1773065130000),
        ("2026-03-09 14:05:30Z", 1773065130000),
        ("2026-03-09T15:05:30+01:00", 1773065130000),
        ("2026-03-09T10:35:30.5-03:30", 1773065130500),
        ("2026-03-09T14:05:30-00:00", 1773065130000),
        ("2016-12-31T23:59:60Z", 1483228800000),
        ("9999-12-31T23:59:59.999Z", LAST_MS),
    ],
)
def test_rfc_3339(text: str, ms: int) -> None:
    assert parse_time(text) == ms
    assert parse_time(text) == ms, "the second time from the cache"


@settings(deadline=None)
@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  # the zone is drawn apart
    st.integers(-14 * 60, 14 * 60),
)
def test_any_moment_in_any_zone(moment: datetime, zone_minutes: int) -> None:
    moment = moment.replace(
        microsecond=moment.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(minutes=zone_minutes))
    )
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_time(moment.isoformat()) == expected
    assert parse_time(moment.isoformat(timespec="milliseconds")) == expected
    assert parse_time(expected) == expected


@settings(deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"))
def test_any_text_is_a_time_or_rejected(text: str) -> None:
    try:
        outcome: object = parse_time(text)
    except Rejected as rejected:
        outcome = rejected.reason
    assert outcome == "schema" or -LAST_MS <= outcome <= LAST_MS + DAY_MS


@pytest.mark.parametrize("value", [None, True, False, 1.0, float("nan"), [], {}, b"2026-03-09T14:05:30Z"])
def test_only_text_and_integers_are_times(value: object) -> None:
    with pytest.raises(Rejected, match="schema"):
        parse_time(value)


@pytest.mark.parametrize("value", [LAST_MS + 1, -LAST_MS - 1, 10**400])
def test_absurd_integers(value: int) -> None:
    with pytest.raises(Rejected, match="out_of_range"):
        parse_time(value)


def test_the_window_includes_its_ends() -> None:
    received_ms = 1773065130000
    window = {"max_age_ms": DAY_MS, "max_ahead_ms": MINUTE_MS}
    check_window(received_ms - DAY_MS, received_ms, **window)
    check_window(received_ms + MINUTE_MS, received_ms, **window)
    with pytest.raises(Rejected, match="too_old"):
        check_window(received_ms - DAY_MS - 1, received_ms, **window)
    with pytest.raises(Rejected, match="in_future"):
        check_window(received_ms + MINUTE_MS + 1, received_ms, **window)


@pytest.mark.parametrize(("text", "minutes"), [("+08:00", 480), ("-03:30", -210), ("+00:00", 0)])
def test_zone(text: str, minutes: int) -> None:
    assert parse_zone(text) == minutes


@pytest.mark.parametrize("text", ["", "8", "+8:00", "+15:00", "+08:60", "CET"])
def test_zone_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match="zone"):
        parse_zone(text)


NOON_MS = 1773057600000
RULES = {"max_age_ms": 7 * DAY_MS, "max_ahead_ms": 5 * MINUTE_MS}


@pytest.mark.parametrize(
    ("title", "reading_day", "arrival_day", "replay_day", "reason"),
    [
        ("our clock was 200 days behind", 0, -200, 0.1, None),
        ("the same, replayed after nine days", 0, -200, 9, None),
        ("our clock was 200 days ahead", 0, 200, 0.1, None),
        ("good then, replayed after nine days", 0, 0.1, 9, None),
        ("too old when it arrived", 0, 8, 9, "too_old"),
        ("its van's clock is a month ahead still", 30, 0, 1, "in_future"),
    ],
)
def test_a_replayed_reading_is_judged_by_both_of_its_arrivals(
    title: str, reading_day: float, arrival_day: float, replay_day: float, reason: str | None
) -> None:
    time_ms, received_ms, other_arrival_ms = (
        NOON_MS + round(day * DAY_MS) for day in (reading_day, arrival_day, replay_day)
    )
    if reason is None:
        check_window(time_ms, received_ms, **RULES, other_arrival_ms=other_arrival_ms)
        return
    with pytest.raises(Rejected, match=reason):
        check_window(time_ms, received_ms, **RULES, other_arrival_ms=other_arrival_ms)
