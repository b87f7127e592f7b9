"""Where each kWh is entered: driving, idling, charging. All published totals come from here and only ever grow."""

from math import sqrt
from typing import Final

from agent.fleet import emissions, kalman
from agent.fleet.context import Context
from agent.fleet.emissions import EmissionsState
from agent.fleet.energy_state import STORED_SHARE, Totals
from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, PARKED, STATES, STOPPED
from agent.fleet.records import EmissionsRecord, EnergyRecord, Source
from agent.fleet.state import VanState
from agent.fleet.state_part import Mark

SOURCES: Final[tuple[Source, ...]] = ("soc", "power", "counter")
RECENT_KM: Final = 20.0
"""Over which consumption is averaged, fading."""
SHOWN_FROM_KM: Final = 1.0
"""Consumption over less says nothing."""


def post(state: VanState) -> None:
    """Enter what the estimate has changed since the last time.

    While driving everything counts, with its sign. At rest, and at a stop, what came in is held back until it is clear
    whether it is a charge; while charging what went out is held back in the same way.
    """
    totals, e = state.totals, state.estimate
    now = e.base_kwh + e.out_kwh + e.pending_kwh + e.kwh_per_km * e.pending_km
    change = now - totals.posted_kwh
    if change == 0.0:
        return
    mode = state.motion.mode
    if mode == CHARGING:
        if change < 0.0:
            charge = state.charge
            totals.posted_kwh = now
            into_kwh = -change / STORED_SHARE
            totals.charged_kwh += into_kwh
            charge.charged_kwh += into_kwh
            charge.pending_kwh += into_kwh
        return
    if change < 0.0 and mode != DRIVING:
        return
    totals.posted_kwh = now
    net = totals.net_kwh = totals.net_kwh + change
    used = net + totals.regenerated_kwh
    if used > totals.used_kwh and not (state.soc.frozen and totals.source == 0):
        # While the state of charge is frozen, consumption is a guess. What it guesses too much is not regenerated.
        totals.used_kwh = used


def settle(state: VanState) -> None:
    """Close the books at the end of a trip or stay: what came back without being measured is regenerated energy.

    Afterwards used - regenerated = net, exactly; but not while power says that driving fills the battery, which is a
    long descent, or a wrong sign.
    """
    totals, e = state.totals, state.estimate
    now = e.base_kwh + e.out_kwh + e.pending_kwh + e.kwh_per_km * e.pending_km
    if not _is_fed(state, totals.posted_kwh - now):
        totals.net_kwh += now - totals.posted_kwh
        totals.posted_kwh = now
    battery = state.soc
    if not battery.sign_is_sure and battery.driven_kwh > battery.braked_kwh:
        totals.regenerated_kwh += battery.braked_kwh
        battery.braked_kwh = battery.driven_kwh = 0.0
    surplus = totals.used_kwh - (totals.net_kwh + totals.regenerated_kwh)
    if surplus > 0.0:
        if battery.braked_kwh == 0.0:
            totals.regenerated_kwh += surplus
    else:
        totals.used_kwh -= surplus


def book_regeneration(state: VanState) -> None:
    """The sign of power is sure: enter what braking returned until now."""
    battery = state.soc
    battery.sign_is_sure = True
    state.totals.regenerated_kwh += battery.braked_kwh
    battery.braked_kwh = battery.driven_kwh = 0.0


def _is_fed(state: VanState, came_in_kwh: float) -> bool:
    """Whether what came in at a stop, at the end of a trip, is more than the estimate is corrected by."""
    if came_in_kwh <= 0.0 or state.motion.mode != STOPPED:
        return False
    return state.charge.flagged or came_in_kwh > state.soc.step_pct / state.estimate.pct_per_kwh


def enter_idle(totals: Totals, until_kwh: float) -> None:
    """What was predicted up to here went into idling; corrections of the estimate do not, for they are of the past.

    What comes in at rest without being a charge is not idling, nor is it when it goes out again.
    """
    if until_kwh > totals.idle_from_kwh:
        # What is predicted while a van rests and its state of charge does not confirm is not more than it used in all.
        idle_kwh, used_kwh = totals.idle_kwh + until_kwh - totals.idle_from_kwh, totals.used_kwh
        if idle_kwh > used_kwh:
            idle_kwh = used_kwh
        if idle_kwh > totals.idle_kwh:
            totals.idle_kwh = idle_kwh
        totals.idle_from_kwh = until_kwh


def mark(state: VanState, into: Mark, time_ms: int) -> Mark:
    """Write down where the totals stand now."""
    totals, position = state.totals, state.position
    into.time_ms = time_ms
    into.net_kwh = totals.net_kwh
    into.predicted_kwh = totals.predicted_kwh
    into.distance_km = totals.distance_km
    into.soc_pct = state.soc.soc_pct
    into.latitude_deg = position.latitude_deg
    into.longitude_deg = position.longitude_deg
    into.odometer_km = position.odometer_km
    return into


def weigh_trip(state: VanState, at: Mark, since_kwh: float) -> None:
    """Complete a mark for the end of a trip; `since_kwh` has been used since."""
    e = state.estimate
    at.net_kwh = state.totals.net_kwh - since_kwh
    at.before_kwh = e.boundary_kwh
    at.variance = kalman.variance_since_boundary_kwh2(e)


def energy_record(state: VanState, time_ms: int) -> EnergyRecord:
    """Where the van's energy stands."""
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


def look_ahead(state: VanState) -> None:
    """Bring recent consumption up to date, the range that it leaves, and the uncertainty."""
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


def emit(state: VanState) -> None:
    """Hand the emissions what was used and driven since the last time."""
    totals = state.totals
    if state.emissions is not None:
        net, km = totals.net_kwh, totals.distance_km
        if net != totals.emitted_kwh or km != totals.emitted_km:
            emissions.use(state.emissions, net - totals.emitted_kwh, km - totals.emitted_km)
            totals.emitted_kwh = net
            totals.emitted_km = km


def emissions_record(state: VanState, own: EmissionsState, context: Context, time_ms: int) -> EmissionsRecord:
    """Where the van's emissions stand."""
    totals = state.totals
    net, km = totals.net_kwh, totals.distance_km
    if net != totals.emitted_kwh or km != totals.emitted_km:
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
