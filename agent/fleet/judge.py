"""Which readings count: what is new in a reading, and what becomes of one with nothing new."""

from typing import Final

from agent.fleet.state import VanState, Verdict
from agent.readings import Reading

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
"""Fields that may arrive alone, without a state of charge or a position."""


def has_battery(reading: Reading) -> bool:
    """Whether there is news of the battery in a reading without a state of charge."""
    return (
        reading.battery_power_kw is not None
        or reading.charging is not None
        or (reading.voltage_v is not None and reading.current_a is not None)
    )


def has_location(reading: Reading) -> bool:
    """Whether there is news of movement in a reading without a position."""
    return reading.speed_kmh is not None or reading.odometer_km is not None


def states_load(state: VanState, reading: Reading) -> bool:
    """Whether a reading without news of battery or location states a new load."""
    has_load = reading.payload_kg is not None or reading.parcels is not None
    return has_load and not reading.stale and reading.time_ms > state.load_time_ms


def judge_without_news(state: VanState, reading: Reading) -> None:
    """Set `state.verdict` of a reading without news of battery, location or load.

    It is accepted if it has only fields of `ASIDE`. Else it is stale, a duplicate or late, and changes no total.
    """
    time_ms = reading.time_ms
    if reading.stale:
        state.verdict = Verdict.STALE
    elif _is_aside(reading):
        _judge_aside(state, time_ms)
    elif time_ms in state.recent_ms or time_ms == state.load_time_ms:
        state.duplicates += 1
        state.verdict = Verdict.DUPLICATE
    else:
        state.late += 1
        state.verdict = Verdict.LATE
        _let_time_pass(state)


def _let_time_pass(state: VanState) -> None:
    """Late readings in a row, as after a clock was set back: the time between their arrivals has passed for the van.

    The van may have driven and charged in that time. So what was last known of it is made older by that much.
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
    """Whether no trip and no charge depends on the reading. Some vans have a topic for each value."""
    return not (
        reading.soc_pct is not None
        or reading.latitude_deg is not None
        or reading.payload_kg is not None
        or reading.parcels is not None
        or has_battery(reading)
        or has_location(reading)
    ) and any(getattr(reading, name) is not None for name in ASIDE)


def _judge_aside(state: VanState, time_ms: int) -> None:
    if time_ms > state.aside_time_ms:
        state.aside_time_ms = time_ms
        state.verdict = Verdict.ACCEPTED
        state.accepted += 1
    elif time_ms == state.aside_time_ms:
        state.duplicates += 1
        state.verdict = Verdict.DUPLICATE
    else:
        state.late += 1
        state.verdict = Verdict.LATE
