"""Partitions that come and go, with a group made by hand. `tests/kafka/test_roles.py` has real ones."""

import asyncio
from collections.abc import Awaitable, Callable

from agent.commands.ports import free_port
from agent.errors import PartitionLost
from agent.log import Checkpoint
from agent.owned_partition import OwnedPartition, PartitionSettings
from agent.processing import ProcessingAgent
from agent.shard.rollup import RollUpPart
from tests.doubles import FakeReceiver, FakeStore, make_shard, until
from tests.memory_log import MemoryLog

SETTINGS = PartitionSettings(
    batch_points=100, flush_s=0.01, checkpoint_every_s=1, durable_after_s=0, alert_prefix="vans-alerts"
)


class Group:
    """A membership that the test moves."""

    joined = True
    problem: str | None = None

    def __init__(
        self,
        *,
        on_assigned: Callable[[list[int]], None],
        release: Callable[[list[int]], Awaitable[None]],
        on_lost: Callable[[list[int]], None],
    ) -> None:
        self.assign = on_assigned
        self.release = release
        self.lose = on_lost
        self._closed = asyncio.Event()

    async def run(self) -> None:
        await self._closed.wait()

    def close(self) -> None:
        self._closed.set()


async def say_nothing(parts: list[RollUpPart]) -> None:
    """No minute passes."""
    assert not parts


class FencedLog(MemoryLog):
    """Somebody else has the partition, whatever the group says."""

    async def load(self, shard: int) -> Checkpoint:
        raise PartitionLost("another agent has taken over")


async def test_a_fenced_partition_that_is_released_is_not_taken_over_again() -> None:
    receiver, store, groups = FakeReceiver(), FakeStore(), list[Group]()
    taken = list[int]()

    def join(**callbacks: object) -> Group:
        groups.append(Group(**callbacks))  # type: ignore[arg-type]
        return groups[0]

    def take(number: int) -> OwnedPartition:
        taken.append(number)
        return OwnedPartition(
            number,
            log_of_messages=FencedLog(),
            shard=make_shard(),
            store=store,
            settings=SETTINGS,
            publish=receiver.publish,
            subscribed_since_ms=lambda: 1,
            say_parts=say_nothing,
            roll_ups=None,
        )

    agent = ProcessingAgent(
        connection=receiver,
        join=join,
        take=take,
        store=store,
        listen=("127.0.0.1", free_port()),
        instance="a",
    )
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(agent.run(stop))
        await until(lambda: store.opened)
        groups[0].assign([3])
        await until(lambda: taken)
        await asyncio.sleep(0)
        await groups[0].release([3])
        assert taken == [3]
        stop.set()
        await running
