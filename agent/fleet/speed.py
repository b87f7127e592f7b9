"""The distance by speed, where no odometer has a say.

Speed is counted while the fixes move too. While they stand, it is held (`held_km`), and counted when the fixes confirm
it. A speed whose unit is wrong (`speed_misleads`) shows movement, and fixes count the distance.
"""

from typing import Final

from agent.fleet import odometer
from agent.fleet.modes import DRIVING, STOPPED
from agent.fleet.position_state import DOUBTED, STUCK, Position
from agent.fleet.reference import LEAST_CHORD_SHARE, from_reference_km, has_moved, is_far, set_reference
from agent.readings import Reading

SHARE_OF_SPEED: Final = 0.2
"""The straight line between two fixes is at least this share of the distance by speed."""
UNSTUCK_KM: Final = 0.2
"""A fix that has moved by this much shows that the van moves, also where the speed is stuck."""
SPEED_ALONE_KM: Final = 0.15
"""Speed is counted for this distance while the fix stands."""
AT_REST_KM: Final = 0.5
"""From this distance on, the speed of a van at rest, whose fix stays the same, is stuck."""
STUCK_REPEATS: Final = 3
"""A speed that is the same in this many readings in a row, while the fix stands, is stuck."""
REPEATED_FIX_MS: Final = 240_000
"""Some trackers have a new fix only every three minutes."""
STUCK_KM: Final = 20.0
"""The largest distance that is held: no tunnel is longer."""
DENSE_MS: Final = 30_000
"""Readings at most this far apart show a speed above 0 whenever the van moves."""
JUDGED_FROM_KM: Final = 0.5
"""The unit of the speed is assessed over sections of this length."""
FASTEST_UNIT: Final = 1.3
SLOWEST_UNIT: Final = 0.65
"""Beyond these, distance by fixes over distance by speed means another unit (1.609 miles, 1.852 knots, 3.6 m/s)."""
SAME_UNIT: Final = 0.92
"""Two such ratios are of the same unit if one is at least this share of the other."""
NO_UNIT: Final = 0.25
"""No unit has a smaller ratio: such a speed was repeated while the van stood."""
_MS_PER_H: Final = 3_600_000.0


def count_speed(position: Position, reading: Reading, km: float, elapsed_ms: int, mode: int) -> float:
    """Take `km` by speed since the last reading; returns the km that are counted now."""
    if reading.latitude_deg is None or position.latitude_deg is None:
        return km
    if km == 0.0:
        if elapsed_ms <= DENSE_MS and is_far(position):
            if not position.conflict:
                position.conflict = DOUBTED
            position.other_km = 0.0
        return 0.0
    on_trip = mode in (DRIVING, STOPPED)
    position.unmatched_km += km
    least_km = SHARE_OF_SPEED * position.unmatched_km
    if position.conflict >= STUCK and least_km > UNSTUCK_KM:
        least_km = UNSTUCK_KM  # a stuck speed does not ask for more
    if has_moved(position, least_km):
        if reading.time_ms - position.path_ms <= DENSE_MS and not position.held_km:
            km += _misled_km(position)
        position.path_ms = reading.time_ms
        held_km = min(position.held_km, from_reference_km(position) / SHARE_OF_SPEED)
        if position.conflict >= STUCK and held_km > LEAST_CHORD_SHARE * from_reference_km(position):
            held_km = from_reference_km(position)
        set_reference(position)
        position.moved_ms = reading.time_ms
        if on_trip:
            position.held_km = 0.0
            return km + held_km
        position.held_km = held_km + km
        return 0.0
    if position.conflict < STUCK and mode == DRIVING and position.unmatched_km <= SPEED_ALONE_KM:
        return km
    position.held_km += km
    if on_trip and position.unmatched_km > SPEED_ALONE_KM:
        if position.speed_kmh:  # a speed that is now 0 agrees with the fix
            position.conflict = position.conflict or DOUBTED
            position.other_km = km
    elif (
        position.unmatched_km > AT_REST_KM
        and position.speed_repeats >= STUCK_REPEATS
        and (
            position.fix_changed_ms == reading.time_ms
            or position.unmatched_km * _MS_PER_H >= (position.speed_kmh or 0.0) * REPEATED_FIX_MS
        )
    ):
        position.conflict = STUCK
    if position.conflict >= STUCK and position.unmatched_km > STUCK_KM:
        position.unmatched_km = position.held_km = STUCK_KM
    return 0.0


def count_held(position: Position) -> float:
    """Count the held distance, when it is sure that the van has left. Returns the km."""
    km = position.held_km
    position.held_km = 0.0
    if km > 0.0 and position.odometer_km is not None:
        odometer.add_others_km(position, km)
    return km


def _misled_km(position: Position) -> float:
    """Compare the distance by speed with that by fixes; returns the km that a speed in another unit has missed.

    The straight line between two fixes is never longer than the way, and over some seconds hardly shorter.
    """
    if position.reference_latitude_deg is None:
        return 0.0
    chord_km = from_reference_km(position)
    if chord_km < NO_UNIT * position.unmatched_km:
        return 0.0  # the speed was repeated while the van stood
    position.path_km += chord_km
    position.path_speed_km += position.unmatched_km
    path_km, speed_km = position.path_km, position.path_speed_km
    if path_km < JUDGED_FROM_KM and speed_km < JUDGED_FROM_KM:
        return 0.0
    share, before = path_km / max(speed_km, 1e-3), position.path_share
    is_right = SLOWEST_UNIT <= share <= FASTEST_UNIT
    if is_right or (before and not SAME_UNIT * before <= share <= before / SAME_UNIT):
        # A speed that was repeated while the van stood has a different ratio each time.
        position.path_km = position.path_speed_km = position.path_share = 0.0
        return 0.0
    if not before:
        position.path_share = share
    if path_km < 4.0 * JUDGED_FROM_KM and speed_km < 4.0 * JUDGED_FROM_KM:
        return 0.0
    position.path_km = position.path_speed_km = position.path_share = 0.0
    position.speed_misleads = True
    position.speed_rejected += 1
    return path_km - speed_km if path_km > speed_km else 0.0
