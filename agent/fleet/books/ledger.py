"""The energy account of a van: where each kWh is posted.

The estimate is one running sum of energy out of the battery. `post` enters its increase into one of the totals: net
energy (driving and idling) or charged energy. All published totals come from here, and they never fall.
"""

from typing import Final

from agent.fleet import emissions, kalman
from agent.fleet.energy_state import STORED_SHARE, Totals
from agent.fleet.modes import CHARGING, DRIVING, STOPPED
from agent.fleet.state import VanState
from agent.fleet.state_part import Mark

SHOWN_FROM_KM: Final = 1.0
"""Consumption per km is not stated for a shorter distance."""


def post(state: VanState) -> None:
    """Post what the estimate has changed by since the last call.

    While driving, every change is posted with its sign. At rest and at a stop, energy that came in is held back until
    it is decided whether it was a charge. While charging, energy that went out is held back.
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
        # While the state of charge is frozen, consumption is a guess. An excess of it must not become regeneration.
        totals.used_kwh = used


def reconcile(state: VanState) -> None:
    """Post everything, and make used - regenerated = net exactly. Called at the end of a trip or of a rest.

    Energy that came back without being measured becomes regenerated energy. Two cases are left open: energy that came
    in at a stop and may be a charge, and power with an unknown sign that says that driving fills the battery.
    """
    totals, e = state.totals, state.estimate
    now = e.base_kwh + e.out_kwh + e.pending_kwh + e.kwh_per_km * e.pending_km
    if not _may_be_charge(state, totals.posted_kwh - now):
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


def _may_be_charge(state: VanState, came_in_kwh: float) -> bool:
    """Whether the energy that came in at a stop is more than a correction of the estimate."""
    if came_in_kwh <= 0.0 or state.motion.mode != STOPPED:
        return False
    return state.charge.flagged or came_in_kwh > state.soc.step_pct / state.estimate.pct_per_kwh


def post_idle(totals: Totals, until_kwh: float) -> None:
    """Post the predicted energy up to `until_kwh` as idling.

    Corrections of the estimate are not idling: they belong to the past. Energy that comes in at rest without a charge
    is not idling either, nor is the same energy when it goes out.
    """
    if until_kwh > totals.idle_from_kwh:
        # A prediction at rest that the state of charge does not confirm may exceed all energy used.
        idle_kwh, used_kwh = totals.idle_kwh + until_kwh - totals.idle_from_kwh, totals.used_kwh
        if idle_kwh > used_kwh:
            idle_kwh = used_kwh
        if idle_kwh > totals.idle_kwh:
            totals.idle_kwh = idle_kwh
        totals.idle_from_kwh = until_kwh


def post_emissions(state: VanState) -> None:
    """Post energy used and distance driven since the last call to the emissions."""
    totals = state.totals
    if state.emissions is not None:
        net, km = totals.net_kwh, totals.distance_km
        if net != totals.emitted_kwh or km != totals.emitted_km:
            emissions.use(state.emissions, net - totals.emitted_kwh, km - totals.emitted_km)
            totals.emitted_kwh = net
            totals.emitted_km = km


def take_mark(state: VanState, into: Mark, time_ms: int) -> Mark:
    """Write where the totals stand now into a mark."""
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


def complete_mark(state: VanState, at: Mark, since_kwh: float) -> None:
    """Write the energy of the trip so far into a mark. `since_kwh` has been used since the mark was taken."""
    e = state.estimate
    at.net_kwh = state.totals.net_kwh - since_kwh
    at.before_kwh = e.boundary_kwh
    at.variance = kalman.variance_since_boundary_kwh2(e)
