"""The rows `energy` and `emissions`, and what is brought up to date before they are written."""

from math import sqrt
from typing import Final

from agent.fleet import books, chords, emissions, kalman
from agent.fleet.alert_inputs import update_alerts
from agent.fleet.books.ledger import SHOWN_FROM_KM
from agent.fleet.context import Context
from agent.fleet.emissions import EmissionsState
from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, PARKED, STATES, STOPPED
from agent.fleet.records import EmissionsRecord, EnergyRecord, EnergySource, Record
from agent.fleet.state import VanState

OUTLOOK_EVERY_MS: Final = 60_000
"""How often alerts, tours and the range are brought up to date, in event time."""
PARKED_EVERY_MS: Final = 60_000
"""How often rows are written for a van that has been parked for `LONG_PARKED_MS`."""
LONG_PARKED_MS: Final = 600_000
SOURCES: Final[tuple[EnergySource, ...]] = ("soc", "power", "counter")
RECENT_KM: Final = 20.0
"""Distance over which the recent consumption fades out."""


def publish(state: VanState, time_ms: int, context: Context, records: list[Record]) -> None:
    """Append the rows of `time_ms` to the records, with the alerts and tours that are due."""
    motion = state.motion
    mode = motion.mode
    every_ms = context.derived_every_ms
    if mode == PARKED and motion.rest.time_ms - motion.wake.time_ms > LONG_PARKED_MS and every_ms < PARKED_EVERY_MS:
        every_ms = PARKED_EVERY_MS
    state.due_ms = time_ms + every_ms
    if mode == CHARGING:
        records += books.enter_grid_energy(state, context)
    due = time_ms >= state.outlook_due_ms or mode != state.outlook_mode
    if due:
        state.outlook_due_ms = time_ms + OUTLOOK_EVERY_MS
        state.outlook_mode = mode
        chords.add_chord(state, context.thresholds)
        _update_outlook(state)
    # Each row has its own time. A row that follows from silence comes a millisecond after the last one.
    row_ms = time_ms if time_ms > state.published_ms else state.published_ms + 1
    state.published_ms = row_ms
    records.append(_energy_record(state, row_ms))
    if state.emissions is not None:
        records.append(_emissions_record(state, state.emissions, context, row_ms))
    if due:
        records += update_alerts(state, time_ms, context)
        if 0 < state.tour.due_ms <= time_ms:
            records += books.close_due_tours(state, time_ms, context)


def _update_outlook(state: VanState) -> None:
    """Bring the recent consumption, the range and the uncertainty of the energy up to date."""
    recent, totals, e = state.consumption, state.totals, state.estimate
    recent.uncertainty_kwh = kalman.FILTER_Z90 * sqrt(max(0.0, e.var_out + e.pending_var_kwh2)) if e.started else None
    km = totals.distance_km - recent.distance_km
    if km > 0.0:
        keep = 1.0 - km / RECENT_KM if km < RECENT_KM else 0.0
        recent.kwh = recent.kwh * keep + totals.net_kwh - recent.net_kwh
        recent.km = recent.km * keep + km
        recent.distance_km = totals.distance_km
        recent.net_kwh = totals.net_kwh
    elif state.motion.mode not in (STOPPED, DRIVING):
        recent.net_kwh = totals.net_kwh
    if recent.km < SHOWN_FROM_KM or recent.kwh <= 0.0:
        recent.per_100km_kwh = recent.range_km = None
        return
    recent.per_100km_kwh = 100.0 * recent.kwh / recent.km
    content = e.level_pct / e.pct_per_kwh - e.pending_kwh - e.kwh_per_km * e.pending_km
    recent.range_km = max(0.0, content / recent.per_100km_kwh * 100.0)


def _energy_record(state: VanState, time_ms: int) -> EnergyRecord:
    totals = state.totals
    mode = state.motion.mode
    recent = state.consumption
    power = state.soc.power_kw
    known = state.estimate.started
    return EnergyRecord(
        vehicle_id=state.vehicle_id,
        time_ms=time_ms,
        state=STATES[mode],
        power_kw=None
        if power is None or mode == OFFLINE or (mode == PARKED and state.motion.fast_readings)
        else -power,
        used_kwh_total=totals.used_kwh,
        regenerated_kwh_total=totals.regenerated_kwh,
        charged_kwh_total=totals.charged_kwh,
        grid_kwh_total=totals.grid_kwh,
        idle_kwh_total=totals.idle_kwh,
        distance_km_total=totals.distance_km,
        consumption_kwh_per_100km=recent.per_100km_kwh,
        range_km=recent.range_km,
        usable_capacity_kwh=state.capacity.battery_kwh if known else None,
        uncertainty_kwh=recent.uncertainty_kwh,
        source=SOURCES[totals.source] if known else None,
    )


def _emissions_record(state: VanState, own: EmissionsState, context: Context, time_ms: int) -> EmissionsRecord:
    totals = state.totals
    net, km = totals.net_kwh, totals.distance_km
    if net != totals.emitted_kwh or km != totals.emitted_km:  # `books.post_emissions`, written out for speed
        emissions.use(own, net - totals.emitted_kwh, km - totals.emitted_km)
        totals.emitted_kwh = net
        totals.emitted_km = km
    factors = context.factors
    intensity, source = factors.intensity.at(factors.grid.country, time_ms)
    return emissions.record(
        own,
        factors.diesel,
        vehicle_id=state.vehicle_id,
        time_ms=time_ms,
        grid_g_per_kwh=intensity,
        intensity_source=source,
    )
