"""Until when an agent may believe that it is a member of its group."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, TopicPartition

from agent.kafka.lease import ASK_EVERY_S, LEASE_S, Lease
from agent.kafka.membership import SESSION_MS


class Member:
    """Notes the commits; the test gives the answers."""

    def __init__(self) -> None:
        self.commits: list[list[int]] = []

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        self.commits.append([each.partition for each in offsets])


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def ask(lease: Lease, member: Member) -> None:
    lease.ask(member, "vans-sources", [1])  # type: ignore[arg-type]


def test_an_answer_holds_from_when_it_was_asked_for_and_less_long_than_a_session() -> None:
    clock, member = Clock(), Member()
    lease = Lease(clock_s=clock)
    ask(lease, member)
    assert not lease.is_held()
    clock.now_s += 5
    lease.answered(None, [])
    assert lease.is_held()
    clock.now_s += LEASE_S - 5
    assert not lease.is_held()
    assert LEASE_S < SESSION_MS / 1000


def test_an_answer_belongs_to_the_oldest_question() -> None:
    clock, member = Clock(), Member()
    lease = Lease(clock_s=clock)
    ask(lease, member)
    clock.now_s += 100  # frozen
    ask(lease, member)
    lease.answered(None, [])
    assert not lease.is_held()
    lease.answered(None, [])
    assert lease.is_held()


def test_a_refusal_and_the_end_of_the_membership_confirm_nothing() -> None:
    clock, member = Clock(), Member()
    lease = Lease(clock_s=clock)
    ask(lease, member)
    lease.answered(KafkaError(KafkaError.UNKNOWN_MEMBER_ID), [])
    assert not lease.is_held()
    clock.now_s += ASK_EVERY_S
    ask(lease, member)
    lease.answered(None, [])
    assert lease.is_held()
    lease.end()
    assert not lease.is_held()


def test_it_asks_once_a_second_and_only_for_what_is_ours() -> None:
    clock, member = Clock(), Member()
    lease = Lease(clock_s=clock)
    lease.ask(member, "vans-sources", [])  # type: ignore[arg-type]
    for _ in range(20):
        ask(lease, member)
        clock.now_s += ASK_EVERY_S / 10
    assert member.commits == [[1], [1]]
