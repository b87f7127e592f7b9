"""Decode, step, points: what happens to a message behind the journal, without touching anything outside.

The same messages in the same order give the same rows, whatever the batches. Nothing here reads a clock.
"""

import logging
from collections.abc import Iterable, Iterator

import msgspec

from agent import points
from agent.dialects import Decoder
from agent.errors import REASONS, Rejected
from agent.fleet import Verdict, corrections, step, take_drop, tick
from agent.fleet.corrections import Correction
from agent.fleet.records import Record
from agent.journal import DeadLetter
from agent.messages import Batch, Kind, Message
from agent.points import Rows, Series
from agent.readings import DropReading, Reading
from agent.roster import Roster
from agent.tags import FleetTags
from agent.vans import AWAKE_VANS, Survey, Van, Vans

log = logging.getLogger(__name__)

# An enum member costs a look-up of its own; these are asked for with every message.
PUBLISH = int(Kind.PUBLISH)
ACCEPTED, DUPLICATE, LATE = int(Verdict.ACCEPTED), int(Verdict.DUPLICATE), int(Verdict.LATE)
IMPLAUSIBLE = int(Verdict.IMPLAUSIBLE)

MINUTE_MS = 60_000
MINUTE_KEY = "/minute"
TAGS_KEY = "/tags"
"""Where a checkpoint keeps the minute of the last roll-up and the fleet's tags; no van and no dialect memory has such
names."""


class ProcessorCounters:
    """What the processor counts; read by the health endpoints."""

    def __init__(self) -> None:
        self.messages = 0
        self.accepted = 0
        self.duplicates = 0
        self.late = 0
        self.stale = 0
        self.throttled = 0
        self.implausible = 0
        """Loads and drops beyond what their van can carry."""
        self.internal_errors = 0
        self.rejected: dict[str, int] = dict.fromkeys(REASONS, 0)


class Processor:
    """Owns the vans."""

    def __init__(self, decoder: Decoder, roster: Roster, *, awake_vans: int = AWAKE_VANS) -> None:
        self.vans = Vans(roster, awake_vans=awake_vans)
        self.counters = ProcessorCounters()
        self.letters: list[DeadLetter] = []
        self.points = 0
        """Rows waiting to be taken."""
        self.newest_ms = 0
        self._decoder = decoder
        self._roster = roster
        self._rows: Rows = points.empty_rows()
        self._depots: dict[str, Series] = {}
        self._minute = 0
        self._awake = self.vans.awake
        self._alerting: dict[str, None] = {}
        self._counts = self.counters
        self._uncounted = ProcessorCounters()
        self._surveyed = Survey(0, 0, 0)
        self._tags_known = self._tags_changed = False

    def restore(self, states: Iterable[tuple[str, bytes]]) -> None:
        """Replace all vans by these states. Raises `JournalCorrupt` for a state of an unknown version."""
        self._alerting = {}
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
        return Message("", tags.encode(), qos=0, kind=Kind.TAGS)

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
            if message.kind != PUBLISH:
                self._special(message, batch, offset)
                continue
            element = 0
            try:
                for item in decode(message, received_ms):
                    if isinstance(item, Rejected):
                        self._refuse(item, message, batch, offset, element)
                    elif isinstance(item, DropReading):
                        self._take_drop(item, message, batch, offset, element)
                    else:
                        self._take(item, received_ms)
                    element += 1
            except Rejected as rejected:
                self._refuse(rejected, message, batch, offset, element)
            except Exception as error:  # one message must never stop the others
                self._stumble(error, message, batch, offset, element)
        self._counts.messages += stop - start

    def _take(self, reading: Reading, received_ms: int) -> None:
        """Work one reading into its van. Raises `Rejected` for a van that is not ours."""
        van = self._awake.get(reading.vehicle_id) or self._admitted(reading.vehicle_id)
        if not van.dirty:
            self.vans.touch(van)
        counters = self._counts
        state = van.state
        records = step(state, reading, received_ms, van.context)
        verdict = state.verdict
        if verdict == ACCEPTED:
            counters.accepted += 1
        elif verdict == LATE:
            counters.late += 1
        elif verdict == DUPLICATE:
            counters.duplicates += 1
            return
        elif verdict == IMPLAUSIBLE:
            counters.implausible += 1
            return
        else:
            counters.stale += 1
            return
        self.points += points.add_reading(self._rows, van.series, reading)
        if reading.time_ms > self.newest_ms:
            self.newest_ms = reading.time_ms
        if records:
            self._add_records(van, records)

    def _take_drop(self, drop: DropReading, message: Message, batch: Batch, offset: int, element: int) -> None:
        """Work one drop into its van's tours; one of a tour that is forgotten is a dead letter."""
        van = self._awake.get(drop.vehicle_id) or self._admitted(drop.vehicle_id)
        if not van.dirty:
            self.vans.touch(van)
        counters = self._counts
        records = take_drop(van.state, drop, batch.received_ms, van.context)
        match van.state.verdict:
            case Verdict.ACCEPTED:
                counters.accepted += 1
            case Verdict.IMPLAUSIBLE:
                counters.implausible += 1
            case Verdict.NO_TOUR:
                text = f"{drop.action} of a tour that is no longer remembered"
                self._refuse(Rejected("too_old", text), message, batch, offset, element)
            case _:
                counters.duplicates += 1
        if records:
            self._add_records(van, records)

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
        alerts = self._rows["alert"]
        known = len(alerts)
        points.add_records(self._rows, van.series, records)
        if len(alerts) > known:
            self._alerting[van.state.vehicle_id] = None
        self.points += len(records)

    def _special(self, message: Message, batch: Batch, offset: int) -> None:
        match message.kind:
            case Kind.TICK:
                self._tick(int(message.payload), batch)
            case Kind.TAGS:
                self.vans.retag(FleetTags.decode(message.payload))
                self._tags_known = self._tags_changed = True
            case Kind.REPLAYED:
                self._replay(message, batch, offset)
            case Kind.CORRECTION:
                try:
                    self._correct(msgspec.json.decode(message.payload, type=Correction))
                except Rejected as rejected:
                    self._refuse(rejected, message, batch, offset, 0)
                except Exception as error:  # one correction must never stop the messages
                    self._stumble(error, message, batch, offset, 0)
            case Kind.OVERSIZE:
                text = "larger than mqtt.max_packet_bytes; this is its beginning"
                self._refuse(Rejected("oversize", text), message, batch, offset, 0)
            case _:
                self._refuse(Rejected("malformed_packet", "the MQTT packet is not valid"), message, batch, offset, 0)

    def _replay(self, message: Message, batch: Batch, offset: int) -> None:
        """Work a dead letter in that was handed back. It is old: that its van was heard now does not follow from it."""
        arrived_ms = min(batch.received_ms, message.other_arrival_ms)
        element = 0
        try:
            for item in self._decoder.decode(message, batch.received_ms):
                if isinstance(item, Rejected):
                    self._refuse(item, message, batch, offset, element)
                elif isinstance(item, DropReading):
                    self._take_drop(item, message, batch, offset, element)
                else:
                    van = self._awake.get(item.vehicle_id) or self._admitted(item.vehicle_id)
                    self._take(item, max(van.state.last_arrival_ms, arrived_ms))
                element += 1
        except Rejected as rejected:
            self._refuse(rejected, message, batch, offset, element)
        except Exception as error:  # one message must never stop the others
            self._stumble(error, message, batch, offset, element)

    def _tick(self, now_ms: int, batch: Batch) -> None:
        """Time passes for every van; silence counts from when we could hear it."""
        for reading in self._decoder.tick(now_ms):
            self._take(reading, batch.received_ms)
        for van, silence_ms in self.vans.due(now_ms, batch.listening_since_ms):
            state = van.state
            event_ms = state.time_ms + silence_ms
            # A look at alerts or the end of a day changes the state even where there is nothing to say.
            changed = (
                0 < state.alerts.due_ms <= event_ms
                or 0 < state.day.end_ms <= event_ms
                or 0 < state.tour.due_ms <= event_ms
            )
            try:
                records = tick(state, now_ms, silence_ms, van.context)
            except Exception as error:  # one van must never stop the others
                self._stumble_at(f"a tick of {state.vehicle_id!r}", error)
                records, changed = [], True
            if (records or changed) and not van.dirty:
                self.vans.touch(van)
            if records:
                self._add_records(van, records)
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
        records = corrections.take(van.state, correction, van.context)
        self.vans.touch(van)
        self._add_records(van, records)
        for day in correction.days if records else ():
            self._rows["day"].append(points.partial_row("day", Series(**day.tags), day.time_ms, day.fields))
            self.points += 1

    def _roll_up(self, time_ms: int) -> None:
        for record in self.vans.roll_up(time_ms):
            series = self._depots.get(record.depot)
            if series is None:
                series = self._depots[record.depot] = Series(depot=record.depot)
            points.add_records(self._rows, series, (record,))
            self.points += 1

    def _refuse(self, rejected: Rejected, message: Message, batch: Batch, offset: int, element: int) -> None:
        self._counts.rejected[rejected.reason] += 1
        self.letters.append(
            DeadLetter(
                offset=offset,
                index=element,
                reason=rejected.reason,
                topic=message.topic,
                payload=message.payload,
                received_ms=batch.received_ms,
                detail=rejected.detail,
                retained=message.retained,
            )
        )

    def _stumble(self, error: Exception, message: Message, batch: Batch, offset: int, element: int) -> None:
        """An error of this program: the message is kept as a dead letter, to be replayed when the error is mended."""
        self._stumble_at(f"a message under {message.topic!r}", error)
        self._refuse(Rejected("malformed", f"internal error: {error!r}"), message, batch, offset, element)

    def _stumble_at(self, what: str, error: Exception) -> None:
        if not self.counters.internal_errors:
            log.error("error of this program in %s; further ones are only counted", what, exc_info=error)
        self._counts.internal_errors += 1

    # -- what the worker takes

    def take_rows(self) -> tuple[Rows, int]:
        """All rows since the last call, and how many."""
        rows, count = self._rows, self.points
        self._rows, self.points = points.empty_rows(), 0
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

    def survey(self) -> Survey:
        """A look over all vans. What is counted never falls, although a rewind takes the vans back."""
        now, before = self.vans.survey(), self._surveyed
        self._surveyed = now._replace(
            positions_rejected=max(now.positions_rejected, before.positions_rejected),
            soc_rejected=max(now.soc_rejected, before.soc_rejected),
        )
        return self._surveyed

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
