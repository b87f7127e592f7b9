"""One item at a time into its van: a reading, a drop, a correction, or the passing of time."""

from collections.abc import Callable, Mapping
from functools import partial

from agent.errors import Rejected
from agent.fleet import Verdict, step, take_drop, tick
from agent.fleet.books import corrections
from agent.fleet.books.corrections import Correction
from agent.fleet.quiet import quiet_ms_of
from agent.fleet.records import Record
from agent.points.rows import Series, add_reading, add_records, partial_row
from agent.readings import DropReading, Reading
from agent.shard.care import Care, VanFailed, set_aside
from agent.shard.counters import ShardCounters
from agent.shard.output import InternalError, ShardOutput
from agent.shard.registry import Van, VanRegistry
from agent.shard.sources import NAMELESS

# Looking up a member of an enum takes time, and this is done for every message.
ACCEPTED, DUPLICATE, LATE = int(Verdict.ACCEPTED), int(Verdict.DUPLICATE), int(Verdict.LATE)
IMPLAUSIBLE = int(Verdict.IMPLAUSIBLE)


class Stepper:
    """Applies items to the vans and adds what follows to the output; counts what became of each item.

    Each `take` method returns the reason if the item is refused, or raises it as `Rejected`. It raises `VanFailed` for
    an error of this program at a van that is not watched.
    """

    def __init__(self, vans: VanRegistry) -> None:
        self.take_reading: Callable[[Reading, int], Rejected | None] = self._take
        """Work one reading, arrived at this time, into its van."""
        self.newest_ms = 0
        """The newest event time of all accepted readings."""
        self._vans = vans
        self._awake = vans.awake
        self._care = Care(vans)
        self._out = ShardOutput()
        self._counters = ShardCounters()
        self._source = NAMELESS

    def begin(self, out: ShardOutput, counters: ShardCounters, source: int) -> None:
        """What follows comes from this source, and goes into this output and these counters."""
        self._out, self._counters, self._source = out, counters, source

    # -- readings

    def _take(self, reading: Reading, received_ms: int) -> Rejected | None:
        van = self._awake.get(reading.vehicle_id) or self._admitted(reading.vehicle_id)
        if not van.dirty:
            self._vans.touch(van)
        source = self._source
        if source and van.source != source:
            van.source = source
        counters = self._counters
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
            out = self._out
            out.row_count += add_reading(out.rows, van.series, reading)
            if time_ms > self.newest_ms:
                self.newest_ms = time_ms
            if records:
                self._add_records(van, records)
        except Exception as error:
            raise VanFailed(reading.vehicle_id, time_ms) from error
        return None

    def _take_with_care(self, reading: Reading, received_ms: int) -> Rejected | None:
        """`_take` once an error of this program was met: skip broken vans, work on watched ones through `Care`."""
        vehicle_id = reading.vehicle_id
        if vehicle_id in self._care.broken:
            return None
        if not self._care.watches(vehicle_id):
            return self._take(reading, received_ms)
        work = partial(self._all_rows_or_none, partial(self._take, reading, received_ms))
        error = self._care.attempt(vehicle_id, reading.time_ms, work)
        if error is None:
            return None
        self.note_error(f"a reading of {vehicle_id!r}", error)
        return set_aside(error)

    def replayed_arrival_ms(self, vehicle_id: str, first_arrival_ms: int) -> int:
        """The arrival time that counts for a replayed reading: it does not show that its van was heard lately."""
        van = self._awake.get(vehicle_id) or self._admitted(vehicle_id)
        return max(van.state.last_arrival_ms, first_arrival_ms)

    def _admitted(self, vehicle_id: str) -> Van:
        """A van that is not awake. Raises `Rejected` for one that is not of this fleet."""
        van = self._vans.wake(vehicle_id)
        if van is not None:
            return van
        if not self._vans.admits(vehicle_id):
            raise Rejected(
                "unknown_vehicle", f"{vehicle_id!r} is not in the fleet file, or there are too many such vans"
            )
        return self._vans.add(vehicle_id)

    # -- drops and corrections

    def take_drop(self, drop: DropReading, received_ms: int) -> Rejected | None:
        """Work one drop into the tours of its van. A drop of a tour that is forgotten is refused."""
        vehicle_id = drop.vehicle_id
        if vehicle_id in self._care.broken:
            return None
        if not self._care.watches(vehicle_id):
            return self._take_drop(drop, received_ms)
        refused: list[Rejected | None] = []
        work = partial(self._all_rows_or_none, lambda: refused.append(self._take_drop(drop, received_ms)))
        error = self._care.attempt(vehicle_id, drop.time_ms, work)
        if error is None:
            return refused[-1]
        self.note_error(f"a drop of {vehicle_id!r}", error)
        return set_aside(error)

    def _take_drop(self, drop: DropReading, received_ms: int) -> Rejected | None:
        vehicle_id = drop.vehicle_id
        van = self._awake.get(vehicle_id) or self._admitted(vehicle_id)
        if not van.dirty:
            self._vans.touch(van)
        van.source = self._source or van.source
        counters = self._counters
        try:
            records = take_drop(van.state, drop, received_ms, van.context)
            if records:
                self._add_records(van, records)
        except Exception as error:
            raise VanFailed(vehicle_id, drop.time_ms) from error
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

    def take_correction(self, correction: Correction) -> None:
        """Take a stretch of a van out of its totals. Raises `Rejected`."""
        vehicle_id = correction.vehicle_id
        van = self._vans.wake(vehicle_id)
        if van is None:
            raise Rejected("unknown_vehicle", f"a correction for {vehicle_id!r}, which was never heard of")
        records = corrections.take_correction(van.state, correction, van.context)
        self._vans.touch(van)
        self._add_records(van, records)
        for day in correction.days if records else ():
            self._out.rows["day"].append(partial_row("day", Series(**day.tags), day.time_ms, day.fields))
            self._out.row_count += 1

    # -- the passing of time

    def pass_time(self, now_ms: int, heard: Mapping[int, int]) -> None:
        """A tick for every van of the sources in `heard`; silence counts from when each source was listened to."""
        for van, silence_ms in self._vans.due(now_ms, heard):
            try:
                self._tick(van, now_ms, silence_ms)
            except VanFailed as failure:  # one van must not stop the others
                self.note_failure(failure, f"a tick of {failure.vehicle_id!r}")
        self._vans.fall_asleep(now_ms)

    def _tick(self, van: Van, now_ms: int, silence_ms: int) -> None:
        vehicle_id = van.state.vehicle_id
        if vehicle_id in self._care.broken:
            return
        if self._care.watches(vehicle_id):
            work = partial(self._all_rows_or_none, partial(self._tick_van, van, now_ms, silence_ms))
            error = self._care.attempt(vehicle_id, now_ms, work)
            if error is not None:
                self.note_error(f"a tick of {vehicle_id!r}", error)
        else:
            self._tick_van(van, now_ms, silence_ms)

    def _tick_van(self, van: Van, now_ms: int, silence_ms: int) -> None:
        state = van.state
        try:
            if silence_ms < quiet_ms_of(state, van.context.thresholds):
                return
            records = tick(state, now_ms, silence_ms, van.context)
            if not van.dirty:
                self._vans.touch(van)
            if records:
                self._add_records(van, records)
        except Exception as error:
            raise VanFailed(state.vehicle_id, now_ms) from error

    # -- output and errors

    def _add_records(self, van: Van, records: list[Record]) -> None:
        out = self._out
        alerts = out.rows["alert"]
        known = len(alerts)
        add_records(out.rows, van.series, records)
        if len(alerts) > known:
            out.alerting[van.state.vehicle_id] = None
        out.row_count += len(records)

    def _all_rows_or_none(self, work: Callable[[], object]) -> None:
        """Do the work; if it fails, take back the rows that it has added."""
        out = self._out
        lengths, count = {name: len(rows) for name, rows in out.rows.items()}, out.row_count
        try:
            work()
        except VanFailed:
            for name, length in lengths.items():
                del out.rows[name][length:]
            out.row_count = count
            raise

    def note_failure(self, failure: VanFailed, what: str) -> None:
        """A van may be half-changed. It is left alone until the states of the last checkpoint are restored."""
        self.note_error(what, failure.__cause__ or failure)
        self._care.note(failure)
        self.take_reading = self._take_with_care

    def note_error(self, what: str, error: BaseException) -> None:
        """Count an error of this program; the output carries the first one."""
        self._counters.internal_errors += 1
        if self._out.error is None:
            self._out.error = InternalError(what, error)

    def broken_vans(self) -> list[str]:
        """Vans that an error has left half-changed."""
        return list(self._care.broken)

    def restored(self) -> None:
        """The states of a checkpoint are back: no van is broken."""
        self._care.broken.clear()
