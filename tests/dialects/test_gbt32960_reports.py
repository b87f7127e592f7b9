"""What is remembered of the times of a van's reports."""

from hypothesis import given
from hypothesis import strategies as st

from agent.dialects.gbt32960_reports import WINDOW_S, ReportTimes

NOW_S = 1_790_000_000


@given(st.lists(st.integers(-2 * WINDOW_S, 2 * WINDOW_S) | st.integers(0, 30), max_size=60))
def test_a_time_is_first_once_while_it_is_remembered(offsets_s: list[int]) -> None:
    times = ReportTimes()
    seen: set[int] = set()
    for offset_s in offsets_s:
        remembered = offset_s > max(seen, default=offset_s) - WINDOW_S
        expected = not remembered or offset_s not in seen
        assert times.is_first((NOW_S + offset_s) * 1000) is expected
        seen.add(offset_s)
