"""The one place that writes to the store: each unit is written until the store has it, then checkpointed.

These are steps 4 and 5 of the commit path that `agent/worker.py` describes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from agent.backoff import Backoff
from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.log import StoreRefusal, refusal_key
from agent.stores.base import RejectedRow, Store
from agent.units import Unit, UnitQueue

log = logging.getLogger(__name__)

RETRY_CAP_S: Final = 30.0


class CheckpointLog(Protocol):
    """What the writer needs of a `Log`."""

    async def checkpoint(self, shard: int, offset: int, states: Mapping[str, bytes]) -> None:
        """See `Log.checkpoint`."""
        ...

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        """See `Log.add_refusals`."""
        ...


class WriterCounters:
    """What the writer counts; read by the health endpoints."""

    def __init__(self) -> None:
        self.points = 0
        self.rejected = 0
        self.writes = 0
        self.write_s = 0.0
        self.retries_unavailable = 0
        self.retries_misconfigured = 0
        self.checkpoint_offset = 0
        self.newest_ms = 0


class Writer:
    """Writes units one after the other; no unit overtakes one that the store does not take.

    A store may confirm rows that are still only in its memory. `durable_after_s` is how long it may take to make them
    durable. A checkpoint waits for so long. If the store fails meanwhile, the waiting checkpoints are dropped, because
    the store may have lost the rows before them.
    """

    def __init__(
        self,
        store: Store,
        log_of_messages: CheckpointLog,
        units: UnitQueue,
        *,
        shard: int = 0,
        durable_after_s: float = 0.0,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`shard` is the number of the shard whose units come through the queue."""
        self.counters = WriterCounters()
        self._store = store
        self._log = log_of_messages
        self._units = units
        self._shard = shard
        self._durable_after_s = durable_after_s
        self._clock_s = clock_s
        self._sleep = sleep

    async def run(self) -> None:
        """Write until the queue is closed."""
        while (unit := await self._units.get()) is not None:
            if unit.points:
                rejected = await self._write(unit)
                if rejected:
                    await self._log.add_refusals(_refusals(unit, rejected))
                    self.counters.rejected += len(rejected)
                self.counters.points += unit.points - len(rejected)
                self.counters.newest_ms = max(self.counters.newest_ms, unit.newest_ms)
            self._units.store.confirmed_offset = unit.end
            if unit.states is not None and not self._units.store.must_resend:
                self._units.unproven.append((self._clock_s(), unit))
                unit.rows = {}  # written; only the states are still needed
            await self._checkpoint()
            self._units.done()

    async def _checkpoint(self) -> None:
        """Make every checkpoint that has waited for long enough."""
        unproven = self._units.unproven
        while unproven and self._clock_s() - unproven[0][0] >= self._durable_after_s:
            _, unit = unproven.popleft()
            await self._log.checkpoint(self._shard, unit.end, unit.states or {})
            self.counters.checkpoint_offset = unit.end

    async def _write(self, unit: Unit) -> Sequence[RejectedRow]:
        state = self._units.store
        unavailable = Backoff(first_s=0.5, cap_s=RETRY_CAP_S)
        misconfigured = Backoff(first_s=1.0, cap_s=RETRY_CAP_S, least=0.1)
        while True:
            started = state.write_started_s = self._clock_s()
            try:
                rejected = await self._store.write(unit.rows)
            except StoreUnavailable as error:
                self.counters.retries_unavailable += 1
                pause_s = error.retry_after_s
                if pause_s is None:
                    pause_s = unavailable.next_s()
                self._failed(str(error), misconfigured=False)
                if self._durable_after_s or error.has_forgotten:
                    state.must_resend = True
                    self._units.unproven.clear()
            except StoreMisconfigured as error:
                self.counters.retries_misconfigured += 1
                pause_s = misconfigured.next_s()
                self._failed(str(error), misconfigured=True)
            else:
                self.counters.writes += 1
                self.counters.write_s += self._clock_s() - started
                self._succeeded()
                return rejected
            finally:
                state.write_started_s = None
            await self._sleep(pause_s)

    def _failed(self, text: str, *, misconfigured: bool) -> None:
        state = self._units.store
        state.last_error = text
        if state.failing_since_s is None or misconfigured != state.misconfigured:
            kind = (
                "refuses us; everything is kept until that is corrected" if misconfigured else "is away; trying again"
            )
            log.warning("the store %s: %s", kind, text)
        if state.failing_since_s is None:
            state.failing_since_s = self._clock_s()
        state.misconfigured = misconfigured

    def _succeeded(self) -> None:
        state = self._units.store
        if state.failing_since_s is not None:
            log.info("the store takes points again after %.0f s", self._clock_s() - state.failing_since_s)
        state.failing_since_s = None
        state.misconfigured = False
        state.last_error = ""


def _refusals(unit: Unit, rejected: Sequence[RejectedRow]) -> list[StoreRefusal]:
    return [
        StoreRefusal(
            key=refusal_key(row.line.encode()),
            measurement=row.measurement,
            line=row.line.encode(),
            newest_ms=unit.newest_ms,
            detail=row.detail,
            sender=row.vehicle_id,
        )
        for row in rejected
    ]
