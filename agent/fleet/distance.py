"""How far the van went: by odometer, else by the integral of speed, else by distinct fixes.

Each of them is a witness. A witness that the others contradict is not counted: speed while the fix stands, an odometer
that goes on while everything else stands. `agent.fleet.witnesses` decides what cannot be decided from movement alone.

Fixes are gated: a position that needs an impossible speed is refused, three refused ones that agree are a new place.
They are counted only when they have moved on by a step that depends on what the van is doing: receivers drift while
it stands.
"""

from math import cos, radians, sqrt
from typing import Final

from agent.fleet import odometer
from agent.fleet.modes import DRIVING, STOPPED
from agent.fleet.odometer import SLACK_KM
from agent.fleet.position_state import Position
from agent.fleet.thresholds import Thresholds
from agent.readings import Reading

KM_PER_DEGREE: Final = 111.195
"""Of a great circle on a sphere of 6371 km."""
GATE_SLACK_KM: Final = 0.03
"""What the errors of two fixes add to the distance between them."""
CONFIRM_FROM_KM: Final = 1.0
CONFIRM_AFTER_H: Final = 120 / 3600
DUE_SHARE: Final = 1.5
"""A way over some minutes is at most so many times what the speed at its end makes of them."""
NEAR_DEG_PER_MS: Final = 2e-7
NEAR_DEG: Final = 0.006
"""At most 31 m/s or 113 km/h in any direction, and 1 km in all: so near that a fix needs no closer look."""
REPEATED_MS: Final = 30_000
"""Receivers repeat a fix for up to some 20 s while the van moves on; repeated for longer, the van is still there, and
the next fix is not given all that time to have travelled."""
NEAR_REFERENCE_DEG: Final = 0.0003
NEAR_REFERENCE_KM: Final = 0.033
"""Receivers that stand still wander by so much."""
FAR_DEG: Final = 0.0027
FAR_KM: Final = 0.3
"""So far the fix moves before a witness that says the van stands is doubted."""
QUIETLY_UNMATCHED_KM: Final = 0.3
STANDS_KM: Final = 0.5
"""So far the speed may say that the van goes while its odometer stands: several steps of one."""
SPEED_ALONE_KM: Final = 0.15
"""So far speed alone is believed while the fix stands."""
AT_REST_KM: Final = 0.5
"""The same for a van at rest, whose fix has not left its place: then its speed is stuck."""
LONGEST_REPEATED_MS: Final = 300_000
REPEATED_FIX_MS: Final = 240_000
"""Some trackers have a new fix only each three minutes."""
JUDGED_FROM_KM: Final = 0.5
FASTEST_UNIT: Final = 1.3
SLOWEST_UNIT: Final = 0.65
"""Way by fixes over way by speed: beyond this the speed is in another unit (1.609 miles, 1.852 knots, 3.6 m/s)."""
SAME_UNIT: Final = 0.92
NO_UNIT: Final = 0.25
"""No unit is as small as this: such a speed has been kept while the van stood."""
UNSTUCK_KM: Final = 0.2
"""A fix that has gone on by so much says that the van moves, whatever a speed that is stuck says."""
STUCK_KM: Final = 20.0
"""No tunnel is longer: what a stuck speed claims is not held beyond this."""
LEAST_CHORD_SHARE: Final = 1.5
"""Where a speed was taken for stuck and the fix then comes back elsewhere, the way is at most so much longer."""
SHARE_OF_SPEED: Final = 0.2
"""The straight line between two fixes is at least this share of the way that speed tells."""
STUCK_REPEATS: Final = 3
"""A speed that is the same so often running does not come from a moving van whose fix stands."""
DENSE_MS: Final = 30_000
"""Readings at most this far apart show a speed whenever the van moves."""
_MS_PER_H: Final = 3_600_000.0


def between_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Distance of two places on the sphere; flat-earth approximation, within 0.1 % below 100 km."""
    dx = (longitude_b - longitude_a) % 360.0
    if dx > 180.0:
        dx -= 360.0
    dx *= cos(radians(0.5 * (latitude_a + latitude_b)))
    dy = latitude_b - latitude_a
    return KM_PER_DEGREE * sqrt(dx * dx + dy * dy)


def advance(
    position: Position,
    reading: Reading,
    elapsed_ms: int,
    mode: int,
    thresholds: Thresholds,
    *,
    in_gap: bool = False,
) -> float:
    """Take position, speed and odometer of a reading; returns the km driven in `elapsed_ms` since the one before.

    `in_gap`: the reading follows a silence that has not been made sense of yet. What was driven in it is kept in
    `position.gap_km` until all that is known of the silence can be weighed together.

    A van of which all witnesses have agreed so far needs no weighing: the quick way gives what `weighed` gives. Every
    line of it runs for nearly every reading.
    """
    value_km, speed, latitude = reading.odometer_km, reading.speed_kmh, reading.latitude_deg
    before = position.speed_kmh
    if (
        not position.settled
        or in_gap
        or value_km is None
        or speed is None
        or latitude is None
        or before is None
        or elapsed_ms > thresholds.speed_gap_ms
    ):
        return weighed(position, reading, elapsed_ms, mode, thresholds, in_gap=in_gap)
    km = value_km - (position.odometer_km or 0.0)
    gate_kmh = thresholds.fix_gate_kmh
    room_km = gate_kmh * elapsed_ms / _MS_PER_H - km
    credit_km = position.odometer_credit_km
    if (
        speed > gate_kmh
        or km < 0.0
        or credit_km + room_km < 0.0
        or (not (speed or before) if km > 0.0 else position.unmatched_km > QUIETLY_UNMATCHED_KM)
    ):
        return weighed(position, reading, elapsed_ms, mode, thresholds, in_gap=False)
    if room_km < 0.0 or credit_km < SLACK_KM:
        credit_km += room_km
        position.odometer_credit_km = credit_km if credit_km < SLACK_KM else SLACK_KM
    time_ms, longitude = reading.time_ms, reading.longitude_deg or 0.0
    position.odometer_ms = time_ms
    if speed != before:
        position.speed_kmh = speed
        if position.speed_repeats:
            position.speed_repeats = 0
    elif speed > 0.0:
        position.speed_repeats += 1
    if latitude != position.raw_latitude_deg or longitude != position.raw_longitude_deg:
        near_deg = NEAR_DEG_PER_MS * (time_ms - position.time_ms)
        if near_deg > NEAR_DEG:
            near_deg = NEAR_DEG
        north_deg = latitude - (position.latitude_deg or 0.0)
        east_deg = longitude - (position.longitude_deg or 0.0)
        if (
            north_deg * north_deg + east_deg * east_deg <= near_deg * near_deg
            and reading.accuracy_m is None
            and not position.candidates
        ):
            # What `_fix` does with a fix that is near, where something better has counted the distance.
            position.latitude_deg = position.raw_latitude_deg = latitude
            position.longitude_deg = position.raw_longitude_deg = longitude
            position.time_ms = time_ms
            position.path_is_behind = True
            far = False
            if km == 0.0:
                north_deg = latitude - (position.reference_latitude_deg or 0.0)
                east_deg = longitude - position.reference_longitude_deg
                if north_deg * north_deg + east_deg * east_deg > FAR_DEG * FAR_DEG:
                    far = _is_far(position)
        else:
            _fix(position, reading, mode, thresholds, km=km)
            if position.raw_pending or position.raw_rejected:
                position.settled = False
            far = km == 0.0 and _is_far(position)
        position.fix_changed_ms = time_ms
        if position.unfixed_km and position.settled:
            if km == 0.0:
                _catch_up(position)
                far = _is_far(position)
            position.unfixed_km = 0.0
    else:
        far = False
        if time_ms - position.time_ms > REPEATED_MS:
            position.time_ms = time_ms - REPEATED_MS
        if km > 0.0:
            position.unfixed_km += km
    if km > 0.0:
        position.odometer_km = value_km
        position.moved_ms = time_ms
        if position.unmatched_km:
            position.unmatched_km = 0.0
        if position.odometer_alone_km:
            position.odometer_alone_km = 0.0
        position.reference_latitude_deg = position.latitude_deg
        position.reference_longitude_deg = position.longitude_deg or 0.0
        return km
    if speed or before:
        position.unmatched_km += 0.5 * (speed + before) * elapsed_ms / _MS_PER_H
    if far or (speed and position.unmatched_km > STANDS_KM):  # one that has come to stand agrees with the odometer
        position.settled = False
        position.conflict = 1
        position.other_km = 0.5 * (speed + before) * elapsed_ms / _MS_PER_H
    return 0.0


def weighed(
    position: Position, reading: Reading, elapsed_ms: int, mode: int, thresholds: Thresholds, *, in_gap: bool
) -> float:
    """`advance` where the witnesses may disagree; sets `position.settled` when they are all there and agree."""
    km = _weighed(position, reading, elapsed_ms, mode, thresholds, in_gap=in_gap)
    if km > 0.0 and position.fix_changed_ms != reading.time_ms:
        position.unfixed_km += km
    position.settled = (
        position.odometer_is_fine
        and position.conflict == 0
        and position.odometer_candidate is None
        and position.odometer_ahead_km == 0.0
        and not position.odometer_lost
        and not position.raw_pending
        and not position.raw_rejected
        and not position.speed_lost
        and position.speed_kmh is not None
        and position.odometer_ms == reading.time_ms
    )
    return km


def _weighed(
    position: Position,
    reading: Reading,
    elapsed_ms: int,
    mode: int,
    thresholds: Thresholds,
    *,
    in_gap: bool,
) -> float:
    """What the witnesses say together."""
    km = -1.0
    value_km = reading.odometer_km
    if value_km is not None:
        km = odometer.advance(position, reading, value_km, elapsed_ms, thresholds)
    by_speed = -1.0
    speed = reading.speed_kmh
    if speed is not None:
        if speed > thresholds.fix_gate_kmh:
            position.speed_rejected += 1
            position.speed_kmh = None
        else:
            before = position.speed_kmh
            if before is not None:
                if elapsed_ms <= thresholds.speed_gap_ms:
                    by_speed = 0.5 * (speed + before) * elapsed_ms / _MS_PER_H
                elif speed == before > 0.0 >= km and mode in (DRIVING, STOPPED) and _says_the_same(position, reading):
                    position.unmatched_km += speed * elapsed_ms / _MS_PER_H
                    position.conflict = position.conflict or 1
            if speed > 0.0:
                position.speed_lost = False
                position.speed_repeats = position.speed_repeats + 1 if speed == before else 0
            elif position.speed_lost:
                by_speed, speed = -1.0, None
            position.speed_kmh = speed
    elif position.speed_kmh is not None:
        position.speed_kmh = None
    if position.speed_misleads and km < 0.0:
        by_speed = -1.0
    known = km if km >= 0.0 else by_speed
    by_fix = -1.0
    latitude = reading.latitude_deg
    if latitude is not None:
        if (
            latitude != position.raw_latitude_deg
            or reading.longitude_deg != position.raw_longitude_deg
            or position.raw_pending
            or (position.raw_rejected and in_gap)
        ):
            # A far fix that waited for this one is a move that no speed of these two readings has in it.
            waited = position.raw_pending
            by_fix = _fix(position, reading, mode, thresholds, km=-1.0 if waited else known)
            position.fix_changed_ms = reading.time_ms
            if position.unfixed_km and not position.raw_pending and not position.raw_rejected:
                if by_fix > 0.0:
                    by_fix = max(0.0, by_fix - position.unfixed_km)
                if known <= 0.0:
                    _catch_up(position)
                position.unfixed_km = 0.0
            if waited and not position.raw_pending:
                by_fix -= max(0.0, position.pending_km - position.held_km)  # what is held has not been counted
                position.pending_km = 0.0
                _refer(position)
            if waited and by_fix > known and km < 0.0:
                known = by_fix
        elif position.raw_rejected:
            # Said again and again it is the truth, as any place that was refused.
            _fix(position, reading, mode, thresholds, km=0.0)
            if position.unfixed_km and not position.raw_rejected:
                _catch_up(position)
                position.unfixed_km = 0.0
        elif reading.time_ms - position.time_ms > REPEATED_MS:
            position.time_ms = reading.time_ms - REPEATED_MS
    if in_gap:
        km = known if known >= 0.0 else by_fix
        if km > 0.0:
            if position.gap_km == 0.0:
                position.gap_since_ms = reading.time_ms - elapsed_ms
            position.gap_km += km
            if value_km is None or position.odometer_candidate is not None:
                odometer.counted(position, km)
        if km > 0.0 or mode not in (DRIVING, STOPPED):
            _refer(position)
        return 0.0
    if km >= 0.0:
        return _with_odometer(position, reading, km, by_speed, known, dense=elapsed_ms <= thresholds.speed_gap_ms)
    if known > by_speed >= 0.0:  # a far fix that has been seen twice: what speed said on the way there is in it
        km = known
        position.held_km = 0.0
    elif by_speed >= 0.0:
        km = _by_speed(position, reading, by_speed, elapsed_ms, mode)
    else:
        km = known if known >= 0.0 else by_fix if by_fix > 0.0 else 0.0
        if km > 0.0 or not position.conflict or mode not in (DRIVING, STOPPED):
            _refer(position)
    if km > 0.0:
        if position.raw_rejected:
            position.pending_km += km
        if position.odometer_km is not None:
            odometer.counted(position, km)
    return km


def _says_the_same(position: Position, reading: Reading) -> bool:
    """Whether the fix is the last one again."""
    return (
        reading.latitude_deg is not None
        and reading.latitude_deg == position.raw_latitude_deg
        and reading.longitude_deg == position.raw_longitude_deg
        and not position.raw_pending
    )


def _with_odometer(
    position: Position, reading: Reading, km: float, by_speed: float, known: float, *, dense: bool
) -> float:
    """The distance where the odometer has a say, and whether the other witnesses agree."""
    latitude = position.latitude_deg
    if km > 0.0:
        if dense and by_speed <= 0.0 and reading.latitude_deg is not None and is_near(position):
            if odometer.moves_alone(position, reading, km):
                odometer.lose(position)
                return 0.0
            return km
        position.odometer_alone_km = position.unmatched_km = 0.0
        position.moved_ms = reading.time_ms
        position.reference_latitude_deg = latitude
        position.reference_longitude_deg = position.longitude_deg or 0.0
        if position.conflict:
            position.conflict = 0
            position.doubt = None
        return known if known > km else km
    if by_speed > 0.0:
        position.unmatched_km += by_speed
    if known > 0.0:  # a far fix that has been seen twice
        return known
    if (position.unmatched_km > STANDS_KM and position.speed_kmh) or _is_far(position):
        if not position.conflict:
            position.conflict = 1
        position.other_km = by_speed if by_speed > 0.0 else 0.0
    return 0.0


def _by_speed(position: Position, reading: Reading, km: float, elapsed_ms: int, mode: int) -> float:
    """The distance by speed, where no odometer has a say: counted while the fixes move, too."""
    if reading.latitude_deg is None or position.latitude_deg is None:
        return km
    if km == 0.0:
        if elapsed_ms <= DENSE_MS and _is_far(position):
            if not position.conflict:
                position.conflict = 1
            position.other_km = 0.0
        return 0.0
    on_trip = mode in (DRIVING, STOPPED)
    position.unmatched_km += km
    least_km = SHARE_OF_SPEED * position.unmatched_km
    if position.conflict >= 2 and least_km > UNSTUCK_KM:
        least_km = UNSTUCK_KM  # this speed says nothing any more
    if _has_moved(position, least_km):
        if reading.time_ms - position.path_ms <= DENSE_MS and not position.held_km:
            km += _misled_km(position)
        position.path_ms = reading.time_ms
        held_km = min(position.held_km, from_reference_km(position) / SHARE_OF_SPEED)
        if position.conflict >= 2 and held_km > LEAST_CHORD_SHARE * from_reference_km(position):
            held_km = from_reference_km(position)
        _refer(position)
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


def release(position: Position) -> float:
    """The van has really left: what its speed said while that was not sure is counted."""
    km = position.held_km
    position.held_km = 0.0
    if km > 0.0 and position.odometer_km is not None:
        odometer.counted(position, km)
    return km


def is_near(position: Position) -> bool:
    """Whether the fix is, within the errors of receivers, where another witness last moved."""
    latitude, reference = position.latitude_deg, position.reference_latitude_deg
    return (
        latitude is not None
        and reference is not None
        and -NEAR_REFERENCE_DEG < latitude - reference < NEAR_REFERENCE_DEG
        and abs((position.longitude_deg or 0.0) - position.reference_longitude_deg) < NEAR_REFERENCE_DEG
    )


def from_reference_km(position: Position) -> float:
    """How far the fix is from where another witness last moved."""
    if position.latitude_deg is None or position.reference_latitude_deg is None:
        return 0.0
    return between_km(
        position.reference_latitude_deg,
        position.reference_longitude_deg,
        position.latitude_deg,
        position.longitude_deg or 0.0,
    )


def _catch_up(position: Position) -> None:
    """The receiver has a new fix: the way to it has been counted already while it repeated the last one."""
    if from_reference_km(position) <= LEAST_CHORD_SHARE * position.unfixed_km + FAR_KM:
        _refer(position)


def _is_far(position: Position) -> bool:
    latitude, reference = position.latitude_deg, position.reference_latitude_deg
    if latitude is None or reference is None:
        if latitude is not None:
            _refer(position)
        return False
    return (
        abs(latitude - reference) > FAR_DEG
        or abs((position.longitude_deg or 0.0) - position.reference_longitude_deg) > FAR_DEG
    ) and from_reference_km(position) > FAR_KM


def _has_moved(position: Position, least_km: float) -> bool:
    """Whether the fix has gone on since it was last referred to, by so much at least."""
    if position.reference_latitude_deg is None:
        return True
    if is_near(position):
        return False
    return least_km <= NEAR_REFERENCE_KM or from_reference_km(position) >= least_km


def _refer(position: Position) -> None:
    """The witnesses agree here."""
    position.reference_latitude_deg = position.latitude_deg
    position.reference_longitude_deg = position.longitude_deg or 0.0
    position.unmatched_km = 0.0
    if position.conflict:
        position.conflict = 0
        position.doubt = None


def _fix(position: Position, reading: Reading, mode: int, thresholds: Thresholds, *, km: float) -> float:
    """Take a new fix; returns the km it adds where nothing better has counted them (`km` is negative)."""
    latitude, longitude, time_ms = reading.latitude_deg, reading.longitude_deg, reading.time_ms
    position.raw_latitude_deg = latitude
    position.raw_longitude_deg = longitude
    if latitude is None or longitude is None:
        return 0.0
    was_rejected, position.raw_rejected = position.raw_rejected, False
    accuracy_m = reading.accuracy_m
    if accuracy_m is not None and accuracy_m > thresholds.fix_accuracy_m:
        return 0.0
    last_latitude, last_longitude = position.latitude_deg, position.longitude_deg
    if last_latitude is None or last_longitude is None:
        if latitude == 0.0 or longitude == 0.0:
            position.rejected += 1
            position.raw_rejected = True
        else:
            _place(position, latitude, longitude, time_ms)
        return 0.0
    near_deg = NEAR_DEG_PER_MS * (time_ms - position.time_ms)
    if near_deg > NEAR_DEG:
        near_deg = NEAR_DEG
    if abs(latitude - last_latitude) > near_deg or abs(longitude - last_longitude) > near_deg:
        since_ms = position.time_ms
        if position.speed_kmh and position.fix_changed_ms < since_ms:
            # The receiver has repeated a fix that the speed says was left behind.
            since_ms = max(position.fix_changed_ms, time_ms - LONGEST_REPEATED_MS)
        hours = (_first_seen_ms(position, latitude, longitude, time_ms, thresholds) - since_ms) / _MS_PER_H
        moved = between_km(last_latitude, last_longitude, latitude, longitude)
        if moved > CONFIRM_FROM_KM and hours > CONFIRM_AFTER_H and not _is_due(position, moved, hours, mode):
            if not _is_second(position, reading, thresholds):
                if not position.raw_pending:
                    position.raw_pending = True
                    if not was_rejected:
                        position.pending_km = 0.0
                if km > 0.0:
                    position.pending_km += km
                return 0.0
            position.candidates = 0
        if moved > thresholds.fix_gate_kmh * hours + GATE_SLACK_KM:
            position.rejected += 1
            if (
                latitude != 0.0
                and longitude != 0.0
                and ((position.raw_pending and position.candidates == 0) or _agrees(position, reading, thresholds))
            ):
                _place(position, latitude, longitude, time_ms)
                position.placed = True
                position.raw_pending = False
                position.candidates = 0  # else the next far fix, which may be driven, agrees with them as well
                return 0.0
            position.raw_rejected = True
            if not was_rejected:
                position.pending_km = 0.0
            return 0.0
    if position.candidates:
        position.candidates = 0
        if position.raw_pending:
            position.rejected += 1
    position.raw_pending = False
    position.latitude_deg = latitude
    position.longitude_deg = longitude
    position.time_ms = time_ms
    if km >= 0.0:
        position.path_is_behind = True
        return 0.0
    if position.path_is_behind:
        position.path_is_behind = False
        position.anchor_latitude_deg = position.path_latitude_deg = last_latitude
        position.anchor_longitude_deg = position.path_longitude_deg = last_longitude
    return _counted_km(position, latitude, longitude, mode, thresholds)


def _first_seen_ms(position: Position, latitude: float, longitude: float, time_ms: int, thresholds: Thresholds) -> int:
    """When the van was first seen there: a place that was too far to be true does not get nearer by waiting."""
    if not position.candidates:
        return time_ms
    hours = (time_ms - position.candidate_ms) / _MS_PER_H
    far_km = between_km(position.candidate_latitude_deg, position.candidate_longitude_deg, latitude, longitude)
    return position.candidates_ms if far_km <= thresholds.fix_gate_kmh * hours + GATE_SLACK_KM else time_ms


def _counted_km(position: Position, latitude: float, longitude: float, mode: int, thresholds: Thresholds) -> float:
    """Distance up to this fix, if it is a step beyond the anchor.

    Sideways errors of the fixes make a chain of them too long, by sigma²/d for a chord d, so that short chords are
    counted between their middles, which have half the error; what is left of the last one follows with the next.
    """
    anchor_latitude, anchor_longitude = position.anchor_latitude_deg or 0.0, position.anchor_longitude_deg or 0.0
    far = between_km(anchor_latitude, anchor_longitude, latitude, longitude)
    if mode == DRIVING:
        step_m = thresholds.fix_step_m
    elif mode == STOPPED:
        step_m = thresholds.rest_radius_m
    else:
        step_m = thresholds.departure_m
    if far * 1000.0 < step_m:
        return 0.0
    if far < thresholds.fix_chord_km:
        next_latitude = 0.5 * (anchor_latitude + latitude)
        next_longitude = 0.5 * (anchor_longitude + longitude)
        km = between_km(position.path_latitude_deg, position.path_longitude_deg, next_latitude, next_longitude)
    else:
        next_latitude, next_longitude = latitude, longitude
        km = far + between_km(
            position.path_latitude_deg, position.path_longitude_deg, anchor_latitude, anchor_longitude
        )
    position.anchor_latitude_deg, position.anchor_longitude_deg = latitude, longitude
    position.path_latitude_deg, position.path_longitude_deg = next_latitude, next_longitude
    return km


def _place(position: Position, latitude: float, longitude: float, time_ms: int) -> None:
    """Here the van is, without having driven there."""
    position.latitude_deg = position.anchor_latitude_deg = position.path_latitude_deg = latitude
    position.longitude_deg = position.anchor_longitude_deg = position.path_longitude_deg = longitude
    position.time_ms = time_ms


def _is_due(position: Position, moved_km: float, hours: float, mode: int) -> bool:
    """Whether the speed of a van on a trip accounts for a far fix."""
    speed = position.speed_kmh
    return mode == DRIVING and speed is not None and moved_km <= DUE_SHARE * speed * hours


def _is_second(position: Position, reading: Reading, thresholds: Thresholds) -> bool:
    """Far away after a silence: believed when a second fix says so too, since the time alone forbids nothing."""
    return _agrees(position, reading, thresholds) or position.candidates >= 2


def _agrees(position: Position, reading: Reading, thresholds: Thresholds) -> bool:
    """Whether so many refused fixes in a row agree with each other that they are the truth."""
    latitude, longitude = reading.latitude_deg or 0.0, reading.longitude_deg or 0.0
    hours = (reading.time_ms - position.candidate_ms) / _MS_PER_H
    near = position.candidates > 0 and (
        between_km(position.candidate_latitude_deg, position.candidate_longitude_deg, latitude, longitude)
        <= thresholds.fix_gate_kmh * hours + GATE_SLACK_KM
    )
    if near:
        position.candidates += 1
    else:
        position.candidates = 1
        position.candidates_ms = reading.time_ms
    position.candidate_latitude_deg = latitude
    position.candidate_longitude_deg = longitude
    position.candidate_ms = reading.time_ms
    return (
        position.candidates >= thresholds.fix_anchors
        and reading.time_ms - position.candidates_ms >= thresholds.fix_anchors_ms
    )
