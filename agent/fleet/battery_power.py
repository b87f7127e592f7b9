"""Battery power: what is possible, which sign it has, and what braking returns."""

from typing import Final

from agent.fleet import soc_limits
from agent.fleet.context import Context
from agent.fleet.modes import PARKED, STOPPED
from agent.fleet.state import VanState
from agent.readings import Reading

RESTING_OUT_KW: Final = -soc_limits.RESTING_KW
"""A parked van draws no more power than this."""
SURE_KWH: Final = 0.3
SURE_RATIO: Final = 2.0
"""The sign of power is sure after this much energy out on trips, if it is at least this many times the energy in."""


def possible_kw(state: VanState, power_kw: float, context: Context) -> float | None:
    """The power if it is possible for such a van, or for a parked one; otherwise `None`, and the reading is counted."""
    battery = state.soc
    limit_kw = context.power_limit_kw
    if -limit_kw <= power_kw <= limit_kw:
        # Where the sign is known, power that no parked van draws is the last value of a drive, or in another unit.
        stale = not state.motion.fast_readings and (battery.sign_is_sure or battery.power_sign < 0)
        if not (power_kw < RESTING_OUT_KW and state.motion.mode == PARKED and stale):
            return power_kw
    battery.power_rejected += 1
    return None


def learn_sign(state: VanState, before_kw: float, power_kw: float, hours: float) -> None:
    """Learn the sign of power from trips: except on a descent, more energy goes out than braking returns."""
    battery = state.soc
    energy_kwh = 0.5 * (before_kw + power_kw) * hours
    if before_kw <= 0.0 and power_kw <= 0.0:
        battery.driven_kwh -= energy_kwh
    else:
        returned_kwh = positive_part(before_kw, power_kw) * hours
        battery.braked_kwh += returned_kwh
        battery.driven_kwh += returned_kwh - energy_kwh
    if battery.driven_kwh >= SURE_KWH and battery.driven_kwh >= SURE_RATIO * battery.braked_kwh:
        confirm_sign(state)


def confirm_sign(state: VanState) -> None:
    """The sign of power is known for sure: post what braking has returned so far as regenerated energy."""
    battery = state.soc
    battery.sign_is_sure = True
    state.totals.regenerated_kwh += battery.braked_kwh
    battery.braked_kwh = battery.driven_kwh = 0.0


def stands(state: VanState, reading: Reading, context: Context) -> bool:
    """Whether the van stood while energy came in: then it came from a charger, not from braking."""
    speed = reading.speed_kmh if reading.speed_kmh is not None else state.position.speed_kmh
    if speed is None:  # without a speed, movement shows late
        return reading.charging is not False and state.motion.mode == STOPPED
    if speed >= context.thresholds.standing_speed_kmh:
        return False
    return state.motion.standing_ms > 0 or reading.charging is True


def positive_part(a: float, b: float) -> float:
    """Mean of the positive part of a straight line from a to b."""
    if a >= 0.0 and b >= 0.0:
        return 0.5 * (a + b)
    high = a if a > b else b
    if high <= 0.0:
        return 0.0
    return 0.5 * high * high / abs(a - b)
