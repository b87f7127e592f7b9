"""The start of an agent that needs Kafka: it waits until Kafka answers, and says so meanwhile."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from agent import systemd
from agent.errors import LogUnavailable
from agent.health import Vitals, serving
from agent.intake import IntakeCounters
from agent.log import LogStatus
from agent.mqtt.base import ReceiverCounters
from agent.shard.counters import ShardCounters
from agent.shard.totals import NO_VANS
from agent.units import StoreState
from agent.writer import WriterCounters

log = logging.getLogger(__name__)

Place = TypeVar("Place")

RETRY_S: Final = 1.0


class Built(Protocol):
    """An agent that is ready to run."""

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None]) -> None:
        """Run until `stop` is set."""
        ...


class Starting(Generic[Place]):
    """`reach` gives the place of the log, or raises `LogUnavailable`; `build` makes the agent that runs there.

    `reach` blocks and runs in a thread. What else it raises, such as `SettingsError`, ends the agent.
    """

    def __init__(self, *, reach: Callable[[], Place], build: Callable[[Place], Built], listen: tuple[str, int]) -> None:
        self.vitals = WaitingVitals()
        self._reach = reach
        self._build = build
        self._listen = listen

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None] = lambda: None) -> None:
        """Wait for Kafka, then run the agent until `stop` is set."""
        async with serving(self.vitals, self._listen):
            place = await self._wait(stop)
        if place is not None:
            await self._build(place).run(stop, on_ready=on_ready)

    async def _wait(self, stop: asyncio.Event) -> Place | None:
        """The place; None when stopped before."""
        waits = False
        while not stop.is_set():
            try:
                place = await asyncio.to_thread(self._reach)
            except LogUnavailable as error:
                self.vitals.reason = str(error)
                if not waits:
                    waits = True
                    log.warning("waiting for Kafka, nothing is received or processed: %s", error)
                    systemd.notify("READY=1")  # the service has started; /readyz says that it waits
                systemd.notify("WATCHDOG=1")
            else:
                if waits:
                    log.info("Kafka answers: the agent starts")
                return place
            try:
                async with asyncio.timeout(RETRY_S):
                    await stop.wait()
            except TimeoutError:
                pass
        return None


class _Nothing:
    """Log and worker of an agent that does not work yet."""

    backlog = 0
    ahead = False
    rewinds = 0

    def __init__(self) -> None:
        self.status = LogStatus()

    def messages_from(self, offset: int) -> int:
        """None."""
        del offset
        return 0


class WaitingVitals(Vitals):
    """An agent that is alive and not ready, with one reason."""

    def __init__(self) -> None:
        self.reason = "Kafka has not answered yet"
        nothing = _Nothing()
        super().__init__(
            receiver=ReceiverCounters(),
            intake=IntakeCounters(),
            refused={},
            log=nothing,
            worker=nothing,
            store=StoreState(),
            writer=WriterCounters(),
            shard=ShardCounters(),
            vans=(),
            totals=lambda: NO_VANS,
            findings=dict,
            receives=False,
            processes=False,
        )

    def problems(self) -> list[str]:
        """Why the agent waits."""
        return [f"log: {self.reason}"]
