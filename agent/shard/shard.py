"""Decode, step, points: what happens to a message behind the journal, without touching anything outside.

The same messages in the same order give the same rows, whatever the batches. Nothing here reads a clock.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec

from agent.dialects import Decoder
from agent.dialects.bad_elements import BadElements
from agent.dialects.base import first_levels
from agent.errors import REASONS, Rejected
from agent.fleet import Verdict, step, take_drop, tick
from agent.fleet.books import corrections
from agent.fleet.books.corrections import Correction
from agent.fleet.records import Record
from agent.log import DeadLetter
from agent.messages import Batch, Message, MessageKind
from agent.points.rows import Rows, Series, add_reading, add_records, empty_rows, partial_row
from agent.readings import DropReading, Reading
from agent.shard.care import TRIES, Care, Stumble, set_aside
from agent.shard.roster import Roster
from agent.shard.tags import FleetTags
from agent.shard.vans import AWAKE_VANS, ShardTotals, Van, Vans

log = logging.getLogger(__name__)

# An enum member costs a look-up of its own; these are asked for with every message.
PUBLISH = int(MessageKind.PUBLISH)
ACCEPTED, DUPLICATE, LATE = int(Verdict.ACCEPTED), int(Verdict.DUPLICATE), int(Verdict.LATE)
IMPLAUSIBLE = int(Verdict.IMPLAUSIBLE)

_READABLE = frozenset({PUBLISH, int(MessageKind.REPLAYED)})
"""Kinds of messages that are decoded: those that arrived, and dead letters that were handed back."""

MINUTE_MS = 60_000
MINUTE_KEY = "/minute"
TAGS_KEY = "/tags"
"""Where a checkpoint keeps the minute of the last roll-up and the fleet's tags; no van and no dialect memory has such
names."""


class ShardCounters:
    """What the processor counts; read by the health endpoints."""

    def __init__(self) -> None:
        self.messages = 0
        self.accepted = 0
        self.duplicates = 0
        self.late = 0
        self.stale = 0
        self.implausible = 0
        """Loads and drops beyond what their van can carry."""
        self.internal_errors = 0
        self.rejected: dict[str, int] = dict.fromkeys(REASONS, 0)


class Shard:
    """Owns the vans."""

    def __init__(self, decoder: Decoder, roster: Roster, *, awake_vans: int = AWAKE_VANS) -> None:
        self.vans = Vans(roster, awake_vans=awake_vans)
        self.counters = ShardCounters()
        self.letters: list[DeadLetter] = []
        self.points = 0
        """Rows waiting to be taken."""
        self.newest_ms = 0
        self._decoder = decoder
        self._roster = roster
        self._rows: Rows = empty_rows()
        self._depots: dict[str, Series] = {}
        self._minute = 0
        self._awake = self.vans.awake
        self._alerting: dict[str, None] = {}
        self._counts = self.counters
        self._uncounted = ShardCounters()
        self._care = Care(self.vans)
        self._work_in: Callable[[Reading, int], Rejected | None] = self._take
        self._totals = ShardTotals(0, 0, 0)
        self._tags_known = self._tags_changed = False

    def sender_of(self, topic: str) -> str | None:
        """Whom a topic names as its sender: see `Decoder.sender`."""
        return self._decoder.sender(topic)

    def restore(self, states: Iterable[tuple[str, bytes]]) -> None:
        """Replace all vans by these states. Raises `JournalCorrupt` for a state of an unknown version."""
        self._alerting = {}
        self._care.broken.clear()
        self._roster.forget_unknown()
        memories: dict[str, bytes] = {}
        vans: list[tuple[str, bytes]] = []
        for key, encoded in states:
            if "/" in key:
                memories[key] = encoded
            else:
                self._roster.restored(key)
                vans.append((key, encoded))
        self._minute = int(memories.pop(MINUTE_KEY, b"0"))
        encoded_tags = memories.pop(TAGS_KEY, None)
        self._tags_known = encoded_tags is not None
        self._tags_changed = False
        self.vans.restore(vans, FleetTags.decode(encoded_tags) if encoded_tags else self._roster.tags())
        self._decoder.restore(memories)

    def tags_to_journal(self, *, backlog: bool) -> Message | None:
        """The tags by the files of now, where they may not be those at the end of the journal.

        `backlog` says that the journal holds messages that have not been worked through: there may be tags among them.
        """
        tags = self._roster.tags()
        if self._tags_known and not backlog and tags == self.vans.tags:
            return None
        return Message("", tags.encode(), qos=0, kind=MessageKind.TAGS)

    @property
    def seen_ms(self) -> int:
        """The newest time that the checkpoint knows of, to the minute; 0: none."""
        return self._minute * MINUTE_MS

    def process(self, batch: Batch, start: int, stop: int, *, again: bool = False) -> None:
        """Work through the messages `start` to `stop` of a batch; `again`: they have been counted before."""
        self._counts = self._uncounted if again else self.counters
        received_ms = batch.received_ms
        decode = self._decoder.decode
        offset = batch.offset + start - 1
        for message in batch.messages[start:stop]:
            offset += 1
            kind = message.kind
            if kind != PUBLISH and kind not in _READABLE:
                self._special(message, batch, offset)
                continue
            try:
                items = decode(message, received_ms)
                if kind == PUBLISH and items.__class__ is tuple and len(items) == 1 and isinstance(items[0], Reading):
                    # Nearly every message: one reading.
                    refused = self._work_in(items[0], received_ms)
                    if refused is None:
                        continue
                    items = (refused,)
                self._take_all(items, message, batch, offset)
            except Rejected as rejected:
                self._refuse(rejected, message, batch, offset)
            except Stumble as stumble:
                self._break(stumble, f"a message under {message.topic!r}")
                self._counts.rejected["malformed"] += 1  # as it will be; what is worked through again is not counted
            except Exception as error:  # one message must never stop the others
                self._decode_again(error, message, batch, offset)
        self._counts.messages += stop - start

    def _take_all(
        self, items: Iterable[Reading | DropReading | Rejected], message: Message, batch: Batch, offset: int
    ) -> None:
        """What one message has given."""
        element = 0
        bad: BadElements | None = None
        arrived_ms = batch.received_ms
        replayed = message.kind != PUBLISH
        for item in items:
            if isinstance(item, Rejected):
                refused: Rejected | None = item
            elif isinstance(item, DropReading):
                refused = self._take_drop(item, arrived_ms)
            else:
                refused = self._work_in(item, self._late(item, message, batch) if replayed else arrived_ms)
            if refused is not None:
                if bad is None:
                    bad = BadElements(element, refused)
                else:
                    bad.add(element)
            element += 1
        if bad is not None:
            self._refuse(bad.rejected(element), message, batch, offset)

    def _late(self, reading: Reading, message: Message, batch: Batch) -> int:
        """When a replayed reading arrived. It is old: that its van was heard now does not follow from it."""
        van = self._awake.get(reading.vehicle_id) or self._admitted(reading.vehicle_id)
        return max(van.state.last_arrival_ms, min(batch.received_ms, message.other_arrival_ms))

    def _take(self, reading: Reading, received_ms: int) -> Rejected | None:
        """Work one reading into its van. Raises `Rejected` for a van that is not ours, `Stumble` for our own error."""
        van = self._awake.get(reading.vehicle_id) or self._admitted(reading.vehicle_id)
        if not van.dirty:
            self.vans.touch(van)
        counters = self._counts
        time_ms = reading.time_ms
        state = van.state
        try:
            records = step(state, reading, received_ms, van.context)
            verdict = state.verdict
            if verdict == ACCEPTED:
                counters.accepted += 1
            elif verdict == LATE:
                counters.late += 1
            elif verdict == DUPLICATE:
                counters.duplicates += 1
                return None
            elif verdict == IMPLAUSIBLE:
                counters.implausible += 1
                return None
            else:
                counters.stale += 1
                return None
            self.points += add_reading(self._rows, van.series, reading)
            if time_ms > self.newest_ms:
                self.newest_ms = time_ms
            if records:
                self._add_records(van, records)
        except Exception as error:
            raise Stumble(reading.vehicle_id, time_ms) from error
        return None

    def _take_with_care(self, reading: Reading, received_ms: int) -> Rejected | None:
        """`_take` once an error of this program has been met: nothing for broken vans, watched ones through `Care`."""
        vehicle_id = reading.vehicle_id
        if vehicle_id in self._care.broken:
            return None
        if not self._care.watches(vehicle_id):
            return self._take(reading, received_ms)
        work = partial(self._whole_rows, partial(self._take, reading, received_ms))
        error = self._care.attempt(vehicle_id, reading.time_ms, work)
        if error is None:
            return None
        self._note_error(f"a reading of {vehicle_id!r}", error)
        return set_aside(error)

    def _whole_rows(self, work: Callable[[], object]) -> None:
        """Let the work add all of its rows, or none."""
        lengths, count = {name: len(rows) for name, rows in self._rows.items()}, self.points
        try:
            work()
        except Stumble:
            for name, length in lengths.items():
                del self._rows[name][length:]
            self.points = count
            raise

    def _break(self, stumble: Stumble, what: str) -> None:
        """A van may be half-changed: it rests until the states of the last checkpoint are back."""
        self._note_error(what, stumble.__cause__ or stumble)
        self._care.note(stumble)
        self._work_in = self._take_with_care

    def _take_drop(self, drop: DropReading, received_ms: int) -> Rejected | None:
        """Work one drop into its van's tours; one of a tour that is forgotten is refused."""
        vehicle_id = drop.vehicle_id
        if vehicle_id in self._care.broken:
            return None
        if not self._care.watches(vehicle_id):
            return self._enter_drop(drop, received_ms)
        refused: list[Rejected | None] = []
        work = partial(self._whole_rows, lambda: refused.append(self._enter_drop(drop, received_ms)))
        error = self._care.attempt(vehicle_id, drop.time_ms, work)
        if error is None:
            return refused[-1]
        self._note_error(f"a drop of {vehicle_id!r}", error)
        return set_aside(error)

    def _enter_drop(self, drop: DropReading, received_ms: int) -> Rejected | None:
        vehicle_id = drop.vehicle_id
        van = self._awake.get(vehicle_id) or self._admitted(vehicle_id)
        if not van.dirty:
            self.vans.touch(van)
        counters = self._counts
        try:
            records = take_drop(van.state, drop, received_ms, van.context)
            if records:
                self._add_records(van, records)
        except Exception as error:
            raise Stumble(vehicle_id, drop.time_ms) from error
        match van.state.verdict:
            case Verdict.ACCEPTED:
                counters.accepted += 1
            case Verdict.IMPLAUSIBLE:
                counters.implausible += 1
            case Verdict.NO_TOUR:
                return Rejected("too_old", f"{drop.action} of a tour that is no longer remembered")
            case _:
                counters.duplicates += 1
        return None

    def _admitted(self, vehicle_id: str) -> Van:
        van = self.vans.wake(vehicle_id)
        if van is not None:
            return van
        if not self._roster.admits(vehicle_id):
            raise Rejected(
                "unknown_vehicle", f"{vehicle_id!r} is not in the fleet file, or there are too many such vans"
            )
        return self.vans.add(vehicle_id)

    def _add_records(self, van: Van, records: list[Record]) -> None:
        rows = self._rows
        known = len(rows["alert"])
        add_records(rows, van.series, records)
        if len(rows["alert"]) > known:
            self._alerting[van.state.vehicle_id] = None
        self.points += len(records)

    def _special(self, message: Message, batch: Batch, offset: int) -> None:
        match message.kind:
            case MessageKind.TICK:
                self._tick(int(message.payload), batch)
            case MessageKind.TAGS:
                self.vans.retag(FleetTags.decode(message.payload))
                self._tags_known = self._tags_changed = True
            case MessageKind.CORRECTION:
                try:
                    self._correct(msgspec.json.decode(message.payload, type=Correction))
                except Rejected as rejected:
                    self._refuse(rejected, message, batch, offset)
                except Exception as error:  # one correction must never stop the messages
                    self._note_error("a correction", error)
                    self._refuse(set_aside(error), message, batch, offset)
            case MessageKind.OVERSIZE:
                text = "larger than mqtt.max_packet_bytes; this is its beginning"
                self._refuse(Rejected("oversize", text), message, batch, offset)
            case _:
                self._refuse(Rejected("malformed_packet", "the MQTT packet is not valid"), message, batch, offset)

    def _tick(self, now_ms: int, batch: Batch) -> None:
        """Time passes for every van; silence counts from when we could hear it."""
        self._tick_dialects(now_ms, batch.received_ms)
        for van, silence_ms in self.vans.due(now_ms, batch.listening_since_ms):
            try:
                self._tick_van(van, now_ms, silence_ms)
            except Stumble as stumble:  # one van must never stop the others
                self._break(stumble, f"a tick of {stumble.vehicle_id!r}")
        self.vans.settle(now_ms)
        minute = now_ms // MINUTE_MS
        # A clock set back goes on from where it is now; a small correction over a full minute is not rolled up again.
        if not self._minute - 1 <= minute <= self._minute:
            self._minute = minute
            self._roll_up(minute * MINUTE_MS)

    def _correct(self, correction: Correction) -> None:
        """A stretch of a van that must not count. Raises `Rejected`."""
        vehicle_id = correction.vehicle_id
        van = self._awake.get(vehicle_id) or self.vans.wake(vehicle_id)
        if van is None:
            raise Rejected("unknown_vehicle", f"a correction for {vehicle_id!r}, which was never heard of")
        records = corrections.take_correction(van.state, correction, van.context)
        self.vans.touch(van)
        self._add_records(van, records)
        for day in correction.days if records else ():
            self._rows["day"].append(partial_row("day", Series(**day.tags), day.time_ms, day.fields))
            self.points += 1

    def _tick_dialects(self, now_ms: int, received_ms: int) -> None:
        """What only waited for time to pass. A van that is not ours is counted: there is no message to keep."""
        try:
            for reading in self._decoder.tick(now_ms):
                try:
                    self._work_in(reading, received_ms)
                except Rejected as rejected:
                    self._counts.rejected[rejected.reason] += 1
                except Stumble as stumble:
                    self._break(stumble, f"a reading of {stumble.vehicle_id!r}")
        except Exception as error:
            self._note_error("a tick of the dialects", error)

    def _tick_van(self, van: Van, now_ms: int, silence_ms: int) -> None:
        """Time passes for one van. Raises `Stumble`."""
        vehicle_id = van.state.vehicle_id
        if vehicle_id in self._care.broken:
            return
        if self._care.watches(vehicle_id):
            work = partial(self._whole_rows, partial(self._pass, van, now_ms, silence_ms))
            error = self._care.attempt(vehicle_id, now_ms, work)
            if error is not None:
                self._note_error(f"a tick of {vehicle_id!r}", error)
        else:
            self._pass(van, now_ms, silence_ms)

    def _pass(self, van: Van, now_ms: int, silence_ms: int) -> None:
        state = van.state
        event_ms = state.time_ms + silence_ms
        # A look at alerts or the end of a day changes the state even where there is nothing to say.
        changed = (
            0 < state.alerts.due_ms <= event_ms or 0 < state.day.end_ms <= event_ms or 0 < state.tour.due_ms <= event_ms
        )
        try:
            records = tick(state, now_ms, silence_ms, van.context)
            if (records or changed) and not van.dirty:
                self.vans.touch(van)
            if records:
                self._add_records(van, records)
        except Exception as error:
            raise Stumble(state.vehicle_id, now_ms) from error

    def _roll_up(self, time_ms: int) -> None:
        for record in self.vans.roll_up(time_ms):
            series = self._depots.get(record.depot)
            if series is None:
                series = self._depots[record.depot] = Series(depot=record.depot)
            add_records(self._rows, series, (record,))
            self.points += 1

    def _refuse(self, rejected: Rejected, message: Message, batch: Batch, offset: int) -> None:
        """Make the message a dead letter: one, whatever is wrong with how many of its elements."""
        self._counts.rejected[rejected.reason] += 1
        self.letters.append(
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

    def _decode_again(self, error: Exception, message: Message, batch: Batch, offset: int) -> None:
        """Decoding has failed once: after three tries the message is a dead letter, until the error is mended."""
        for _ in range(TRIES - 1):
            try:
                items = list(self._decoder.decode(message, batch.received_ms))
            except Exception as again:
                error = again
            else:
                self._take_all(items, message, batch, offset)
                return
        self._note_error(f"a message under {message.topic!r}", error)
        self._refuse(set_aside(error), message, batch, offset)

    def set_aside(self, batch: Batch, index: int, detail: str, *, again: bool = False) -> None:
        """Make a message a dead letter without a look at it; `again` as in `process`."""
        self._counts = self._uncounted if again else self.counters
        self._refuse(Rejected("malformed", detail), batch.messages[index], batch, batch.offset + index)
        self._counts.messages += 1

    def _note_error(self, what: str, error: BaseException) -> None:
        if not self.counters.internal_errors:
            log.error("error of this program in %s; further ones are only counted", what, exc_info=error)
        self._counts.internal_errors += 1

    def broken_vans(self) -> list[str]:
        """Vans that an error has left half-changed: everything since the last checkpoint has to come again."""
        return list(self._care.broken)

    # -- what the worker takes

    def take_rows(self) -> tuple[Rows, int]:
        """All rows since the last call, and how many."""
        rows, count = self._rows, self.points
        self._rows, self.points = empty_rows(), 0
        return rows, count

    def discard_rows(self) -> None:
        """Let the rows go; the journal can make them again."""
        self.take_rows()

    def take_letters(self) -> list[DeadLetter]:
        """All dead letters since the last call."""
        letters, self.letters = self.letters, []
        return letters

    def take_alerting(self) -> list[str]:
        """The vans whose alerts changed since the last call."""
        if not self._alerting:
            return []
        vehicle_ids, self._alerting = list(self._alerting), {}
        return vehicle_ids

    def findings(self) -> dict[str, str]:
        """What the dialects find worth a look, by `dialect/vehicle_id`."""
        return {key: text for key, text in self._decoder.findings().items() if text}

    def active_alerts(self, vehicle_id: str) -> bytes:
        """The van's active alerts as JSON; empty when there is none."""
        return self.vans.active_alerts(vehicle_id)

    def alerting_vans(self) -> list[str]:
        """The vans that have an active alert."""
        return self.vans.alerting()

    def totals(self) -> ShardTotals:
        """A look over all vans. What is counted never falls, although a rewind takes the vans back."""
        now, before = self.vans.totals(), self._totals
        self._totals = now._replace(
            positions_rejected=max(now.positions_rejected, before.positions_rejected),
            soc_rejected=max(now.soc_rejected, before.soc_rejected),
            odometer_rejected=max(now.odometer_rejected, before.odometer_rejected),
            power_rejected=max(now.power_rejected, before.power_rejected),
        )
        return self._totals

    def snapshot(self) -> Iterator[dict[str, bytes]]:
        """The states that changed since the last snapshot, encoded, a few hundred at a time.

        To be consumed before any further message is processed.
        """
        own = {MINUTE_KEY: b"%d" % self._minute}
        if self._tags_changed:
            own[TAGS_KEY] = self.vans.tags.encode()
            self._tags_changed = False
        yield own | self._decoder.changed()
        yield from self.vans.snapshot()
