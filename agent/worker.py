"""From the log to the writer: slices of batches through the shard, gathered into units.

The worker is in one of two modes, and changes between them by itself:

```
            the store stays away, may have lost what it confirmed,
            or an error has left a van half-changed
  following ───────────────────────────────────────────────────────▶ ahead
      ▲                                                                │
      └──── rewinding: back to the last checkpoint ◀───────────────────┘
                                                      the store works again
```

* **following**: rows go to the writer in units, with a checkpoint from time to time.
* **ahead**: vans stay live and alerts are published, but rows are dropped. Memory does not grow.
* **rewinding**: the shard takes up the states of the last checkpoint, and the messages since are processed again, now
  with rows. The log holds all of them, and processing is deterministic, so the rows are the same. What was counted and
  published the first time is not counted or published again.

A message is committed to the store in five steps. Step 1 to 3 are here, 4 and 5 in `agent/writer.py`:

1. The shard processes a slice of a batch. The rows gather in the worker.
2. Dead letters of the slice are added to the log.
3. When enough rows have gathered, or they have waited for long enough, the worker seals a unit: the rows, the offset up
   to which they reach and, if a checkpoint is due, the states that changed since the last one.
4. The writer writes the rows until the store confirms them.
5. The writer writes the checkpoint: states and offset in one transaction. The log then gives up what lies before it.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from agent.log import ENDS, Attempts, Log
from agent.messages import Batch
from agent.shard.output import ShardOutput
from agent.shard.rollup import RollUpPart
from agent.shard.shard import Shard
from agent.units import Unit, UnitQueue

log = logging.getLogger(__name__)

SLICE_MESSAGES: Final = 64
"""Messages worked through between two turns of the event loop: about 1 ms."""
READ_MESSAGES: Final = 4096
LETTERS_AT_ONCE: Final = 256
UNIT_POINTS_LIMIT: Final = 2
"""A unit may grow to this many times `batch_points` while the one before it is being written."""
CHECKPOINT_MESSAGES: Final = 250_000
AHEAD_AFTER_S: Final = 2.0
"""The store has to fail for this long before the worker runs ahead."""
STORE_POLL_S: Final = 0.1
"""How often a busy store is looked at again."""

_SET_ASIDE: Final = f"set aside: the process has ended {ENDS} times while it was working on this message"


class Worker:
    """Owns the position in the log up to which the states of its shard are."""

    def __init__(
        self,
        shard: Shard,
        log_of_messages: Log,
        units: UnitQueue,
        *,
        number: int = 0,
        batch_points: int,
        flush_s: float,
        checkpoint_every_s: float,
        publish_alerts: Callable[[list[str]], Awaitable[None]],
        say_parts: Callable[[list[RollUpPart]], Awaitable[None]] | None = None,
    ) -> None:
        """`number` is the shard's number, under which the log keeps its checkpoint.

        `say_parts` keeps the parts of roll-ups of a shard that is one of several.
        """
        self.position = 0
        self.ahead = False
        self.rewinds = 0
        self._shard = shard
        self._number = number
        self._output = ShardOutput()
        """What the shard has made since the last unit."""
        self._error_logged = False
        self._log = log_of_messages
        self._units = units
        self._batch_points = batch_points
        self._flush_s = flush_s
        self._checkpoint_every_s = checkpoint_every_s
        self._publish_alerts = publish_alerts
        self._say_parts = say_parts
        self._closing = False
        self._leaving = False
        self._unit_since_s: float | None = None
        self._read_batches: deque[Batch] = deque()
        self._checkpoint_s = time.monotonic()
        self._checkpoint_offset = 0
        self._since_checkpoint = 0
        """Messages worked through since the checkpoint that was sealed last."""
        self._attempts: Attempts | None = None
        self._rested: list[str] = []
        """Vans that an error had left half-changed: their alerts were not published meanwhile."""
        self._seen = 0
        """How far any pass has come. What is worked through again was counted, and its alerts published, before."""

    async def restore(self) -> None:
        """Take up the states of the last checkpoint. Raises `LogCorrupt`."""
        checkpoint = await self._log.load(self._number)
        if self._attempts is None:
            self._attempts = self._log.attempts(self._number, checkpoint.offset)
        self._shard.restore(checkpoint.states)
        self.position = self._checkpoint_offset = checkpoint.offset
        self._since_checkpoint = 0
        store = self._units.store
        store.confirmed_offset = max(store.confirmed_offset, checkpoint.offset)

    @property
    def repeating(self) -> bool:
        """Whether the states are older than they have been already."""
        return self.position < self._seen

    @property
    def backlog(self) -> int:
        """Messages in the log that are not worked through."""
        return self._log.messages_from(self.position)

    def close(self) -> None:
        """Let `run` end once everything committed is worked through and handed to the writer."""
        self._closing = True
        self._log.changed.set()

    def leave(self) -> None:
        """Let `run` end after the present slice, with a checkpoint: the next owner of the vans goes on from there."""
        self._closing = self._leaving = True
        self._log.changed.set()

    async def run(self) -> None:
        """Work until closed."""
        while (batch := await self._next()) is not None:
            await self._work_through(batch)
        if not self.ahead:
            await self._seal(checkpoint=True)

    # -- reading

    async def _next(self) -> Batch | None:
        """The next batch; None when closed and all is done. Seals what waits too long meanwhile."""
        while True:
            if self._leaving:
                return None
            if self._units.store.must_resend and not self.ahead:
                self._run_ahead("the store may have forgotten what it confirmed")
            if self.ahead and self._units.is_idle:
                await self._rewind()
            if self._read_batches:
                return self._move_to(self._read_batches.popleft())
            self._log.changed.clear()
            if self.position < self._log.end:
                return await self._read()
            if self._closing:
                return None
            await self._wait_for_messages()
            if self._log.status.full_since_s is not None and not self._units.busy:
                # Nothing more can be taken in before this is checkpointed.
                await self._seal(checkpoint=self.position > self._checkpoint_offset)
            elif self._flush_due():
                await self._hand_over()

    async def _read(self) -> Batch:
        end = self._log.end  # what is committed while we read comes behind it
        batches = await self._log.read(self.position, max_messages=READ_MESSAGES)
        if not batches:
            # What was here is damaged or was dropped to make room. The log has counted it.
            return self._move_to(Batch(end, 0, 0, []))
        self._read_batches.extend(batches[1:])
        return self._move_to(batches[0])

    def _move_to(self, batch: Batch) -> Batch:
        self.position = batch.offset
        return batch

    async def _wait_for_messages(self) -> None:
        timeout_s = None
        if self.ahead or (self._unit_since_s is not None and self._units.busy):
            timeout_s = STORE_POLL_S
        elif self._unit_since_s is not None:
            timeout_s = max(0.0, self._unit_since_s + self._flush_s - time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._log.changed.wait()

    # -- processing

    async def _work_through(self, batch: Batch) -> None:
        count = len(batch.messages)
        stop = 0
        while stop < count and not self._leaving:
            start, stop = stop, min(stop + SLICE_MESSAGES, count)
            again = batch.offset + start < self._seen
            if again:  # a slice ends where what is new begins
                stop = min(stop, self._seen - batch.offset)
            stop = self._process(batch, start, stop, again=again)
            self.position = batch.offset + stop
            self._since_checkpoint += stop - start
            if self._unit_since_s is None:
                self._unit_since_s = time.monotonic()
            await self._after_slice()

    def _process(self, batch: Batch, start: int, stop: int, *, again: bool) -> int:
        """Work through messages of a batch, and leave a note meanwhile of which; returns where it stopped."""
        attempts = self._attempts
        assert attempts is not None  # noqa: S101  # `restore` comes first
        first = batch.offset + start
        last = attempts.limit(first, batch.offset + stop)
        stop = last - batch.offset
        if attempts.is_aside(first):
            self._shard.set_aside(batch, start, _SET_ASIDE, again=again, into=self._output)
        else:
            attempts.begin(first, last)
            self._shard.process(batch, start, stop, again=again, into=self._output)
            attempts.end()
        if self._output.error is not None and not self._error_logged:
            self._error_logged = True
            what, error = self._output.error
            log.error("error of this program in %s; further ones are only counted", what, exc_info=error)
        return stop

    async def _after_slice(self) -> None:
        if len(self._output.dead_letters) >= LETTERS_AT_ONCE:
            await self._log.add_dead_letters(self._output.take_dead_letters())
        alerting, self._output.alerting = list(self._output.alerting), {}
        if alerting and self.position > self._seen:
            await self._publish_alerts(alerting)
        if self._rested and self.position >= self._seen:
            rested, self._rested = self._rested, []
            await self._publish_alerts(rested)
        self._seen = max(self._seen, self.position)
        if not self.ahead and self._shard.broken_vans():
            self._run_ahead("an error of this program has left a van half-changed")
        if self.ahead:
            self._drop_rows()
        elif self._output.row_count >= self._batch_points or self._flush_due():
            await self._hand_over()
        await asyncio.sleep(0)

    # -- handing over

    async def _hand_over(self) -> None:
        """Seal the unit if the writer is free; let it grow while it is not; run ahead when the store stays away."""
        await self._log.add_dead_letters(self._output.take_dead_letters())
        if self._units.busy and self._output.row_count < self._batch_points * UNIT_POINTS_LIMIT:
            return
        while self._units.busy and not self.ahead:
            if self._units.failing_for_s() > AHEAD_AFTER_S:
                self._run_ahead("the store stays away")
                return
            await self._units.wait_free(STORE_POLL_S)
        await self._seal()

    def _flush_due(self) -> bool:
        return self._unit_since_s is not None and time.monotonic() - self._unit_since_s >= self._flush_s

    async def _seal(self, *, checkpoint: bool = False) -> None:
        """Hand everything up to the position to the writer, with a checkpoint if one is due."""
        await self._log.add_dead_letters(self._output.take_dead_letters())
        self._unit_since_s = None
        if self.ahead:
            self._drop_rows()
            return
        parts = self._output.take_roll_ups()
        if parts and self._say_parts is not None:
            await self._say_parts(parts)
        states = await self._snapshot() if checkpoint or self._checkpoint_due() else None
        rows, points = self._output.take_rows()
        await self._units.put(
            Unit(rows=rows, points=points, end=self.position, newest_ms=self._shard.newest_ms, states=states)
        )

    def _checkpoint_due(self) -> bool:
        return (
            time.monotonic() - self._checkpoint_s >= self._checkpoint_every_s
            or self._since_checkpoint >= CHECKPOINT_MESSAGES
            or self._log.status.full_since_s is not None
        )

    async def _snapshot(self) -> dict[str, bytes]:
        self._checkpoint_s = time.monotonic()
        self._checkpoint_offset, self._since_checkpoint = self.position, 0
        states: dict[str, bytes] = {}
        for part in self._shard.snapshot():
            states.update(part)
            await asyncio.sleep(0)
        return states

    # -- modes

    def _run_ahead(self, reason: str) -> None:
        self.ahead = True
        self._drop_rows()
        log.warning("%s: vans and alerts stay live, points wait in the journal", reason)

    def _drop_rows(self) -> None:
        """Drop what is produced again after the way back to the checkpoint."""
        self._output.take_rows()
        self._output.take_roll_ups()

    async def _rewind(self) -> None:
        """Go back to the last checkpoint, to produce the points that were dropped."""
        self.ahead = False
        self.rewinds += 1
        self._drop_rows()
        self._units.start_anew()
        self._read_batches.clear()
        self._rested += self._shard.broken_vans()
        behind = self.backlog
        await self.restore()
        log.info(
            "the agent is back at the last checkpoint: %d messages are worked through again", self.backlog - behind
        )
