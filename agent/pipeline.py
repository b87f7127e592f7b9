"""The story of a message, from the socket to the store: what runs, in which order it starts, in which it stops.

Consumers start before producers and stop after them: store, worker, intake, receiver; then the other way round. A stop
is an event, never a cancellation, and bounded in time: what is not finished by then is safe in the journal.
"""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Callable, Coroutine

from agent import health, malloc, systemd
from agent.clock import ClockWatch
from agent.errors import JournalFull, SettingsError
from agent.health import Vitals
from agent.intake import COMMIT_BYTES, Intake
from agent.journal import Journal
from agent.journal.sqlite_log import SqliteLog
from agent.messages import Message
from agent.mqtt.base import Receiver
from agent.self_report import SHOWN, SelfReport
from agent.shard.shard import Shard
from agent.shares import Shares
from agent.stores.base import Store
from agent.throttle import Throttle
from agent.worker import Worker
from agent.writer import Writer

log = logging.getLogger(__name__)

TICK_S = 10.0
TIMER_S = 0.002
"""A timer may fire a millisecond early; a beat before its time would be followed by another."""
DRAIN_S = 10.0
"""How long a stop may take to work through and store what is journaled."""

JOURNAL_BATCHES = 8
"""At least so many of the largest batches have room in the journal."""


class Pipeline:
    """One agent, built and ready to run."""

    def __init__(
        self,
        *,
        receiver: Receiver,
        journal: Journal,
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
        self._store = store
        self._shard = shard
        self._journal = SqliteLog(journal)
        self._watch = ClockWatch()
        self._throttle = throttle
        self._shares = Shares(shard.sender_of, journal.counters)
        self._over_their_share: set[str] = set()
        self._writer = Writer(
            store,
            self._journal,
            on_checkpoint=lambda: self._intake.room_made(),
            durable_after_s=durable_after_s,
        )
        self._worker = Worker(
            shard,
            self._journal,
            self._writer,
            batch_points=batch_points,
            flush_s=flush_s,
            # Checkpoints that wait are held in memory: two of them are enough.
            checkpoint_every_s=max(checkpoint_every_s, durable_after_s / 2),
            notify=self._publish_alerts,
        )
        self._intake = Intake(
            receiver,
            self._journal,
            on_batch=self._worker.on_batch,
            on_full=self._worker.make_room,
            commit_bytes=min(COMMIT_BYTES, journal.counters.max_bytes // JOURNAL_BATCHES),
            refuse=self._refuse,
            watch=self._watch,
        )
        if throttle is not None:
            self._intake.counters.refused = throttle.refused
        self._alert_prefix = alert_prefix
        self._listen = listen
        self._stopping = False
        self._announcing = False
        """The broker is new to us, or we to it: it has to be told every active alert."""
        self._unsent: dict[str, None] = {}
        """Vans whose alerts changed while nobody could be told."""
        self.vitals = Vitals(
            receiver=receiver.counters,
            intake=self._intake.counters,
            journal=self._journal,
            shard=shard,
            worker=self._worker,
            writer=self._writer.counters,
        )
        self._self_report = SelfReport(self.vitals, write_aside=self._writer.write_aside)

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is set. Raises `JournalBroken`, `JournalCorrupt` or `SettingsError`; survives all else."""
        try:
            await self._run(stop, on_ready)
        finally:
            await self._store.close()
        # Not after a failure: what the file holds is then left to the recovery at the next start.
        await self._journal.close()

    async def _run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        started = time.monotonic()
        await self._store.open()
        await self._worker.restore()
        self._watch.seen_ms = self._shard.seen_ms
        self._intake.look_at_clock()
        tags = self._shard.tags_to_journal(backlog=self._worker.backlog > 0)
        if tags is not None:
            self._intake.announce(tags)
        # What is alive now lives as long as the process: collections need not look at it again.
        gc.collect()
        gc.freeze()
        malloc.give_back()
        log.info("%d vans restored in %.1f s", len(self._shard.vans), time.monotonic() - started)
        async with contextlib.AsyncExitStack() as stack:
            await self._serve_health(stack)
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._stage("writer", self._writer.run()), name="writer")
                worker = tasks.create_task(self._stage("worker", self._worker.run()), name="worker")
                intake = tasks.create_task(self._stage("intake", self._intake.run()), name="intake")
                receiving = self._receiver.run(self._intake.on_delivery)
                receiver = tasks.create_task(self._stage("receiver", receiving), name="receiver")
                beat = tasks.create_task(self._beat(), name="ticker")
                on_ready()
                systemd.notify("READY=1")
                await stop.wait()
                log.info("stopping: what is journaled is finished first")
                systemd.notify("STOPPING=1")
                self._stopping = True
                beat.cancel()
                await self._stop(receiver, intake, worker, writer)

    async def _stage(self, name: str, running: Coroutine[None, None, None]) -> None:
        """A stage that ends by itself would leave the others waiting for ever."""
        await running
        if not self._stopping:
            raise RuntimeError(f"the {name} has ended by itself")

    async def _stop(self, *stages: asyncio.Task[None]) -> None:
        """Stop the stages in the order a message passes them; give up when the time is over."""
        receiver, intake, worker, writer = stages
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._receiver.stop()
                await receiver
                self._intake.close()
                await intake
                self._worker.close()
                await worker
                await self._writer.close()
                await writer
        except TimeoutError:
            log.warning("not everything is in the store yet; the journal keeps the rest for the next start")
            for stage in stages:
                stage.cancel()

    async def _serve_health(self, stack: contextlib.AsyncExitStack) -> None:
        host, port = self._listen
        app = health.make_app(self.vitals)
        try:
            runner = await health.serve(app, host=host, port=port)
        except OSError as error:
            raise SettingsError(f"http.listen = '{host}:{port}': cannot listen there: {error.strerror}") from error
        stack.push_async_callback(runner.cleanup)

    async def _beat(self) -> None:
        """Every ten seconds, on the full ten seconds: a tick for the vans, a look at everything else."""
        while True:
            await asyncio.sleep(TICK_S - time.time() % TICK_S + TIMER_S)
            self._intake.tick()
            self._self_report.beat()
            await self._count_refused()
            malloc.give_back()
            self._announcing |= self._self_report.broker_is_new()
            # Not from states that are older than what was published already.
            if self._announcing and not self._worker.repeating:
                self._announcing = False
                unsent, self._unsent = self._unsent, {}
                await self._publish_alerts(list(dict.fromkeys((*self._shard.alerting_vans(), *unsent))))

    def _refuse(self, messages: list[Message], now_s: float) -> list[int]:
        """Which messages, by their index, are not taken in: beyond the rate, or beyond the share of the journal."""
        over_rate = self._throttle.refuse(messages, now_s) if self._throttle is not None else []
        over_share = self._shares.refuse(messages, self._intake.waiting_bytes)
        return sorted({*over_rate, *over_share}) if over_share else over_rate

    async def _count_refused(self) -> None:
        refused = self._shares.take_refused()
        if refused:
            with contextlib.suppress(JournalFull):  # the total and the log tell of it all the same
                await self._journal.count_losses(refused)
        for sender in sorted(refused.keys() - self._over_their_share)[:SHOWN]:
            log.warning("van %r has more than its share of a journal that fills up: what is beyond is refused", sender)
        self._over_their_share = set(refused)

    async def _publish_alerts(self, vehicle_ids: list[str]) -> None:
        """The active alerts of these vans, retained until they clear; what cannot be sent waits for the broker."""
        for vehicle_id in vehicle_ids:
            payload = self._shard.active_alerts(vehicle_id)
            if not await self._receiver.publish(f"{self._alert_prefix}/{vehicle_id}", payload, retain=True):
                self._unsent[vehicle_id] = None
