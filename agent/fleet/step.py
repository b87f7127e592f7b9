"""What one reading, or the passing of time, means for one van. The only entry to the van core."""

from typing import Final

from agent.fleet import (
    alert_inputs,
    battery,
    charging,
    chords,
    corrections,
    daybook,
    days,
    distance,
    gaps,
    ledger,
    observation,
    prediction,
    tour_drops,
    tours,
    witnesses,
)
from agent.fleet import motion as motion_of
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_SOC
from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, PARKED, STOPPED
from agent.fleet.position_state import Position
from agent.fleet.records import Record
from agent.fleet.state import VanState, Verdict
from agent.readings import Reading

LOOK_EVERY_MS: Final = 60_000
"""How often the alerts are looked after, in event time."""
CORRECT_EVERY_MS: Final = observation.OBSERVE_FINE_MS
"""How often a state of charge that has not changed, or changes finely, is held against the estimate."""
STREAMS_APART_MS: Final = 5_000
"""State of charge and location may come in messages of their own, at times a little apart."""
LOCATION_GONE_MS: Final = 60_000
"""Without a location for this long, the battery's readings go on alone."""
PARKED_EVERY_MS: Final = 60_000
"""A van that has been parked for LONG_PARKED_MS has little news."""
LONG_PARKED_MS: Final = 600_000
JUMP_DEG: Final = 0.005
"""A fix so far away, 300 m and more, is worth a closer look."""
ASIDE: Final = (
    "soh_pct",
    "ambient_temp_c",
    "battery_temp_c",
    "range_km",
    "plugged_in",
    "voltage_v",
    "current_a",
    "charger_power_kw",
    "energy_out_total_kwh",
    "energy_in_total_kwh",
    "altitude_m",
    "heading_deg",
    "accuracy_m",
)
"""What may come alone, without a state of charge or a place."""
ACCEPTED: Final = int(Verdict.ACCEPTED)
AT_REST: Final = (PARKED, CHARGING)


def step(state: VanState, reading: Reading, received_ms: int, context: Context) -> list[Record]:
    """Work one reading into the state, in place, and return what there is to say.

    `state.verdict` says what became of the reading: `DUPLICATE` and `LATE` ones changed no total and gave no record.
    The result depends on the arguments alone. Written for speed: every line here runs for every reading.
    """
    state.last_arrival_ms = received_ms
    time_ms = reading.time_ms
    soc_ms, location_ms = state.soc_time_ms, state.location_time_ms
    new_battery = time_ms > soc_ms and (reading.soc_pct is not None or _has_battery(reading))
    new_location = time_ms > location_ms and (reading.latitude_deg is not None or _has_location(reading))
    if not (new_battery or new_location) or reading.stale:
        return _set_aside(state, reading, context)
    state.verdict = ACCEPTED
    factors = context.factors
    if time_ms < factors.from_ms or time_ms >= factors.to_ms:
        context = context.at(time_ms)
    count = state.accepted = state.accepted + 1
    state.recent_ms[count & 7] = time_ms
    motion = state.motion
    mode = motion.mode
    records: list[Record] = []
    if state.corrections is not None and 0 < state.corrections.due_ms < time_ms:
        records += corrections.cut(state, time_ms, context)
    silent = time_ms - state.time_ms >= context.thresholds.asleep_after_ms or mode == OFFLINE
    if (
        silent
        or (
            (mode == PARKED or state.position.conflict)
            and new_location
            and (
                reading.odometer_km != state.position.odometer_km
                or reading.latitude_deg != state.position.raw_latitude_deg
            )
            and _jumps(state.position, reading)
        )
    ) and (gaps.is_back(state, reading, context) or silent):
        records += gaps.open_gap(state, time_ms, context)
    if time_ms >= state.day.end_ms:
        records += daybook.turn(state, time_ms, context, heard=True)
    if time_ms > state.time_ms:
        state.time_ms = time_ms
    if new_location:
        position = state.position
        km = distance.advance(
            position, reading, time_ms - location_ms, motion.mode, context.thresholds, in_gap=state.returned_ms != 0
        )
        if position.conflict:
            km += witnesses.resolve(state, reading, context)
        state.location_time_ms = time_ms
        if km > 0.0:
            totals = state.totals
            totals.distance_km += km
            if totals.source == SOURCE_SOC:
                if time_ms - location_ms <= LOCATION_GONE_MS:
                    prediction.add_distance(state, km)
                else:
                    prediction.add_late_distance(state, km, location_ms, time_ms)
    if new_battery:
        if battery.update(state, reading, time_ms - soc_ms, context):
            records += charging.book_silent(state, context)
        state.soc_time_ms = time_ms
    if state.returned_ms:
        records += gaps.close_gap(state, time_ms, context)
    if (
        time_ms - state.estimate.time_ms >= CORRECT_EVERY_MS
        or (state.soc.changed and state.soc.step_pct >= observation.FINE_PCT)
    ) and not state.returned_ms:
        # Not before the other stream has caught up: what was driven must be known when the energy is judged.
        behind_ms = state.soc_time_ms - state.location_time_ms
        if behind_ms <= STREAMS_APART_MS or behind_ms > LOCATION_GONE_MS:
            observation.observe(state, context)
    if new_location or state.returned_ms != time_ms:  # half a word is not enough to enter what a silence took
        ledger.post(state)
    if reading.charging and motion.standing_ms and new_battery and not state.returned_ms:
        records += charging.arrive(state, reading, context)
    ended = None
    if new_location:
        speed = witnesses.believed_speed(state) if position.conflict else position.speed_kmh
        if motion.mode == DRIVING and speed is not None and speed >= context.thresholds.standing_speed_kmh:
            if motion.standing_ms:
                motion.standing_ms = 0
        else:
            ended = motion_of.update(state, speed, location_ms, time_ms, context)
    elif motion.mode == PARKED and time_ms - location_ms > LOCATION_GONE_MS:
        motion_of.settle_rest(state, time_ms, context)
    if ended:
        records += ended
    mode_now = motion.mode
    if mode_now in AT_REST and new_battery and not motion.fast_readings and not state.returned_ms:
        ended = charging.update(state, reading, context)
        if ended:
            records += ended
        mode_now = motion.mode
    if reading.payload_kg is not None or reading.parcels is not None:
        tour_drops.take_load(state, reading, context)
    if time_ms >= state.due_ms or mode_now != mode:
        if new_battery and time_ms >= state.outlook_due_ms:
            battery.note(state, reading)
        publish(state, time_ms, context, records)
    return records


def tick(state: VanState, now_ms: int, silence_ms: int, context: Context) -> list[Record]:
    """The passing of time: `silence_ms` since the van was heard, so its own time is `state.time_ms + silence_ms`."""
    motion = state.motion
    mode = motion.mode
    event_ms = state.time_ms + silence_ms
    look_due = 0 < state.alerts.due_ms <= event_ms
    tour_due = 0 < state.tour.due_ms <= event_ms
    if (mode == OFFLINE or silence_ms < context.thresholds.parked_after_ms) and (
        not look_due and not tour_due and not 0 < state.day.end_ms <= event_ms
    ):
        return []
    context = context.at(state.time_ms)
    records: list[Record] = []
    if days.is_over(state.day, event_ms, heard=False):
        records += daybook.turn(state, event_ms, context, heard=False)
    if tour_due:
        records += tours.due(state, event_ms, context)
    closed = len(records)
    if silence_ms >= context.thresholds.parked_after_ms and mode != OFFLINE:
        stands = mode == STOPPED or (mode == DRIVING and motion.standing_ms)
        if stands and not state.returned_ms and not witnesses.is_held(state, event_ms):
            records += gaps.fall_silent(state, context)
        if silence_ms >= context.thresholds.offline_after_ms and state.time_ms:
            records += gaps.go_offline(state, context)
    if len(records) > closed or motion.mode != mode:
        publish(state, state.time_ms, context, records)
    elif look_due:
        records += alert_inputs.update_alerts(state, event_ms, context)
    return records


def publish(state: VanState, time_ms: int, context: Context, records: list[Record]) -> None:
    """Add where energy and emissions stand now."""
    motion = state.motion
    mode = motion.mode
    every_ms = context.derived_every_ms
    if mode == PARKED and motion.rest.time_ms - motion.wake.time_ms > LONG_PARKED_MS and every_ms < PARKED_EVERY_MS:
        every_ms = PARKED_EVERY_MS
    state.due_ms = time_ms + every_ms
    if mode == CHARGING:
        records += charging.settle(state, context)
    look = time_ms >= state.outlook_due_ms or mode != state.outlook_mode
    if look:
        state.outlook_due_ms = time_ms + LOOK_EVERY_MS
        state.outlook_mode = mode
        chords.add_chord(state, context.thresholds)
        ledger.look_ahead(state)
    # Each row has its own time: what follows from silence comes a millisecond after the last one, not in its place.
    row_ms = time_ms if time_ms > state.published_ms else state.published_ms + 1
    state.published_ms = row_ms
    records.append(ledger.energy_record(state, row_ms))
    if state.emissions is not None:
        records.append(ledger.emissions_record(state, state.emissions, context, row_ms))
    if look:
        records += alert_inputs.update_alerts(state, time_ms, context)
        if 0 < state.tour.due_ms <= time_ms:
            records += tours.due(state, time_ms, context)


def _jumps(position: Position, reading: Reading) -> bool:
    """Whether odometer or fix are suddenly elsewhere, at a glance."""
    odometer_km = reading.odometer_km
    if odometer_km is not None and odometer_km != position.odometer_km:
        return True
    latitude, before = reading.latitude_deg, position.latitude_deg
    if latitude is None or before is None:
        return False
    return not -JUMP_DEG < latitude - before < JUMP_DEG or not (
        -JUMP_DEG < (reading.longitude_deg or 0.0) - (position.longitude_deg or 0.0) < JUMP_DEG
    )


def _has_battery(reading: Reading) -> bool:
    return (
        reading.battery_power_kw is not None
        or reading.charging is not None
        or (reading.voltage_v is not None and reading.current_a is not None)
    )


def _has_location(reading: Reading) -> bool:
    return reading.speed_kmh is not None or reading.odometer_km is not None


def _set_aside(state: VanState, reading: Reading, context: Context) -> list[Record]:
    """What is no news of battery or place: a load, or something that changes nothing."""
    time_ms = reading.time_ms
    if reading.stale:
        state.verdict = Verdict.STALE
    elif (reading.payload_kg is not None or reading.parcels is not None) and time_ms > state.load_time_ms:
        state.verdict = Verdict.ACCEPTED
        if tour_drops.take_load(state, reading, context):
            state.accepted += 1
        else:
            state.verdict = Verdict.IMPLAUSIBLE
    elif _is_aside(reading):
        _take_aside(state, reading)
    elif time_ms in state.recent_ms or time_ms == state.load_time_ms:
        state.duplicates += 1
        state.verdict = Verdict.DUPLICATE
    else:
        state.late += 1
        state.verdict = Verdict.LATE
        _pass_unheard(state)
    return []


def _pass_unheard(state: VanState) -> None:
    """A reading came too late to count. Where such come in a row, as when a clock was set back, the van goes on.

    The time between their arrivals has passed for the van: it might have driven and charged in it. What was last known
    is older by that much than its event time says.
    """
    arrival_ms, before_ms = state.last_arrival_ms, state.late_arrival_ms
    if 0 < before_ms < arrival_ms and state.late_after == state.accepted:
        passed_ms = arrival_ms - before_ms
        position, battery = state.position, state.soc
        position.settled = False
        position.time_ms -= passed_ms
        position.odometer_ms -= passed_ms
        battery.time_ms -= passed_ms
        battery.counter_ms -= passed_ms
        if battery.changed_ms:
            battery.changed_ms -= passed_ms
    state.late_arrival_ms = arrival_ms
    state.late_after = state.accepted


def _is_aside(reading: Reading) -> bool:
    """Whether nothing is in it that trips and charges depend on: some vans have a topic for each value."""
    return not (
        reading.soc_pct is not None
        or reading.latitude_deg is not None
        or reading.payload_kg is not None
        or reading.parcels is not None
        or _has_battery(reading)
        or _has_location(reading)
    ) and any(getattr(reading, name) is not None for name in ASIDE)


def _take_aside(state: VanState, reading: Reading) -> None:
    time_ms = reading.time_ms
    if time_ms > state.aside_time_ms:
        state.aside_time_ms = time_ms
        state.verdict = Verdict.ACCEPTED
        state.accepted += 1
        battery.note(state, reading)
    elif time_ms == state.aside_time_ms:
        state.duplicates += 1
        state.verdict = Verdict.DUPLICATE
    else:
        state.late += 1
        state.verdict = Verdict.LATE
