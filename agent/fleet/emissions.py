"""Well-to-wheel emissions of one van, and what a diesel van would have emitted over the same distance.

Carbon enters with the energy of a charge and leaves with the energy used: the pack has a carbon content in g CO2e per
kWh, which a charge changes and driving does not. Charging losses are part of it, because a charge brings the carbon of
the grid energy but only the battery energy. A battery van emits nothing on the road: all of it is well-to-tank.

The carbon account of a van always balances:
`begun_g + charged_g + adjusted_g = co2e_g + battery_g_per_kwh * content_kwh`.
`content_kwh` is the energy in the pack by this account: energy stored less energy used. If the energy estimate differs
from it by more than the tolerance, each charge closes a part of the difference. No carbon is lost by that.

Energies are in kWh, distances in km, masses of emissions in g CO2e unless the name says otherwise. Energy used is
positive out of the battery and signed: braking downhill takes back what it returns.
"""

from dataclasses import dataclass

from agent.factors.figures import Diesel, Grid, IntensitySource
from agent.fleet.records import EmissionsRecord

CLOSING_SHARE = 0.5
"""A charge moves the account towards the energy estimate by at most this share of the energy that it stores."""

SHORTEST_DISTANCE_KM = 1.0
"""A value per km is not stated for a shorter distance."""


@dataclass(slots=True, kw_only=True)
class EmissionsState:
    """The emissions and the carbon account of one van.

    `co2e_g` is net and may fall while a van rolls downhill. The published total is its highest value so far.
    """

    battery_g_per_kwh: float
    """Carbon content of the energy in the pack."""
    market_g_per_kwh: float | None = None
    """The same, market-based. `None`: equal to the location-based content so far."""
    co2e_g: float = 0.0
    co2e_g_total: float = 0.0
    unused_1: float | None = None
    distance_km: float = 0.0
    """Distance whose diesel emissions are not added yet."""
    total_distance_km: float = 0.0
    diesel_co2e_g_total: float = 0.0
    avoided_co2e_g_total: float = 0.0
    avoided_nox_mg_total: float = 0.0
    avoided_pm_mg_total: float = 0.0
    unused_2: float = 0.0
    content_kwh: float | None = None
    """Energy that can be taken out of the pack, by the account; `None`: the account is not open yet."""
    begun_g: float = 0.0
    """Carbon in the pack when the account was opened, and carbon of the energy used before."""
    charged_g: float = 0.0
    charged_market_g: float = 0.0
    adjusted_g: float = 0.0
    """Carbon of energy that appeared or vanished without a charge or a use, as at a recalibration; signed."""
    market_g: float = 0.0
    """Market-based emissions of the energy used so far."""
    primary_share: float = 0.0
    """Share of the carbon in the pack that came with measured grid energy."""
    primary_g: float = 0.0
    """Emissions so far with measured grid energy."""
    hourly_share: float = 0.0
    """Share of the carbon in the pack that was charged at an hourly intensity."""
    hourly_g: float = 0.0
    """Emissions so far at an hourly intensity."""


@dataclass(slots=True, kw_only=True)
class Carbon:
    """Carbon of energy from the grid, g CO2e."""

    location_g: float = 0.0
    market_g: float = 0.0
    primary_g: float = 0.0
    """The part of `location_g` whose grid energy was measured."""
    hourly_g: float = 0.0
    """The part of `location_g` at an hourly intensity."""


def start(grid: Grid, efficiency: float) -> EmissionsState:
    """The emissions of a van that is heard for the first time: its pack is assumed to hold average grid energy.

    `efficiency` is the energy that can be taken out of the battery over the grid energy: charging and round trip.
    """
    return EmissionsState(battery_g_per_kwh=grid.annual_g_per_kwh / efficiency)


def open_account(state: EmissionsState, content_kwh: float) -> None:
    """Open the carbon account with the known content of the pack."""
    state.content_kwh = max(content_kwh, 0.0)
    state.begun_g = state.co2e_g + state.content_kwh * state.battery_g_per_kwh


def use(state: EmissionsState, used_kwh: float, distance_km: float) -> None:
    """Use energy from the battery (signed), and count a distance. The sums do not depend on the division into calls."""
    content = state.battery_g_per_kwh
    used_g = used_kwh * content
    state.co2e_g += used_g
    if state.primary_share:
        state.primary_g += used_g * state.primary_share
    if state.hourly_share:
        state.hourly_g += used_g * state.hourly_share
    market = state.market_g_per_kwh
    state.market_g += used_g if market is None else used_kwh * market
    state.distance_km += distance_km
    left_kwh = state.content_kwh
    if left_kwh is not None:
        left_kwh -= used_kwh
        if left_kwh < 0.0:
            state.adjusted_g -= left_kwh * content
            left_kwh = 0.0
        state.content_kwh = left_kwh


def adjust(state: EmissionsState, change_kwh: float) -> None:
    """Energy appeared or vanished without a charge or a use. It has the carbon content of the pack."""
    if state.content_kwh is not None:
        change_kwh = max(change_kwh, -state.content_kwh)
        state.content_kwh += change_kwh
        state.adjusted_g += change_kwh * state.battery_g_per_kwh


def charge(
    state: EmissionsState, *, content_kwh: float, stored_kwh: float, carbon: Carbon, tolerance_kwh: float = 0.0
) -> None:
    """Store energy in the battery. `stored_kwh` of it can be taken out again. All of its carbon enters the pack.

    `content_kwh` is the energy in the pack by the energy estimate, with an uncertainty of `tolerance_kwh`. Carbon of
    grid energy that did not reach the battery, such as heating on the plug, also enters the pack. If the pack is empty,
    it counts as emitted at once.
    """
    if state.content_kwh is None:
        open_account(state, content_kwh - stored_kwh)
    before_kwh = state.content_kwh or 0.0
    after_kwh = before_kwh + stored_kwh
    after_kwh += _closing_kwh(content_kwh - after_kwh, tolerance_kwh, CLOSING_SHARE * stored_kwh)
    state.charged_g += carbon.location_g
    state.charged_market_g += carbon.market_g
    if after_kwh <= 0.0:
        state.co2e_g += carbon.location_g
        state.primary_g += carbon.primary_g
        state.hourly_g += carbon.hourly_g
        state.market_g += carbon.market_g
        return
    market = state.battery_g_per_kwh if state.market_g_per_kwh is None else state.market_g_per_kwh
    before_g = before_kwh * state.battery_g_per_kwh
    after_g = before_g + carbon.location_g
    if after_g > 0.0:
        state.primary_share = (before_g * state.primary_share + carbon.primary_g) / after_g
        state.hourly_share = (before_g * state.hourly_share + carbon.hourly_g) / after_g
    state.battery_g_per_kwh = after_g / after_kwh
    state.market_g_per_kwh = (before_kwh * market + carbon.market_g) / after_kwh
    state.content_kwh = after_kwh


def _closing_kwh(apart_kwh: float, tolerance_kwh: float, most_kwh: float) -> float:
    """By how much the account moves towards the estimate."""
    excess_kwh = min(max(abs(apart_kwh) - tolerance_kwh, 0.0), most_kwh)
    return excess_kwh if apart_kwh > 0.0 else -excess_kwh


def imbalance_g(state: EmissionsState) -> float:
    """Carbon that the account cannot explain; 0 but for rounding errors."""
    if state.content_kwh is None:
        return 0.0
    left_g = state.content_kwh * state.battery_g_per_kwh
    return state.begun_g + state.charged_g + state.adjusted_g - state.co2e_g - left_g


def update_totals(state: EmissionsState, diesel: Diesel) -> None:
    """Bring the published totals up to date. Must be called before they are read. The totals never fall."""
    distance_km, co2e_g = state.distance_km, state.co2e_g
    if distance_km > 0.0:
        state.distance_km = 0.0
        state.total_distance_km += distance_km
        state.diesel_co2e_g_total += distance_km * (diesel.ttw_g_per_km + diesel.wtt_g_per_km)
        state.avoided_nox_mg_total += distance_km * diesel.nox_mg_per_km
        state.avoided_pm_mg_total += distance_km * diesel.pm_mg_per_km
    if co2e_g > state.co2e_g_total:
        state.co2e_g_total = co2e_g
    avoided_g = state.diesel_co2e_g_total - co2e_g
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
    """The record of the van's emissions."""
    update_totals(state, diesel)
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
