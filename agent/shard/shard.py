"""The shard: messages in; rows, dead letters and alerts out.

The same messages in the same order give the same output, however they are cut into batches. Nothing here reads a clock
or does input or output, and no state is outside the objects: several shards can live in one process.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Final

import msgspec

from agent.dialects.bad_elements import BadElements
from agent.dialects.base import first_levels
from agent.dialects.decoder import Decoder
from agent.errors import Rejected
from agent.fleet.books.corrections import Correction
from agent.log import DeadLetter
from agent.messages import Batch, Message, MessageKind, tick_times
from agent.points.rows import Series, add_records
from agent.readings import DropReading, Reading
from agent.shard.care import TRIES, VanFailed, set_aside
from agent.shard.counters import ShardCounters
from agent.shard.output import ShardOutput
from agent.shard.registry import AWAKE_VANS, VanRegistry
from agent.shard.rollup import RollUpPart, combine
from agent.shard.roster import Roster
from agent.shard.sources import Sources
from agent.shard.stepper import Stepper
from agent.shard.tags import FleetTags
from agent.shard.totals import NO_VANS, ShardTotals

PUBLISH: Final = int(MessageKind.PUBLISH)
"""Looking up a member of an enum takes time, and this is done for every message."""
_DECODED: Final = frozenset({PUBLISH, int(MessageKind.REPLAYED)})
"""Kinds of messages that are decoded: those that arrived, and dead letters that were handed back."""

MINUTE_MS: Final = 60_000
MINUTE_KEY: Final = "/minute"
"""Where the checkpoint of a shard keeps the minute of its last roll-up."""
TAGS_KEY: Final = "/tags"
"""Where it keeps the fleet's tags."""
SOURCES_KEY: Final = "/sources"
"""Where it keeps the sources. No van and no memory of a dialect has a key that begins with a slash."""


class Shard:
    """Owns some vans: the decoder's memory of them, their states, and the roll-up over them.

    Counters aside, everything that it knows is in its snapshots: `restore` with the parts of all snapshots so far gives
    a shard that goes on in the same way.
    """

    def __init__(
        self, decoder: Decoder, roster: Roster, *, awake_vans: int | None = AWAKE_VANS, is_whole: bool = True
    ) -> None:
        """`is_whole`: it has all vans, so its roll-ups are rows. Else `ShardOutput.roll_ups` has its part of each."""
        self.vans = VanRegistry(roster, awake_vans=awake_vans)
        self.counters = ShardCounters()
        self._decoder = decoder
        self._roster = roster
        self._stepper = Stepper(self.vans)
        self._sources = Sources()
        self._out = ShardOutput()
        self._is_whole = is_whole
        self._depots: dict[str, Series] = {}
        self._minute = 0
        self._counts = self.counters
        self._uncounted = ShardCounters()
        self._totals = NO_VANS
        self._tags_known = self._tags_changed = False

    # -- batches

    def process(
        self,
        batch: Batch,
        start: int = 0,
        stop: int | None = None,
        *,
        again: bool = False,
        into: ShardOutput | None = None,
    ) -> ShardOutput:
        """Work through the messages of a batch from `start` up to `stop`, and return what follows from them.

        `again` says that they were worked through before; they are then not counted. What follows is appended to `into`
        if that is given.
        """
        stop = len(batch.messages) if stop is None else stop
        out = self._begin(batch, again=again, into=into)
        received_ms = batch.received_ms
        decode = self._decoder.decode
        stepper = self._stepper
        offset = batch.offset + start - 1
        for message in batch.messages[start:stop]:
            offset += 1
            kind = message.kind
            if kind != PUBLISH and kind not in _DECODED:
                self._take_special(message, batch, offset)
                continue
            try:
                items = decode(message, received_ms)
                if kind == PUBLISH and items.__class__ is tuple and len(items) == 1 and isinstance(items[0], Reading):
                    # Nearly every message: one reading.
                    refused = stepper.take_reading(items[0], received_ms)
                    if refused is None:
                        continue
                    items = (refused,)
                self._take_all(items, message, batch, offset)
            except Rejected as rejected:
                self._refuse(rejected, message, batch, offset)
            except VanFailed as failure:
                stepper.note_failure(failure, f"a message under {message.topic!r}")
                # It is worked through again, which does not count; its dead letter is counted here.
                self._counts.rejected["malformed"] += 1
            except Exception as error:  # one message must not stop the others
                self._decode_again(error, message, batch, offset)
        self._counts.messages += stop - start
        return out

    def set_aside(
        self, batch: Batch, index: int, detail: str, *, again: bool = False, into: ShardOutput | None = None
    ) -> ShardOutput:
        """Make a message a dead letter without decoding it; `again` and `into` as in `process`."""
        out = self._begin(batch, again=again, into=into)
        self._refuse(Rejected("malformed", detail), batch.messages[index], batch, batch.offset + index)
        self._counts.messages += 1
        return out

    def _begin(self, batch: Batch, *, again: bool, into: ShardOutput | None) -> ShardOutput:
        self._out = ShardOutput() if into is None else into
        self._counts = self._uncounted if again else self.counters
        source = self._sources.number(batch.source, batch.received_ms)
        self._stepper.begin(self._out, self._counts, source)
        self._decoder.begin(source)
        return self._out

    def _take_all(
        self, items: Iterable[Reading | DropReading | Rejected], message: Message, batch: Batch, offset: int
    ) -> None:
        """Take everything that one message holds."""
        stepper = self._stepper
        element = 0
        bad: BadElements | None = None
        for item in items:
            if isinstance(item, Rejected):
                refused: Rejected | None = item
            elif isinstance(item, DropReading):
                refused = stepper.take_drop(item, batch.received_ms)
            elif message.kind == PUBLISH:
                refused = stepper.take_reading(item, batch.received_ms)
            else:
                first_arrival_ms = min(batch.received_ms, message.other_arrival_ms)
                arrival_ms = stepper.replayed_arrival_ms(item.vehicle_id, first_arrival_ms)
                refused = stepper.take_reading(item, arrival_ms)
            if refused is not None:
                if bad is None:
                    bad = BadElements(element, refused)
                else:
                    bad.add(element)
            element += 1
        if bad is not None:
            self._refuse(bad.rejected(element), message, batch, offset)

    def _decode_again(self, error: Exception, message: Message, batch: Batch, offset: int) -> None:
        """Decoding failed once with an error of this program. After three tries the message is a dead letter."""
        for _ in range(TRIES - 1):
            try:
                items = list(self._decoder.decode(message, batch.received_ms))
            except Exception as again:
                error = again
            else:
                self._take_all(items, message, batch, offset)
                return
        self._stepper.note_error(f"a message under {message.topic!r}", error)
        self._refuse(set_aside(error), message, batch, offset)

    def _refuse(self, rejected: Rejected, message: Message, batch: Batch, offset: int) -> None:
        """Make the message one dead letter, however many of its elements cannot be used."""
        self._counts.rejected[rejected.reason] += 1
        self._out.dead_letters.append(
            DeadLetter(
                offset=offset,
                reason=rejected.reason,
                topic=message.topic,
                payload=message.payload,
                received_ms=batch.received_ms,
                detail=rejected.detail,
                sender=self._decoder.sender(message.topic) or first_levels(message.topic),
                retained=message.retained,
            )
        )

    # -- messages that no van has sent

    def _take_special(self, message: Message, batch: Batch, offset: int) -> None:
        match message.kind:
            case MessageKind.TICK:
                self._tick(message, batch, offset)
            case MessageKind.TAGS:
                self.vans.retag(FleetTags.decode(message.payload))
                self._tags_known = self._tags_changed = True
            case MessageKind.CORRECTION:
                try:
                    self._stepper.take_correction(msgspec.json.decode(message.payload, type=Correction))
                except Rejected as rejected:
                    self._refuse(rejected, message, batch, offset)
                except Exception as error:  # one correction must not stop the messages
                    self._stepper.note_error("a correction", error)
                    self._refuse(set_aside(error), message, batch, offset)
            case MessageKind.OVERSIZE:
                text = "larger than mqtt.max_packet_bytes; this is its beginning"
                self._refuse(Rejected("oversize", text), message, batch, offset)
            case _:
                self._refuse(Rejected("malformed_packet", "the MQTT packet is not valid"), message, batch, offset)

    def _tick(self, message: Message, batch: Batch, offset: int) -> None:
        """Time passes for what belongs to the source of the tick: values that wait, vans, and the roll-up."""
        now_ms, listening_since_ms = tick_times(message, batch)
        number = self._sources.number(batch.source, batch.received_ms)
        if not self._sources.accepts_tick(number, batch.term, now_ms):
            return
        heard = self._sources.tick(number, now_ms, listening_since_ms)
        self._tick_dialects(now_ms, batch.received_ms, heard)
        self._stepper.pass_time(now_ms, heard)
        minute = self._sources.reached_ms(now_ms) // MINUTE_MS
        # A clock that was set back goes on from its new time. A small correction back over a full minute repeats none.
        if not self._minute - 1 <= minute <= self._minute:
            self._minute = minute
            self._roll_up(minute * MINUTE_MS, offset)

    def _tick_dialects(self, now_ms: int, received_ms: int, heard: Container[int]) -> None:
        """Take the readings that waited for time to pass. One of a foreign van is counted: there is no message."""
        stepper = self._stepper
        try:
            for reading in self._decoder.tick(now_ms, heard):
                try:
                    stepper.take_reading(reading, received_ms)
                except Rejected as rejected:
                    self._counts.rejected[rejected.reason] += 1
                except VanFailed as failure:
                    stepper.note_failure(failure, f"a reading of {failure.vehicle_id!r}")
        except Exception as error:
            stepper.note_error("a tick of the dialects", error)

    def _roll_up(self, time_ms: int, offset: int) -> None:
        depots = self.vans.roll_up()
        if not self._is_whole:
            self._out.roll_ups.append(RollUpPart(time_ms, offset, depots))
            return
        for record in combine(time_ms, [depots]):
            series = self._depots.get(record.depot)
            if series is None:
                series = self._depots[record.depot] = Series(depot=record.depot)
            add_records(self._out.rows, series, (record,))
            self._out.row_count += 1

    # -- state

    def snapshot(self) -> Iterator[dict[str, bytes]]:
        """The states that changed since the last snapshot, by key, encoded, in parts of some hundred.

        To be consumed before any further message is processed.
        """
        own = {MINUTE_KEY: b"%d" % self._minute, SOURCES_KEY: self._sources.encode()}
        if self._tags_changed:
            own[TAGS_KEY] = self.vans.tags.encode()
            self._tags_changed = False
        yield own | self._decoder.changed()
        yield from self.vans.snapshot()

    def restore(self, states: Iterable[tuple[str, bytes]]) -> None:
        """Replace everything by these states. Raises `LogCorrupt` for a state of an unknown version."""
        memories: dict[str, bytes] = {}
        vans: list[tuple[str, bytes]] = []
        for key, encoded in states:
            if "/" in key:
                memories[key] = encoded
            else:
                vans.append((key, encoded))
        self._stepper.restored()
        self._minute = int(memories.pop(MINUTE_KEY, b"0"))
        self._sources.restore(memories.pop(SOURCES_KEY, None))
        encoded_tags = memories.pop(TAGS_KEY, None)
        self._tags_known = encoded_tags is not None
        self._tags_changed = False
        self.vans.restore(vans, FleetTags.decode(encoded_tags) if encoded_tags else self._roster.tags())
        self._decoder.restore(memories)

    def tags_to_journal(self, *, backlog: bool) -> Message | None:
        """The message with the tags of the fleet file; None where the journal is known to end with these tags.

        `backlog` says that the journal holds messages that were not processed yet: there may be tags among them.
        """
        tags = self._roster.tags()
        if self._tags_known and not backlog and tags == self.vans.tags:
            return None
        return Message("", tags.encode(), qos=0, kind=MessageKind.TAGS)

    # -- what may be asked

    @property
    def seen_ms(self) -> int:
        """The newest time of a tick in the restored checkpoint, to the minute; 0: none."""
        return self._minute * MINUTE_MS

    @property
    def newest_ms(self) -> int:
        """The newest event time of all accepted readings; 0: none yet."""
        return self._stepper.newest_ms

    def sender_of(self, topic: str) -> str | None:
        """The sender that a topic names; see `Decoder.sender`."""
        return self._decoder.sender(topic)

    def broken_vans(self) -> list[str]:
        """Vans that an error of this program has left half-changed.

        While there are any, the shard has to be restored from the last checkpoint, and everything since has to be
        processed again.
        """
        return self._stepper.broken_vans()

    def findings(self) -> dict[str, str]:
        """What the dialects found that people should look at, by `dialect/vehicle_id`."""
        return {key: text for key, text in self._decoder.findings().items() if text}

    def active_alerts(self, vehicle_id: str) -> bytes:
        """The van's active alerts as JSON; empty when there is none."""
        return self.vans.active_alerts(vehicle_id)

    def alerting_vans(self) -> list[str]:
        """The vans that have an active alert."""
        return self.vans.alerting()

    def totals(self) -> ShardTotals:
        """Figures over all vans. No counter among them falls, although a rewind takes the vans back."""
        self._totals = self.vans.totals().not_below(self._totals)
        return self._totals
