"""How far the van went: by odometer, else by the integral of speed, else by distinct fixes.

Odometer, speed and fixes are three witnesses of movement. A witness that the others contradict is not counted, for
example a speed above 0 while the fix stays the same. `position.conflict` says that they disagree;
`agent.fleet.witnesses` then decides with the help of the battery.

`advance` has two branches. The quick one is for a van whose witnesses have all agreed so far (`position.settled`);
`weighed` is for all others. Both give the same distance for a settled van.
"""

from typing import Final

from agent.fleet import odometer
from agent.fleet.fixes import NEAR_DEG, NEAR_DEG_PER_MS, take_fix
from agent.fleet.modes import DRIVING, STOPPED
from agent.fleet.odometer import NO_SAY, SLACK_KM
from agent.fleet.position_state import AGREED, DOUBTED, Position
from agent.fleet.reference import FAR_DEG, is_far, is_near, refer_if_explained, set_reference
from agent.fleet.speed import count_speed
from agent.fleet.thresholds import Thresholds
from agent.readings import Reading

REPEATED_MS: Final = 30_000
"""Receivers repeat a fix for up to 20 s while the van moves on. A fix that is repeated for longer is true: the next fix
then has only the time since, and not the whole repetition, to explain its distance."""
QUIETLY_UNMATCHED_KM: Final = 0.3
"""Distance by speed that a standing odometer does not confirm, beyond which the quick branch is left."""
STANDS_KM: Final = 0.5
"""Distance by speed, with a standing odometer, from which on the two disagree: several steps of an odometer."""
_MS_PER_H: Final = 3_600_000.0


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

    `in_gap`: the reading follows a silence that is still being assessed. The distance driven in the silence is kept in
    `position.gap_km` until then. Nearly every line of the quick branch runs for every reading.
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
    time_ms = reading.time_ms
    position.odometer_ms = time_ms
    if speed != before:
        position.speed_kmh = speed
        if position.speed_repeats:
            position.speed_repeats = 0
    elif speed > 0.0:
        position.speed_repeats += 1
    if latitude != position.raw_latitude_deg or (reading.longitude_deg or 0.0) != position.raw_longitude_deg:
        longitude = reading.longitude_deg or 0.0
        near_deg = NEAR_DEG_PER_MS * (time_ms - position.time_ms)
        if near_deg > NEAR_DEG:
            near_deg = NEAR_DEG
        north_deg = latitude - (position.latitude_deg or 0.0)
        east_deg = longitude - (position.longitude_deg or 0.0)
        if (
            north_deg * north_deg + east_deg * east_deg <= near_deg * near_deg
            and reading.accuracy_m is None
            and not position.candidates
        ):  # as `fixes.take_fix` takes a fix where an odometer has counted the distance
            position.latitude_deg = position.raw_latitude_deg = latitude
            position.longitude_deg = position.raw_longitude_deg = longitude
            position.time_ms = time_ms
            position.path_is_behind = True
            far = km == 0.0 and _is_far_from_reference(position)
        else:
            far = _take_other_fix(position, reading, mode, thresholds, km)
        position.fix_changed_ms = time_ms
        if position.unfixed_km and position.settled:
            if km == 0.0:
                refer_if_explained(position)
                far = is_far(position)
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
    if far or (speed and position.unmatched_km > STANDS_KM):  # a speed that is now 0 agrees with the odometer
        position.settled = False
        position.conflict = DOUBTED
        position.other_km = 0.5 * (speed + before) * elapsed_ms / _MS_PER_H
    return 0.0


def _is_far_from_reference(position: Position) -> bool:
    """Whether the fix just taken is far from the reference. Most are near, which squares of degrees show."""
    north_deg = (position.latitude_deg or 0.0) - (position.reference_latitude_deg or 0.0)
    east_deg = (position.longitude_deg or 0.0) - position.reference_longitude_deg
    return north_deg * north_deg + east_deg * east_deg > FAR_DEG * FAR_DEG and is_far(position)


def _take_other_fix(position: Position, reading: Reading, mode: int, thresholds: Thresholds, km: float) -> bool:
    """Take a fix that is not surely near; returns whether it is far from the reference while the odometer stands."""
    take_fix(position, reading, mode, thresholds, km=km)
    if position.raw_pending or position.raw_rejected:
        position.settled = False
    return km == 0.0 and is_far(position)


def weighed(
    position: Position, reading: Reading, elapsed_ms: int, mode: int, thresholds: Thresholds, *, in_gap: bool
) -> float:
    """`advance` where the witnesses may disagree; sets `position.settled` when they are all there and agree."""
    km = _weighed(position, reading, elapsed_ms, mode, thresholds, in_gap=in_gap)
    if km > 0.0 and position.fix_changed_ms != reading.time_ms:
        position.unfixed_km += km
    position.settled = (
        position.odometer_is_fine
        and position.conflict == AGREED
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
    """The distance by the best witness that has a say."""
    km = NO_SAY
    value_km = reading.odometer_km
    if value_km is not None:
        km = odometer.take_value(position, reading, value_km, elapsed_ms, thresholds)
    by_speed = _take_speed(position, reading, km, elapsed_ms, mode, thresholds)
    if position.speed_misleads and km < 0.0:
        by_speed = NO_SAY
    known = km if km >= 0.0 else by_speed
    by_fix = NO_SAY
    if reading.latitude_deg is not None:
        by_fix, known = _take_position(position, reading, km, known, mode, thresholds, in_gap=in_gap)
    if in_gap:
        _keep_for_gap(position, reading, known if known >= 0.0 else by_fix, elapsed_ms, mode)
        return 0.0
    if km >= 0.0:
        return _with_odometer(position, reading, km, by_speed, known, dense=elapsed_ms <= thresholds.speed_gap_ms)
    if known > by_speed >= 0.0:  # a far fix, seen twice: it contains the distance by speed on the way there
        km = known
        position.held_km = 0.0
    elif by_speed >= 0.0:
        km = count_speed(position, reading, by_speed, elapsed_ms, mode)
    else:
        km = known if known >= 0.0 else by_fix if by_fix > 0.0 else 0.0
        if km > 0.0 or not position.conflict or mode not in (DRIVING, STOPPED):
            set_reference(position)
    if km > 0.0:
        if position.raw_rejected:
            position.pending_km += km
        if position.odometer_km is not None:
            odometer.add_others_km(position, km)
    return km


def _take_speed(
    position: Position, reading: Reading, km: float, elapsed_ms: int, mode: int, thresholds: Thresholds
) -> float:
    """Take the speed of a reading; returns the distance by speed since the one before. `km` is that by odometer."""
    speed = reading.speed_kmh
    if speed is None:
        if position.speed_kmh is not None:
            position.speed_kmh = None
        return NO_SAY
    if speed > thresholds.fix_gate_kmh:
        position.speed_rejected += 1
        position.speed_kmh = None
        return NO_SAY
    by_speed = NO_SAY
    before = position.speed_kmh
    if before is not None:
        if elapsed_ms <= thresholds.speed_gap_ms:
            by_speed = 0.5 * (speed + before) * elapsed_ms / _MS_PER_H
        elif speed == before > 0.0 >= km and mode in (DRIVING, STOPPED) and _repeats_fix(position, reading):
            position.unmatched_km += speed * elapsed_ms / _MS_PER_H
            position.conflict = position.conflict or DOUBTED
    if speed > 0.0:
        position.speed_lost = False
        position.speed_repeats = position.speed_repeats + 1 if speed == before else 0
    elif position.speed_lost:
        by_speed, speed = NO_SAY, None
    position.speed_kmh = speed
    return by_speed


def _take_position(
    position: Position,
    reading: Reading,
    km: float,
    known: float,
    mode: int,
    thresholds: Thresholds,
    *,
    in_gap: bool,
) -> tuple[float, float]:
    """Take the position of a reading. `km` is the distance by odometer, `known` that by odometer or speed.

    Returns the distance by fixes, and `known`. A far fix that has been confirmed by a second one replaces `known`: it
    is a move which the speeds of these two readings do not contain.
    """
    by_fix = NO_SAY
    if (
        reading.latitude_deg != position.raw_latitude_deg
        or reading.longitude_deg != position.raw_longitude_deg
        or position.raw_pending
        or (position.raw_rejected and in_gap)
    ):
        waited = position.raw_pending
        by_fix = take_fix(position, reading, mode, thresholds, km=NO_SAY if waited else known)
        position.fix_changed_ms = reading.time_ms
        if position.unfixed_km and not position.raw_pending and not position.raw_rejected:
            if by_fix > 0.0:
                by_fix = max(0.0, by_fix - position.unfixed_km)
            if known <= 0.0:
                refer_if_explained(position)
            position.unfixed_km = 0.0
        if waited and not position.raw_pending:
            by_fix -= max(0.0, position.pending_km - position.held_km)  # what is held has not been counted
            position.pending_km = 0.0
            set_reference(position)
        if waited and by_fix > known and km < 0.0:
            known = by_fix
    elif position.raw_rejected:
        # A refused fix that is repeated may become a new place, as different ones that agree do.
        take_fix(position, reading, mode, thresholds, km=0.0)
        if position.unfixed_km and not position.raw_rejected:
            refer_if_explained(position)
            position.unfixed_km = 0.0
    elif reading.time_ms - position.time_ms > REPEATED_MS:
        position.time_ms = reading.time_ms - REPEATED_MS
    return by_fix, known


def _keep_for_gap(position: Position, reading: Reading, km: float, elapsed_ms: int, mode: int) -> None:
    """Add a distance to that of the silence that is being assessed."""
    if km > 0.0:
        if position.gap_km == 0.0:
            position.gap_since_ms = reading.time_ms - elapsed_ms
        position.gap_km += km
        if reading.odometer_km is None or position.odometer_candidate is not None:
            odometer.add_others_km(position, km)
    if km > 0.0 or mode not in (DRIVING, STOPPED):
        set_reference(position)


def _repeats_fix(position: Position, reading: Reading) -> bool:
    """Whether the fix is the same as the last one."""
    return (
        reading.latitude_deg is not None
        and reading.latitude_deg == position.raw_latitude_deg
        and reading.longitude_deg == position.raw_longitude_deg
        and not position.raw_pending
    )


def _with_odometer(
    position: Position, reading: Reading, km: float, by_speed: float, known: float, *, dense: bool
) -> float:
    """The distance where the odometer has a say; sets `position.conflict` where the others contradict it."""
    latitude = position.latitude_deg
    if km > 0.0:
        if dense and by_speed <= 0.0 and reading.latitude_deg is not None and is_near(position):
            if odometer.moves_alone(position, reading, km):
                odometer.distrust(position)
                return 0.0
            return km
        position.odometer_alone_km = position.unmatched_km = 0.0
        position.moved_ms = reading.time_ms
        position.reference_latitude_deg = latitude
        position.reference_longitude_deg = position.longitude_deg or 0.0
        if position.conflict:
            position.conflict = AGREED
            position.doubt = None
        return known if known > km else km
    if by_speed > 0.0:
        position.unmatched_km += by_speed
    if known > 0.0:  # a far fix, seen twice
        return known
    if (position.unmatched_km > STANDS_KM and position.speed_kmh) or is_far(position):
        if not position.conflict:
            position.conflict = DOUBTED
        position.other_km = by_speed if by_speed > 0.0 else 0.0
    return 0.0
