"""Backoff: the bound doubles up to the cap, the wait stays within it, a success starts again."""

import random

import pytest

from agent.backoff import Backoff


class Highest(random.Random):
    """Always draws the upper end."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


class Lowest(random.Random):
    """Always draws the lower end."""

    def uniform(self, a: float, b: float) -> float:
        del b
        return a


def test_the_bound_doubles_up_to_the_cap() -> None:
    backoff = Backoff(first_s=0.5, cap_s=30.0, chance=Highest())
    assert [backoff.next_s() for _ in range(9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize(
    ("title", "least", "waits_s"),
    [("full jitter", 0.0, [0.0, 0.0]), ("a tenth", 0.1, [0.1, 0.2]), ("no jitter", 1.0, [1.0, 2.0])],
)
def test_the_shortest_wait_is_a_share_of_the_bound(title: str, least: float, waits_s: list[float]) -> None:
    backoff = Backoff(first_s=1.0, least=least, chance=Lowest())
    assert [backoff.next_s() for _ in range(2)] == pytest.approx(waits_s), title


def test_a_success_starts_with_the_shortest_wait_again() -> None:
    backoff = Backoff(first_s=1.0, chance=Highest())
    assert [backoff.next_s() for _ in range(3)] == [1.0, 2.0, 4.0]
    backoff.reset()
    assert backoff.next_s() == 1.0


def test_a_long_outage_does_not_overflow() -> None:
    backoff = Backoff(first_s=0.5, cap_s=30.0)
    assert all(0.0 <= backoff.next_s() <= 30.0 for _ in range(5_000))
