"""The ingesting agent: broker → intake → log on Kafka. Other agents process the messages.

A message is acknowledged once Kafka has it. While Kafka does not answer, nothing is acknowledged and reading pauses.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from agent import malloc, systemd
from agent.admission import Admission
from agent.clock import ClockWatch
from agent.health import Vitals, serving
from agent.intake import Intake
from agent.log import Log
from agent.mqtt.base import Receiver
from agent.self_report import SelfReport
from agent.shard.counters import ShardCounters
from agent.shard.totals import NO_VANS
from agent.throttle import Throttle
from agent.ticker import next_tick
from agent.units import StoreState
from agent.writer import WriterCounters

logger = logging.getLogger(__name__)

STOP_S = 10.0
"""How long a stop may wait for Kafka. What is not acknowledged by then is sent again by the broker."""


class NoBacklog:
    """The progress of an agent that processes nothing."""

    backlog = 0
    ahead = False
    rewinds = 0


class IngestingAgent:
    """One agent that receives, built and ready to run."""

    def __init__(
        self,
        *,
        receiver: Receiver,
        log: Log,
        sender_of: Callable[[str], str | None],
        throttle: Throttle,
        listen: tuple[str, int],
    ) -> None:
        self._receiver = receiver
        self._log = log
        self._listen = listen
        self._stopping = False
        self._admission = Admission(log, sender_of=sender_of, throttle=throttle)
        self._intake = Intake(receiver, log, admission=self._admission, watch=ClockWatch())
        self.vitals = Vitals(
            receiver=receiver.counters,
            intake=self._intake.counters,
            refused=self._admission.refused,
            log=log,
            worker=NoBacklog(),
            store=StoreState(),
            writer=WriterCounters(),
            shard=ShardCounters(),
            vans=(),
            totals=lambda: NO_VANS,
            findings=dict,
            processes=False,
        )
        self._self_report = SelfReport(self.vitals, put_aside=lambda _measurement, _row: None)

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is set. Raises `SettingsError`; survives all else."""
        self._intake.look_at_clock()
        async with serving(self.vitals, self._listen), asyncio.TaskGroup() as tasks:
            intake = tasks.create_task(self._stage("intake", self._intake.run()), name="intake")
            receiving = self._receiver.run(self._intake.on_delivery)
            receiver = tasks.create_task(self._stage("receiver", receiving), name="receiver")
            ticker = tasks.create_task(self._tick(), name="ticker")
            on_ready()
            systemd.notify("READY=1")
            await stop.wait()
            logger.info("stopping: what has arrived is written to Kafka first")
            systemd.notify("STOPPING=1")
            self._stopping = True
            ticker.cancel()
            await self._stop(receiver, intake)
        await self._log.close()

    async def _stage(self, name: str, running: Coroutine[None, None, None]) -> None:
        """Run a stage. If it ended by itself, the other would wait for ever, so that is an error."""
        await running
        if not self._stopping:
            raise RuntimeError(f"the {name} has ended by itself")

    async def _stop(self, receiver: asyncio.Task[None], intake: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await self._receiver.stop()
                await receiver
                self._intake.close()
                await intake
        except TimeoutError:
            logger.warning("not everything is in Kafka yet; the broker sends the rest again")
            receiver.cancel()
            intake.cancel()

    async def _tick(self) -> None:
        while True:
            await next_tick()
            self._intake.tick()
            self._self_report.look()
            await self._admission.report()
            malloc.give_back()
