"""The ingesting agent: its sources → log on Kafka. Other agents process the messages.

A source is one MQTT session. The agents form a group (`agent/kafka/membership.py`), and the brokers say which sources
are ours. An agent without a source is a standby. A message is acknowledged once Kafka has it. While Kafka does not
answer, or does not confirm that we are still in the group, nothing is acknowledged and reading pauses.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from agent import malloc, systemd
from agent.group import Joining
from agent.health import serving
from agent.ingesting_vitals import IngestingVitals
from agent.self_report import SelfReport
from agent.source_run import SourceRun
from agent.ticker import next_tick

logger = logging.getLogger(__name__)

RELEASE_WAIT_S: Final = 20.0
"""How long the group waits for the release of a source; what is unfinished then is dropped."""


class IngestingAgent:
    """One agent that receives, built and ready to run."""

    def __init__(
        self,
        *,
        names: Sequence[str],
        join: Joining,
        take: Callable[[int], SourceRun],
        listen: tuple[str, int],
    ) -> None:
        """`names` are those of all sources, by number. `take` makes the run of the source with this number."""
        self._names = names
        self._take = take
        self._listen = listen
        self._runs: dict[int, SourceRun] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._group = join(on_assigned=self._on_assigned, release=self._release, on_lost=self._on_lost)
        self._failed: asyncio.Future[None] | None = None
        self.vitals = IngestingVitals(self._runs, names=names, group=lambda: self._group)
        self._self_report = SelfReport(self.vitals, put_aside=lambda _measurement, _row: None)

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run until `stop` is set. Raises `SettingsError`; survives all else."""
        self._failed = asyncio.get_running_loop().create_future()
        async with serving(self.vitals, self._listen), asyncio.TaskGroup() as tasks:
            group = tasks.create_task(self._group.run(), name="group")
            ticker = tasks.create_task(self._tick(), name="ticker")
            stopping = tasks.create_task(stop.wait(), name="stop")
            waited: set[asyncio.Future[Any]] = {stopping, self._failed}
            on_ready()
            systemd.notify("READY=1")
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            logger.info("stopping: what has arrived is written to Kafka first")
            systemd.notify("STOPPING=1")
            stopping.cancel()
            ticker.cancel()
            self._group.close()
            await group
        if self._failed.done():
            self._failed.result()

    # -- sources come and go

    def _on_assigned(self, numbers: list[int]) -> None:
        for number in numbers:
            if number < len(self._names):
                logger.info("source %r is ours", self._names[number])
                self._running[number] = asyncio.create_task(self._own(number), name=f"source-{number}")
            else:
                self.vitals.foreign.add(number)
                logger.error("the group gives us source number %d, which our settings do not name", number)

    async def _release(self, numbers: list[int]) -> None:
        """Finish what is in work, and leave the sessions. Returns once they are left."""
        self.vitals.foreign.difference_update(numbers)
        running = [self._running.pop(number) for number in numbers if number in self._running]
        for number in numbers:
            if number in self._runs:
                self._runs[number].release()
        if running:
            _, late = await asyncio.wait(running, timeout=RELEASE_WAIT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            logger.info("sources %s are released", [self._names[number] for number in numbers])

    def _on_lost(self, numbers: list[int]) -> None:
        self.vitals.foreign.difference_update(numbers)
        for number in numbers:
            task = self._running.pop(number, None)
            if task is not None:
                logger.warning("source %r is lost; another agent has it", self._names[number])
                task.cancel()

    async def _own(self, number: int) -> None:
        """Run the source for as long as it is ours."""
        try:
            run = self._runs[number] = self._take(number)
            try:
                await run.run()
            finally:
                self.vitals.end(run)
                if self._runs.get(number) is run:
                    del self._runs[number]
        except Exception as error:
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)

    # -- what happens every ten seconds

    async def _tick(self) -> None:
        while True:
            await next_tick()
            for run in list(self._runs.values()):
                await run.tick()
            self._self_report.look()
            malloc.give_back()
