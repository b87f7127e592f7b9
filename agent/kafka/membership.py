"""Which partitions are ours: a member of the consumer group, which the brokers give partitions to and take them from.

The member reads no messages and commits no offsets. Its partitions are paused at once, and it is polled only to hear of
changes. Partitions move one by one (`cooperative-sticky`): a change leaves those that stay with their owner alone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from agent.kafka.client import consumer
from agent.kafka.groups import group_of
from agent.kafka.lease import Lease
from agent.thread import OwnThread

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
SESSION_MS: Final = 10_000
"""A member that was not heard of for so long is dead; its partitions go to others."""
LONGEST_POLL_MS: Final = 60_000
PROBE_EVERY_S: Final = 5.0
PROBE_S: Final = 2.0
"""How often Kafka is asked for a sign of life, and how long it may take to answer."""
RELEASE_S: Final = 30.0
"""How long the release of partitions may take. After it another agent takes them over, whatever is unfinished here."""

Release = Callable[[list[int]], Awaitable[None]]


class Membership:
    """Calls back in the event loop: `on_assigned`, `release` when partitions go in order, `on_lost` when they are gone.

    The group waits for `release`.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topic: str,
        *,
        on_assigned: Callable[[list[int]], None],
        release: Release,
        on_lost: Callable[[list[int]], None],
        lease: Lease | None = None,
    ) -> None:
        """`lease` is kept as long as this agent is a member and has partitions."""
        self.joined = False
        """Whether the group has told us our partitions, which may be none."""
        self.problem: str | None = None
        """Why Kafka is thought to be away; None while it answers."""
        self._topic = topic
        self._lease = lease
        self._ours: set[int] = set()
        self._on_assigned = on_assigned
        self._release = release
        self._on_lost = on_lost
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = OwnThread("kafka-membership")
        self._consumer = consumer(
            settings,
            group=group_of(topic),
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=SESSION_MS,
            max_poll_interval_ms=LONGEST_POLL_MS,
            auto_offset_reset="latest",
            enable_partition_eof=False,
            on_commit=None if lease is None else lease.answered,
        )

    async def run(self) -> None:
        """Be a member until closed. Leaving releases all partitions."""
        self._loop = asyncio.get_running_loop()
        await self._thread.call(self._poll)
        self._thread.stop()

    def close(self) -> None:
        """Let `run` release the partitions, leave the group and end."""
        self._closing = True

    # -- in the thread

    def _poll(self) -> None:
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._partitions_lost
        )
        probed_s = time.monotonic()
        while not self._closing:
            if time.monotonic() - probed_s > PROBE_EVERY_S:
                self._probe()
                probed_s = time.monotonic()
            if self._lease is not None:
                self._lease.ask(self._consumer, self._topic, sorted(self._ours))
            try:
                event = self._consumer.poll(POLL_S)
            except KafkaException as error:
                log.warning("the group: %s", error.args[0].str())
                continue
            problem = event.error() if event is not None else None
            if problem is not None:
                log.warning("the group: %s", problem.str())
        self._consumer.close()

    def _probe(self) -> None:
        """A poll does not tell an idle topic from brokers that are away."""
        try:
            found = self._consumer.list_topics(self._topic, timeout=PROBE_S).topics
        except KafkaException as error:
            self.problem = f"Kafka does not answer ({error.args[0].str()})"
        else:
            gone = self._topic not in found or not found[self._topic].partitions
            self.problem = f"topic {self._topic!r} is gone" if gone else None

    def _assigned(self, member: Consumer, partitions: Sequence[TopicPartition]) -> None:
        given = [TopicPartition(each.topic, each.partition, OFFSET_END) for each in partitions]
        member.incremental_assign(given)
        if given:
            member.pause(given)
        self._ours.update(_numbers(partitions))
        self._in_loop(self._call(self._on_assigned, _numbers(partitions)))
        self.joined = True

    def _revoked(self, member: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._in_loop(self._release_in_time(_numbers(partitions)))
        self._give_up(partitions)
        member.incremental_unassign(list(partitions))

    def _partitions_lost(self, member: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self.joined = False
        self._give_up(partitions)
        self._in_loop(self._call(self._on_lost, _numbers(partitions)))
        member.incremental_unassign(list(partitions))

    def _give_up(self, partitions: Sequence[TopicPartition]) -> None:
        self._ours.difference_update(_numbers(partitions))
        if self._lease is not None and not self._ours:
            self._lease.end()

    def _in_loop(self, action: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None  # noqa: S101  # `run` comes first
        asyncio.run_coroutine_threadsafe(action, self._loop).result()

    # -- in the event loop

    async def _call(self, function: Callable[[list[int]], None], numbers: list[int]) -> None:
        function(numbers)

    async def _release_in_time(self, numbers: list[int]) -> None:
        try:
            async with asyncio.timeout(RELEASE_S):
                await self._release(numbers)
        except TimeoutError:
            log.warning("partitions %s were not released in time; another agent takes them over", numbers)
            self._on_lost(numbers)


def _numbers(partitions: Sequence[TopicPartition]) -> list[int]:
    return sorted(each.partition for each in partitions)
