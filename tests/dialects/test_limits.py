"""The rate limit: who it stops, and whom it must never stop."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialects.limits import Allowance, Throttle

START_MS = 1773065130000
THROTTLE = Throttle(rate_per_s=10, burst=100)


def admitted(moments: Iterable[tuple[int, int]], throttle: Throttle = THROTTLE) -> list[bool]:
    """Whether each (event time, arrival) in ms after the start is admitted."""
    allowance = Allowance()
    return [throttle.admit(allowance, START_MS + event_ms, START_MS + arrival_ms) for event_ms, arrival_ms in moments]


@pytest.mark.parametrize(
    ("title", "moments", "passed"),
    [
        ("a van once a second", [(i * 1000, i * 1000) for i in range(1000)], 1000),
        ("a van at ten per second", [(i * 100, i * 100) for i in range(1000)], 1000),
        ("a burst of one moment", [(0, 0)] * 150, 100),
        ("mad: 1000 per second, its clock stands", [(0, i) for i in range(10_000)], 100 + 99),
        ("mad: 1000 per second, its clock goes", [(i, i) for i in range(10_000)], 100 + 199),
        ("mad: its clock jumps back and forth", [((i % 2) * -5000, i) for i in range(10_000)], 100 + 99),
        ("an hour of buffered readings in one moment", [(i * 1000 - 3_600_000, 0) for i in range(3600)], 3600),
        ("a week replayed in one moment", [(i * 10_000, 0) for i in range(60_480)], 60_480),
    ],
)
def test_scenarios(title: str, moments: list[tuple[int, int]], passed: int) -> None:
    assert sum(admitted(moments)) == pytest.approx(passed, abs=1), title


def test_a_throttled_van_recovers_when_it_calms_down() -> None:
    moments = [(0, 0)] * 200 + [(i * 1000, i * 1000) for i in range(1, 60)]
    assert all(admitted(moments)[200:])


def test_one_van_gone_mad_does_not_touch_another() -> None:
    mad, calm = Allowance(), Allowance()
    for i in range(10_000):
        THROTTLE.admit(mad, START_MS, START_MS + i)
        if i % 1000 == 0:
            assert THROTTLE.admit(calm, START_MS + i, START_MS + i)
    assert mad.throttled > 9000
    assert mad.throttling
    assert calm.throttled == 0


def test_what_is_refused_is_counted() -> None:
    allowance = Allowance()
    results = [THROTTLE.admit(allowance, START_MS, START_MS) for _ in range(130)]
    assert allowance.throttled == results.count(False) == 30


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(0, 500)), max_size=300), st.integers(0, 300))
def test_a_replay_from_any_checkpoint_throttles_the_same(steps: list[tuple[int, int]], checkpoint: int) -> None:
    throttle = Throttle(rate_per_s=20, burst=5)
    arrivals, arrival_ms = [], START_MS
    for event_ms, gap_ms in steps:
        arrival_ms += gap_ms // 10
        arrivals.append((arrival_ms + event_ms, arrival_ms))
    straight = Allowance()
    kept = msgspec.msgpack.encode(straight)
    expected = []
    for index, arrival in enumerate(arrivals):
        if index == checkpoint:
            kept = msgspec.msgpack.encode(straight)
        expected.append(throttle.admit(straight, *arrival))
    start = checkpoint if checkpoint < len(arrivals) else 0
    again = msgspec.msgpack.decode(kept, type=Allowance)
    assert [throttle.admit(again, *arrival) for arrival in arrivals[start:]] == expected[start:]
    assert again == straight
