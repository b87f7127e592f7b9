"""The journal's asynchronous face: every call runs in the one thread that owns the file, in order."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import ParamSpec, TypeVar

from agent.errors import JournalFull
from agent.fleet.state import STATE_VERSION
from agent.journal import DeadLetter, Journal, JournalCounters
from agent.journal.journal import PAGE_VANS
from agent.messages import Batch, Message

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

ROOM_RETRY_S = 1.0


class JournalThread:
    """Keeps the event loop from ever waiting for the disk."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.out_of_room = False
        """A checkpoint or a dead letter waits for room: the disk is full and the reserve is used up."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    @property
    def counters(self) -> JournalCounters:
        """The journal's own numbers."""
        return self.journal.counters

    async def _call(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(function, *args, **kwargs))

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

    async def close(self) -> None:
        """Close the file behind everything asked for so far."""
        await self._call(self.journal.close)
        self._executor.shutdown(wait=False)
