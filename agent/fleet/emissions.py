"""Well-to-wheel emissions of one van, and what a diesel van would have emitted over the same distance.

Carbon enters with the energy of a charge and leaves with the energy used: the pack has a carbon content in g CO2e per
kWh, which a charge changes and driving does not. Charging losses are part of it, because a charge brings the carbon of
the grid energy but only the battery energy. A battery van emits nothing on the road: all of it is well-to-tank.

The books of a van always close: `begun_g + charged_g + adjusted_g = co2e_g + battery_g_per_kwh * content_kwh`.
`content_kwh` is what the pack holds by these books: what was stored less what was used. Where the energy estimate is
further from it than it is certain itself, each charge closes a part of the difference, with all the carbon kept.

Energies are in kWh, distances in km, masses of emissions in g CO2e unless the name says otherwise. Energy used is
positive out of the battery and signed: braking downhill takes back what it returns.
"""

from typing import NamedTuple

import msgspec

from agent.factors.figures import Diesel, Grid, IntensitySource
from agent.fast.attributes import quick_to_set
from agent.fleet.records import EmissionsRecord

CLOSING_SHARE = 0.5
"""A charge moves the books towards the energy estimate by at most this share of the energy that it stores."""

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
    """The same market-based; `None`: as location-based so far."""
    co2e_g: float = 0.0
    co2e_g_total: float = 0.0
    market_co2e_g: float | None = None
    """Kept for the format alone; `market_g` has taken its place."""
    distance_km: float = 0.0
    """Distance whose diesel emissions are still to be added."""
    total_distance_km: float = 0.0
    diesel_co2e_g_total: float = 0.0
    avoided_co2e_g_total: float = 0.0
    avoided_nox_mg_total: float = 0.0
    avoided_pm_mg_total: float = 0.0
    empty_co2e_g: float = 0.0
    """No longer used; keeps the format."""
    content_kwh: float | None = None
    """What can be taken out of the pack, by the books; `None`: they have not begun."""
    begun_g: float = 0.0
    """What was in the pack when the books began, and what had been used until then."""
    charged_g: float = 0.0
    charged_market_g: float = 0.0
    adjusted_g: float = 0.0
    """Carbon of energy that appeared or vanished without being charged or used, such as at a recalibration; signed."""
    market_g: float = 0.0
    """Used so far, market-based."""
    primary_share: float = 0.0
    """Of the carbon in the pack: what came with measured grid energy."""
    primary_g: float = 0.0
    """Used so far, of that."""
    hourly_share: float = 0.0
    """Of the carbon in the pack: what was charged at an hourly intensity."""
    hourly_g: float = 0.0
    """Used so far, of that."""


class Used(NamedTuple):
    """What the energy used so far has emitted, g CO2e. Net: a descent gives back. To be taken differences of."""

    co2e_g: float
    market_g: float
    primary_g: float
    """The part of `co2e_g` whose grid energy was measured."""
    hourly_g: float
    """The part of `co2e_g` that was charged at an hourly intensity."""


class Carbon(msgspec.Struct, gc=False, kw_only=True):
    """What energy from the grid brings, g CO2e."""

    location_g: float = 0.0
    market_g: float = 0.0
    primary_g: float = 0.0
    """The part of `location_g` whose grid energy was measured."""
    hourly_g: float = 0.0
    """The part of `location_g` at an hourly intensity."""


def start(grid: Grid, efficiency: float) -> EmissionsState:
    """A van never heard of: its pack was charged with the country's average energy.

    `efficiency` is what can be taken out of the battery per grid energy: charging efficiency and round trip.
    """
    return EmissionsState(battery_g_per_kwh=grid.annual_g_per_kwh / efficiency)


def begin_books(state: EmissionsState, content_kwh: float) -> None:
    """The pack is known to hold so much: from here on every gram is accounted for."""
    state.content_kwh = max(content_kwh, 0.0)
    state.begun_g = state.co2e_g + state.content_kwh * state.battery_g_per_kwh


def use(state: EmissionsState, used_kwh: float, distance_km: float) -> None:
    """Energy left the battery (signed), and the van moved. Any division into calls gives the same sums."""
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


def used(state: EmissionsState) -> Used:
    """What the energy used so far has emitted."""
    return Used(state.co2e_g, state.market_g, state.primary_g, state.hourly_g)


def adjust(state: EmissionsState, change_kwh: float) -> None:
    """Energy appeared or vanished that nobody charged or used: it takes the pack's own carbon content with it."""
    if state.content_kwh is not None:
        change_kwh = max(change_kwh, -state.content_kwh)
        state.content_kwh += change_kwh
        state.adjusted_g += change_kwh * state.battery_g_per_kwh


def charge(
    state: EmissionsState, *, content_kwh: float, tolerance_kwh: float = 0.0, stored_kwh: float, carbon: Carbon
) -> None:
    """Energy entered the battery: `stored_kwh` of it can be taken out again. All of its carbon enters the pack.

    `content_kwh` is what the pack holds now by the energy estimate, give or take `tolerance_kwh`. Grid energy that
    never reached the battery, such as heating on the plug, adds its carbon to what the battery holds; with an empty
    battery it counts as emitted at once.
    """
    if state.content_kwh is None:
        begin_books(state, content_kwh - stored_kwh)
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
    """By how much the books move towards the estimate."""
    excess_kwh = min(max(abs(apart_kwh) - tolerance_kwh, 0.0), most_kwh)
    return excess_kwh if apart_kwh > 0.0 else -excess_kwh


def imbalance_g(state: EmissionsState) -> float:
    """Carbon that the books cannot explain: charged less used less the change of the pack's content."""
    if state.content_kwh is None:
        return 0.0
    left_g = state.content_kwh * state.battery_g_per_kwh
    return state.begun_g + state.charged_g + state.adjusted_g - state.co2e_g - left_g


def update_totals(state: EmissionsState, diesel: Diesel) -> None:
    """Bring the totals up to date; to be called before they are read. The totals never fall."""
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
    """The van's emissions as they are published."""
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
