"""The store's one line of order: each unit is written until the store has it, then checkpointed."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from agent.backoff import Backoff
from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.journal.sqlite_log import SqliteLog
from agent.log import DeadLetter
from agent.points.rows import PointRow, Rows
from agent.stores.base import RejectedRow, Store

log = logging.getLogger(__name__)

STUCK_AFTER_S = 10.0
"""A write that takes longer counts as a store that is away, before it is known to have failed."""

RETRY_CAP_S = 30.0
ASIDE_ROWS = 16


class Unit(msgspec.Struct):
    """What the store takes in one go: all points of the journal up to `end` that it does not have yet.

    `states` are the van states as of `end` that changed since the last checkpoint; None when no checkpoint is due.
    """

    rows: Rows
    points: int
    end: int
    newest_ms: int
    states: Mapping[str, bytes] | None = None


class WriterCounters:
    """What the writer counts; read by the health endpoints."""

    def __init__(self) -> None:
        self.points = 0
        self.rejected = 0
        self.writes = 0
        self.write_s = 0.0
        self.retries_unavailable = 0
        self.retries_misconfigured = 0
        self.confirmed_offset = 0
        self.checkpoint_offset = 0
        self.newest_ms = 0
        self.failing_since_s: float | None = None
        self.misconfigured = False
        self.last_error = ""
        self.write_started_s: float | None = None


class Writer:
    """Writes units one after the other; nothing overtakes a unit that the store does not take.

    A store may confirm what it still keeps in memory. `durable_after_s` is how long it may do so: checkpoints wait for
    so long, and when the store fails meanwhile they are let go, because it may have lost what they stand for.
    """

    def __init__(
        self,
        store: Store,
        journal: SqliteLog,
        *,
        on_checkpoint: Callable[[], None],
        durable_after_s: float = 0.0,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.counters = WriterCounters()
        self.must_resend = False
        """The store may have forgotten what it confirmed: everything since the last checkpoint has to come again."""
        self._store = store
        self._journal = journal
        self._on_checkpoint = on_checkpoint
        self._durable_after_s = durable_after_s
        self._clock_s = clock_s
        self._sleep = sleep
        self._unproven: deque[tuple[float, int, Mapping[str, bytes]]] = deque()
        """Checkpoints that wait: when they were confirmed, offset, states."""
        self._queue: asyncio.Queue[Unit | None] = asyncio.Queue(maxsize=1)
        self._free = asyncio.Event()
        self._aside: deque[tuple[str, PointRow]] = deque(maxlen=ASIDE_ROWS)
        self._handed_over = 0
        self._done = 0

    @property
    def busy(self) -> bool:
        """Whether a further unit would have to wait."""
        return self._queue.full()

    @property
    def is_idle(self) -> bool:
        """Whether everything handed over is written and checkpointed."""
        return self._handed_over == self._done

    def failing_for_s(self) -> float:
        """For how long the store has been failing, or has not answered at all; 0 when it works."""
        now_s = self._clock_s()
        since_s = self.counters.failing_since_s
        if since_s is not None:
            return now_s - since_s
        started_s = self.counters.write_started_s
        return 0.0 if started_s is None or now_s - started_s < STUCK_AFTER_S else now_s - started_s

    async def put(self, unit: Unit) -> None:
        """Hand over a unit; waits while one is being written and another one waits."""
        self._handed_over += 1
        await self._queue.put(unit)

    async def wait_free(self, timeout_s: float) -> None:
        """Return when a unit can be handed over, or after the timeout."""
        self._free.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._free.wait()

    def write_aside(self, measurement: str, row: PointRow) -> None:
        """Let a row that is not from the journal go out with the next unit; only the newest few wait."""
        self._aside.append((measurement, row))

    def start_anew(self) -> None:
        """Everything since the last checkpoint comes again; only while idle."""
        self._unproven.clear()
        self.must_resend = False

    async def close(self) -> None:
        """Let `run` end behind the units handed over so far."""
        await self._queue.put(None)

    async def run(self) -> None:
        """Write until closed."""
        while (unit := await self._queue.get()) is not None:
            self._free.set()
            while self._aside:
                measurement, row = self._aside.popleft()
                unit.rows[measurement].append(row)
                unit.points += 1
            if unit.points:
                rejected = await self._write(unit)
                if rejected:
                    await self._journal.add_dead_letters(_letters(unit, rejected))
                    self.counters.rejected += len(rejected)
                self.counters.points += unit.points - len(rejected)
                self.counters.newest_ms = max(self.counters.newest_ms, unit.newest_ms)
            self.counters.confirmed_offset = unit.end
            if unit.states is not None and not self.must_resend:
                self._unproven.append((self._clock_s(), unit.end, unit.states))
            await self._checkpoint()
            self._done += 1

    async def _checkpoint(self) -> None:
        """Every checkpoint that has waited long enough."""
        while self._unproven and self._clock_s() - self._unproven[0][0] >= self._durable_after_s:
            _, end, states = self._unproven.popleft()
            await self._journal.checkpoint(end, states=states)
            self.counters.checkpoint_offset = end
            self._on_checkpoint()

    async def _write(self, unit: Unit) -> Sequence[RejectedRow]:
        unavailable = Backoff(first_s=0.5, cap_s=RETRY_CAP_S)
        misconfigured = Backoff(first_s=1.0, cap_s=RETRY_CAP_S, least=0.1)
        while True:
            started = self.counters.write_started_s = self._clock_s()
            try:
                rejected = await self._store.write(unit.rows)
            except StoreUnavailable as error:
                self.counters.retries_unavailable += 1
                pause_s = error.retry_after_s
                if pause_s is None:
                    pause_s = unavailable.next_s()
                self._failed(str(error), misconfigured=False)
                if self._durable_after_s or error.has_forgotten:
                    self.must_resend = True
                    self._unproven.clear()
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
                self.counters.write_started_s = None
            await self._sleep(pause_s)

    def _failed(self, text: str, *, misconfigured: bool) -> None:
        self.counters.last_error = text
        if self.counters.failing_since_s is None or misconfigured != self.counters.misconfigured:
            kind = (
                "refuses us; everything is kept until that is corrected" if misconfigured else "is away; trying again"
            )
            log.warning("the store %s: %s", kind, text)
        if self.counters.failing_since_s is None:
            self.counters.failing_since_s = self._clock_s()
        self.counters.misconfigured = misconfigured

    def _succeeded(self) -> None:
        if self.counters.failing_since_s is not None:
            away_s = self._clock_s() - self.counters.failing_since_s
            log.info("the store takes points again after %.0f s", away_s)
        self.counters.failing_since_s = None
        self.counters.misconfigured = False
        self.counters.last_error = ""


def _letters(unit: Unit, rejected: Sequence[RejectedRow]) -> list[DeadLetter]:
    """Refused rows as dead letters, keyed by what they say: a row refused again after a crash is the same letter."""
    return [
        DeadLetter(
            offset=-int.from_bytes(blake2b(row.line.encode(), digest_size=7).digest()),
            index=0,
            reason="rejected_by_store",
            topic=row.measurement,
            payload=row.line.encode(),
            received_ms=unit.newest_ms,
            detail=row.detail,
            sender=row.vehicle_id,
        )
        for row in rejected
    ]
