"""From the journal to the writer: slices of batches through the shard, gathered into units.

When the store is away for longer than the units in hand can bridge, the worker runs **ahead**: vans stay live and
alerts go out, but the points are let go. Once the store is back it **rewinds** to the last checkpoint and goes the same
way again, this time with points. The journal holds everything behind the checkpoint, and processing is deterministic,
so that nothing differs.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable

from agent.journal.attempts import ENDS, Attempts
from agent.journal.sqlite_log import SqliteLog
from agent.messages import Batch
from agent.shard.output import ShardOutput
from agent.shard.shard import Shard
from agent.writer import Unit, Writer

log = logging.getLogger(__name__)

SLICE_MESSAGES = 64
"""Messages worked through between two turns of the event loop: about 1 ms."""

TAIL_MESSAGES = 16_384
TAIL_BYTES = 4 * 1024 * 1024
"""Committed batches kept in memory; what does not fit is read back from the journal when its turn comes."""

READ_MESSAGES = 4096
LETTERS_AT_ONCE = 256
UNIT_POINTS_LIMIT = 2
"""A unit may grow to this many times `batch_points` while the one before it is being written."""

CHECKPOINT_MESSAGES = 250_000
AHEAD_AFTER_S = 2.0
"""The store has to fail for this long before the worker runs ahead."""

_SET_ASIDE = f"set aside: the process has ended {ENDS} times while it was working on this message"

STORE_POLL_S = 0.1
"""How often a busy store is looked at again."""


class Tail:
    """The newest batches of the journal, kept in memory up to a bound."""

    def __init__(self) -> None:
        self.end = 0
        """The offset behind everything committed."""
        self._batches: deque[tuple[Batch, int]] = deque()
        self._messages = 0
        self._bytes = 0

    def add(self, batch: Batch) -> None:
        """Take a batch that was just committed."""
        size = sum([len(message.payload) for message in batch.messages])
        self.end = batch.end
        self._batches.append((batch, size))
        self._messages += len(batch.messages)
        self._bytes += size
        while self._batches and (self._messages > TAIL_MESSAGES or self._bytes > TAIL_BYTES):
            self._drop_oldest()

    def take(self, offset: int) -> Batch | None:
        """The batch that starts at this offset, if it is still in memory; older ones are let go."""
        while self._batches and self._batches[0][0].end <= offset:
            self._drop_oldest()
        if self._batches and self._batches[0][0].offset == offset:
            return self._batches[0][0]
        return None

    def _drop_oldest(self) -> None:
        batch, size = self._batches.popleft()
        self._messages -= len(batch.messages)
        self._bytes -= size


class Worker:
    """Owns the position in the journal up to which the vans' states are."""

    def __init__(
        self,
        shard: Shard,
        journal: SqliteLog,
        writer: Writer,
        *,
        batch_points: int,
        flush_s: float,
        checkpoint_every_s: float,
        notify: Callable[[list[str]], Awaitable[None]],
    ) -> None:
        self.position = 0
        self.ahead = False
        self.rewinds = 0
        self._shard = shard
        self._output = ShardOutput()
        """What the shard has made since the last unit."""
        self._error_logged = False
        self._journal = journal
        self._writer = writer
        self._batch_points = batch_points
        self._flush_s = flush_s
        self._checkpoint_every_s = checkpoint_every_s
        self._notify = notify
        self._tail = Tail()
        self._committed = asyncio.Event()
        self._closing = False
        self._room_wanted = False
        self._unit_since_s: float | None = None
        self._read_batches: deque[Batch] = deque()
        self._checkpoint_s = time.monotonic()
        self._checkpoint_offset = 0
        self._attempts: Attempts | None = None
        self._rested: list[str] = []
        """Vans that an error had left half-changed: of their alerts nobody was told meanwhile."""
        self._seen = 0
        """How far any pass has come: what is worked through again was counted, and its alerts sent, the first time."""

    async def restore(self) -> None:
        """Take up the vans' states where the last checkpoint left them. Raises `JournalCorrupt`."""
        offset, states = await self._journal.load()
        if self._attempts is None:
            self._attempts = self._note_attempts(offset)
        self._shard.restore(states)
        self.position = self._checkpoint_offset = offset
        self._writer.counters.confirmed_offset = max(self._writer.counters.confirmed_offset, offset)
        self._tail.end = self._journal.journal.counters.next_offset

    def _note_attempts(self, offset: int) -> Attempts | None:
        try:
            return Attempts(self._journal.journal.path, checkpoint_offset=offset)
        except OSError as error:
            log.warning("a message that ends the process cannot be told from others: %s", error)
            return None

    @property
    def repeating(self) -> bool:
        """Whether the vans' states are older than they have been already."""
        return self.position < self._seen

    @property
    def backlog(self) -> int:
        """Messages committed and not yet worked through."""
        return self._tail.end - self.position

    def on_batch(self, batch: Batch) -> None:
        """Take a batch that was just committed."""
        self._tail.add(batch)
        self._committed.set()

    def make_room(self) -> None:
        """The journal is full: checkpoint what is done, without waiting for more, since nothing more can come."""
        self._room_wanted = True
        self._committed.set()

    def close(self) -> None:
        """Let `run` end once everything committed is worked through and handed to the writer."""
        self._closing = True
        self._committed.set()

    async def run(self) -> None:
        """Work until closed."""
        while True:
            batch = await self._next()
            if batch is None:
                break
            await self._work_through(batch)
        if not self.ahead:
            await self._seal(checkpoint=True)

    async def _next(self) -> Batch | None:
        """The batch at the position; None when closed and all is done. Seals what waits too long meanwhile."""
        while True:
            if self._writer.must_resend and not self.ahead:
                self._run_ahead("the store may have forgotten what it confirmed")
            if self.ahead and self._writer.is_idle:
                await self._rewind()
            if self.position < self._tail.end:
                return self._read_batch() or self._tail.take(self.position) or await self._read()
            if self._closing:
                return None
            await self._wait_for_commit()
            if self._room_wanted and not self._writer.busy:
                self._room_wanted = False
                await self._seal(checkpoint=self.position > self._checkpoint_offset)
            elif self._flush_due():
                await self._hand_over()

    def _read_batch(self) -> Batch | None:
        while self._read_batches:
            batch = self._read_batches.popleft()
            if batch.offset == self.position:
                return batch
        return None

    async def _read(self) -> Batch:
        """The next batch from the journal's file."""
        batches = await self._journal.read(self.position, max_messages=READ_MESSAGES)
        if not batches:
            # What was here is damaged or was dropped to make room; the journal has counted it.
            self.position = self._tail.end
            return Batch(self._tail.end, 0, 0, [])
        self._read_batches = deque(batches[1:])
        self.position = batches[0].offset
        return batches[0]

    async def _wait_for_commit(self) -> None:
        timeout_s = None
        if self.ahead or (self._unit_since_s is not None and self._writer.busy):
            timeout_s = STORE_POLL_S
        elif self._unit_since_s is not None:
            timeout_s = max(0.0, self._unit_since_s + self._flush_s - time.monotonic())
        self._committed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._committed.wait()

    async def _work_through(self, batch: Batch) -> None:
        count = len(batch.messages)
        stop = 0
        while stop < count:
            start, stop = stop, min(stop + SLICE_MESSAGES, count)
            again = batch.offset + start < self._seen
            if again:  # a slice ends where what is new begins
                stop = min(stop, self._seen - batch.offset)
            stop = self._process(batch, start, stop, again=again)
            self.position = batch.offset + stop
            if self._unit_since_s is None:
                self._unit_since_s = time.monotonic()
            await self._after_slice()

    def _process(self, batch: Batch, start: int, stop: int, *, again: bool) -> int:
        """Work through messages of a batch, and leave a note meanwhile of which; returns where it stopped."""
        attempts = self._attempts
        if attempts is None:
            self._after_process(self._shard.process(batch, start, stop, again=again))
            return stop
        first = batch.offset + start
        last = attempts.limit(first, batch.offset + stop)
        stop = last - batch.offset
        if attempts.is_aside(first):
            self._after_process(self._shard.set_aside(batch, start, _SET_ASIDE, again=again))
        else:
            attempts.begin(first, last)
            self._after_process(self._shard.process(batch, start, stop, again=again))
            attempts.end()
        return stop

    def _after_process(self, output: ShardOutput) -> None:
        self._output.add(output)
        if output.error is not None and not self._error_logged:
            self._error_logged = True
            what, error = output.error
            log.error("error of this program in %s; further ones are only counted", what, exc_info=error)

    async def _after_slice(self) -> None:
        if len(self._output.dead_letters) >= LETTERS_AT_ONCE:
            await self._journal.add_dead_letters(self._output.take_dead_letters())
        alerting, self._output.alerting = list(self._output.alerting), {}
        if alerting and self.position > self._seen:
            await self._notify(alerting)
        if self._rested and self.position >= self._seen:
            rested, self._rested = self._rested, []
            await self._notify(rested)
        self._seen = max(self._seen, self.position)
        if not self.ahead and self._shard.broken_vans():
            self._run_ahead("an error of this program has left a van half-changed")
        if self.ahead:
            self._output.take_rows()
        elif self._output.row_count >= self._batch_points or self._flush_due():
            await self._hand_over()
        await asyncio.sleep(0)

    async def _hand_over(self) -> None:
        """Seal the unit if the writer is free; let it grow while it is not; run ahead when the store stays away."""
        await self._journal.add_dead_letters(self._output.take_dead_letters())
        if self._writer.busy and self._output.row_count < self._batch_points * UNIT_POINTS_LIMIT:
            return
        while self._writer.busy and not self.ahead:
            if self._writer.failing_for_s() > AHEAD_AFTER_S:
                self._run_ahead("the store stays away")
                return
            await self._writer.wait_free(STORE_POLL_S)
        await self._seal()

    def _run_ahead(self, reason: str) -> None:
        self.ahead = True
        self._output.take_rows()
        log.warning("%s: vans and alerts stay live, points wait in the journal", reason)

    def _flush_due(self) -> bool:
        return self._unit_since_s is not None and time.monotonic() - self._unit_since_s >= self._flush_s

    async def _seal(self, *, checkpoint: bool = False) -> None:
        """Hand everything up to the position to the writer, with a checkpoint if one is due."""
        await self._journal.add_dead_letters(self._output.take_dead_letters())
        self._unit_since_s = None
        if self.ahead:
            self._output.take_rows()
            return
        now = time.monotonic()
        due = (
            checkpoint
            or now - self._checkpoint_s >= self._checkpoint_every_s
            or self.position - self._checkpoint_offset >= CHECKPOINT_MESSAGES
            or self._journal.counters.full_since_s is not None
        )
        states: dict[str, bytes] | None = None
        if due:
            self._checkpoint_s = now
            self._checkpoint_offset = self.position
            states = {}
            for chunk in self._shard.snapshot():
                states.update(chunk)
                await asyncio.sleep(0)
        rows, points = self._output.take_rows()
        unit = Unit(rows=rows, points=points, end=self.position, newest_ms=self._shard.newest_ms, states=states)
        await self._writer.put(unit)

    async def _rewind(self) -> None:
        """Go back to the last checkpoint, to produce the points that were let go."""
        reached = self.position
        self.ahead = False
        self.rewinds += 1
        self._output.take_rows()
        self._writer.start_anew()
        self._read_batches.clear()
        self._rested += self._shard.broken_vans()
        await self.restore()
        log.info(
            "the agent is back at the last checkpoint: %d messages are worked through again", reached - self.position
        )
