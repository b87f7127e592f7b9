"""What one reading, or the passing of time, means for one van. The only entry to the van core."""

from typing import Final

from agent.fleet import battery, charging, daybook, days, distance, emissions, gaps, ledger, lookout, motion, trips
from agent.fleet.context import Context
from agent.fleet.records import Record
from agent.fleet.state import STATES, Mode, VanState, Verdict
from agent.readings import Reading

LOOK_EVERY_MS: Final = 30_000
"""How often the alerts are looked after, in event time."""


def step(state: VanState, reading: Reading, received_ms: int, context: Context) -> list[Record]:
    """Work one reading into the state, in place, and return what there is to say.

    `state.verdict` says what became of the reading: `DUPLICATE` and `LATE` ones have changed no total and gave no record.
    The result depends on the arguments alone.
    """
    state.last_arrival_ms = received_ms
    if reading.stale:
        state.verdict = Verdict.STALE
        return []
    time_ms = reading.time_ms
    has_battery = (
        reading.soc_pct is not None
        or reading.battery_power_kw is not None
        or reading.charging is not None
        or reading.current_a is not None
    )
    has_location = reading.latitude_deg is not None or reading.speed_kmh is not None or reading.odometer_km is not None
    new_battery = has_battery and time_ms > state.soc_time_ms
    new_location = has_location and time_ms > state.location_time_ms
    new_load = (reading.payload_kg is not None or reading.parcels is not None) and time_ms > state.load_time_ms
    if not (new_battery or new_location or new_load):
        return _refuse(state, time_ms)
    state.verdict = Verdict.ACCEPTED
    state.recent_ms[state.accepted & 7] = time_ms
    state.accepted += 1
    if state.emissions is None:
        _start(state, context)
    records: list[Record] = []
    mode = state.motion.mode
    gap_ms = time_ms - state.time_ms
    if gap_ms >= context.thresholds.asleep_after_s * 1000.0 or mode == Mode.OFFLINE:
        records = gaps.open_gap(state, time_ms, context)
    if time_ms >= state.day.end_ms:
        records = records + daybook.turn(state, time_ms, context, heard=True)
    if new_load:
        _load(state, reading)
    if time_ms > state.time_ms:
        state.time_ms = time_ms
    km = 0.0
    if new_location:
        km = distance.advance(state.position, reading, state.motion.mode, context.thresholds)
        state.location_time_ms = time_ms
        if km > 0.0:
            state.totals.distance_km += km
            battery.add_distance(state, km)
    if new_battery:
        battery.update(state, reading, context)
        state.soc_time_ms = time_ms
    if state.gap_from.time_ms:
        records += gaps.close_gap(state, reading, context)
    if state.location_time_ms >= state.soc_time_ms - 5000 or state.soc_time_ms - state.location_time_ms > 60_000:
        battery.correct(state, context)
    ledger.post(state)
    if new_location:
        records += motion.update(state, reading.speed_kmh, km, time_ms, context)
    elif state.motion.mode == Mode.PARKED and state.location_time_ms < time_ms - 60_000:
        motion.settle_rest(state, time_ms, context)
    if new_battery and state.motion.mode != Mode.DRIVING and state.motion.mode != Mode.STOPPED:
        if state.motion.fast_readings == 0:
            records += charging.update(state, reading.charging, reading.soc_pct and state.soc.soc_pct, time_ms, context)
    _fade(state, km)
    if time_ms - state.derived_ms >= context.thresholds.derived_every_s * 1000.0 or state.motion.mode != mode:
        publish(state, time_ms, context, records)
    return records


def tick(state: VanState, now_ms: int, silence_ms: int, context: Context) -> list[Record]:
    """The passing of time: `silence_ms` since the van was last heard, so its own time is `state.time_ms + silence_ms`."""
    thresholds = context.thresholds
    motion_ = state.motion
    mode = motion_.mode
    records: list[Record] = []
    event_ms = state.time_ms + silence_ms
    if 0 < state.day.end_ms <= event_ms and days.is_over(state.day, event_ms, heard=False):
        records = daybook.turn(state, event_ms, context, heard=False)
    if mode == Mode.OFFLINE or silence_ms < thresholds.parked_after_s * 1000.0:
        return records
    before = len(records)
    if mode == Mode.STOPPED or (mode == Mode.DRIVING and motion_.standing_ms):
        records += gaps.fall_silent(state, context)
    if silence_ms >= thresholds.offline_after_s * 1000.0 and state.time_ms:
        records += gaps.go_offline(state, context)
    if len(records) > before or motion_.mode != mode:
        publish(state, state.time_ms, context, records)
    return records


def publish(state: VanState, time_ms: int, context: Context, records: list[Record]) -> None:
    """Add where energy and emissions stand now."""
    state.derived_ms = time_ms
    if state.motion.mode == Mode.CHARGING:
        charging.settle(state, context)
    energy = ledger.energy_record(state, context, time_ms)
    records.append(energy)
    record = ledger.emissions_record(state, context, time_ms)
    if record is not None:
        records.append(record)
    if time_ms - state.looked_ms >= LOOK_EVERY_MS or STATES[state.motion.mode] != state.alerts.state:
        records += lookout.look(state, time_ms, energy.range_km, context)


def _refuse(state: VanState, time_ms: int) -> list[Record]:
    if time_ms in state.recent_ms:
        state.duplicates += 1
        state.verdict = Verdict.DUPLICATE
    else:
        state.late += 1
        state.verdict = Verdict.LATE
    return []


def _start(state: VanState, context: Context) -> None:
    factors = context.factors
    state.emissions = emissions.start(factors.grid, factors.charging.efficiency("ac"), factors.market_g_per_kwh)


def _load(state: VanState, reading: Reading) -> None:
    load = state.load
    trips.weigh(load, state.totals.distance_km)
    load.payload_kg = reading.payload_kg
    load.parcels = reading.parcels
    if reading.parcels is not None:
        load.trip_parcels = max(load.trip_parcels or 0, reading.parcels)
    state.load_time_ms = reading.time_ms


def _fade(state: VanState, km: float) -> None:
    """Recent consumption: energy of trips over their distance."""
    recent = state.consumption
    net = state.totals.net_kwh
    if km > 0.0:
        keep = 1.0 - km / ledger.RECENT_KM if km < ledger.RECENT_KM else 0.0
        recent.kwh = recent.kwh * keep + net - recent.net_kwh
        recent.km = recent.km * keep + km
    elif state.motion.mode != Mode.PARKED:
        recent.kwh += net - recent.net_kwh
    recent.net_kwh = net
