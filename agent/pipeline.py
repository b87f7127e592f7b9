"""Wires the stages: what is built, in which order it starts, and in which order it stops.

    receiver → intake → log → worker → units → writer → store
                                  └→ alert publisher

Consumers start before producers: writer, worker, intake, receiver. They stop in the opposite order. A stop is an event
and not a cancellation, so each stage finishes what it has. It is bounded in time: the log keeps the rest.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine

from agent import health, malloc, systemd
from agent.admission import Admission
from agent.alert_publisher import AlertPublisher
from agent.clock import ClockWatch
from agent.gbt32960.connection import ListenerCounters
from agent.health import Vitals
from agent.intake import COMMIT_BYTES, Intake
from agent.log import Log
from agent.mqtt.base import Receiver
from agent.self_report import SelfReport
from agent.shard.shard import Shard
from agent.stores.base import Store
from agent.throttle import Throttle
from agent.ticker import Ticker
from agent.units import UnitQueue
from agent.worker import Worker
from agent.writer import Writer

logger = logging.getLogger(__name__)

DRAIN_S = 10.0
"""How long a stop may take to work through and store what is journaled."""

LOG_BATCHES = 8
"""At least so many of the largest batches have room in the log."""


class Pipeline:
    """One agent, built and ready to run."""

    def __init__(
        self,
        *,
        receiver: Receiver,
        listener: ListenerCounters | None = None,
        log: Log,
        shard: Shard,
        store: Store,
        batch_points: int,
        flush_s: float,
        checkpoint_every_s: float,
        durable_after_s: float = 0.0,
        throttle: Throttle | None = None,
        alert_prefix: str,
        listen: tuple[str, int],
    ) -> None:
        self._receiver = receiver
        self._log = log
        self._shard = shard
        self._store = store
        self._listen = listen
        self._stopping = False
        self._watch = ClockWatch()
        self._units = UnitQueue()
        self._writer = Writer(store, log, self._units, durable_after_s=durable_after_s)
        alerts = AlertPublisher(
            shard,
            receiver.publish,
            prefix=alert_prefix,
            subscribed_since_ms=lambda: receiver.counters.subscribed_since_ms,
        )
        self._worker = Worker(
            shard,
            log,
            self._units,
            batch_points=batch_points,
            flush_s=flush_s,
            # Checkpoints that wait are held in memory: two of them are enough.
            checkpoint_every_s=max(checkpoint_every_s, durable_after_s / 2),
            publish_alerts=alerts.publish,
        )
        admission = Admission(log, sender_of=shard.sender_of, throttle=throttle)
        self._intake = Intake(
            receiver,
            log,
            commit_bytes=min(COMMIT_BYTES, log.status.max_bytes // LOG_BATCHES),
            admission=admission,
            watch=self._watch,
        )
        self.vitals = Vitals(
            receiver=receiver.counters,
            intake=self._intake.counters,
            refused=admission.refused,
            log=log,
            worker=self._worker,
            store=self._units.store,
            writer=self._writer.counters,
            shard=shard.counters,
            vans=shard.vans,
            totals=shard.totals,
            findings=shard.findings,
            listener=listener,
        )
        self._ticker = Ticker(
            intake=self._intake,
            admission=admission,
            worker=self._worker,
            alerts=alerts,
            self_report=SelfReport(self.vitals, put_aside=self._units.put_aside),
        )

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is set. Raises `LogBroken`, `LogCorrupt` or `SettingsError`; survives all else."""
        try:
            await self._run(stop, on_ready)
        finally:
            await self._store.close()
        # Not after a failure: what the file holds is then left to the recovery at the next start.
        await self._log.close()

    async def _run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        started = time.monotonic()
        await self._store.open()
        await self._worker.restore()
        self._watch.seen_ms = self._shard.seen_ms
        self._intake.look_at_clock()
        tags = self._shard.tags_to_journal(backlog=self._worker.backlog > 0)
        if tags is not None:
            self._intake.announce(tags)
        # All objects so far live as long as the process. The garbage collector need not look at them again.
        gc.collect()
        gc.freeze()
        malloc.give_back()
        logger.info("%d vans restored in %.1f s", len(self._shard.vans), time.monotonic() - started)
        async with health.serving(self.vitals, self._listen), asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._stage("writer", self._writer.run()), name="writer")
            worker = tasks.create_task(self._stage("worker", self._worker.run()), name="worker")
            intake = tasks.create_task(self._stage("intake", self._intake.run()), name="intake")
            receiving = self._receiver.run(self._intake.on_delivery)
            receiver = tasks.create_task(self._stage("receiver", receiving), name="receiver")
            ticker = tasks.create_task(self._ticker.run(), name="ticker")
            on_ready()
            systemd.notify("READY=1")
            await stop.wait()
            logger.info("stopping: what is journaled is finished first")
            systemd.notify("STOPPING=1")
            self._stopping = True
            ticker.cancel()
            await self._stop(receiver, intake, worker, writer)

    async def _stage(self, name: str, running: Coroutine[None, None, None]) -> None:
        """Run a stage. If it ended by itself, the others would wait for ever, so that is an error."""
        await running
        if not self._stopping:
            raise RuntimeError(f"the {name} has ended by itself")

    async def _stop(self, *stages: asyncio.Task[None]) -> None:
        """Stop the stages in the order in which a message passes them; give up when the time is over."""
        receiver, intake, worker, writer = stages
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._receiver.stop()
                await receiver
                self._intake.close()
                await intake
                self._worker.close()
                await worker
                await self._units.close()
                await writer
        except TimeoutError:
            logger.warning("not everything is in the store yet; the journal keeps the rest for the next start")
            for stage in stages:
                stage.cancel()
