"""When the intake commits, played through against brokers of several rates and windows."""

import random
from collections import deque

import pytest

from agent.gathering import LIMIT_S, QUIET_S, READ_EVERY_S, SLOW_LIMIT_S, Gathering

COMMIT_S = 0.002


class Played:
    """A broker sends at these times, and never has more than `window` messages unacknowledged.

    The socket is read at most each `READ_EVERY_S`. A commit takes `COMMIT_S`; nothing else takes time.
    """

    def __init__(self, sent_s: list[float], *, window: int = 10_000) -> None:
        self.batches: list[int] = []
        self.delays_s: list[float] = []
        """From the publish to the acknowledgement, of each message."""
        gathering = Gathering()
        unsent, waiting = deque(sent_s), deque[float]()
        now_s = read_s = 0.0
        while unsent or waiting:
            due_s = gathering.due_s() if waiting else float("inf")
            room = window - len(waiting)
            next_read_s = max(unsent[0], read_s + READ_EVERY_S) if unsent and room > 0 else float("inf")
            now_s = max(now_s, min(due_s, next_read_s))
            if due_s <= now_s:
                gathering.committed(now_s, len(waiting))
                now_s += COMMIT_S
                self.batches.append(len(waiting))
                self.delays_s += [now_s - sent for sent in waiting]
                waiting.clear()
                continue
            read_s = now_s
            came = 0
            while unsent and unsent[0] <= now_s and came < room:
                waiting.append(unsent.popleft())
                came += 1
            gathering.arrived(now_s, came)
        self.end_s = now_s


def steady(rate_per_s: float, seconds: float) -> list[float]:
    """Messages of many vans: the gaps are exponential."""
    chance = random.Random(4)
    now_s, times = 0.0, []
    while now_s < seconds:
        now_s += chance.expovariate(rate_per_s)
        times.append(now_s)
    return times


@pytest.mark.parametrize(
    ("rate_per_s", "most_commits_per_s"),
    # One each 25 ms at most from 200/s on, one each 100 ms below; both come a little sooner when bytes stop arriving.
    [(100, 15), (1_000, 45), (10_000, 45)],
)
def test_messages_are_gathered_at_the_rates_of_fleets(rate_per_s: int, most_commits_per_s: int) -> None:
    played = Played(steady(rate_per_s, 10.0))
    assert sum(played.batches) >= 9 * rate_per_s
    assert len(played.batches) / 10.0 <= most_commits_per_s


@pytest.mark.parametrize("rate_per_s", [1, 20, 100, 1_000, 10_000])
def test_no_acknowledgement_waits_longer_than_the_limit(rate_per_s: int) -> None:
    limit_s = LIMIT_S if rate_per_s > 200 else SLOW_LIMIT_S
    played = Played(steady(rate_per_s, 10.0))
    assert max(played.delays_s) <= limit_s + 2 * COMMIT_S + READ_EVERY_S + 1e-9


def test_a_single_message_waits_only_until_nothing_follows() -> None:
    played = Played([1.0, 5.0, 9.0])
    assert played.batches == [1, 1, 1]
    assert max(played.delays_s) == pytest.approx(QUIET_S + COMMIT_S)


def test_a_small_window_still_carries_two_thousand_a_second() -> None:
    """Mosquitto sends 20 messages before it waits for acknowledgements: that is its default."""
    flat_out = Played([0.0] * 20_000, window=20)
    assert set(flat_out.batches[3:]) == {20}
    assert 20_000 / flat_out.end_s > 2_000


def test_a_window_that_was_learnt_by_accident_is_forgotten() -> None:
    """The broker sent 10 at a time for a while. Now it sends without pause."""
    bursts = [float(second) for second in range(5) for _ in range(10)]
    played = Played(bursts + [5.0 + time_s for time_s in steady(2_000, 10.0)])
    assert sum(played.batches[-100:]) / 100 > 30


def test_rest_of_a_batch_that_was_too_large_is_due_soon() -> None:
    gathering = Gathering()
    gathering.arrived(1.0, 5000)
    gathering.committed(1.0, 4096)
    assert 1.0 < gathering.due_s() <= 1.0 + LIMIT_S
