"""The journal's asynchronous face: every call runs in the one thread that owns the file, in order."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from agent.errors import JournalFull
from agent.fleet.state import STATE_VERSION
from agent.journal import Journal, JournalCounters
from agent.journal.journal import PAGE_VANS
from agent.log import DeadLetter
from agent.messages import Batch, Message

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

ROOM_RETRY_S = 1.0

_Call = tuple["asyncio.Future[Any]", Callable[[], Any]]


class SqliteLog:
    """Keeps the event loop from ever waiting for the disk.

    The thread is our own, since every batch passes through it: an executor of the standard library takes a tenth of the
    CPU of a thousand messages a second for handing over and back.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.out_of_room = False
        """A checkpoint or a dead letter waits for room: the disk is full and the reserve is used up."""
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        threading.Thread(target=_carry_out, args=(self._calls,), name="journal", daemon=True).start()

    @property
    def counters(self) -> JournalCounters:
        """The journal's own numbers."""
        return self.journal.counters

    def _call(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> "asyncio.Future[Result]":
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._calls.put((result, partial(function, *args, **kwargs)))
        return result

    async def _once_there_is_room(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """For what makes room or must not be lost: tried until there is room, since a full disk is no reason to end."""
        while True:
            try:
                result = await self._call(function, *args, **kwargs)
            except JournalFull as error:
                if not self.out_of_room:
                    self.out_of_room = True
                    log.error("processing stops until there is room again: %s", error)  # noqa: TRY400
                await asyncio.sleep(ROOM_RETRY_S)
                continue
            if self.out_of_room:
                self.out_of_room = False
                log.info("there is room again: processing goes on")
            return result

    async def append(self, messages: Sequence[Message], *, received_ms: int, listening_since_ms: int) -> Batch:
        """Commit the messages as one batch. Raises `JournalFull` or `JournalBroken`."""
        return await self._call(
            self.journal.append, messages, received_ms=received_ms, listening_since_ms=listening_since_ms
        )

    async def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        """Batches from this offset on."""
        return await self._call(self.journal.read, offset, max_messages=max_messages)

    async def load(self) -> tuple[int, list[tuple[str, bytes]]]:
        """The last checkpoint: its offset, and the state of every van as of it. Raises `JournalCorrupt`."""
        checkpoint = await self._call(self.journal.load)
        states: list[tuple[str, bytes]] = []
        while page := await self._call(lambda: list(islice(checkpoint.states, PAGE_VANS))):
            # Copied by the thread that keeps them: what another one has allocated is only ever used again by that one.
            states += [(vehicle_id, bytes(memoryview(state))) for vehicle_id, state in page]
        return checkpoint.offset, states

    async def checkpoint(self, offset: int, *, states: Mapping[str, bytes]) -> None:
        """Keep the van states as of this offset, and forget the messages before it."""
        await self._once_there_is_room(
            self.journal.checkpoint,
            offset,
            states=states,
            fleet_state=None,
            counters=None,
            state_version=STATE_VERSION,
        )

    async def tidy(self) -> list[Batch]:
        """Upkeep between batches; returns what a replay of dead letters appended."""
        return await self._call(self.journal.tidy)

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters; one that is there already stays as it is."""
        if letters:
            await self._once_there_is_room(self.journal.add_dead_letters, letters)

    async def count_losses(self, messages: Mapping[str, int]) -> None:
        """Count messages that were refused because the journal fills up, by sender. Raises `JournalFull`."""
        await self._call(self.journal.count_losses, messages)

    async def close(self) -> None:
        """Close the file behind everything asked for so far."""
        await self._call(self.journal.close)
        self._calls.put(None)


def _carry_out(calls: "SimpleQueue[_Call | None]") -> None:
    """One call after the other, until there comes a None or nobody is left to hear of the result."""
    while (call := calls.get()) is not None:
        result, function = call
        value, error = None, None
        try:
            value = function()
        except BaseException as raised:  # whoever waits for the result is to deal with it
            error = raised
        try:
            result.get_loop().call_soon_threadsafe(_hand_back, result, value, error)
        except RuntimeError:  # the loop is closed
            return


def _hand_back(result: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:
    if result.cancelled():
        return
    if error is not None:
        result.set_exception(error)
    else:
        result.set_result(value)
