"""How far the van went: by odometer, else by the integral of speed, else by distinct fixes.

Each of them is a witness. A witness that the others contradict is not counted: speed while the fix stands, an odometer
that goes on while everything else stands. `agent.fleet.witnesses` decides what cannot be decided from movement alone.

Fixes are gated: a position that needs an impossible speed is refused, three refused ones that agree are a new place.
They are counted only when they have moved on by a step that depends on what the van is doing: receivers drift while
it stands.
"""

from typing import Final

from agent.fleet import odometer
from agent.fleet.fixes import NEAR_DEG, NEAR_DEG_PER_MS, take_fix
from agent.fleet.modes import DRIVING, STOPPED
from agent.fleet.odometer import SLACK_KM
from agent.fleet.position_state import Position
from agent.fleet.reference import FAR_DEG, catch_up, is_far, is_near, refer
from agent.fleet.speed import count_speed
from agent.fleet.thresholds import Thresholds
from agent.readings import Reading

REPEATED_MS: Final = 30_000
"""Receivers repeat a fix for up to some 20 s while the van moves on; repeated for longer, the van is still there, and
the next fix is not given all that time to have travelled."""
QUIETLY_UNMATCHED_KM: Final = 0.3
STANDS_KM: Final = 0.5
"""So far the speed may say that the van goes while its odometer stands: several steps of one."""
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
            # What `take_fix` does with a fix that is near, where something better has counted the distance.
            position.latitude_deg = position.raw_latitude_deg = latitude
            position.longitude_deg = position.raw_longitude_deg = longitude
            position.time_ms = time_ms
            position.path_is_behind = True
            far = False
            if km == 0.0:
                north_deg = latitude - (position.reference_latitude_deg or 0.0)
                east_deg = longitude - position.reference_longitude_deg
                if north_deg * north_deg + east_deg * east_deg > FAR_DEG * FAR_DEG:
                    far = is_far(position)
        else:
            take_fix(position, reading, mode, thresholds, km=km)
            if position.raw_pending or position.raw_rejected:
                position.settled = False
            far = km == 0.0 and is_far(position)
        position.fix_changed_ms = time_ms
        if position.unfixed_km and position.settled:
            if km == 0.0:
                catch_up(position)
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
            by_fix = take_fix(position, reading, mode, thresholds, km=-1.0 if waited else known)
            position.fix_changed_ms = reading.time_ms
            if position.unfixed_km and not position.raw_pending and not position.raw_rejected:
                if by_fix > 0.0:
                    by_fix = max(0.0, by_fix - position.unfixed_km)
                if known <= 0.0:
                    catch_up(position)
                position.unfixed_km = 0.0
            if waited and not position.raw_pending:
                by_fix -= max(0.0, position.pending_km - position.held_km)  # what is held has not been counted
                position.pending_km = 0.0
                refer(position)
            if waited and by_fix > known and km < 0.0:
                known = by_fix
        elif position.raw_rejected:
            # Said again and again it is the truth, as any place that was refused.
            take_fix(position, reading, mode, thresholds, km=0.0)
            if position.unfixed_km and not position.raw_rejected:
                catch_up(position)
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
            refer(position)
        return 0.0
    if km >= 0.0:
        return _with_odometer(position, reading, km, by_speed, known, dense=elapsed_ms <= thresholds.speed_gap_ms)
    if known > by_speed >= 0.0:  # a far fix that has been seen twice: what speed said on the way there is in it
        km = known
        position.held_km = 0.0
    elif by_speed >= 0.0:
        km = count_speed(position, reading, by_speed, elapsed_ms, mode)
    else:
        km = known if known >= 0.0 else by_fix if by_fix > 0.0 else 0.0
        if km > 0.0 or not position.conflict or mode not in (DRIVING, STOPPED):
            refer(position)
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
    if (position.unmatched_km > STANDS_KM and position.speed_kmh) or is_far(position):
        if not position.conflict:
            position.conflict = 1
        position.other_km = by_speed if by_speed > 0.0 else 0.0
    return 0.0
