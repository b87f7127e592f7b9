"""One partition of the log while this process owns it: its shard, worker, writer and alerts."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from agent.alert_publisher import AlertPublisher, Publish
from agent.clock import wall_clock_ms
from agent.errors import LogUnavailable
from agent.fleet_roll_ups import FleetRollUps
from agent.log import Log
from agent.shard.rollup import RollUpPart
from agent.shard.shard import Shard
from agent.stores.base import Store
from agent.units import UnitQueue
from agent.worker import Worker
from agent.writer import Writer

log = logging.getLogger(__name__)

APPEND_RETRY_S: Final = 1.0


class PartitionSettings(NamedTuple):
    """What holds for every partition."""

    batch_points: int
    flush_s: float
    checkpoint_every_s: float
    durable_after_s: float
    alert_prefix: str


class OwnedPartition:
    """`run` takes the partition over and processes it. `release` lets it end in order."""

    def __init__(
        self,
        number: int,
        *,
        log_of_messages: Log,
        shard: Shard,
        store: Store,
        settings: PartitionSettings,
        publish: Publish,
        subscribed_since_ms: Callable[[], int],
        say_parts: Callable[[list[RollUpPart]], Awaitable[None]],
        roll_ups: FleetRollUps | None,
    ) -> None:
        """`roll_ups` combines the parts of all partitions meanwhile; None where another partition does that."""
        self.number = number
        self.log = log_of_messages
        self.shard = shard
        self.units = UnitQueue()
        self.alerts = AlertPublisher(
            shard, publish, prefix=settings.alert_prefix, subscribed_since_ms=subscribed_since_ms
        )
        self.writer = Writer(store, log_of_messages, self.units, shard=number, durable_after_s=settings.durable_after_s)
        self.worker = Worker(
            shard,
            log_of_messages,
            self.units,
            number=number,
            batch_points=settings.batch_points,
            flush_s=settings.flush_s,
            # Checkpoints that wait are held in memory: two of them are enough.
            checkpoint_every_s=max(settings.checkpoint_every_s, settings.durable_after_s / 2),
            publish_alerts=self.alerts.publish,
            say_parts=say_parts,
        )
        self.restored = False
        self._roll_ups = roll_ups

    async def run(self) -> None:
        """Process until released. Raises `PartitionLost`, alone or in a group, when another agent has taken over."""
        try:
            await self.worker.restore()
            self.restored = True
            log.info("partition %d: %d vans restored", self.number, len(self.shard.vans))
            await self._announce_tags()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.writer.run(), name=f"writer-{self.number}")
                combining = tasks.create_task(self._combine(), name=f"roll-ups-{self.number}")
                await self.worker.run()
                combining.cancel()
                await self.units.close()
        finally:
            await self.log.close()

    def release(self) -> None:
        """Let `run` end after the present slice, with all rows written and a checkpoint made."""
        self.worker.leave()

    async def _combine(self) -> None:
        if self._roll_ups is not None:
            await self._roll_ups.run()

    async def announce_alerts(self) -> None:
        """Publish the active alerts of our vans over a connection that does not know them."""
        if self.restored and not self.worker.repeating:
            await self.alerts.announce()

    async def _announce_tags(self) -> None:
        """Append the tags of the fleet file, unless the log is known to end with them."""
        tags = self.shard.tags_to_journal(backlog=self.worker.backlog > 0)
        while tags is not None:
            now_ms = wall_clock_ms()
            with contextlib.suppress(LogUnavailable):
                await self.log.append([tags], received_ms=now_ms, listening_since_ms=now_ms)
                return
            await asyncio.sleep(APPEND_RETRY_S)
