"""Where each kWh is entered: driving, idling, charging. All published totals come from here and only ever grow."""

from agent.fleet import emissions, estimate
from agent.fleet.context import Context
from agent.fleet.records import EmissionsRecord, EnergyRecord, Source
from agent.fleet.state import STATES, Estimate, Mark, Mode, VanState

SOURCES: tuple[Source, ...] = ("soc", "power", "counter")
RECENT_KM = 20.0
"""Over which consumption is averaged, fading."""


def net_out_kwh(e: Estimate) -> float:
    """Best estimate of the energy that has left the battery so far, charging counted negative."""
    return e.base_kwh + e.n + e.pending_kwh + e.k * e.pending_km


def post(state: VanState) -> None:
    """Enter what the estimate has changed since the last time.

    While driving everything counts, with its sign. At rest a rise is held back until it is clear whether it is a charge;
    while charging a fall is held back in the same way.
    """
    totals = state.totals
    now = net_out_kwh(state.estimate)
    change = now - totals.posted_kwh
    if change == 0.0:
        return
    mode = state.motion.mode
    if mode == Mode.CHARGING:
        if change < 0.0:
            totals.charged_kwh -= change
            state.charge.charged_kwh -= change
            state.charge.pending_kwh -= change
            totals.posted_kwh = now
        return
    if change < 0.0 and mode != Mode.DRIVING and mode != Mode.STOPPED:
        return
    totals.posted_kwh = now
    totals.net_kwh += change
    used = totals.net_kwh + totals.regenerated_kwh
    if used > totals.used_kwh:
        totals.used_kwh = used


def settle(state: VanState) -> None:
    """Close the books at the end of a trip or stay: what came back without being measured is regenerated energy.

    Afterwards used - regenerated = net, exactly.
    """
    totals = state.totals
    now = net_out_kwh(state.estimate)
    totals.net_kwh += now - totals.posted_kwh
    totals.posted_kwh = now
    surplus = totals.used_kwh - (totals.net_kwh + totals.regenerated_kwh)
    if surplus > 0.0:
        totals.regenerated_kwh += surplus
    else:
        totals.used_kwh -= surplus


def enter_idle(state: VanState, until_kwh: float) -> None:
    """Energy up to this net value went into idling."""
    totals = state.totals
    if until_kwh > totals.idle_from_kwh:
        totals.idle_kwh += until_kwh - totals.idle_from_kwh
    totals.idle_from_kwh = until_kwh


def mark(state: VanState, time_ms: int) -> Mark:
    """Where the totals stand now."""
    totals, position = state.totals, state.position
    return Mark(
        time_ms=time_ms,
        net_kwh=totals.net_kwh,
        predicted_kwh=totals.predicted_kwh,
        distance_km=totals.distance_km,
        soc_pct=state.soc.soc_pct,
        latitude_deg=position.latitude_deg,
        longitude_deg=position.longitude_deg,
    )


def emit(state: VanState, context: Context) -> None:
    """Hand the emissions what was used and driven since the last time."""
    totals = state.totals
    if state.emissions is not None:
        emissions.use(state.emissions, totals.net_kwh - totals.emitted_kwh, totals.distance_km - totals.emitted_km)
    totals.emitted_kwh = totals.net_kwh
    totals.emitted_km = totals.distance_km


def energy_record(state: VanState, context: Context, time_ms: int) -> EnergyRecord:
    """Where the van's energy stands."""
    totals, e, recent = state.totals, state.estimate, state.consumption
    power = state.soc.power_kw
    consumption = range_km = None
    if recent.km > 1.0 and recent.kwh > 0.0:
        consumption = 100.0 * recent.kwh / recent.km
        content = e.y / e.g
        if content > 0.0:
            range_km = content / consumption * 100.0
    mode = state.motion.mode
    return EnergyRecord(
        vehicle_id=state.vehicle_id,
        time_ms=time_ms,
        state=STATES[mode],
        power_kw=None if power is None or mode == Mode.OFFLINE else -power,
        used_kwh_total=totals.used_kwh,
        regenerated_kwh_total=totals.regenerated_kwh,
        charged_kwh_total=totals.charged_kwh,
        grid_kwh_total=totals.grid_kwh,
        idle_kwh_total=totals.idle_kwh,
        distance_km_total=totals.distance_km,
        consumption_kwh_per_100km=consumption,
        range_km=range_km,
        usable_capacity_kwh=state.capacity.battery_kwh or None,
        uncertainty_kwh=estimate.Z90 * max(e.nn + e.pending_var, 0.0) ** 0.5 if e.started else None,
        source=SOURCES[totals.source] if e.started else None,
    )


def emissions_record(state: VanState, context: Context, time_ms: int) -> EmissionsRecord | None:
    """Where the van's emissions stand."""
    if state.emissions is None:
        return None
    emit(state, context)
    intensity, source = context.factors.intensity.at(context.vehicle.country, time_ms)
    return emissions.record(
        state.emissions,
        context.factors.diesel,
        vehicle_id=state.vehicle_id,
        time_ms=time_ms,
        grid_g_per_kwh=intensity,
        intensity_source=source,
    )
