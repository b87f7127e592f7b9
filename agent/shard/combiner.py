"""The roll-up over several shards: a minute is complete once every shard has said its part.

A shard may skip a minute, as after an outage. Then its next part stands for the minute.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from agent.errors import LogCorrupt
from agent.fleet.records import FleetRecord
from agent.shard.rollup import RollUpPart, combine

HELD: Final = 1440
"""At most so many parts of a shard, those of a day, wait for another shard. Then its oldest one is given up."""


class SaidPart(msgspec.Struct, array_like=True, gc=False):
    """A part, and the number of the shard that says it."""

    shard: int
    part: RollUpPart

    def encode(self) -> bytes:
        """The form in the topic."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, encoded: bytes) -> "SaidPart | None":
        """Read what `encode` wrote; None for anything else."""
        try:
            return msgspec.msgpack.decode(encoded, type=cls)
        except msgspec.MsgspecError:
            return None


class CombinerMark(msgspec.Struct, array_like=True, gc=False):
    """How far the combination has come. Stored in checkpoints: a new field goes to the end, with a default."""

    position: int = 0
    """Where the parts begin that are not used up, in what all shards have said."""
    used: list[int] = []
    """For each shard the offset of the last part that is used up; -1: none."""

    def encode(self) -> bytes:
        """The form in a checkpoint."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, encoded: bytes | None) -> "CombinerMark":
        """Read what `encode` wrote; None: the beginning. Raises `LogCorrupt`."""
        try:
            return cls() if encoded is None else msgspec.msgpack.decode(encoded, type=cls)
        except msgspec.MsgspecError as error:
            raise LogCorrupt(f"the position of the roll-ups cannot be read: {error}") from error


class Combiner:
    """Takes the parts in the order in which they were said; gives the records of each complete minute once.

    What it gives follows from the sequence of parts of each shard alone, not from how the sequences are mixed. `mark`
    says from where on it has to be given the parts again after a restart.
    """

    def __init__(self, shards: int, mark: CombinerMark) -> None:
        self._used = [*mark.used, *[-1] * shards][:shards]
        self._newest = list(self._used)
        self._waiting: list[deque[tuple[int, RollUpPart]]] = [deque(maxlen=HELD) for _ in range(shards)]
        self._end = mark.position

    def add(self, position: int, shard: int, part: RollUpPart) -> None:
        """Take a part that stands at this position. One that was made again, after a restart, is left out."""
        self._end = position + 1
        if 0 <= shard < len(self._newest) and part.offset > self._newest[shard]:
            self._newest[shard] = part.offset
            self._waiting[shard].append((position, part))

    def complete(self) -> Iterable[list[FleetRecord]]:
        """The records of each minute for which every shard has said its part. Each minute is used up by this."""
        while all(self._waiting):
            heads = [waiting[0][1] for waiting in self._waiting]
            time_ms = min(part.time_ms for part in heads)
            yield combine(time_ms, [part.depots for part in heads])
            for shard, part in enumerate(heads):
                if part.time_ms == time_ms:
                    self._waiting[shard].popleft()
                    self._used[shard] = part.offset

    def mark(self) -> CombinerMark:
        """As of what `complete` has given."""
        oldest = min((waiting[0][0] for waiting in self._waiting if waiting), default=self._end)
        return CombinerMark(oldest, list(self._used))
