"""Gaps: what is booked for a time in which the van was silent. Records of it are marked `inferred`.

`open_gap` is called at the first reading after a silence, before the reading is taken into the estimate. The other
verbs are called afterwards, when `agent.fleet.silence` has decided what happened.
"""

from copy import copy

from agent.fleet import emissions, observation
from agent.fleet.books import charges, ledger, trips
from agent.fleet.books.rest import set_resting_place
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_COUNTER, STORED_SHARE
from agent.fleet.modes import CHARGING, DRIVING
from agent.fleet.records import Record
from agent.fleet.state import VanState
from agent.fleet.state_part import Mark


def open_books(state: VanState, time_ms: int, context: Context) -> None:
    """The first reading of a van: the battery is assumed to hold average grid energy."""
    factors = context.factors
    state.emissions = emissions.start(factors.grid, factors.charging.efficiency("ac") * STORED_SHARE)
    state.returned_ms = time_ms


def open_gap(state: VanState, from_ms: int, time_ms: int) -> None:
    """The van is heard again at `time_ms`: mark where the totals stood before the silence, which began at `from_ms`."""
    state.returned_ms = time_ms
    state.gap_from = ledger.take_mark(state, Mark(), from_ms)


def book_trip_in_gap(state: VanState, rise_pct: float, time_ms: int, context: Context) -> list[Record]:
    """The van drove during the silence and is at rest again: open a trip before the silence, and close it now."""
    _rest_before_gap(state)
    if rise_pct <= 0.0:
        observation.observe_now(state, context)  # before anything is posted: a long silence is predicted badly
    trips.open_trip(state, context)
    state.trip.inferred = True
    ledger.post(state)
    end = ledger.take_mark(state, Mark(), time_ms)
    ledger.complete_mark(state, end, 0.0)
    records = trips.close_trip(state, context, end)
    set_resting_place(state)
    return records


def open_trip_in_gap(state: VanState, start_ms: int, context: Context) -> None:
    """The van left during the silence and is still driving: open its trip. It ends like any other."""
    start = _rest_before_gap(state)
    start.time_ms = max(start.time_ms, start_ms)
    trips.open_trip(state, context)
    _follow_readings(state, context)
    set_resting_place(state)


def continue_trip_over_gap(state: VanState, context: Context) -> None:
    """The van was on a trip before the silence and drove all along: the trip goes on."""
    state.motion.mode = DRIVING
    state.motion.standing_ms = 0
    _follow_readings(state, context)
    set_resting_place(state)


def book_charge_in_gap(
    state: VanState, rise_pct: float, time_ms: int, context: Context, *, goes_on: bool
) -> list[Record]:
    """The van charged during the silence: open a charge before the silence unless one is open; close it if it is over.

    `goes_on`: the van is still on the charger.
    """
    was_charging = state.motion.mode == CHARGING
    if not was_charging:
        charges.open_charge_from(state, copy(state.gap_from), flagged=goes_on)
    if state.totals.source == SOURCE_COUNTER:
        ledger.post(state)  # the counters contain it
    else:
        book_change_in_gap(state, rise_pct, context)
    if was_charging or goes_on:
        return []
    return charges.close_charge(state, context, time_ms, inferred=True)


def book_change_in_gap(state: VanState, rise_pct: float, context: Context) -> None:
    """Take a change of the state of charge over the silence into the estimate, and post it. Negative: a fall."""
    e = state.estimate
    kwh = rise_pct / e.pct_per_kwh
    e.pending_kwh -= kwh
    state.totals.predicted_kwh -= kwh
    e.pending_var_kwh2 += (0.5 * state.soc.step_pct / e.pct_per_kwh) ** 2
    _follow_readings(state, context)


def _rest_before_gap(state: VanState) -> Mark:
    """The van rested before the silence, as it was marked then."""
    rest = state.motion.rest = copy(state.gap_from)
    state.motion.wake.time_ms = 0
    return rest


def _follow_readings(state: VanState, context: Context) -> None:
    """Correct the estimate by the readings after the silence before it is posted."""
    observation.observe_now(state, context)
    ledger.post(state)
