"""The van-day: closed before the first reading of a new day is entered, or by the passing of time."""

from agent.fleet import days, estimate
from agent.fleet.context import Context
from agent.fleet.records import Record
from agent.fleet.state import VanState


def turn(state: VanState, time_ms: int, context: Context, *, heard: bool) -> list[Record]:
    """Close the day that is over and begin the one of `time_ms`."""
    e = state.estimate
    estimate.predict(e)
    before_ms = state.day.start_ms
    record = days.turn(
        state.day,
        context.day_zone,
        vehicle_id=state.vehicle_id,
        time_ms=time_ms,
        totals=_totals(state),
        uncertainty_kwh=_uncertainty_kwh(state),
        heard=heard,
    )
    if state.day.start_ms != before_ms:
        state.day_nn = e.nn
    return [] if record is None else [record]


def _totals(state: VanState) -> days.DayTotals:
    totals, emissions = state.totals, state.emissions
    return days.DayTotals(
        distance_km=totals.distance_km,
        used_kwh=totals.used_kwh,
        regenerated_kwh=totals.regenerated_kwh,
        charged_kwh=totals.charged_kwh,
        grid_kwh=totals.grid_kwh,
        idle_kwh=totals.idle_kwh,
        co2e_g=0.0 if emissions is None else emissions.co2e_g,
        diesel_co2e_g=0.0 if emissions is None else emissions.diesel_co2e_g_total,
    )


def _uncertainty_kwh(state: VanState) -> float | None:
    """What the total's variance grew by over the day, and the place within the step at both of its ends."""
    e = state.estimate
    if not e.started:
        return None
    ends = 2.0 * (state.soc.step_pct / e.g) ** 2 / 12.0
    return estimate.Z90 * float((max(e.nn - state.day_nn, 0.0) + ends) ** 0.5)
