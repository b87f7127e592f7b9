"""The sources: who listens to the vans, and who may therefore judge their silence.

A source is one MQTT session. A van belongs to the source of its last message. A tick of a source lets time pass for the
vans of that source alone: while a source is down, its vans keep their state, and nobody else is held up.

Source number 0 has no name. With the journal it is the only one. In a log that several agents share, the messages that
an agent appends by itself have it; a van that has sent nothing else is treated as one of a source that is gone.
"""

from typing import Final

import msgspec

from agent.errors import LogCorrupt

GONE_MS: Final = 86_400_000
"""A source whose last tick differs by more than this from the tick of another one is given up."""
HEARD_MS: Final = 120_000
"""A source whose last tick is older than the newest one by more than this is down: the roll-up does not wait for it."""
NAMELESS: Final = 0


class Source(msgspec.Struct, array_like=True, gc=False):
    """What is known of a source. Stored in checkpoints: a new field goes to the end, with a default."""

    name: str
    tick_ms: int = 0
    """The time of its last tick; before its first one, when its first message arrived."""
    keeper: int = NAMELESS
    """The number of the source that keeps its vans since it was given up; 0: none."""
    kept_since_ms: int = 0
    term: int = 0
    """The newest term that was seen."""


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(list[Source]).decode


class Sources:
    """All sources of a shard, each with a number. What it decides follows from the messages of the shard alone."""

    def __init__(self) -> None:
        self._sources = [Source("")]
        self._numbers = {"": NAMELESS}

    def number(self, name: str, received_ms: int) -> int:
        """The number of the source of a batch that arrived at this time."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._sources)
            self._sources.append(Source(name, received_ms))
        return number

    def accepts_tick(self, number: int, term: int, now_ms: int) -> bool:
        """Whether a tick counts: not one of an agent whose source another agent has taken over meanwhile.

        The newest term holds until it is down. So a log of terms that was lost, and begins again, does no harm.
        """
        source = self._sources[number]
        if term < source.term and now_ms - source.tick_ms <= HEARD_MS:
            return False
        source.term = term
        return True

    def tick(self, number: int, now_ms: int, listening_since_ms: int) -> dict[int, int]:
        """Take a tick of a source. Returns for which sources time passes, and since when each was listened to.

        These are the source itself, since `listening_since_ms`, and those that it keeps, at the earliest since they
        were given up.
        """
        ticking = self._sources[number]
        ticking.tick_ms = now_ms
        ticking.keeper, ticking.kept_since_ms = NAMELESS, 0
        heard = {number: listening_since_ms}
        for other, source in enumerate(self._sources):
            if other == number or not self._is_gone(source, now_ms):
                continue
            if source.keeper == NAMELESS or self._is_gone(self._sources[source.keeper], now_ms):
                source.keeper, source.kept_since_ms = number, now_ms
            if source.keeper == number:
                heard[other] = max(listening_since_ms, source.kept_since_ms)
        return heard

    def _is_gone(self, source: Source, now_ms: int) -> bool:
        """The nameless source is gone as soon as there is another one: the states came from a journal."""
        return abs(now_ms - source.tick_ms) > GONE_MS or (not source.name and len(self._sources) > 1)

    def reached_ms(self, now_ms: int) -> int:
        """The time that every source has reached which is not down, as of a tick at `now_ms`."""
        ticks = [source.tick_ms for source in self._sources if not self._is_gone(source, now_ms)]
        newest_ms = max(ticks, default=now_ms)
        return min((tick_ms for tick_ms in ticks if newest_ms - tick_ms <= HEARD_MS), default=now_ms)

    def encode(self) -> bytes:
        """The form in a checkpoint."""
        return _ENCODE(self._sources)

    def restore(self, encoded: bytes | None) -> None:
        """Replace all by what `encode` once gave; None: by none. Raises `LogCorrupt`."""
        try:
            self._sources = [Source("")] if encoded is None else _DECODE(encoded)
        except msgspec.MsgspecError as error:
            raise LogCorrupt(f"the sources of a checkpoint cannot be read: {error}") from error
        self._numbers = {source.name: number for number, source in enumerate(self._sources)}
