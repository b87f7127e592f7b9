"""One source while it is ours: its MQTT session, its intake and its ticks, from a term's begin to its release.

The order of the steps is what makes a takeover safe:

1. A new term of the source begins in Kafka. The ticks of all earlier terms do not count any more.
2. The MQTT session is opened under the client id of the source. The broker ends the connection of the former owner,
   and sends us what that one has not acknowledged.
3. Nothing of ours is in the log before step 2. So the messages of a van keep their order.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Final, Protocol

from agent.admission import Admission
from agent.clock import ClockWatch
from agent.errors import LogUnavailable
from agent.health import Vitals
from agent.intake import Intake, IntakeCounters
from agent.log import Log
from agent.mqtt.base import Receiver, ReceiverCounters
from agent.self_report import Silence
from agent.shard.counters import ShardCounters
from agent.shard.totals import NO_VANS
from agent.throttle import Throttle
from agent.units import StoreState
from agent.writer import WriterCounters

logger = logging.getLogger(__name__)

STOP_S: Final = 10.0
"""How long a release may wait for Kafka. What is not acknowledged by then is sent again by the broker."""
RETRY_S: Final = 1.0


class SourceLog(Log, Protocol):
    """The log, as the owner of a source appends to it; `agent.kafka.ingest_log.IngestLog` is one."""

    async def begin_term(self) -> int:
        """Begin a term of the source, and give its number, from 1. Raises `LogUnavailable`."""
        ...

    def give_up(self) -> None:
        """Drop what was not sent yet."""
        ...


class NoBacklog:
    """The progress of an agent that processes nothing."""

    backlog = 0
    ahead = False
    rewinds = 0


class SourceRun:
    """`run` until `release`. To drop everything at once, cancel `run`."""

    def __init__(
        self,
        name: str,
        *,
        log: SourceLog,
        connect: Callable[[bool], Receiver],
        sender_of: Callable[[str], str | None],
        throttle: Throttle,
    ) -> None:
        """`connect` makes the receiver; its argument says whether the broker should have a session of ours already."""
        self.name = name
        self.silence = Silence(f"source {name!r}: ")
        self._log = log
        self._connect = connect
        self._admission = Admission(log, sender_of=sender_of, throttle=throttle)
        self._receiver: Receiver | None = None
        self._intake: Intake | None = None
        self._was_subscribed = False
        self._released = asyncio.Event()
        self.vitals = ingest_vitals(ReceiverCounters(), IntakeCounters(), log, self._admission)

    async def run(self) -> None:
        """Receive until released. Raises `SettingsError`; survives all else."""
        try:
            if (term := await self._begin_term()) is None:
                return
            receiver = self._receiver = self._connect(term > 1)
            intake = self._intake = Intake(receiver, self._log, admission=self._admission, watch=ClockWatch())
            self.vitals.receiver, self.vitals.intake = receiver.counters, intake.counters
            intake.look_at_clock()
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._stage("intake", intake.run()), name=f"intake-{self.name}")
                receiving = receiver.run(intake.on_delivery)
                reading = tasks.create_task(self._stage("receiver", receiving), name=f"receiver-{self.name}")
                await self._released.wait()
                await self._stop(receiver, reading, intake, writing)
        except asyncio.CancelledError:
            self._log.give_up()
            raise
        finally:
            await self._log.close()

    def release(self) -> None:
        """Let `run` end: what has arrived is written to Kafka first, then the session is left."""
        self._released.set()

    async def tick(self) -> None:
        """To be called every ten seconds."""
        if self._receiver is None or self._intake is None:
            return
        self._was_subscribed |= self._receiver.counters.subscribed_since_ms > 0
        if self._was_subscribed:
            self._intake.tick()
        self.silence.look(self._receiver.counters, self._intake.counters)
        await self._admission.report()

    async def _begin_term(self) -> int | None:
        """The number of the term; None when released before."""
        while not self._released.is_set():
            try:
                return await self._log.begin_term()
            except LogUnavailable as error:
                if self.vitals.intake.log_problem is None:
                    logger.warning("source %r waits: %s", self.name, error)
                self.vitals.intake.log_problem = str(error)
            try:
                async with asyncio.timeout(RETRY_S):
                    await self._released.wait()
            except TimeoutError:
                pass
        return None

    async def _stage(self, name: str, running: Coroutine[None, None, None]) -> None:
        """Run a stage. If it ended by itself, the other would wait for ever, so that is an error."""
        await running
        if not self._released.is_set():
            raise RuntimeError(f"the {name} of source {self.name!r} has ended by itself")

    async def _stop(
        self, receiver: Receiver, reading: asyncio.Task[None], intake: Intake, writing: asyncio.Task[None]
    ) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await receiver.stop()
                await reading
                intake.close()
                await writing
        except TimeoutError:
            logger.warning("source %r: not everything is in Kafka yet; the broker sends the rest again", self.name)
            reading.cancel()
            writing.cancel()


def ingest_vitals(receiver: ReceiverCounters, intake: IntakeCounters, log: Log, admission: Admission) -> Vitals:
    """Those of an agent that receives and processes nothing."""
    return Vitals(
        receiver=receiver,
        intake=intake,
        refused=admission.refused,
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
