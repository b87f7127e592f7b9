"""Well-to-wheel emissions of one van, and what a diesel van would have emitted over the same distance.

Carbon enters with the energy of a charge and leaves with the energy used: the pack has a carbon content in g CO2e per
kWh, which a charge changes and driving does not. Charging losses are part of it, because a charge brings the carbon of
the grid energy but only the battery energy. A battery van emits nothing on the road: all of it is well-to-tank.

Energies are in kWh, distances in km, masses of emissions in g CO2e unless the name says otherwise. Energy used is
positive out of the battery and signed: braking downhill takes back what it returns.
"""

from typing import Literal

import msgspec

from agent.factors.factor_set import Diesel, Grid
from agent.fleet.records import EmissionsRecord
from agent.structs import quick_to_set

IntensitySource = Literal["hourly", "annual"]

SHORTEST_DISTANCE_KM = 1.0
"""Below this distance a value per km says nothing."""


@quick_to_set
class EmissionsState(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """Where one van's emissions stand.

    `co2e_g` is net and may fall while a van rolls downhill; what is published as a total is its highest value so far.
    """

    battery_g_per_kwh: float
    """Carbon content of the energy in the pack."""
    market_g_per_kwh: float | None = None
    """The same by the supply contract, where there is one."""
    co2e_g: float = 0.0
    co2e_g_total: float = 0.0
    market_co2e_g: float | None = None
    distance_km: float = 0.0
    """Distance whose diesel emissions are still to be added."""
    total_distance_km: float = 0.0
    diesel_co2e_g_total: float = 0.0
    avoided_co2e_g_total: float = 0.0
    avoided_nox_mg_total: float = 0.0
    avoided_pm_mg_total: float = 0.0
    empty_co2e_g: float = 0.0
    """No longer used; keeps the format."""


def start(grid: Grid, efficiency: float, market_g_per_kwh: float | None = None) -> EmissionsState:
    """A van never heard of: its pack was charged with the country's average energy."""
    market = None if market_g_per_kwh is None else market_g_per_kwh / efficiency
    return EmissionsState(
        battery_g_per_kwh=grid.annual_g_per_kwh / efficiency,
        market_g_per_kwh=market,
        market_co2e_g=None if market is None else 0.0,
    )


def use(state: EmissionsState, used_kwh: float, distance_km: float) -> None:
    """Energy left the battery (signed), and the van moved. Any division into calls gives the same sums."""
    state.co2e_g += used_kwh * state.battery_g_per_kwh
    state.distance_km += distance_km
    if state.market_g_per_kwh is not None and state.market_co2e_g is not None:
        state.market_co2e_g += used_kwh * state.market_g_per_kwh


def charge(
    state: EmissionsState,
    *,
    content_kwh: float,
    battery_kwh: float,
    grid_kwh: float,
    grid_g_per_kwh: float,
    market_g_per_kwh: float | None = None,
) -> float:
    """Energy entered the battery, which held `content_kwh` before. Returns the g CO2e of the grid energy.

    Grid energy that never reached the battery, such as heating on the plug, adds its carbon to what the battery holds;
    with an empty battery it counts as emitted at once.
    """
    carbon_g = grid_kwh * grid_g_per_kwh
    before_kwh = max(content_kwh, 0.0)
    after_kwh = before_kwh + battery_kwh
    if market_g_per_kwh is not None:
        _charge_by_contract(state, before_kwh, after_kwh, grid_kwh * market_g_per_kwh)
    if after_kwh > 0.0:
        state.battery_g_per_kwh = (before_kwh * state.battery_g_per_kwh + carbon_g) / after_kwh
    else:
        state.co2e_g += carbon_g
    return carbon_g


def _charge_by_contract(state: EmissionsState, before_kwh: float, after_kwh: float, carbon_g: float) -> None:
    """The same by the contract; where it is new, the pack begins with the grid's carbon content."""
    market = state.battery_g_per_kwh if state.market_g_per_kwh is None else state.market_g_per_kwh
    state.market_co2e_g = state.market_co2e_g or 0.0
    if after_kwh > 0.0:
        state.market_g_per_kwh = (before_kwh * market + carbon_g) / after_kwh
    else:
        state.market_co2e_g += carbon_g


def settle(state: EmissionsState, diesel: Diesel) -> None:
    """Bring the totals up to date; to be called before they are read. The totals never fall."""
    distance_km = state.distance_km
    if distance_km > 0.0:
        state.distance_km = 0.0
        state.total_distance_km += distance_km
        state.diesel_co2e_g_total += distance_km * (diesel.ttw_g_per_km + diesel.wtt_g_per_km)
        state.avoided_nox_mg_total += distance_km * diesel.nox_mg_per_km
        state.avoided_pm_mg_total += distance_km * diesel.pm_mg_per_km
    if state.co2e_g > state.co2e_g_total:
        state.co2e_g_total = state.co2e_g
    avoided_g = state.diesel_co2e_g_total - state.co2e_g
    if avoided_g > state.avoided_co2e_g_total:
        state.avoided_co2e_g_total = avoided_g


def record(
    state: EmissionsState,
    diesel: Diesel,
    *,
    vehicle_id: str,
    time_ms: int,
    grid_g_per_kwh: float,
    intensity_source: IntensitySource,
) -> EmissionsRecord:
    """The van's emissions as they are published."""
    settle(state, diesel)
    distance_km = state.total_distance_km
    return EmissionsRecord(
        vehicle_id=vehicle_id,
        time_ms=time_ms,
        co2e_g_total=state.co2e_g_total,
        co2e_g_per_km=state.co2e_g / distance_km if distance_km >= SHORTEST_DISTANCE_KM else None,
        grid_g_per_kwh=grid_g_per_kwh,
        battery_g_per_kwh=state.battery_g_per_kwh,
        diesel_co2e_g_total=state.diesel_co2e_g_total,
        avoided_co2e_g_total=state.avoided_co2e_g_total,
        avoided_nox_mg_total=state.avoided_nox_mg_total,
        avoided_pm_mg_total=state.avoided_pm_mg_total,
        intensity_source=intensity_source,
    )
