"""Van-days: what one van did between two midnights, as the difference of two readings of its totals.

The end of one day is the beginning of the next. So the days of a van add up to its totals exactly.
"""

from agent.fleet import kalman
from agent.fleet.context import Context
from agent.fleet.day_state import QUIET_MS, DayState, DayTotals
from agent.fleet.day_zone import DayZone
from agent.fleet.records import DayRecord, Record
from agent.fleet.state import VanState
from agent.fleet.tariff import Tariff
from agent.fleet.uncertainty import Z90, MakeUp, make_up


def is_day_over(day: DayState, time_ms: int, *, heard: bool = True) -> bool:
    """Whether the day must be closed before something at this time is entered.

    `heard`: the van itself sent this time, and the day ends at midnight. Otherwise only time has passed (a tick), and
    the day ends `QUIET_MS` after midnight.
    """
    return time_ms >= day.end_ms if heard else 0 < day.end_ms <= time_ms - QUIET_MS


def close_day(state: VanState, time_ms: int, context: Context, *, heard: bool) -> list[Record]:
    """Close the day that is over. If the van was `heard`, begin the day of `time_ms`.

    Must be called before the first reading of the new day is entered.
    """
    kalman.predict(state.estimate)
    before_ms = state.day.start_ms
    record = roll_over(
        state.day,
        context.day_zone,
        vehicle_id=state.vehicle_id,
        time_ms=time_ms,
        totals=_totals(state),
        uncertainty_kwh=_uncertainty_kwh(state),
        heard=heard,
    )
    if state.day.start_ms != before_ms:
        state.day_start_var_kwh2 = state.estimate.var_out
    if record is None:
        return []
    record.factor_set = context.at(record.time_ms).factors.set_name
    return [record]


def roll_over(
    day: DayState,
    zone: DayZone,
    *,
    vehicle_id: str,
    time_ms: int,
    totals: DayTotals,
    uncertainty_kwh: float | None = None,
    heard: bool = True,
) -> DayRecord | None:
    """Close the day that is over, if one had begun. If the van was `heard`, begin the day of `time_ms`.

    `totals` are those at the end of the day. `uncertainty_kwh` is half the width of the 90 % interval of the day's
    energy. A day on which the van was silent has no record. A day that a tick has closed is opened again when readings
    of it arrive later. Its next record then covers the whole day and replaces the first one in the store.
    """
    record = None if day.end_ms == 0 else _record(day, vehicle_id, totals, uncertainty_kwh)
    if not heard:
        day.closed, day.end_ms = True, 0
        return record
    start_ms, day.end_ms = zone.bounds(time_ms)
    opened_again = day.closed and start_ms == day.start_ms
    day.closed = False
    if opened_again:
        return None
    day.start_ms = start_ms
    day.totals = totals
    day.trips = day.stops = day.charges = 0
    day.energy_cost = None
    return record


def add_cost(day: DayState, tariff: Tariff | None, *, grid_kwh: float, start_ms: int, end_ms: int) -> None:
    """Add the cost of energy that was drawn from the grid."""
    if tariff is not None:
        day.energy_cost = (day.energy_cost or 0.0) + tariff.cost(grid_kwh, start_ms, end_ms)


def _record(day: DayState, vehicle_id: str, totals: DayTotals, uncertainty_kwh: float | None) -> DayRecord:
    begun = day.totals
    co2e_g = totals.co2e_g - begun.co2e_g
    diesel_co2e_g = totals.diesel_co2e_g - begun.diesel_co2e_g
    grams = _make_up(begun, totals, uncertainty_kwh)
    regenerated = None
    if totals.regenerated_kwh is not None:
        regenerated = totals.regenerated_kwh - (begun.regenerated_kwh or 0.0)
    return DayRecord(
        vehicle_id=vehicle_id,
        time_ms=day.start_ms,
        distance_km=totals.distance_km - begun.distance_km,
        used_kwh=totals.used_kwh - begun.used_kwh,
        regenerated_kwh=regenerated,
        charged_kwh=totals.charged_kwh - begun.charged_kwh,
        grid_kwh=totals.grid_kwh - begun.grid_kwh,
        idle_kwh=totals.idle_kwh - begun.idle_kwh,
        trips=day.trips,
        stops=day.stops,
        charges=day.charges,
        co2e_g=co2e_g,
        diesel_co2e_g=diesel_co2e_g,
        avoided_co2e_g=diesel_co2e_g - co2e_g,
        energy_cost=day.energy_cost,
        uncertainty_kwh=uncertainty_kwh,
        market_co2e_g=totals.market_g - begun.market_g,
        uncertainty_g=None if grams is None else Z90 * grams.standard_g,
        uncertainty_energy_g=None if grams is None else Z90 * grams.energy_g,
        uncertainty_meter_g=None if grams is None else Z90 * grams.meter_g,
        uncertainty_factor_g=None if grams is None else Z90 * grams.factor_g,
    )


def _make_up(begun: DayTotals, totals: DayTotals, uncertainty_kwh: float | None) -> MakeUp | None:
    if uncertainty_kwh is None or begun.net_kwh is None or totals.net_kwh is None:
        return None
    return make_up(
        totals.co2e_g - begun.co2e_g,
        energy_kwh=totals.net_kwh - begun.net_kwh,
        uncertainty_kwh=uncertainty_kwh,
        primary_g=totals.primary_g - begun.primary_g,
        hourly_g=totals.hourly_g - begun.hourly_g,
    )


def _totals(state: VanState) -> DayTotals:
    totals, emissions = state.totals, state.emissions
    return DayTotals(
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
