"""Charge slices: the energy of a charge by the quarter of an hour. The totals of a charge are the sums of its slices.

A slice begins at a full quarter of an hour UTC. Energy that becomes known later than it flowed, as at the next step of
the state of charge or after a silence, is spread evenly over the time in between. A slice is written once, when the
energy up to its end is known.
"""

from typing import Final, NamedTuple

from agent.factors.figures import Grid
from agent.fleet.charge_state import SliceState
from agent.fleet.context import Context
from agent.fleet.contracts import LOCATION, RESIDUAL, Contract
from agent.fleet.emissions import Carbon
from agent.fleet.records import ChargeSliceRecord, Meter

SLICE_MS: Final = 900_000
MAX_SLICES: Final = 672
"""Seven days of quarters. Over a longer silence the slices are longer."""

TRACE_KWH: Final = 0.001
"""Less energy than this makes no slice of its own."""


class Flow(NamedTuple):
    """Energy that flowed evenly over a time, and where."""

    start_ms: int
    end_ms: int
    battery_kwh: float
    grid_kwh: float
    metered_kwh: float
    latitude_deg: float | None
    longitude_deg: float | None


def take_waiting(state: SliceState, end_ms: int, latitude_deg: float | None, longitude_deg: float | None) -> Flow:
    """Take the energy that waits to be entered, up to `end_ms`."""
    flow = Flow(
        state.waiting_ms,
        end_ms,
        state.waiting_battery_kwh,
        state.waiting_grid_kwh,
        state.waiting_metered_kwh,
        latitude_deg,
        longitude_deg,
    )
    state.waiting_ms = end_ms
    state.waiting_battery_kwh = state.waiting_grid_kwh = state.waiting_metered_kwh = 0.0
    return flow


def without_trace(state: SliceState, flow: Flow) -> Flow:
    """Cut the end of a flow at a full quarter, if only a trace of energy lies behind it: the charge may be over.

    No energy is lost. All of the flow is entered into the slice before the quarter.
    """
    quarter_ms = flow.end_ms // SLICE_MS * SLICE_MS
    beyond_ms = flow.end_ms - max(quarter_ms, flow.start_ms)
    beyond = beyond_ms / (flow.end_ms - flow.start_ms) if flow.end_ms > flow.start_ms else 1.0
    if flow.grid_kwh * beyond > TRACE_KWH:
        return flow
    if flow.start_ms < quarter_ms:
        return flow._replace(end_ms=quarter_ms)
    if state.end_ms == quarter_ms:
        return flow._replace(start_ms=quarter_ms, end_ms=quarter_ms)
    return flow


def enter(state: SliceState, flow: Flow, vehicle_id: str, context: Context) -> tuple[list[ChargeSliceRecord], Carbon]:
    """Enter energy into the slices. Returns the slices that are complete, and the carbon of the energy."""
    records: list[ChargeSliceRecord] = []
    carbon = Carbon()
    contract = context.contract_at(flow.latitude_deg, flow.longitude_deg)
    duration_ms = flow.end_ms - flow.start_ms
    step_ms = SLICE_MS * max(1, -(-duration_ms // (SLICE_MS * MAX_SLICES)))
    start_ms, share_before = flow.start_ms, 0.0
    begin_ms = start_ms
    while True:
        if state.end_ms and start_ms >= state.end_ms and flow.end_ms > state.end_ms:
            records.append(close(state, vehicle_id, flow.latitude_deg, flow.longitude_deg, context))
            # If a trace was entered before the quarter, the next slice still begins with the quarter.
            begin_ms = start_ms // SLICE_MS * SLICE_MS
        if not state.end_ms:
            _begin(state, begin_ms, step_ms)
        end_ms = min(flow.end_ms, state.end_ms)
        share_until = (end_ms - flow.start_ms) / duration_ms if duration_ms > 0 and end_ms < flow.end_ms else 1.0
        _enter_part(state, flow, share_until - share_before, start_ms, max(end_ms, start_ms), contract, context, carbon)
        if end_ms >= flow.end_ms:
            return records, carbon
        start_ms, share_before = end_ms, share_until


def close(
    state: SliceState, vehicle_id: str, latitude_deg: float | None, longitude_deg: float | None, context: Context
) -> ChargeSliceRecord:
    """Close the slice under way, and return its record."""
    grid_kwh = state.grid_kwh
    co2e_g = state.direct_g + state.upstream_g + state.losses_g
    record = ChargeSliceRecord(
        vehicle_id=vehicle_id,
        time_ms=state.start_ms,
        battery_kwh=state.battery_kwh,
        grid_kwh=grid_kwh,
        meter=meter_of(state.metered_kwh, grid_kwh),
        efficiency=state.battery_kwh / grid_kwh if grid_kwh > 0.0 else None,
        direct_g=state.direct_g,
        upstream_g=state.upstream_g,
        losses_g=state.losses_g,
        market_g=state.market_g,
        instrument=state.instrument,
        intensity_g_per_kwh=co2e_g / grid_kwh if grid_kwh > 0.0 else None,
        intensity_source="hourly" if state.hourly_kwh >= grid_kwh * (1.0 - 1e-9) else "annual",
        cost=state.cost,
        place=context.place_at(latitude_deg, longitude_deg),
        factor_set=context.factors.set_name,
    )
    state.end_ms = 0
    return record


class ChargeSums(NamedTuple):
    """Sums of the slices of a charge."""

    market_co2e_g: float
    cost: float | None
    meter: Meter
    metered_kwh: float
    primary_g: float
    hourly_g: float
    """Parts of the location-based emissions: with measured grid energy, and at an hourly intensity."""


def sums(state: SliceState | None, grid_kwh: float) -> ChargeSums:
    """The sums of the slices of a charge that drew `grid_kwh`."""
    state = state or SliceState()
    return ChargeSums(
        state.charge_market_g,
        state.charge_cost,
        meter_of(state.charge_metered_kwh, grid_kwh),
        state.charge_metered_kwh,
        state.charge_primary_g,
        state.charge_hourly_g,
    )


def meter_of(metered_kwh: float, grid_kwh: float) -> Meter:
    """The source of most of the grid energy."""
    return "charger" if metered_kwh > 0.5 * grid_kwh else "modelled"


def _begin(state: SliceState, start_ms: int, step_ms: int) -> None:
    state.start_ms, state.end_ms = start_ms, (start_ms // step_ms + 1) * step_ms
    state.battery_kwh = state.grid_kwh = state.metered_kwh = state.hourly_kwh = 0.0
    state.direct_g = state.upstream_g = state.losses_g = state.market_g = 0.0
    state.cost = None


def _enter_part(
    state: SliceState,
    flow: Flow,
    share: float,
    start_ms: int,
    end_ms: int,
    contract: Contract | None,
    context: Context,
    carbon: Carbon,
) -> None:
    """Enter a share of the energy that lies within the slice under way."""
    grid_kwh, metered_kwh = flow.grid_kwh * share, flow.metered_kwh * share
    grid = context.factors.grid
    g_per_kwh, source = context.factors.intensity.mean(grid.country, start_ms, end_ms)
    co2e_g = grid_kwh * g_per_kwh
    annual = grid.direct_g_per_kwh + grid.upstream_g_per_kwh + grid.losses_g_per_kwh
    scale = co2e_g / annual if annual > 0.0 else 0.0
    market_g_per_kwh, state.instrument = market_factor(contract, grid, g_per_kwh)
    market_g = grid_kwh * market_g_per_kwh
    state.battery_kwh += flow.battery_kwh * share
    state.grid_kwh += grid_kwh
    state.metered_kwh += metered_kwh
    state.direct_g += scale * grid.direct_g_per_kwh
    state.upstream_g += scale * grid.upstream_g_per_kwh
    state.losses_g += scale * grid.losses_g_per_kwh
    state.market_g += market_g
    if source == "hourly":
        state.hourly_kwh += grid_kwh
        state.charge_hourly_g += co2e_g
        carbon.hourly_g += co2e_g
    if context.tariff is not None:
        cost = context.tariff.cost(grid_kwh, start_ms, end_ms)
        state.cost = (state.cost or 0.0) + cost
        state.charge_cost = (state.charge_cost or 0.0) + cost
    state.charge_metered_kwh += metered_kwh
    state.charge_market_g += market_g
    state.charge_primary_g += metered_kwh * g_per_kwh
    carbon.location_g += co2e_g
    carbon.market_g += market_g
    carbon.primary_g += metered_kwh * g_per_kwh


def market_factor(contract: Contract | None, grid: Grid, location_g_per_kwh: float) -> tuple[float, str]:
    """The market-based factor in g CO2e/kWh and its instrument: contract, residual mix, or the grid's intensity."""
    residual = grid.residual_g_per_kwh
    rest = location_g_per_kwh if residual is None else residual
    if contract is not None:
        return contract.coverage * contract.g_per_kwh + (1.0 - contract.coverage) * rest, contract.instrument()
    return rest, LOCATION if residual is None else RESIDUAL
