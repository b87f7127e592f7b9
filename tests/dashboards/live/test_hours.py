import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboards.live.hours import HOUR_MS, HourBook, full_hours, grouped, kwh_per_100km, midnight_ms, total

BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("title", "now", "zone", "first", "count"),
    [
        ("the hour under way counts", "2026-11-22T12:34:00+00:00", UTC, "2026-11-21T13:00:00+00:00", 24),
        ("just before midnight", "2026-11-22T23:59:00+01:00", BERLIN, "2026-11-22T00:00:00+01:00", 24),
        ("the clock goes back", "2026-10-25T23:30:00+01:00", BERLIN, "2026-10-25T00:00:00+02:00", 25),
        ("half-hour zones", "2026-11-22T12:40:00+05:30", KOLKATA, "2026-11-21T13:00:00+05:30", 24),
    ],
)  # fmt: skip
def test_full_hours(title: str, now: str, zone: ZoneInfo, first: str, count: int) -> None:
    hours = full_hours(at(now), zone)
    assert hours[0] == at(first)
    assert len(hours) == count
    assert all(after - before == HOUR_MS for before, after in itertools.pairwise(hours))
    assert midnight_ms(at(now), zone) in hours


def book() -> HourBook:
    return HourBook(
        at={
            0: {"a": {"used_kwh": 10.0}},
            HOUR_MS: {"a": {"used_kwh": 12.0}, "b": {"used_kwh": 1.0}},
            2 * HOUR_MS: {"b": {"used_kwh": 4.0}},
        },
        first={"b": (HOUR_MS // 2, {"used_kwh": 0.0})},
    )


HEARD_MS = {"a": 2 * HOUR_MS + 1, "b": 2 * HOUR_MS + 2, "new": 2 * HOUR_MS + 3}
NOW = {"a": {"used_kwh": 17.0}, "b": {"used_kwh": 4.5}, "new": {"used_kwh": 3.0}}


def test_an_hour_is_a_difference_and_silence_is_booked_when_the_van_is_heard_again() -> None:
    table = {hour // HOUR_MS: sums.get("", {}) for hour, sums in book().by_hour(NOW, HEARD_MS)}
    assert table[0] == {"used_kwh": pytest.approx(2.0 + 1.0)}
    assert table[1] == {"used_kwh": pytest.approx(3.0)}  # a was silent at 2 o'clock
    assert table[2] == {"used_kwh": pytest.approx(5.0 + 0.5)}


def test_hours_add_up_to_the_whole() -> None:
    by_hour = total(sums.get("", {}) for _, sums in book().by_hour(NOW, HEARD_MS))
    since = total(book().since(0, NOW, HEARD_MS).values())
    assert by_hour == {"used_kwh": pytest.approx(since["used_kwh"])}


def test_a_van_without_a_past_counts_from_where_it_was_first_seen() -> None:
    since = book().since(0, NOW, HEARD_MS)
    assert since["b"] == {"used_kwh": 4.5}
    assert since["new"] == {"used_kwh": 0.0}


def test_a_van_that_is_not_heard_again_stands_as_it_stood() -> None:
    silent = HEARD_MS | {"a": HOUR_MS + 1}
    table = {hour // HOUR_MS: sums.get("", {}) for hour, sums in book().by_hour(NOW, silent)}
    assert table[1] == {"used_kwh": pytest.approx(5.0 + 3.0)}
    assert table[2] == {"used_kwh": pytest.approx(0.5)}
    assert book().since(2 * HOUR_MS, NOW, silent)["a"] == {"used_kwh": 0.0}
    assert book().since(HOUR_MS, NOW, silent)["a"] == {"used_kwh": 5.0}


def test_what_was_used_in_a_silence_over_midnight_counts_when_the_van_is_heard_again() -> None:
    assert book().since(2 * HOUR_MS, NOW, HEARD_MS)["a"] == {"used_kwh": 5.0}


def test_a_van_heard_only_before_all_full_hours_has_used_nothing_since() -> None:
    known = HourBook(at={HOUR_MS: {}, 2 * HOUR_MS: {}}, first={"a": (HOUR_MS // 2, {"used_kwh": 3.0})})
    now, heard_ms = {"a": {"used_kwh": 9.0}}, {"a": HOUR_MS - 1}
    assert known.since(HOUR_MS, now, heard_ms) == {"a": {"used_kwh": 0.0}}
    assert total(sums.get("", {}) for _, sums in known.by_hour(now, heard_ms)) == {"used_kwh": 0.0}


def test_groups_and_sums_leave_out_what_nobody_knows() -> None:
    groups = grouped({"a": {"used_kwh": 1.0}, "b": {"used_kwh": 2.0, "grid_kwh": 5.0}}, lambda _: "depot")
    assert groups == {"depot": {"used_kwh": 3.0, "grid_kwh": 5.0}}
    assert total([]) == {}


def test_consumption_is_net_of_what_braking_returned() -> None:
    assert kwh_per_100km({"used_kwh": 30.0, "regenerated_kwh": 5.0, "distance_km": 100.0}) == 25.0
    assert kwh_per_100km({"used_kwh": 30.0}) is None
    assert kwh_per_100km({"used_kwh": 0.1, "distance_km": 0.0}) is None


def test_what_was_corrected_counts_in_no_hour_and_in_no_day() -> None:
    """Of van a's 2 + 3 + … kWh, 1.5 in the first hour are wrong, and more than there is in the second."""
    corrected = book()
    corrected.corrections = {"a": [(5, {"used_kwh": 1.5}), (HOUR_MS + 5, {"used_kwh": 9.0})]}
    table = {hour // HOUR_MS: sums.get("", {}) for hour, sums in corrected.by_hour(NOW, HEARD_MS)}
    assert table[0] == {"used_kwh": pytest.approx(2.0 - 1.5 + 1.0)}
    assert table[1] == {"used_kwh": pytest.approx(3.0)}
    assert table[2] == {"used_kwh": pytest.approx(5.0 + 0.5)}
    corrected.corrections = {"a": [(5, {"used_kwh": 1.5}), (HOUR_MS + 5, {"used_kwh": 0.5})]}
    assert corrected.since(0, NOW, HEARD_MS)["a"] == {"used_kwh": pytest.approx(7.0 - 2.0)}
    assert corrected.since(HOUR_MS, NOW, HEARD_MS)["a"] == {"used_kwh": pytest.approx(5.0 - 0.5)}
