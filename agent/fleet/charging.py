"""Charges: by the van's flag, else by a state of charge that rises at rest; never regeneration."""

from statistics import median
from typing import Final, Literal

from agent.fleet import days, emissions, estimate, ledger, tours, trips
from agent.fleet.context import Context
from agent.fleet.records import ChargeRecord, Record
from agent.fleet.state import CHARGING, PARKED, STORED_SHARE, ChargeState, Mark, VanState
from agent.fleet.thresholds import Thresholds
from agent.readings import Reading

LEARN_FROM_KWH: Final = 5.0
"""A charge of less grid energy says too little about the efficiency."""
FED_KWH: Final = 0.05
"""So much measured energy into the battery of a van that stands and says that it charges is a charge."""
PLAUSIBLE: Final = (0.6, 1.0)
SAMPLES: Final = 5
SAMPLES_NEEDED: Final = 2


def update(state: VanState, reading: Reading, context: Context) -> list[Record] | None:
    """A reading at rest or on the charger."""
    if state.motion.mode == CHARGING:
        return _on_charger(state, reading, context)
    charge = state.charge
    flag = reading.charging
    if flag:
        begin(state, ledger.mark(state, Mark(), reading.time_ms), flagged=True)
        return None
    soc_pct = state.soc.soc_pct
    if soc_pct is None or state.soc.time_ms != reading.time_ms:
        return None
    low_pct = charge.low_pct
    if low_pct is None or soc_pct <= low_pct:
        charge.low_pct = soc_pct
        charge.low_ms = reading.time_ms
    else:
        _look_for_rise(state, soc_pct - low_pct, reading.time_ms, context, denied=flag is False)
    return None


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
    return rise_pct / state.estimate.g >= at_least_kwh


def _charge_rise_pct(step_pct: float, thresholds: Thresholds, *, certain: bool) -> float:
    """A rise at rest that is a charge; more of it where it has to be beyond doubt."""
    steps, least_pct = (3.0, thresholds.certain_charge_pct) if certain else (2.0, thresholds.charge_rise_pct)
    return max(steps * step_pct, least_pct) - 1e-9


def _look_for_rise(state: VanState, rise_pct: float, time_ms: int, context: Context, *, denied: bool) -> None:
    charge, thresholds = state.charge, context.thresholds
    if rise_pct < _charge_rise_pct(state.soc.step_pct, thresholds, certain=denied):
        return
    hours = (time_ms - charge.low_ms) / 3_600_000.0
    if hours <= 0.0 or rise_pct / state.estimate.g / hours < thresholds.charge_power_kw:
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
        active=True, start=start, flagged=flagged, rise_ms=state.time_ms, rise_pct=state.soc.soc_pct or 0.0
    )
    state.motion.mode = CHARGING
    ledger.post(state)


def _on_charger(state: VanState, reading: Reading, context: Context) -> list[Record] | None:
    charge, thresholds = state.charge, context.thresholds
    flag, soc_pct, time_ms = reading.charging, state.soc.soc_pct, reading.time_ms
    power = state.soc.power_kw
    if power is not None and power > (charge.max_power_kw or 0.0):
        charge.max_power_kw = power
    charger = reading.charger_power_kw
    if charger is not None:
        if charge.charger_kw is not None and time_ms - charge.charger_ms <= thresholds.power_gap_ms:
            charge.charger_kwh += 0.5 * (charger + charge.charger_kw) * (time_ms - charge.charger_ms) / 3_600_000.0
        charge.charger_kw, charge.charger_ms = charger, time_ms
    if soc_pct is not None and soc_pct > charge.rise_pct:
        charge.rise_pct = soc_pct
        charge.rise_ms = time_ms
    if flag:
        charge.flagged = True
        return None
    if charge.flagged and flag is False:
        return end(state, context, time_ms)
    if not charge.flagged:
        since_rise_ms = time_ms - charge.rise_ms
        rise = max(charge.rise_pct - (charge.start.soc_pct or 0.0), state.soc.step_pct)
        per_step_ms = (charge.rise_ms - charge.start.time_ms) * state.soc.step_pct / rise
        least_ms = thresholds.charge_end_ms * (3 if state.soc.coarse else 1)
        if since_rise_ms >= max(least_ms, 3.0 * per_step_ms):
            return end(state, context, charge.rise_ms)
    return None


def end(state: VanState, context: Context, end_ms: int, *, inferred: bool = False) -> list[Record]:
    """The charge is over since `end_ms`."""
    settle(state, context)
    charge, totals = state.charge, state.totals
    ledger.post(state)
    settle(state, context)
    state.motion.mode = PARKED
    estimate.mark_boundary(state.estimate, context.thresholds.capacity_sigma)
    totals.idle_from_kwh = totals.predicted_kwh
    state.charge = ChargeState(low_pct=state.soc.soc_pct, low_ms=state.time_ms)
    ledger.mark(state, state.motion.rest, state.time_ms)
    state.motion.wake.time_ms = 0
    if charge.charged_kwh <= 0.0:
        return []
    hours = max(end_ms - charge.start.time_ms, 1) / 3_600_000.0
    mean_kw = charge.charged_kwh / hours
    state.day.charges += 1
    _learn(state, charge, _kind(charge, mean_kw, context))
    return [
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
            inferred=inferred,
        )
    ]


def settle(state: VanState, context: Context) -> None:
    """Give what was charged since the last time its grid energy and its carbon."""
    charge, totals = state.charge, state.totals
    energy = charge.pending_kwh
    if energy <= 0.0:
        return
    charge.pending_kwh = 0.0
    hours = max(state.time_ms - charge.start.time_ms, 1) / 3_600_000.0
    power = state.soc.power_kw or charge.charged_kwh / hours
    kind = _kind(charge, power, context)
    if charge.charger_kwh > 0.0:
        grid = max(0.0, charge.charger_kwh - charge.grid_kwh)
    else:
        grid = energy / (_learnt(state, kind) or context.factors.charging.efficiency(kind, power))
    charge.grid_kwh += grid
    totals.grid_kwh += grid
    since_ms = charge.settled_ms or charge.start.time_ms
    charge.settled_ms = state.time_ms
    days.add_cost(state.day, context.tariff, grid_kwh=grid, start_ms=since_ms, end_ms=state.time_ms)
    if context.tariff is not None:
        tours.charged(
            state,
            content_kwh=state.estimate.y / state.estimate.g - energy * STORED_SHARE,
            stored_kwh=energy * STORED_SHARE,
            cost=context.tariff.cost(grid, since_ms, state.time_ms),
        )
    ledger.emit(state)
    if state.emissions is not None:
        intensity, _ = context.factors.intensity.mean(context.vehicle.country, since_ms, state.time_ms)
        charge.co2e_g += emissions.charge(
            state.emissions,
            content_kwh=state.estimate.y / state.estimate.g - energy * STORED_SHARE,
            battery_kwh=energy,
            grid_kwh=grid,
            grid_g_per_kwh=intensity,
            market_g_per_kwh=context.factors.market_g_per_kwh,
        )


def _learn(state: VanState, charge: ChargeState, kind: Literal["ac", "dc"]) -> None:
    """Battery energy per grid energy of a charge that the charger has measured."""
    if charge.charger_kwh < LEARN_FROM_KWH:
        return
    share = charge.charged_kwh / charge.charger_kwh
    if PLAUSIBLE[0] <= share <= PLAUSIBLE[1]:
        samples = _samples(state, kind)
        samples.append(share)
        del samples[:-SAMPLES]


def _learnt(state: VanState, kind: Literal["ac", "dc"]) -> float | None:
    samples = _samples(state, kind)
    return median(samples) if len(samples) >= SAMPLES_NEEDED else None


def _samples(state: VanState, kind: Literal["ac", "dc"]) -> list[float]:
    return state.capacity.efficiencies_dc if kind == "dc" else state.capacity.efficiencies_ac


def _kind(charge: ChargeState, power_kw: float, context: Context) -> Literal["ac", "dc"]:
    return "dc" if max(charge.max_power_kw or 0.0, power_kw) > context.thresholds.dc_power_kw else "ac"
