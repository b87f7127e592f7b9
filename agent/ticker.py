"""What happens every ten seconds: a tick for the vans, and a look at the agent itself."""

import asyncio
import time
from typing import Final

from agent import malloc
from agent.admission import Admission
from agent.alert_publisher import AlertPublisher
from agent.intake import Intake
from agent.self_report import SelfReport
from agent.worker import Worker

TICK_S: Final = 10.0
TIMER_S: Final = 0.002
"""A timer may fire a millisecond early. Without this, such a tick would be followed by a second one."""


class Ticker:
    """Calls each stage that has something to do from time to time. The ticks are on the full ten seconds."""

    def __init__(
        self, *, intake: Intake, admission: Admission, worker: Worker, alerts: AlertPublisher, self_report: SelfReport
    ) -> None:
        self._intake = intake
        self._admission = admission
        self._worker = worker
        self._alerts = alerts
        self._self_report = self_report

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await next_tick()
            self._intake.tick()
            self._self_report.look()
            await self._admission.report()
            malloc.give_back()
            if not self._worker.repeating:  # the broker knows of newer states
                await self._alerts.announce()


async def next_tick() -> None:
    """Wait for the next full ten seconds."""
    await asyncio.sleep(TICK_S - time.time() % TICK_S + TIMER_S)
