"""What the worker hands to the writer, and what the writer says of the store."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from agent.points.rows import PointRow, Rows

STUCK_AFTER_S: Final = 10.0
"""A write that takes longer counts as a store that is away, before it is known to have failed."""
ASIDE_ROWS: Final = 16


class Unit(msgspec.Struct):
    """What the store takes in one go: all points of the log up to `end` that it does not have yet.

    `states` are the van states as of `end` that changed since the last checkpoint; None when no checkpoint is due.
    """

    rows: Rows
    points: int
    end: int
    newest_ms: int
    states: Mapping[str, bytes] | None = None


class StoreState(msgspec.Struct):
    """What is known of the store. The writer writes it; the worker resets the first two when it goes back."""

    confirmed_offset: int = 0
    """The store has confirmed what follows from the messages before it."""
    must_resend: bool = False
    """The store may have lost what it confirmed: everything since the last checkpoint has to be produced again."""
    failing_since_s: float | None = None
    write_started_s: float | None = None
    misconfigured: bool = False
    last_error: str = ""


class UnitQueue:
    """The way from the worker to the writer: one unit waits while another one is written.

    `worker → put → writer` is the only direction. What the worker has to know of the store is in `store`.
    """

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.store = StoreState()
        self.unproven: deque[tuple[float, Unit]] = deque()
        """Units whose checkpoint waits until their points are surely durable, and when the store confirmed them."""
        self._clock_s = clock_s
        self._queue: asyncio.Queue[Unit | None] = asyncio.Queue(maxsize=1)
        self._free = asyncio.Event()
        self._aside: deque[tuple[str, PointRow]] = deque(maxlen=ASIDE_ROWS)
        self._unfinished = 0

    # -- for the worker

    @property
    def busy(self) -> bool:
        """Whether a further unit would have to wait."""
        return self._queue.full()

    @property
    def is_idle(self) -> bool:
        """Whether every unit is written and checkpointed."""
        return not self._unfinished

    def failing_for_s(self) -> float:
        """For how long the store has been failing, or has not answered at all; 0 when it works."""
        now_s = self._clock_s()
        since_s = self.store.failing_since_s
        if since_s is not None:
            return now_s - since_s
        started_s = self.store.write_started_s
        return 0.0 if started_s is None or now_s - started_s < STUCK_AFTER_S else now_s - started_s

    async def put(self, unit: Unit) -> None:
        """Hand over a unit; waits while one is being written and another one waits."""
        self._unfinished += 1
        await self._queue.put(unit)

    async def wait_free(self, timeout_s: float) -> None:
        """Return when a unit can be handed over, or after the timeout."""
        self._free.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._free.wait()

    def start_anew(self) -> None:
        """Everything since the last checkpoint comes again. Only while idle."""
        self.unproven.clear()
        self.store.must_resend = False

    def put_aside(self, measurement: str, row: PointRow) -> None:
        """Let a row that does not come from the log go out with the next unit. Only the newest few wait."""
        self._aside.append((measurement, row))

    async def close(self) -> None:
        """No further unit follows."""
        await self._queue.put(None)

    # -- for the writer

    async def get(self) -> Unit | None:
        """The next unit, with the rows that were put aside; None when the queue is closed."""
        unit = await self._queue.get()
        if unit is None:
            return None
        self._free.set()
        while self._aside:
            measurement, row = self._aside.popleft()
            unit.rows[measurement].append(row)
            unit.points += 1
        return unit

    def done(self) -> None:
        """The unit that was got last is written, and its checkpoint is made or waits."""
        self._unfinished -= 1
