"""The `fleet` rows of a log that several shards process: each says its part of a minute, one process combines them.

The parts go through a topic. The owner of the first partition reads it. A minute is written once every partition has
said its part, so a partition that is behind holds up the rows and makes none wrong. How far the combination has come is
kept with the states of the first partition; a new owner goes on from there and writes the same rows.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from agent.errors import LogUnavailable
from agent.log import StoreRefusal
from agent.points.rows import Series, add_records, empty_rows
from agent.shard.combiner import Combiner, CombinerMark, SaidPart
from agent.shard.rollup import RollUpPart
from agent.stores.base import Store
from agent.units import Unit, UnitQueue
from agent.writer import Writer

log = logging.getLogger(__name__)

RETRY_S: Final = 1.0
IDLE_POLL_S: Final = 0.1
MARK: Final = "mark"


class PartWriter(Protocol):
    """Writes to the topic; `agent.kafka.roll_ups.RollUpWriter` is one."""

    async def write(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Write keys and values. Raises `LogUnavailable`."""
        ...


class PartReader(Protocol):
    """Reads the topic; `agent.kafka.roll_ups.RollUpReader` is one."""

    async def read(self, position: int) -> list[tuple[int, bytes]]:
        """Some records at or behind this position, each with its own; none after a moment. Raises `LogUnavailable`."""
        ...

    async def close(self) -> None:
        """Release the connection."""
        ...


class Keeper(Protocol):
    """Keeps the mark in the checkpoints of the first partition; `agent.kafka.partition_log.PartitionLog` is one."""

    @property
    def kept(self) -> bytes | None:
        """What was kept, as of the checkpoint that was loaded."""
        ...

    def keep(self, value: bytes) -> None:
        """Keep a value from the next checkpoint on."""
        ...

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        """Keep refusals of the store."""
        ...


async def say_parts(writer: PartWriter, shard: int, parts: Sequence[RollUpPart]) -> None:
    """Write what a shard says to the topic; waits, and logs why, while it cannot be written."""
    records = [(b"%d/%d" % (part.time_ms, shard), SaidPart(shard, part).encode()) for part in parts]
    waits = False
    while True:
        try:
            await writer.write(records)
        except LogUnavailable as error:
            if not waits:
                log.warning("partition %d waits: its part of the `fleet` roll-up cannot be written: %s", shard, error)
            waits = True
            await asyncio.sleep(RETRY_S)
        else:
            if waits:
                log.info("partition %d goes on: its part of the `fleet` roll-up is written", shard)
            return


class FleetRollUps:
    """Combines the parts and writes the rows, until cancelled."""

    def __init__(
        self,
        make_reader: Callable[[], PartReader],
        keeper: Keeper,
        store: Store,
        *,
        shards: int,
        durable_after_s: float,
    ) -> None:
        self._make_reader = make_reader
        self._keeper = keeper
        self._shards = shards
        self._units = UnitQueue()
        self._writer = Writer(store, self, self._units, durable_after_s=durable_after_s)
        self._mark: bytes | None = None
        """As of what is in the store for certain."""

    async def run(self) -> None:
        """Combine and write. What the store does not confirm is combined again by the next owner."""
        self._mark = self._keeper.kept
        reader = self._make_reader()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._writer.run(), name="roll-up-writer")
                await self._combine(reader)
        finally:
            await reader.close()

    async def _combine(self, reader: PartReader) -> None:
        combiner, position = self._anew()
        while True:
            if self._units.store.must_resend:
                if not self._units.is_idle:
                    await asyncio.sleep(IDLE_POLL_S)
                    continue
                self._units.start_anew()
                combiner, position = self._anew()
            for found, value in await _read(reader, position):
                said = SaidPart.decode(value)
                if said is not None:
                    combiner.add(found, said.shard, said.part)
                position = found + 1
            await self._hand_over(combiner)

    def _anew(self) -> tuple[Combiner, int]:
        mark = CombinerMark.decode(self._mark)
        return Combiner(self._shards, mark), mark.position

    async def _hand_over(self, combiner: Combiner) -> None:
        rows, newest_ms = empty_rows(), 0
        for records in combiner.complete():
            for record in records:
                add_records(rows, Series(depot=record.depot), (record,))
                newest_ms = record.time_ms
        mark = combiner.mark()
        if rows["fleet"]:
            await self._units.put(
                Unit(
                    rows=rows,
                    points=len(rows["fleet"]),
                    end=mark.position,
                    newest_ms=newest_ms,
                    states={MARK: mark.encode()},
                )
            )

    # -- what the writer asks of its log

    async def checkpoint(self, shard: int, offset: int, states: Mapping[str, bytes]) -> None:
        """The rows up to this mark are in the store."""
        del shard, offset
        self._mark = states[MARK]
        self._keeper.keep(self._mark)

    async def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        """Keep refusals of the store."""
        await self._keeper.add_refusals(refusals)


async def _read(reader: PartReader, position: int) -> list[tuple[int, bytes]]:
    try:
        return await reader.read(position)
    except LogUnavailable:
        await asyncio.sleep(RETRY_S)
        return []
