"""Whether this agent is still a member of its group, in the eyes of the brokers, at this moment.

An agent that was frozen for longer than its session does not know that others have what was its own. So it asks the
brokers every second, and believes an answer for less than a session lasts. The question is the commit of an offset,
which only a member of the group may do. Nobody reads that offset.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

ASK_EVERY_S: Final = 1.0
LEASE_S: Final = 6.0
"""How long an answer holds, from when it was asked for. Shorter than a session."""


class Lease:
    """`ask` and `answered` are called in the thread that polls the consumer, `is_held` in any."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._asked_s: deque[float] = deque()
        self._last_asked_s = float("-inf")
        self._confirmed_s = float("-inf")

    def is_held(self) -> bool:
        """Whether the brokers have said so lately."""
        return self._clock_s() - self._confirmed_s < LEASE_S

    def ask(self, member: Consumer, topic: str, numbers: Sequence[int]) -> None:
        """Ask, if it is time to, on behalf of the owner of these partitions."""
        now_s = self._clock_s()
        if not numbers or now_s - self._last_asked_s < ASK_EVERY_S:
            return
        self._last_asked_s = now_s
        try:
            member.commit(offsets=[TopicPartition(topic, number, 0) for number in numbers], asynchronous=True)
        except KafkaException:  # not a member at present
            return
        self._asked_s.append(now_s)

    def answered(self, problem: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """The answer to the oldest question without one."""
        asked_s = self._asked_s.popleft() if self._asked_s else float("-inf")
        if problem is None and not any(each.error for each in partitions):
            self._confirmed_s = max(self._confirmed_s, asked_s)

    def end(self) -> None:
        """Nothing is ours."""
        self._confirmed_s = self._last_asked_s = float("-inf")
