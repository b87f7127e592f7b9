"""Charges: opened, closed, and what they draw from the grid.

Energy of a charge goes through three stages, each with a time up to which it is done:

1. `ledger.post` posts it into the battery (`charged_kwh`) and adds it to `pending_kwh`.
2. `enter_grid_energy` computes the grid energy of `pending_kwh`, up to `settled_ms`, and adds it to the slice's
   `waiting` energy.
3. Once a minute, and at the end, the waiting energy is entered into slices, cost and carbon.

`close_charge` passes these stages twice: the first pass settles what was posted before, the second one what the final
`post` adds, and closes the slice.
"""

from statistics import median
from typing import Final, Literal

from agent.fleet import balance, kalman
from agent.fleet.books import charger, days, ledger, slices, tours, trips
from agent.fleet.charge_state import ChargeState, MeterState, SliceState
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_SOC, STORED_SHARE
from agent.fleet.modes import CHARGING, PARKED
from agent.fleet.records import ChargeRecord, Record
from agent.fleet.state import VanState
from agent.fleet.state_part import Mark
from agent.fleet.uncertainty import ChargeUncertainty, of_charge

LEARN_FROM_KWH: Final = 5.0
"""A charge with less grid energy than this does not tell the efficiency."""
SAMPLES: Final = 5
SAMPLES_NEEDED: Final = 2
LEEWAY_STEPS: Final = 0.6
"""Uncertainty of the energy into the battery by the state of charge alone, in quantisation steps: half a step at the
start, and a margin."""
LEEWAY_STEPS_BY_POWER: Final = 0.2
"""The same where power or counters tell it."""
ENTER_EVERY_MS: Final = 60_000
"""How often slices and carbon are brought up to date while charging."""
HEATING_MS: Final = 21_600_000
"""When the charger gives energy and the battery takes none for this long, the energy is entered as heating on the
plug."""


def open_charge(state: VanState, start_ms: int, start_soc_pct: float | None, *, flagged: bool) -> None:
    """Open a charge that began at `start_ms` with `start_soc_pct`. `flagged`: the van itself says that it charges."""
    start = ledger.take_mark(state, Mark(), start_ms)
    start.soc_pct = start_soc_pct
    open_charge_from(state, start, flagged=flagged)


def open_charge_from(state: VanState, start: Mark, *, flagged: bool) -> None:
    """Open a charge that began at a mark."""
    ledger.post_idle(state.totals, start.predicted_kwh)
    state.charge = ChargeState(
        active=True,
        start=start,
        flagged=flagged,
        rise_ms=state.time_ms,
        rise_pct=state.soc.soc_pct or 0.0,
        start_variance=kalman.variance_kwh2(state.estimate),
        scatters=state.charge.scatters,
    )
    state.motion.mode = CHARGING
    state.motion.rest_soc_pct = None
    ledger.post(state)


def open_charge_at_stop(state: VanState, context: Context, start_ms: int, start_soc_pct: float) -> list[Record]:
    """The van has been put on a charger during a stop: close its trip, then open the charge."""
    records = trips.close_trip_before_charge(state, context)
    open_charge(state, start_ms, start_soc_pct, flagged=True)
    return records


def add_charger_power(state: VanState, power_kw: float, time_ms: int, context: Context) -> None:
    """Take the grid power that the charger states."""
    charge = state.charge
    charge.meter = charge.meter or MeterState()
    charger.read(charge.meter, power_kw, time_ms, context.thresholds.power_gap_ms)


def book_unseen_charge(state: VanState, context: Context) -> list[Record]:
    """Open and close a charge that the state of charge has shown only after the van had left.

    The energy estimate continues as if the charge had been posted when it happened. A charge under way stays open.
    """
    kwh = state.soc.silent_kwh / STORED_SHARE
    mode, under_way = state.motion.mode, state.charge
    start_ms, end_ms = state.soc.silent_from_ms, state.soc.candidate_from_ms
    start = ledger.take_mark(state, Mark(), start_ms)
    start.soc_pct = state.soc.before_pct
    state.charge = ChargeState(active=True, start=start, charged_kwh=kwh, pending_kwh=kwh, rise_ms=end_ms)
    state.totals.charged_kwh += kwh
    silent_kwh = state.soc.silent_kwh
    state.estimate.base_kwh -= silent_kwh
    state.totals.posted_kwh -= silent_kwh
    state.capacity.window_net_kwh -= silent_kwh
    state.soc.changed_kwh -= silent_kwh
    records = close_charge(state, context, end_ms, inferred=True)
    state.motion.mode = mode
    state.charge = under_way
    state.soc.silent_kwh = 0.0
    return records


def close_charge(state: VanState, context: Context, end_ms: int, *, inferred: bool = False) -> list[Record]:
    """Close the charge as of `end_ms`. A charge without energy gives no record."""
    records = enter_grid_energy(state, context)
    charge, totals = state.charge, state.totals
    ledger.post(state)
    records += enter_grid_energy(state, context, last=True)
    state.motion.mode = PARKED
    kalman.cut_boundary(state.estimate, context.thresholds.capacity_sigma)
    totals.idle_from_kwh = totals.predicted_kwh
    soc_pct = state.soc.soc_pct
    state.charge = ChargeState(low_pct=soc_pct, low_ms=state.time_ms, rise_pct=soc_pct or 0.0, scatters=charge.scatters)
    ledger.take_mark(state, state.motion.rest, state.time_ms)
    state.motion.wake.time_ms = 0
    if charge.charged_kwh <= 0.0:
        return records
    state.day.charges += 1
    records.append(_record(state, charge, context, end_ms, inferred=inferred))
    return records


def _record(state: VanState, charge: ChargeState, context: Context, end_ms: int, *, inferred: bool) -> ChargeRecord:
    position = state.position
    hours = max(end_ms - charge.start.time_ms, 1) / 3_600_000.0
    mean_kw = charge.charged_kwh / hours
    kind = _kind(charge, mean_kw, context)
    _learn(state, charge, kind)
    of_slices = slices.sums(charge.slice, charge.grid_kwh)
    uncertainty = _uncertainty(state, charge, of_slices)
    return ChargeRecord(
        vehicle_id=state.vehicle_id,
        time_ms=end_ms,
        start_ms=charge.start.time_ms,
        duration_s=(end_ms - charge.start.time_ms) / 1000.0,
        soc_start_pct=charge.start.soc_pct,
        soc_end_pct=state.soc.soc_pct,
        energy_kwh=charge.charged_kwh,
        grid_kwh=charge.grid_kwh,
        max_power_kw=charge.max_power_kw or mean_kw,
        kind=kind,
        latitude_deg=position.latitude_deg,
        longitude_deg=position.longitude_deg,
        place=context.place_at(position.latitude_deg, position.longitude_deg),
        co2e_g=charge.co2e_g,
        market_co2e_g=of_slices.market_co2e_g,
        cost=of_slices.cost,
        meter=of_slices.meter,
        uncertainty_kwh=uncertainty.energy_kwh,
        uncertainty_grid_kwh=uncertainty.grid_kwh,
        uncertainty_g=uncertainty.co2e_g,
        inferred=inferred,
    )


def _uncertainty(state: VanState, charge: ChargeState, of_slices: slices.ChargeSums) -> ChargeUncertainty:
    e = state.estimate
    by_soc_alone = state.totals.source == SOURCE_SOC or charge.start_variance is None
    return of_charge(
        energy_kwh=charge.charged_kwh,
        energy_half_kwh=kalman.half_width_kwh(e, charge.start_variance, state.soc.step_pct),
        capacity=e.var_scale**0.5 / e.pct_per_kwh if by_soc_alone else 0.0,
        grid_kwh=charge.grid_kwh,
        metered_kwh=of_slices.metered_kwh,
        co2e_g=charge.co2e_g,
        primary_g=of_slices.primary_g,
        hourly_g=of_slices.hourly_g,
    )


def enter_grid_energy(state: VanState, context: Context, *, last: bool = False) -> list[Record]:
    """Compute the grid energy of what was charged since the last call. Once a minute, enter slices, cost and carbon.

    Returns the complete slices. `last` closes the slice under way, and also enters energy that the charger has measured
    and the battery has not received.
    """
    charge = state.charge
    energy, own = charge.pending_kwh, charge.slice
    since_ms = charge.settled_ms or charge.start.time_ms
    heating = charge.meter is not None and charge.meter.waiting_kwh > 0.0
    if energy > 0.0 or (heating and (last or state.time_ms - since_ms > HEATING_MS)):
        charge.pending_kwh = 0.0
        charge.settled_ms = state.time_ms
        grid_kwh, metered_kwh = _draw(state, energy, state.time_ms - since_ms, context)
        charge.grid_kwh += grid_kwh
        state.totals.grid_kwh += grid_kwh
        if own is None:
            own = charge.slice = SliceState(waiting_ms=since_ms)
        own.waiting_battery_kwh += energy
        own.waiting_grid_kwh += grid_kwh
        own.waiting_metered_kwh += metered_kwh
    if own is None:
        return []
    # Without a flag the end of the charge is known only afterwards. It is the time of the last rise.
    until_ms = charge.settled_ms if charge.flagged else max(own.waiting_ms, charge.rise_ms)
    if last or until_ms - own.waiting_ms >= ENTER_EVERY_MS:
        return _enter(state, own, until_ms, context, last=last)
    return []


def _enter(state: VanState, own: SliceState, until_ms: int, context: Context, *, last: bool) -> list[Record]:
    """Enter the waiting energy into slices, cost and carbon."""
    charge, position = state.charge, state.position
    records: list[Record] = []
    flow = slices.take_waiting(own, until_ms, position.latitude_deg, position.longitude_deg)
    if flow.grid_kwh > 0.0:
        days.add_cost(state.day, context.tariff, grid_kwh=flow.grid_kwh, start_ms=flow.start_ms, end_ms=flow.end_ms)
        if context.tariff is not None:
            stored_kwh = flow.battery_kwh * STORED_SHARE
            tours.add_charge(
                state,
                content_kwh=state.estimate.level_pct / state.estimate.pct_per_kwh - stored_kwh,
                stored_kwh=stored_kwh,
                cost=context.tariff.cost(flow.grid_kwh, flow.start_ms, flow.end_ms),
            )
        flow = slices.without_trace(own, flow)
        complete, carbon = slices.enter(own, flow, state.vehicle_id, context)
        records += complete
        charge.co2e_g += carbon.location_g
        ledger.post_emissions(state)
        if state.emissions is not None:
            balance.add_charge(state, state.emissions, flow.battery_kwh * STORED_SHARE, carbon)
    if last and own.end_ms:
        records.append(slices.close(own, state.vehicle_id, position.latitude_deg, position.longitude_deg, context))
    return records


def _draw(state: VanState, energy: float, duration_ms: int, context: Context) -> charger.Draw:
    """Grid energy of the energy into the battery: by the charger, else by the efficiency."""
    charge = state.charge
    hours = max(state.time_ms - charge.start.time_ms, 1) / 3_600_000.0
    power = state.soc.power_kw or charge.charged_kwh / hours
    kind = _kind(charge, power, context)
    efficiency = _learnt(state, kind) or context.factors.charging.efficiency(kind, power)
    if charge.meter is None:
        return charger.Draw(energy / efficiency, 0.0)
    return charger.draw(
        charge.meter,
        battery_kwh=energy,
        duration_ms=duration_ms,
        efficiency=efficiency,
        leeway_kwh=_leeway_kwh(state),
    )


def _leeway_kwh(state: VanState) -> float:
    """Uncertainty of the energy into the battery, when it is compared with the charger."""
    steps = LEEWAY_STEPS if state.totals.source == 0 else LEEWAY_STEPS_BY_POWER
    return steps * state.soc.step_pct / state.estimate.pct_per_kwh


def _learn(state: VanState, charge: ChargeState, kind: Literal["ac", "dc"]) -> None:
    """Learn the charging efficiency from a charge that the charger has measured."""
    if charge.meter is None or charge.meter.metered_kwh < LEARN_FROM_KWH:
        return
    share = charger.efficiency_of(charge.meter, 0.0)
    if share is not None:
        samples = _samples(state, kind)
        samples.append(share)
        del samples[:-SAMPLES]


def _learnt(state: VanState, kind: Literal["ac", "dc"]) -> float | None:
    samples = _samples(state, kind)
    return min(median(samples), charger.HIGHEST_EFFICIENCY) if len(samples) >= SAMPLES_NEEDED else None


def _samples(state: VanState, kind: Literal["ac", "dc"]) -> list[float]:
    return state.capacity.efficiencies_dc if kind == "dc" else state.capacity.efficiencies_ac


def _kind(charge: ChargeState, power_kw: float, context: Context) -> Literal["ac", "dc"]:
    return "dc" if max(charge.max_power_kw or 0.0, power_kw) > context.vehicle.traits.ac_limit_kw else "ac"
