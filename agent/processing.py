"""The processing agent: its partitions of the log on Kafka → shards → one store. It receives no messages of vans.

The brokers say which partitions are ours (`agent/kafka/membership.py`). Three things can end our ownership:

* **revoked**: another agent is to have the partition. It is released: slice, rows, checkpoint, then it is let go.
* **lost**: the group has given us up. Everything of the partition is dropped; its new owner is at work.
* **fenced**: a write fails since another agent has taken over. Everything is dropped likewise.

What is dropped was not checkpointed, so the new owner processes it again, with the same result.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from agent import malloc, systemd
from agent.errors import LogCorrupt, PartitionLost
from agent.group import Joining
from agent.health import serving
from agent.mqtt.base import Delivery, Receiver
from agent.owned_partition import OwnedPartition
from agent.processing_vitals import ProcessingVitals
from agent.self_report import SelfReport
from agent.stores.base import Store
from agent.ticker import next_tick

logger = logging.getLogger(__name__)

RETAKE_S: Final = 2.0
"""A partition that was fenced while the group still says that it is ours is taken over again after this time."""
UNREADABLE_RETRY_S: Final = 5.0
"""A partition whose states cannot be read is tried again after this time."""
RELEASE_WAIT_S: Final = 20.0
"""How long a release waits for the store and for Kafka; what is unfinished then is dropped."""


class ProcessingAgent:
    """One agent that processes, built and ready to run."""

    def __init__(
        self,
        *,
        connection: Receiver,
        join: Joining,
        take: Callable[[int], OwnedPartition],
        store: Store,
        listen: tuple[str, int],
        instance: str,
    ) -> None:
        """`take` makes a partition that has not been taken over yet. `connection` is for alerts only."""
        self._connection = connection
        self._take = take
        self._store = store
        self._listen = listen
        self._owned: dict[int, OwnedPartition] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._group = join(on_assigned=self._on_assigned, release=self._release, on_lost=self._on_lost)
        self.vitals = ProcessingVitals(self._owned, connection=connection.counters, group=lambda: self._group)
        self._self_report = SelfReport(self.vitals, put_aside=self._put_aside, instance=instance)
        self._failed: asyncio.Future[None] | None = None

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is set. Raises `SettingsError`; survives all else."""
        self._failed = asyncio.get_running_loop().create_future()
        await self._store.open()
        try:
            async with serving(self.vitals, self._listen), asyncio.TaskGroup() as tasks:
                connection = tasks.create_task(self._connection.run(_ignore), name="connection")
                group = tasks.create_task(self._group.run(), name="group")
                ticker = tasks.create_task(self._tick(), name="ticker")
                stopping = tasks.create_task(stop.wait(), name="stop")
                waited: set[asyncio.Future[Any]] = {stopping, self._failed}
                on_ready()
                systemd.notify("READY=1")
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                logger.info("stopping: the partitions are released first")
                systemd.notify("STOPPING=1")
                stopping.cancel()
                ticker.cancel()
                self._group.close()
                await group
                await self._connection.stop()
                await connection
            if self._failed.done():
                self._failed.result()
        finally:
            await self._store.close()

    # -- partitions come and go

    def _on_assigned(self, numbers: list[int]) -> None:
        if numbers:
            logger.info("partitions %s are ours", numbers)
        for number in numbers:
            self._running[number] = asyncio.create_task(self._own(number), name=f"partition-{number}")

    async def _release(self, numbers: list[int]) -> None:
        """Finish what is in work, and let the partitions go. Returns once they are released."""
        going = {number: self._running.pop(number) for number in numbers if number in self._running}
        for number, task in going.items():
            self.vitals.unreadable.pop(number, None)
            if number in self._owned:
                self._owned[number].release()
            else:  # it was fenced and waits to be taken over again: there is nothing to finish
                task.cancel()
        if going:
            _, late = await asyncio.wait(going.values(), timeout=RELEASE_WAIT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            logger.info("partitions %s are released", numbers)

    def _on_lost(self, numbers: list[int]) -> None:
        logger.warning("partitions %s are lost; another agent has them", numbers)
        for number in numbers:
            self.vitals.unreadable.pop(number, None)
            task = self._running.pop(number, None)
            if task is not None:
                task.cancel()

    async def _own(self, number: int) -> None:
        """Run the partition for as long as it is ours."""
        try:
            while self._running.get(number) is asyncio.current_task():
                partition = self._owned[number] = self._take(number)
                self.vitals.add(partition)
                pause_s = RETAKE_S
                try:
                    await partition.run()
                except* PartitionLost as lost:
                    logger.warning("partition %d: %s", number, lost.exceptions[0])
                except* LogCorrupt as corrupt:
                    self._note_unreadable(number, str(corrupt.exceptions[0]))
                    pause_s = UNREADABLE_RETRY_S
                else:
                    return
                finally:
                    if self._owned.get(number) is partition:
                        del self._owned[number]
                await asyncio.sleep(pause_s)
        except Exception as error:
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)

    def _note_unreadable(self, number: int, text: str) -> None:
        """One partition that cannot be read holds up no other one: it waits until somebody has cured it."""
        if self.vitals.unreadable.get(number) != text:
            logger.error("partition %d is not processed: %s", number, text)
        self.vitals.unreadable[number] = text

    # -- what happens every ten seconds

    async def _tick(self) -> None:
        while True:
            await next_tick()
            self._self_report.look()
            malloc.give_back()
            for partition in list(self._owned.values()):
                await partition.announce_alerts()

    def _put_aside(self, measurement: str, row: tuple[object, ...]) -> None:
        for partition in self._owned.values():
            partition.units.put_aside(measurement, row)
            return


def _ignore(_delivery: Delivery) -> None:
    """Nothing is subscribed to."""
