"""The odometer as a witness of movement: which of its values are believed.

An odometer may fall, jump, stand still or alternate between two sources. A value that cannot follow from the last
believed one is set aside. The odometer is believed again when its further values agree with the other witnesses over
some kilometres.
"""

from typing import Final

from agent.fleet.position_state import OdometerCandidate, Position
from agent.fleet.thresholds import Thresholds
from agent.readings import Reading

SLACK_KM: Final = 1.1
"""How far an odometer may run ahead of the fastest mean speed: one step of whole kilometres."""
WHOLE_KM: Final = 3.0
"""Over a silence, an odometer with whole kilometres is believed from this distance on."""
AGREES_KM: Final = 2.0
AGREES_SHARE: Final = 0.2
AGREES_SLACK_KM: Final = 0.2
"""An odometer that was set aside is believed again after this much distance by the other witnesses, if it agrees with
them within this share and slack."""
ALONE_KM: Final = 1.0
"""Where no other witness is sent, the odometer is believed again after this much distance of its own."""
STANDS_SLACK_KM: Final = 0.3
"""An odometer may rise by this while all other witnesses stand: the rest of its last step."""
FROZEN_FIX_SLACK_KM: Final = 1.0
"""The same where only the fix stands: receivers repeat fixes in tunnels."""
NO_SAY: Final = -1.0
"""The distance by a witness that is not there, or is not believed."""
_MS_PER_H: Final = 3_600_000.0


def take_value(position: Position, reading: Reading, value_km: float, elapsed_ms: int, thresholds: Thresholds) -> float:
    """Take an odometer reading; returns the km driven since the last one, or `NO_SAY`.

    `elapsed_ms` is the time since the reading before of the location.
    """
    base_km = position.odometer_km
    if base_km is None:
        if value_km > 0.0:  # 0 is the value of a sleeping module
            position.odometer_km = value_km
            position.odometer_ms = reading.time_ms
            position.odometer_credit_km = SLACK_KM
        return NO_SAY
    time_ms = reading.time_ms
    km = value_km - base_km
    allowed_km = position.odometer_credit_km + thresholds.fix_gate_kmh * (time_ms - position.odometer_ms) / _MS_PER_H
    candidate = position.odometer_candidate
    if (
        not 0.0 <= km <= allowed_km
        or position.odometer_lost
        or (candidate is not None and base_km < candidate.from_km <= value_km)
    ):
        return _set_aside(position, reading, value_km, thresholds)
    if candidate is not None:
        position.odometer_candidate = None
    if km > 0.0:
        position.moved_ms = time_ms
    position.odometer_ms = time_ms
    position.odometer_km = value_km
    left_km = allowed_km - km
    position.odometer_credit_km = min(SLACK_KM, left_km)
    if not position.odometer_is_fine:
        if value_km % 1.0 == 0.0:
            return _by_whole_km(position, reading, km, elapsed_ms, thresholds)
        position.odometer_is_fine = True
    ahead_km = position.odometer_ahead_km
    if ahead_km:  # other witnesses have counted a part of the distance
        if km >= ahead_km:
            position.odometer_ahead_km = 0.0
            return km - ahead_km
        position.odometer_ahead_km = ahead_km - km
        return 0.0
    return km


def _by_whole_km(position: Position, reading: Reading, km: float, elapsed_ms: int, thresholds: Thresholds) -> float:
    """The distance by an odometer that has shown whole kilometres only: believed over a silence of some kilometres.

    One that has never moved shows that the van stands.
    """
    position.odometer_ahead_km = 0.0
    if not position.odometer_is_whole:
        if km > 0.0:
            position.odometer_is_whole = True
        return km
    if reading.latitude_deg is None and reading.speed_kmh is None:
        return km
    return km if elapsed_ms >= thresholds.offline_after_ms and km >= WHOLE_KM else NO_SAY


def distrust(position: Position) -> None:
    """Stop believing the odometer until it agrees with the other witnesses again."""
    position.odometer_lost = True
    position.odometer_candidate = None
    position.odometer_ahead_km = 0.0
    position.odometer_rejected += 1


def add_others_km(position: Position, km: float) -> None:
    """Note that other witnesses have counted `km` while the odometer had no say."""
    if position.odometer_candidate is not None:
        position.odometer_candidate.others_km += km
    if position.odometer_km is not None and not position.odometer_lost and position.odometer_is_fine:
        position.odometer_ahead_km += km


def moves_alone(position: Position, reading: Reading, km: float) -> bool:
    """Whether the odometer rises while all other witnesses show that the van stands."""
    speed = reading.speed_kmh
    if reading.latitude_deg is None or (speed is not None and speed > 0.0):
        position.odometer_alone_km = 0.0
        return False
    position.odometer_alone_km += km
    slack_km = STANDS_SLACK_KM if speed is not None else FROZEN_FIX_SLACK_KM
    return position.odometer_alone_km > position.unmatched_km + slack_km


def _set_aside(position: Position, reading: Reading, value_km: float, thresholds: Thresholds) -> float:
    """Take a value that cannot follow from the last believed one; returns the km if it is believed, or `NO_SAY`."""
    position.odometer_rejected += 1
    if value_km <= 0.0:
        return NO_SAY
    candidate, time_ms = position.odometer_candidate, reading.time_ms
    if candidate is not None:
        most_km = SLACK_KM + thresholds.fix_gate_kmh * (time_ms - candidate.time_ms) / _MS_PER_H
        if not 0.0 <= value_km - candidate.km <= most_km:
            candidate = None
    if candidate is None:
        position.odometer_candidate = OdometerCandidate(from_km=value_km, km=value_km, time_ms=time_ms)
        return NO_SAY
    candidate.km = value_km
    candidate.time_ms = time_ms
    driven_km, others_km = value_km - candidate.from_km, candidate.others_km
    if others_km >= AGREES_KM:
        if abs(driven_km - others_km) > AGREES_SHARE * others_km + AGREES_SLACK_KM:
            position.odometer_candidate = OdometerCandidate(from_km=value_km, km=value_km, time_ms=time_ms)
            return NO_SAY
        _adopt(position, value_km, time_ms)
        return NO_SAY
    if driven_km >= ALONE_KM and others_km == 0.0 and reading.latitude_deg is None and reading.speed_kmh is None:
        _adopt(position, value_km, time_ms)
        return driven_km
    return NO_SAY


def _adopt(position: Position, value_km: float, time_ms: int) -> None:
    """Believe the odometer again, from this value on."""
    position.odometer_km = value_km
    position.odometer_ms = time_ms
    position.odometer_credit_km = SLACK_KM
    position.odometer_ahead_km = 0.0
    position.odometer_lost = False
    position.odometer_candidate = None
