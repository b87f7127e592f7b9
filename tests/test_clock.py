"""Which times a right clock can show."""

import pytest

from agent.clock import BEHIND_MS, DOUBT_S, RELEASED_MS, ClockWatch

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
SEEN_MS = RELEASED_MS + 100 * DAY_MS
"""What an earlier run knew."""


@pytest.mark.parametrize(
    ("title", "now_ms", "running_s", "problem"),
    [
        ("as usual", SEEN_MS + 1000, 0.0, None),
        ("switched off for a year", SEEN_MS + YEAR_MS, 0.0, None),
        ("set back by an hour", SEEN_MS - 3_600_000, 0.0, None),
        ("set back by a day", SEEN_MS - DAY_MS, 0.0, None),
        ("started at the time it was last switched off", SEEN_MS - BEHIND_MS - 1000, 0.0, "the journal has seen"),
        ("nobody sets it", SEEN_MS - BEHIND_MS - 1000, DOUBT_S, None),
        ("it was the earlier run that was ahead, by 50 days", SEEN_MS - 50 * DAY_MS, DOUBT_S, None),
        ("1970", 12_000, 0.0, "before this program was made"),
        ("1970, and nobody sets it", 12_000, 10 * DOUBT_S, "before this program was made"),
    ],
)
def test_plausible(title: str, now_ms: int, running_s: float, problem: str | None) -> None:
    steady_s = 1000.0
    watch = ClockWatch(clock_ms=lambda: now_ms, steady_s=lambda: steady_s)
    watch.seen_ms = SEEN_MS
    steady_s += running_s
    found = watch.problem()
    assert (found is None) == (problem is None), title
    assert problem is None or problem in str(found)


@pytest.mark.parametrize(
    ("title", "set_by_ms", "later_s", "remembered"),
    [
        ("set back by an hour", -3_600_000, 10, True),
        ("set back by a day, six days ago", -DAY_MS, 6 * 86_400, True),
        ("set back by an hour, eight days ago", -3_600_000, 8 * 86_400, False),
        ("set back by half a year", -180 * DAY_MS, 10, False),
        ("set forward by an hour", 3_600_000, 10, False),
        ("a small correction", -2000, 10, False),
    ],
)
def test_what_the_clock_showed_before_is_remembered_for_a_while(
    title: str, set_by_ms: int, later_s: int, remembered: bool
) -> None:
    steady_s = 0.0
    watch = ClockWatch(steady_s=lambda: steady_s)
    watch.was_set(SEEN_MS)
    steady_s = 10.0
    watch.was_set(SEEN_MS + 10_000 + set_by_ms)
    steady_s += later_s
    watch.was_set(SEEN_MS + 10_000 + set_by_ms + later_s * 1000)
    assert watch.former_ms() == (SEEN_MS + 10_000 + later_s * 1000 if remembered else 0), title


def test_a_clock_that_is_slowly_brought_right_is_not_set() -> None:
    """An hour over ten hours, in looks of ten seconds: one second each."""
    steady_s = 0.0
    watch = ClockWatch(steady_s=lambda: steady_s)
    now_ms = SEEN_MS
    for _ in range(3600):
        steady_s += 10.0
        now_ms += 11_000
        assert not watch.was_set(now_ms)
    assert watch.was_set(now_ms + 60_000)
