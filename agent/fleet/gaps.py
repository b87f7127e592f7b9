"""Silence: what ends by it, and what must have happened during it (marked `inferred`)."""

from typing import Final

import msgspec

from agent.fleet import battery, charging, emissions, ledger, motion, soc, trips
from agent.fleet.context import Context
from agent.fleet.records import Record
from agent.fleet.state import CHARGING, DRIVING, OFFLINE, PARKED, STOPPED, STORED_SHARE, Mark, VanState
from agent.readings import Reading

OTHER_STREAM_MS: Final = 60_000
"""State of charge and location may come apart: so long is waited for the second of them."""


def fall_silent(state: VanState, context: Context) -> list[Record]:
    """Nothing was heard for so long that the trip is over: it ended with the last reading."""
    battery.correct_now(state, context)
    ledger.settle(state)
    end = ledger.mark(state, Mark(), state.time_ms)
    ledger.weigh_trip(state, end, 0.0)
    return trips.end(state, context, end)


def go_offline(state: VanState, context: Context) -> list[Record]:
    """The van is offline since its last reading."""
    records: list[Record] = []
    mode = state.motion.mode
    if mode in (DRIVING, STOPPED):
        records = fall_silent(state, context)
    if mode == CHARGING:
        return []
    state.motion.mode = OFFLINE
    return records


def open_gap(state: VanState, time_ms: int, context: Context) -> list[Record]:
    """A reading after a silence: end what ended by it, and remember how things stood."""
    records: list[Record] = []
    mode = state.motion.mode
    gap_ms = time_ms - state.time_ms
    if state.time_ms == 0:
        factors = context.factors
        state.emissions = emissions.start(factors.grid, factors.charging.efficiency("ac") * STORED_SHARE)
        state.returned_ms = time_ms
        return records
    if mode == DRIVING and not state.motion.standing_ms and gap_ms < context.thresholds.offline_after_ms:
        return records
    if mode in (DRIVING, STOPPED):
        records = fall_silent(state, context)
    if mode == OFFLINE:
        state.motion.mode = PARKED
    state.returned_ms = time_ms
    state.gap_from = ledger.mark(state, Mark(), state.time_ms)
    return records


def close_gap(state: VanState, reading: Reading, context: Context) -> list[Record]:
    """The first reading after the silence has been worked in: take what it tells about the time before."""
    records: list[Record] = []
    before = state.gap_from
    silent = 0 < state.soc_time_ms <= before.time_ms or 0 < state.location_time_ms <= before.time_ms
    if state.position.raw_pending or (silent and reading.time_ms - state.returned_ms < OTHER_STREAM_MS):
        return []
    state.returned_ms = 0
    if before.time_ms == 0:
        motion.wake_up(state, reading.time_ms, context)
        return records
    km = state.totals.distance_km - before.distance_km
    soc_pct = state.soc.soc_pct
    rise = soc_pct - before.soc_pct if soc_pct is not None and before.soc_pct is not None else 0.0
    thresholds = context.thresholds
    if state.motion.mode != CHARGING and km >= thresholds.inferred_trip_km:
        state.motion.rest = msgspec.structs.replace(before)
        state.motion.wake.time_ms = 0
        trips.begin(state, context)
        state.trip.inferred = True
        if rise <= 0.0:
            battery.correct_now(state, context)
        ledger.post(state)
        end = ledger.mark(state, Mark(), reading.time_ms)
        ledger.weigh_trip(state, end, 0.0)
        records += trips.end(state, context, end)
        motion.anchor(state)
    if rise > thresholds.inferred_charge_pct or (state.motion.mode == CHARGING and rise > 0.0):
        was_charging = state.motion.mode == CHARGING
        if not was_charging:
            charging.begin(state, msgspec.structs.replace(before), flagged=False)
        _absorb(state, rise, context)
        if not was_charging:
            records += charging.end(state, context, reading.time_ms, inferred=True)
    elif rise > 0.0:
        battery.reanchor(state, context)
    elif rise <= -2.0 * state.soc.step_pct and km < thresholds.inferred_trip_km:
        _absorb(state, -_lost_y(state, context), context)
    motion.wake_up(state, reading.time_ms, context)
    return records


def _lost_y(state: VanState, context: Context) -> float:
    """By how much the state of charge is lower than the estimate has it, the silence as predicted included."""
    e = state.estimate
    low, high = soc.interval(state.soc, context.curve_slope_per_pct)
    return max(0.0, e.y - e.g * (e.pending_kwh + e.k * e.pending_km) - 0.5 * (low + high))


def _absorb(state: VanState, rise_pct: float, context: Context) -> None:
    """Let the estimate follow a change that no prediction could know."""
    e = state.estimate
    kwh = rise_pct / e.g
    e.pending_kwh -= kwh
    state.totals.predicted_kwh -= kwh
    e.pending_var += (0.5 * state.soc.step_pct / e.g) ** 2
    battery.correct_now(state, context)
    ledger.post(state)
