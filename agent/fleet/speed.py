"""The distance by speed, where no odometer has a say."""

from typing import Final

from agent.fleet import odometer
from agent.fleet.modes import DRIVING, STOPPED
from agent.fleet.position_state import Position
from agent.fleet.reference import LEAST_CHORD_SHARE, from_reference_km, has_moved, is_far, refer
from agent.readings import Reading

SHARE_OF_SPEED: Final = 0.2
"""The straight line between two fixes is at least this share of the way that speed tells."""
UNSTUCK_KM: Final = 0.2
"""A fix that has gone on by so much says that the van moves, whatever a speed that is stuck says."""
SPEED_ALONE_KM: Final = 0.15
"""So far speed alone is believed while the fix stands."""
AT_REST_KM: Final = 0.5
"""The same for a van at rest, whose fix has not left its place: then its speed is stuck."""
STUCK_REPEATS: Final = 3
"""A speed that is the same so often running does not come from a moving van whose fix stands."""
REPEATED_FIX_MS: Final = 240_000
"""Some trackers have a new fix only each three minutes."""
STUCK_KM: Final = 20.0
"""No tunnel is longer: what a stuck speed claims is not held beyond this."""
DENSE_MS: Final = 30_000
"""Readings at most this far apart show a speed whenever the van moves."""
JUDGED_FROM_KM: Final = 0.5
FASTEST_UNIT: Final = 1.3
SLOWEST_UNIT: Final = 0.65
"""Way by fixes over way by speed: beyond this the speed is in another unit (1.609 miles, 1.852 knots, 3.6 m/s)."""
SAME_UNIT: Final = 0.92
NO_UNIT: Final = 0.25
"""No unit is as small as this: such a speed has been kept while the van stood."""
_MS_PER_H: Final = 3_600_000.0


def count_speed(position: Position, reading: Reading, km: float, elapsed_ms: int, mode: int) -> float:
    """The distance by speed, where no odometer has a say: counted while the fixes move, too."""
    if reading.latitude_deg is None or position.latitude_deg is None:
        return km
    if km == 0.0:
        if elapsed_ms <= DENSE_MS and is_far(position):
            if not position.conflict:
                position.conflict = 1
            position.other_km = 0.0
        return 0.0
    on_trip = mode in (DRIVING, STOPPED)
    position.unmatched_km += km
    least_km = SHARE_OF_SPEED * position.unmatched_km
    if position.conflict >= 2 and least_km > UNSTUCK_KM:
        least_km = UNSTUCK_KM  # this speed says nothing any more
    if has_moved(position, least_km):
        if reading.time_ms - position.path_ms <= DENSE_MS and not position.held_km:
            km += _misled_km(position)
        position.path_ms = reading.time_ms
        held_km = min(position.held_km, from_reference_km(position) / SHARE_OF_SPEED)
        if position.conflict >= 2 and held_km > LEAST_CHORD_SHARE * from_reference_km(position):
            held_km = from_reference_km(position)
        refer(position)
        position.moved_ms = reading.time_ms
        if on_trip:
            position.held_km = 0.0
            return km + held_km
        position.held_km = held_km + km
        return 0.0
    if position.conflict < 2 and mode == DRIVING and position.unmatched_km <= SPEED_ALONE_KM:
        return km
    position.held_km += km
    if on_trip and position.unmatched_km > SPEED_ALONE_KM:
        if position.speed_kmh:  # one that has come to stand agrees with the fix
            position.conflict = position.conflict or 1
            position.other_km = km
    elif (
        position.unmatched_km > AT_REST_KM
        and position.speed_repeats >= STUCK_REPEATS
        and (
            position.fix_changed_ms == reading.time_ms
            or position.unmatched_km * _MS_PER_H >= (position.speed_kmh or 0.0) * REPEATED_FIX_MS
        )
    ):
        position.conflict = 2
    if position.conflict >= 2 and position.unmatched_km > STUCK_KM:
        position.unmatched_km = position.held_km = STUCK_KM
    return 0.0


def count_held(position: Position) -> float:
    """The van has really left: what its speed said while that was not sure is counted."""
    km = position.held_km
    position.held_km = 0.0
    if km > 0.0 and position.odometer_km is not None:
        odometer.counted(position, km)
    return km


def _misled_km(position: Position) -> float:
    """Hold the way by speed against that by fixes; returns what a speed in a smaller unit has left out.

    The straight line between two fixes is never longer than the way, and over some seconds hardly shorter.
    """
    if position.reference_latitude_deg is None:
        return 0.0
    chord_km = from_reference_km(position)
    if chord_km < NO_UNIT * position.unmatched_km:
        return 0.0  # the speed of before was kept while the van stood
    position.path_km += chord_km
    position.path_speed_km += position.unmatched_km
    path_km, speed_km = position.path_km, position.path_speed_km
    if path_km < JUDGED_FROM_KM and speed_km < JUDGED_FROM_KM:
        return 0.0
    share, before = path_km / max(speed_km, 1e-3), position.path_share
    is_right = SLOWEST_UNIT <= share <= FASTEST_UNIT
    if is_right or (before and not SAME_UNIT * before <= share <= before / SAME_UNIT):
        # A speed that was kept while the van stood is wrong by another share each time.
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
