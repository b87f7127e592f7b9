"""The rate limit per sender, in front of the log.

It looks at the topic, the size and the arrival of a message, never at its content: event times do not matter to it. A
message that it refuses never enters the log. A message in the log was accepted and is not judged again.
"""

from array import array
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from agent.fast.attributes import quick_to_set
from agent.messages import Message

DEFAULT_RATE_PER_S: Final = 50.0
DEFAULT_BURST: Final = 604_800
"""A week of one reading a second: the most that a van can send at once without its oldest reading being too old."""
LEAST_BURST: Final = 20_000
"""The smallest burst, however short `fleet.max_age_s` is."""

UNIT_BITS: Final = 8
"""A message costs one unit for each 256 bytes or part of them, so arrays of readings count by their size."""
SENDERS_KEPT: Final = 16_384
"""Topics that are remembered. Beyond that, senders that have used up nothing are forgotten."""
QUIET_SHARE: Final = 8192
QUIET_S: Final = 60
QUIET_CELLS: Final = 65_536
"""Most vans send little. A sender that uses less than this share of a burst in `QUIET_S` seconds needs no bucket. Units
are counted by the hash of the topic in `QUIET_CELLS` cells. Senders that share a cell get a bucket earlier."""
US_PER_S: Final = 1_000_000
NAMED: Final = 1000
"""Senders whose refused messages are counted by name. All others are counted together under the empty name."""


@quick_to_set
class Bucket(msgspec.Struct, gc=False):
    """The theoretical arrival time of one sender: when all that it sent would have been due at the allowed rate."""

    due_us: int = 0


class Throttle:
    """A rate limit per sender, by the generic cell rate algorithm (ITU-T I.371): one number per sender, no timer.

    Arrival times come from a clock that is never set, such as `time.monotonic`. `sender_of` gives the sender that a
    topic names. A message whose topic names no sender is not limited.
    """

    def __init__(
        self,
        sender_of: Callable[[str], str | None],
        *,
        rate_per_s: float = DEFAULT_RATE_PER_S,
        burst: int = DEFAULT_BURST,
    ) -> None:
        self.refused: dict[str, int] = {}
        """Messages refused so far, by sender; see `NAMED`."""
        self._sender_of = sender_of
        self._step_us = max(1, round(US_PER_S / rate_per_s))
        self._slack_us = burst * self._step_us
        self._quiet = array("Q", bytes(QUIET_CELLS * 8))
        self._quiet_until_us = 0
        self._quiet_units = burst // QUIET_SHARE
        self._of_topic: dict[str, Bucket] = {}
        self._of_sender: dict[str, Bucket] = {}

    def refuse(self, messages: Sequence[Message], now_s: float) -> list[int]:
        """The indexes of the messages that are beyond the rates of their senders; mostly none."""
        refused: list[int] = []
        now_us = int(now_s * US_PER_S)
        find, step_us, latest_us = self._of_topic.get, self._step_us, now_us + self._slack_us
        for index, message in enumerate(messages):
            units = 1 + (len(message.payload) >> UNIT_BITS)
            bucket = find(message.topic)
            if bucket is None:
                bucket = self._bucket(message.topic, units, now_us)
                if bucket is None:
                    continue
            due_us = bucket.due_us
            if due_us < now_us:  # max() is slower, and this is the hot path
                due_us = now_us
            due_us += step_us * units
            if due_us > latest_us:
                refused.append(index)
                self._count(message.topic)
            else:
                bucket.due_us = due_us
        return refused

    def _bucket(self, topic: str, units: int, now_us: int) -> Bucket | None:
        """The bucket of a topic's sender; None if the topic names no sender, or if the sender needs none yet."""
        if now_us >= self._quiet_until_us:
            self._quiet_until_us = now_us + QUIET_S * US_PER_S
            self._quiet = array("Q", bytes(QUIET_CELLS * 8))
        cell = hash(topic) % QUIET_CELLS
        self._quiet[cell] += units
        if self._quiet[cell] <= self._quiet_units:
            return None
        sender = self._sender_of(topic)
        if sender is None:
            return None
        if len(self._of_topic) >= SENDERS_KEPT:
            self._forget_unused_buckets(now_us)
        bucket = self._of_sender.get(sender)
        if bucket is None:
            bucket = self._of_sender[sender] = Bucket()
        self._of_topic[topic] = bucket
        return bucket

    def _forget_unused_buckets(self, now_us: int) -> None:
        self._of_topic.clear()
        self._of_sender = {sender: bucket for sender, bucket in self._of_sender.items() if bucket.due_us > now_us}

    def _count(self, topic: str) -> None:
        sender = self._sender_of(topic) or ""
        if sender not in self.refused and len(self.refused) >= NAMED:
            sender = ""
        self.refused[sender] = self.refused.get(sender, 0) + 1
