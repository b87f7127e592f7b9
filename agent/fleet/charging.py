"""Charges: by the van's flag, else by a state of charge that rises at rest; never regeneration."""

from statistics import median
from typing import Final, Literal

from agent.fleet import balance, charger, days, kalman, ledger, slices, tours, trips, witnesses
from agent.fleet.charge_state import ChargeState
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_SOC, STORED_SHARE
from agent.fleet.modes import CHARGING, PARKED
from agent.fleet.records import ChargeRecord, Record
from agent.fleet.state import VanState
from agent.fleet.state_part import Mark
from agent.fleet.thresholds import Thresholds
from agent.fleet.uncertainty import ChargeUncertainty, of_charge
from agent.readings import Reading

LEARN_FROM_KWH: Final = 5.0
"""A charge of less grid energy says too little about the efficiency."""
SPEED_HOLDS_MS: Final = 60_000
"""The speed of another message tells for so long whether the van moves."""
FED_KWH: Final = 0.05
"""So much measured energy into the battery of a van that stands and says that it charges is a charge."""
SAMPLES: Final = 5
SAMPLES_NEEDED: Final = 2
LEEWAY_STEPS: Final = 0.6
"""How well the energy into the battery is known by the state of charge alone, in steps: half a one at the start."""
LEEWAY_STEPS_BY_POWER: Final = 0.2
"""The same where power or counters tell it."""
ENTER_EVERY_MS: Final = 60_000
"""How often slices and carbon are brought up to date while charging."""
SCATTERS_STEPS: Final = 2.0
"""A state of charge that falls by so many steps between its rises scatters: no charge has begun before."""
SCATTERS: Final = 3
"""So often, and its rise has to be as large as one that a flag denies."""
MOST_SCATTERS: Final = 6
"""More are not counted: each trip that follows takes one off, so that a van is not suspected for life."""
HEATING_MS: Final = 21_600_000
"""When the charger gives and the battery takes nothing for so long, what it gave is entered as heating on the plug."""


def update(state: VanState, reading: Reading, context: Context) -> list[Record] | None:
    """A reading at rest or on the charger."""
    if state.motion.mode == CHARGING:
        return _on_charger(state, reading, context)
    charge = state.charge
    flag = reading.charging
    if not flag:
        charge.gives = False
    elif not charge.gives and not _moves(state, reading):
        begin(state, ledger.mark(state, Mark(), reading.time_ms), flagged=True)
        return None
    soc_pct = state.soc.soc_pct
    if soc_pct is None or state.soc.time_ms != reading.time_ms:
        return None
    low_pct = charge.low_pct
    fallen_pct = charge.rise_pct - SCATTERS_STEPS * state.soc.step_pct
    if low_pct is None or soc_pct <= max(low_pct, fallen_pct):
        if low_pct is not None and charge.rise_pct > low_pct and soc_pct <= fallen_pct:
            charge.scatters = min(charge.scatters + 1, MOST_SCATTERS)
        charge.low_pct = charge.rise_pct = soc_pct
        charge.low_ms = reading.time_ms
    else:
        charge.rise_pct = max(charge.rise_pct, soc_pct)
        denied = flag is False or charge.scatters >= SCATTERS
        _look_for_rise(state, soc_pct - low_pct, reading.time_ms, context, denied=denied)
    return None


def _moves(state: VanState, reading: Reading) -> bool:
    """Whether the van says that it moves, however slowly: no cable is in it, and its flag begins no charge."""
    position = state.position
    speed = reading.speed_kmh
    if speed is None and reading.time_ms - state.location_time_ms <= SPEED_HOLDS_MS:
        speed = position.speed_kmh
    return speed is not None and speed > 0.0 and position.conflict < witnesses.STUCK


def arrive(state: VanState, reading: Reading, context: Context) -> list[Record]:
    """At a stop on a trip the van says that it charges: where it does, the trip was over when it came to stand."""
    charge, standing_ms = state.charge, state.motion.standing_ms
    soc_pct, speed, time_ms = state.soc.soc_pct, reading.speed_kmh, reading.time_ms
    if soc_pct is None or (speed is not None and speed >= context.thresholds.standing_speed_kmh):
        return []
    if charge.low_pct is None or charge.low_ms < standing_ms:
        charge.low_pct, charge.low_ms, charge.flagged = soc_pct, time_ms, True
    if not _is_fed(state, soc_pct, time_ms, context):
        return []
    low_pct, low_ms = charge.low_pct, charge.low_ms
    records = trips.end_standing(state, context)
    start = ledger.mark(state, Mark(), low_ms)
    start.soc_pct = low_pct
    begin(state, start, flagged=True)
    return records


def _is_fed(state: VanState, soc_pct: float, time_ms: int, context: Context) -> bool:
    """Whether energy has come in since the van came to stand, beyond what readings wander by."""
    stand, thresholds = state.motion.stand, context.thresholds
    at_least_kwh = thresholds.charge_power_kw * (time_ms - stand.time_ms) / 3_600_000.0
    fed_kwh = stand.predicted_kwh - state.totals.predicted_kwh
    if fed_kwh >= FED_KWH and fed_kwh >= at_least_kwh:
        return True
    rise_pct = soc_pct - (stand.soc_pct if stand.soc_pct is not None else soc_pct)
    if rise_pct < _charge_rise_pct(state.soc.step_pct, thresholds, certain=False):
        return False
    return rise_pct / state.estimate.pct_per_kwh >= at_least_kwh


def _charge_rise_pct(step_pct: float, thresholds: Thresholds, *, certain: bool) -> float:
    """A rise at rest that is a charge; more of it where it has to be beyond doubt."""
    steps, least_pct = (3.0, thresholds.certain_charge_pct) if certain else (2.0, thresholds.charge_rise_pct)
    return max(steps * step_pct, least_pct) - 1e-9


def _look_for_rise(state: VanState, rise_pct: float, time_ms: int, context: Context, *, denied: bool) -> None:
    charge, thresholds = state.charge, context.thresholds
    if rise_pct < _charge_rise_pct(state.soc.step_pct, thresholds, certain=denied):
        return
    hours = (time_ms - charge.low_ms) / 3_600_000.0
    if hours <= 0.0 or rise_pct / state.estimate.pct_per_kwh / hours < thresholds.charge_power_kw:
        # Too slow for a charge: look at a shorter while from here on.
        charge.low_pct = state.soc.soc_pct
        charge.low_ms = time_ms
        return
    start = ledger.mark(state, Mark(), charge.low_ms)
    start.soc_pct = charge.low_pct
    begin(state, start, flagged=False)


def begin(state: VanState, start: Mark, *, flagged: bool) -> None:
    """A charge is under way since `start`."""
    ledger.enter_idle(state.totals, start.predicted_kwh)
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


def _on_charger(state: VanState, reading: Reading, context: Context) -> list[Record] | None:
    charge, thresholds = state.charge, context.thresholds
    flag, soc_pct, time_ms = reading.charging, state.soc.soc_pct, reading.time_ms
    power = state.soc.power_kw
    if power is not None and power > (charge.max_power_kw or 0.0):
        charge.max_power_kw = power
    charger_kw = reading.charger_power_kw
    if charger_kw is not None and charger_kw <= context.power_limit_kw:
        charge.meter = charge.meter or charger.MeterState()
        charger.read(charge.meter, charger_kw, time_ms, thresholds.power_gap_ms)
    if soc_pct is not None and soc_pct > charge.rise_pct:
        charge.rise_pct = soc_pct
        charge.rise_ms = time_ms
    elif soc_pct is not None and charge.rise_pct - soc_pct >= _charge_rise_pct(
        state.soc.step_pct, thresholds, certain=True
    ):
        records = end(state, context, charge.rise_ms)  # on the cable, it gives or heats more than it gets
        state.charge.gives = True
        return records
    if flag:
        charge.flagged = True
        charge.unflagged_ms = 0
        return None
    if charge.flagged and (flag is False or charge.unflagged_ms):
        return _unflagged(state, time_ms, context)
    if not charge.flagged:
        if soc_pct is not None and charge.max_power_kw is None and soc_pct <= (charge.start.soc_pct or 0.0):
            # What has come in is gone again, and only the state of charge has told of it: two sources take turns.
            records = end(state, context, charge.rise_ms)
            state.charge.scatters = max(state.charge.scatters, SCATTERS)
            return records
        since_rise_ms = time_ms - charge.rise_ms
        rise = max(charge.rise_pct - (charge.start.soc_pct or 0.0), state.soc.step_pct)
        per_step_ms = (charge.rise_ms - charge.start.time_ms) * state.soc.step_pct / rise
        least_ms = thresholds.charge_end_ms * (3 if state.soc.coarse else 1)
        if since_rise_ms >= max(least_ms, 3.0 * per_step_ms):
            return end(state, context, charge.rise_ms)
    return None


def _unflagged(state: VanState, time_ms: int, context: Context) -> list[Record] | None:
    """The flag says no. It may flicker: the charge is over when it has said so for a while."""
    charge = state.charge
    if charge.unflagged_ms == 0:
        charge.unflagged_ms = time_ms
    if time_ms - charge.unflagged_ms < context.thresholds.flag_flickers_ms:
        return None
    return end(state, context, charge.unflagged_ms)


def book_silent(state: VanState, context: Context) -> list[Record]:
    """Enter a charge that nobody saw: the state of charge has shown it after the van had left, or had gone on."""
    kwh = state.soc.silent_kwh / STORED_SHARE
    mode, under_way = state.motion.mode, state.charge
    start_ms, end_ms = state.soc.silent_from_ms, state.soc.candidate_from_ms
    start = ledger.mark(state, Mark(), start_ms)
    start.soc_pct = state.soc.before_pct
    state.charge = ChargeState(active=True, start=start, charged_kwh=kwh, pending_kwh=kwh, rise_ms=end_ms)
    state.totals.charged_kwh += kwh
    # The trace of energy goes on as if the charge had been entered when it happened.
    silent_kwh = state.soc.silent_kwh
    state.estimate.base_kwh -= silent_kwh
    state.totals.posted_kwh -= silent_kwh
    state.capacity.window_net_kwh -= silent_kwh
    state.soc.changed_kwh -= silent_kwh
    records = end(state, context, end_ms, inferred=True)
    state.motion.mode = mode
    state.charge = under_way
    state.soc.silent_kwh = 0.0
    return records


def end(state: VanState, context: Context, end_ms: int, *, inferred: bool = False) -> list[Record]:
    """The charge is over since `end_ms`."""
    records = settle(state, context)
    charge, totals = state.charge, state.totals
    ledger.post(state)
    records += settle(state, context, last=True)
    state.motion.mode = PARKED
    kalman.cut_boundary(state.estimate, context.thresholds.capacity_sigma)
    totals.idle_from_kwh = totals.predicted_kwh
    soc_pct = state.soc.soc_pct
    state.charge = ChargeState(low_pct=soc_pct, low_ms=state.time_ms, rise_pct=soc_pct or 0.0, scatters=charge.scatters)
    ledger.mark(state, state.motion.rest, state.time_ms)
    state.motion.wake.time_ms = 0
    if charge.charged_kwh <= 0.0:
        return records
    hours = max(end_ms - charge.start.time_ms, 1) / 3_600_000.0
    mean_kw = charge.charged_kwh / hours
    state.day.charges += 1
    _learn(state, charge, _kind(charge, mean_kw, context))
    of_slices = slices.sums(charge.slice, charge.grid_kwh)
    uncertainty = _uncertainty(state, charge, of_slices)
    records.append(
        ChargeRecord(
            vehicle_id=state.vehicle_id,
            time_ms=end_ms,
            start_ms=charge.start.time_ms,
            duration_s=(end_ms - charge.start.time_ms) / 1000.0,
            soc_start_pct=charge.start.soc_pct,
            soc_end_pct=state.soc.soc_pct,
            energy_kwh=charge.charged_kwh,
            grid_kwh=charge.grid_kwh,
            max_power_kw=charge.max_power_kw or mean_kw,
            kind=_kind(charge, mean_kw, context),
            latitude_deg=state.position.latitude_deg,
            longitude_deg=state.position.longitude_deg,
            place=context.place_at(state.position.latitude_deg, state.position.longitude_deg),
            co2e_g=charge.co2e_g,
            market_co2e_g=of_slices.market_co2e_g,
            cost=of_slices.cost,
            meter=of_slices.meter,
            uncertainty_kwh=uncertainty.energy_kwh,
            uncertainty_grid_kwh=uncertainty.grid_kwh,
            uncertainty_g=uncertainty.co2e_g,
            inferred=inferred,
        )
    )
    return records


def _uncertainty(state: VanState, charge: ChargeState, of_slices: slices.Sums) -> ChargeUncertainty:
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


def settle(state: VanState, context: Context, *, last: bool = False) -> list[Record]:
    """Give what was charged since the last time its grid energy; each minute the slices and the carbon follow.

    Returns the slices that are complete. `last` closes the one under way, and enters what the charger has measured
    beside the battery.
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
            own = charge.slice = slices.SliceState(waiting_ms=since_ms)
        own.waiting_battery_kwh += energy
        own.waiting_grid_kwh += grid_kwh
        own.waiting_metered_kwh += metered_kwh
    if own is None:
        return []
    # Without a flag it is known only afterwards when the charge was over: with the last rise.
    until_ms = charge.settled_ms if charge.flagged else max(own.waiting_ms, charge.rise_ms)
    if last or until_ms - own.waiting_ms >= ENTER_EVERY_MS:
        return _enter(state, own, until_ms, context, last=last)
    return []


def _enter(state: VanState, own: slices.SliceState, until_ms: int, context: Context, *, last: bool) -> list[Record]:
    """Enter what is waiting into slices, cost and carbon."""
    charge, position = state.charge, state.position
    records: list[Record] = []
    flow = slices.take_waiting(own, until_ms, position.latitude_deg, position.longitude_deg)
    if flow.grid_kwh > 0.0:
        days.add_cost(state.day, context.tariff, grid_kwh=flow.grid_kwh, start_ms=flow.start_ms, end_ms=flow.end_ms)
        if context.tariff is not None:
            stored_kwh = flow.battery_kwh * STORED_SHARE
            tours.charged(
                state,
                content_kwh=state.estimate.level_pct / state.estimate.pct_per_kwh - stored_kwh,
                stored_kwh=stored_kwh,
                cost=context.tariff.cost(flow.grid_kwh, flow.start_ms, flow.end_ms),
            )
        flow = slices.without_trace(own, flow)
        complete, carbon = slices.enter(own, flow, state.vehicle_id, context)
        records += complete
        charge.co2e_g += carbon.location_g
        ledger.emit(state)
        if state.emissions is not None:
            balance.charged(state, state.emissions, flow.battery_kwh * STORED_SHARE, carbon)
    if last and own.end_ms:
        records.append(slices.close(own, state.vehicle_id, position.latitude_deg, position.longitude_deg, context))
    return records


def _draw(state: VanState, energy: float, duration_ms: int, context: Context) -> charger.Draw:
    """Grid energy of what went into the battery, by the charger or by the efficiency."""
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
    """How well the energy into the battery is known while charging, against what the charger says."""
    steps = LEEWAY_STEPS if state.totals.source == 0 else LEEWAY_STEPS_BY_POWER
    return steps * state.soc.step_pct / state.estimate.pct_per_kwh


def _learn(state: VanState, charge: ChargeState, kind: Literal["ac", "dc"]) -> None:
    """Battery energy per grid energy of a charge that the charger has measured."""
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
