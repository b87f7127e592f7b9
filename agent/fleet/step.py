"""What one reading, or the passing of time, means for one van. The only entry to the van core.

The stages of a reading, each of which knows only those before it:

    judge      judge.py                           does it count; what is new in it
    estimate   distance.py, witnesses.py,         km driven; energy out of the battery
               battery.py, observation.py
    decide     silence.py, motion.py, charging.py what the van did, and what it is doing now
    book       books/                             trips, stops, charges, tours and days are opened and closed
    publish    publish.py                         the rows of energy and emissions; alerts
"""

from typing import Final

from agent.fleet import battery, books, distance, observation, prediction, silence, witnesses
from agent.fleet.alert_inputs import update_alerts
from agent.fleet.charging import decide_charging, decide_charging_at_stop
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_SOC
from agent.fleet.judge import has_battery, has_location, judge_without_news, states_load
from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, PARKED, STOPPED
from agent.fleet.motion import decide_movement
from agent.fleet.publish import publish
from agent.fleet.records import Record
from agent.fleet.state import VanState, Verdict
from agent.readings import Reading

OBSERVE_EVERY_MS: Final = observation.OBSERVE_FINE_MS
"""How often the estimate observes a state of charge that has not changed, or that changes in fine steps."""
STREAMS_APART_MS: Final = 5_000
"""State of charge and location may come in messages of their own, up to this far apart."""
LOCATION_GONE_MS: Final = 60_000
"""After this long without a location, the readings of the battery are worked in alone."""
ACCEPTED: Final = int(Verdict.ACCEPTED)
AT_REST: Final = (PARKED, CHARGING)


def step(state: VanState, reading: Reading, received_ms: int, context: Context) -> list[Record]:
    """Work one reading into the state, in place, and return the records that follow from it.

    `state.verdict` says what became of the reading: `DUPLICATE` and `LATE` readings change no total and give no record.
    The result depends on the arguments alone. The code is written for speed: nearly every line runs for every reading.
    """
    # Judge.
    state.last_arrival_ms = received_ms
    time_ms = reading.time_ms
    soc_ms, location_ms = state.soc_time_ms, state.location_time_ms
    new_battery = time_ms > soc_ms and (reading.soc_pct is not None or has_battery(reading))
    new_location = time_ms > location_ms and (reading.latitude_deg is not None or has_location(reading))
    if not (new_battery or new_location) or reading.stale:
        _take_aside(state, reading, context)
        return []
    state.verdict = ACCEPTED
    factors = context.factors
    if time_ms < factors.from_ms or time_ms >= factors.to_ms:
        context = context.at(time_ms)
    count = state.accepted = state.accepted + 1
    state.recent_ms[count & 7] = time_ms
    motion, position = state.motion, state.position
    mode = motion.mode
    records: list[Record] = []

    # Close what was over before this reading: an hour of a correction, a trip that silence has ended, the day.
    if state.corrections is not None and 0 < state.corrections.due_ms < time_ms:
        records += books.cut_corrections(state, time_ms, context)
    silent = time_ms - state.time_ms >= context.thresholds.asleep_after_ms or mode == OFFLINE
    if silent or ((mode == PARKED or position.conflict) and new_location and silence.jumps(position, reading)):
        records += silence.end_silence(state, reading, context, silent=silent)
    if time_ms >= state.day.end_ms:
        records += books.close_day(state, time_ms, context, heard=True)
    if time_ms > state.time_ms:
        state.time_ms = time_ms

    # Estimate distance and energy.
    if new_location:
        km = distance.advance(
            position, reading, time_ms - location_ms, motion.mode, context.thresholds, in_gap=state.returned_ms != 0
        )
        if position.conflict:
            km += witnesses.decide_conflict(state, reading, context)
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
            records += books.book_unseen_charge(state, context)
        state.soc_time_ms = time_ms
    if state.returned_ms:
        records += silence.bridge_gap(state, time_ms, context)
    if (
        time_ms - state.estimate.time_ms >= OBSERVE_EVERY_MS
        or (state.soc.changed and state.soc.step_pct >= observation.FINE_PCT)
    ) and not state.returned_ms:
        # Not before the other stream has caught up: the distance must be known when the energy is corrected.
        behind_ms = state.soc_time_ms - state.location_time_ms
        if behind_ms <= STREAMS_APART_MS or behind_ms > LOCATION_GONE_MS:
            observation.observe_reading(state, context)
    if new_location or state.returned_ms != time_ms:  # after a silence, the battery alone does not tell enough
        books.post(state)

    # Decide what the van is doing, and book what begins and ends by it.
    if reading.charging and motion.standing_ms and new_battery and not state.returned_ms:
        records += decide_charging_at_stop(state, reading, context)
    ended = None
    if new_location:
        speed = witnesses.believed_speed(state) if position.conflict else position.speed_kmh
        if motion.mode == DRIVING and speed is not None and speed >= context.thresholds.standing_speed_kmh:
            if motion.standing_ms:
                motion.standing_ms = 0
        else:
            ended = decide_movement(state, speed, location_ms, time_ms, context)
    elif motion.mode == PARKED and time_ms - location_ms > LOCATION_GONE_MS:
        books.book_rest(state, time_ms, context)
    if ended:
        records += ended
    if motion.mode in AT_REST and new_battery and not motion.fast_readings and not state.returned_ms:
        ended = decide_charging(state, reading, context)
        if ended:
            records += ended
    if reading.payload_kg is not None or reading.parcels is not None:
        books.take_load(state, reading, context)

    # Publish.
    if time_ms >= state.due_ms or motion.mode != mode:
        if new_battery and time_ms >= state.outlook_due_ms:
            battery.note(state, reading)
        publish(state, time_ms, context, records)
    return records


def _take_aside(state: VanState, reading: Reading, context: Context) -> None:
    """Take a reading that has no news of battery or location."""
    if states_load(state, reading):
        if books.take_load(state, reading, context):
            state.accepted += 1
            state.verdict = ACCEPTED
        else:
            state.verdict = Verdict.IMPLAUSIBLE
        return
    judge_without_news(state, reading)
    if state.verdict == ACCEPTED:
        battery.note(state, reading)


def tick(state: VanState, now_ms: int, silence_ms: int, context: Context) -> list[Record]:
    """Time has passed: the van was last heard `silence_ms` ago. Its event time is `state.time_ms + silence_ms`.

    A silence shorter than `quiet.quiet_ms_of` changes nothing. Callers with many vans ask that first.
    """
    motion = state.motion
    mode = motion.mode
    event_ms = state.time_ms + silence_ms
    alert_due = 0 < state.alerts.due_ms <= event_ms
    tour_due = 0 < state.tour.due_ms <= event_ms
    context = context.at(state.time_ms)
    records: list[Record] = []
    if books.is_day_over(state.day, event_ms, heard=False):
        records += books.close_day(state, event_ms, context, heard=False)
    if tour_due:
        records += books.close_due_tours(state, event_ms, context)
    closed = len(records)
    if silence_ms >= context.thresholds.parked_after_ms and mode != OFFLINE:
        stands = mode == STOPPED or (mode == DRIVING and motion.standing_ms)
        if stands and not state.returned_ms and not witnesses.is_held(state, event_ms):
            records += books.close_trip_in_silence(state, context)
        if silence_ms >= context.thresholds.offline_after_ms and state.time_ms:
            records += silence.go_offline(state, context)
    if len(records) > closed or motion.mode != mode:
        publish(state, state.time_ms, context, records)
    elif alert_due:
        records += update_alerts(state, event_ms, context)
    return records
