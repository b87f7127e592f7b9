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
