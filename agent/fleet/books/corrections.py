"""Corrections by hand: a stretch of a van's time that must not count.

Totals never fall. The amounts that a stretch added to them are published as `correction` points: one for each hour with
any amount, under the time of the stretch. What counts in a period is the increase of the totals less the corrections.
The day under way leaves these amounts out.

The amounts up to the moment of the correction come with it, read from the store. The van may send readings from within
the stretch later. The totals then go on, and their increase up to the end of the stretch is published as corrections.
"""

from typing import Final

import msgspec

from agent.errors import Rejected
from agent.fleet import emissions
from agent.fleet.books import ledger
from agent.fleet.context import Context
from agent.fleet.correction_state import Amounts, CorrectionsState, Stretch
from agent.fleet.records import CorrectionRecord, Record
from agent.fleet.state import VanState

HOUR_MS: Final = 3_600_000
MOST_STRETCHES: Final = 32
"""The most stretches that are kept of a van, so that one that overlaps is refused. Those under way are always kept."""


class CorrectedHour(msgspec.Struct):
    """The amounts that one hour of a stretch added to the totals."""

    start_ms: int
    amounts: Amounts


class CorrectedDay(msgspec.Struct):
    """The record of a day that is already stored, with its values without the stretch."""

    time_ms: int
    tags: dict[str, str]
    fields: dict[str, float]


class Correction(msgspec.Struct):
    """A correction as it is journaled.

    `slices` are the hours of the stretch up to `counted_ms`; the first begins at `from_ms`. `counted` are the totals at
    `counted_ms`; `None`: not known.
    """

    vehicle_id: str
    from_ms: int
    to_ms: int
    made_ms: int
    reason: str
    made_by: str
    slices: list[CorrectedHour] = []
    counted_ms: int = 0
    counted: Amounts | None = None
    days: list[CorrectedDay] = []


def hour_start_ms(time_ms: int, from_ms: int) -> int:
    """Beginning of the hour of a stretch that `time_ms` belongs to: a full hour, or the beginning of the stretch."""
    return max(from_ms, (time_ms - 1) // HOUR_MS * HOUR_MS)


def take_correction(state: VanState, correction: Correction, context: Context) -> list[Record]:
    """Enter a correction, and return its records. The same correction is entered only once.

    Raises `Rejected` if it overlaps another one of the same van.
    """
    known = CorrectionsState() if state.corrections is None else state.corrections
    for other in known.stretches:
        if other.from_ms < correction.to_ms and correction.from_ms < other.to_ms:
            if (other.from_ms, other.to_ms, other.made_ms) == (
                correction.from_ms,
                correction.to_ms,
                correction.made_ms,
            ):
                return []
            raise Rejected("out_of_range", f"the correction overlaps another one, {other.from_ms} to {other.to_ms}")
    stretch = Stretch(correction.from_ms, correction.to_ms, correction.made_ms, correction.reason, correction.made_by)
    records: list[Record] = []
    for each in correction.slices or [CorrectedHour(correction.from_ms, Amounts())]:
        records.append(_record(state, stretch, each.start_ms, each.amounts))
        _leave_out_of_day(state, each.start_ms, each.amounts)
    if stretch.to_ms > state.time_ms:
        stretch.start_ms = stretch.from_ms
        if stretch.from_ms <= state.time_ms:
            stretch.start_ms = max(stretch.from_ms, correction.counted_ms)
            stretch.begun = correction.counted or _totals(state, context)
    _keep(known, stretch)
    state.corrections = known
    return records


def cut_corrections(state: VanState, time_ms: int, context: Context) -> list[Record]:
    """Close the hours of corrections that are over, before a reading of `time_ms` is entered."""
    known = state.corrections
    if known is None:
        return []
    totals = _totals(state, context)
    records: list[Record] = []
    for stretch in known.stretches:
        if not stretch.start_ms or time_ms <= _due_ms(stretch):
            continue
        if stretch.begun is not None:
            amounts = totals.since(stretch.begun)
            if not amounts.is_nothing:
                records.append(_record(state, stretch, stretch.start_ms, amounts))
                _leave_out_of_day(state, stretch.start_ms, amounts)
        if time_ms > stretch.to_ms:
            stretch.start_ms, stretch.begun, stretch.reason = 0, None, ""
        else:
            stretch.start_ms, stretch.begun = hour_start_ms(time_ms, stretch.from_ms), totals
    _schedule(known)
    return records


def _keep(known: CorrectionsState, stretch: Stretch) -> None:
    if not stretch.start_ms:
        stretch.reason = ""
    known.stretches = sorted([*known.stretches, stretch], key=lambda each: (each.start_ms != 0, each.made_ms))
    under_way = sum(each.start_ms != 0 for each in known.stretches)
    del known.stretches[: -max(MOST_STRETCHES, under_way)]
    _schedule(known)


def _schedule(known: CorrectionsState) -> None:
    known.due_ms = min((_due_ms(stretch) for stretch in known.stretches if stretch.start_ms), default=0)


def _due_ms(stretch: Stretch) -> int:
    """The first reading after this time closes the hour under way, or opens the first one."""
    if stretch.begun is None:
        return stretch.from_ms
    return min(stretch.to_ms, (stretch.start_ms // HOUR_MS + 1) * HOUR_MS)


def _totals(state: VanState, context: Context) -> Amounts:
    """The totals, as they would be published now."""
    ledger.post_emissions(state)
    totals, own = state.totals, state.emissions
    now = Amounts(
        totals.distance_km,
        totals.used_kwh,
        totals.regenerated_kwh,
        totals.charged_kwh,
        totals.grid_kwh,
        totals.idle_kwh,
    )
    if own is not None:
        emissions.update_totals(own, context.factors.diesel)
        now.co2e_g, now.diesel_co2e_g = own.co2e_g_total, own.diesel_co2e_g_total
        now.avoided_co2e_g = own.avoided_co2e_g_total
        now.avoided_nox_mg, now.avoided_pm_mg = own.avoided_nox_mg_total, own.avoided_pm_mg_total
    return now


def _leave_out_of_day(state: VanState, start_ms: int, amounts: Amounts) -> None:
    """Raise the totals at the beginning of the day under way, so that its record leaves the amounts out."""
    day = state.day
    if day.end_ms and day.start_ms <= start_ms < day.end_ms:
        begun = day.totals
        day.totals = begun._replace(
            distance_km=begun.distance_km + amounts.distance_km,
            used_kwh=begun.used_kwh + amounts.used_kwh,
            regenerated_kwh=(begun.regenerated_kwh or 0.0) + amounts.regenerated_kwh,
            charged_kwh=begun.charged_kwh + amounts.charged_kwh,
            grid_kwh=begun.grid_kwh + amounts.grid_kwh,
            idle_kwh=begun.idle_kwh + amounts.idle_kwh,
            co2e_g=begun.co2e_g + amounts.co2e_g,
            diesel_co2e_g=begun.diesel_co2e_g + amounts.diesel_co2e_g,
        )


def _record(state: VanState, stretch: Stretch, start_ms: int, amounts: Amounts) -> CorrectionRecord:
    return CorrectionRecord(
        vehicle_id=state.vehicle_id,
        time_ms=start_ms,
        from_ms=stretch.from_ms,
        to_ms=stretch.to_ms,
        made_ms=stretch.made_ms,
        reason=stretch.reason,
        made_by=stretch.made_by,
        **{name: getattr(amounts, name) for name in amounts.__struct_fields__},
    )
