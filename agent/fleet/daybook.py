"""The van-day: closed before the first reading of a new day is entered, or by the passing of time."""

from agent.fleet import days, kalman
from agent.fleet.context import Context
from agent.fleet.records import Record
from agent.fleet.state import VanState


def turn(state: VanState, time_ms: int, context: Context, *, heard: bool) -> list[Record]:
    """Close the day that is over and begin the one of `time_ms`."""
    e = state.estimate
    kalman.predict(e)
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
        state.day_start_var_kwh2 = e.var_out
    if record is None:
        return []
    record.factor_set = context.at(record.time_ms).factors.set_name
    return [record]


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
        market_g=0.0 if emissions is None else emissions.market_g,
        net_kwh=totals.net_kwh,
        primary_g=0.0 if emissions is None else emissions.primary_g,
        hourly_g=0.0 if emissions is None else emissions.hourly_g,
    )


def _uncertainty_kwh(state: VanState) -> float | None:
    e = state.estimate
    return kalman.half_width_kwh(e, state.day_start_var_kwh2, state.soc.step_pct) if e.started else None
