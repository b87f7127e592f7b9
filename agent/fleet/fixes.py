"""Which fixes are believed, and the distance that they add where no better witness counts it.

A fix that needs an impossible speed is refused. Refused fixes that agree with each other are a new place, to which the
van has not driven. Fixes are counted only in steps, because the fixes of a van that stands drift.
"""

from typing import Final

from agent.fleet.modes import DRIVING, STOPPED
from agent.fleet.position_state import Position
from agent.fleet.sphere import between_km
from agent.fleet.thresholds import Thresholds
from agent.readings import Reading

GATE_SLACK_KM: Final = 0.03
"""How much the errors of two fixes may add to the distance between them."""
CONFIRM_FROM_KM: Final = 1.0
CONFIRM_AFTER_H: Final = 120 / 3600
"""A fix so far away after this much time needs a second fix."""
DUE_SHARE: Final = 1.5
"""A drive of some minutes is at most this many times the distance that the speed at its end gives."""
NEAR_DEG_PER_MS: Final = 2e-7
NEAR_DEG: Final = 0.006
"""A fix is near up to 31 m/s (113 km/h) in any direction, and 1 km in all. A near fix needs no check."""
LONGEST_REPEATED_MS: Final = 300_000
"""A repeated fix gives the next one at most this much time to have travelled."""
_MS_PER_H: Final = 3_600_000.0


def take_fix(position: Position, reading: Reading, mode: int, thresholds: Thresholds, *, km: float) -> float:
    """Take a new fix; returns the km that it adds.

    `km` is the distance since the last reading by a better witness. Fixes add distance only where it is negative.
    """
    latitude, longitude, time_ms = reading.latitude_deg, reading.longitude_deg, reading.time_ms
    position.raw_latitude_deg = latitude
    position.raw_longitude_deg = longitude
    if latitude is None or longitude is None:
        return 0.0
    was_rejected, position.raw_rejected = position.raw_rejected, False
    accuracy_m = reading.accuracy_m
    if accuracy_m is not None and accuracy_m > thresholds.fix_accuracy_m:
        return 0.0
    if latitude == 0.0 and longitude == 0.0:  # what a receiver without a fix sends; on land there is no such place
        _refuse(position, was_rejected=was_rejected)
        return 0.0
    last_latitude, last_longitude = position.latitude_deg, position.longitude_deg
    if last_latitude is None or last_longitude is None:
        _place(position, latitude, longitude, time_ms)
        return 0.0
    near_deg = NEAR_DEG_PER_MS * (time_ms - position.time_ms)
    if near_deg > NEAR_DEG:
        near_deg = NEAR_DEG
    if abs(latitude - last_latitude) > near_deg or abs(longitude - last_longitude) > near_deg:
        moved_km = between_km(last_latitude, last_longitude, latitude, longitude)
        if not _is_reachable(position, reading, moved_km, mode, thresholds, km=km, was_rejected=was_rejected):
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


def _is_reachable(
    position: Position,
    reading: Reading,
    moved_km: float,
    mode: int,
    thresholds: Thresholds,
    *,
    km: float,
    was_rejected: bool,
) -> bool:
    """Whether the van can have driven to a fix that is not near. If not, one of these holds.

    * Far away after a silence (`raw_pending`): it waits for a second fix there.
    * Too far for the time (`raw_rejected`): it is refused. Refused fixes that agree are a new place (`placed`).
    """
    latitude, longitude, time_ms = reading.latitude_deg or 0.0, reading.longitude_deg or 0.0, reading.time_ms
    since_ms = position.time_ms
    if position.speed_kmh and position.fix_changed_ms < since_ms:
        # The receiver has repeated a fix while the speed says that the van drove on.
        since_ms = max(position.fix_changed_ms, time_ms - LONGEST_REPEATED_MS)
    hours = (_first_seen_ms(position, latitude, longitude, time_ms, thresholds) - since_ms) / _MS_PER_H
    if moved_km > CONFIRM_FROM_KM and hours > CONFIRM_AFTER_H and not _is_due(position, moved_km, hours, mode):
        if not _is_second(position, reading, thresholds):
            if not position.raw_pending:
                position.raw_pending = True
                if not was_rejected:
                    position.pending_km = 0.0
            if km > 0.0:
                position.pending_km += km
            return False
        position.candidates = 0
    if moved_km <= thresholds.fix_gate_kmh * hours + GATE_SLACK_KM:
        return True
    if (position.raw_pending and position.candidates == 0) or _agrees(position, reading, thresholds):
        position.rejected += 1
        _place(position, latitude, longitude, time_ms)
        position.placed = True
        position.raw_pending = False
        position.candidates = 0  # a later far fix, which may be driven, must not agree with these
        return False
    _refuse(position, was_rejected=was_rejected)
    return False


def _refuse(position: Position, *, was_rejected: bool) -> None:
    position.rejected += 1
    position.raw_rejected = True
    if not was_rejected:
        position.pending_km = 0.0


def _first_seen_ms(position: Position, latitude: float, longitude: float, time_ms: int, thresholds: Thresholds) -> int:
    """When the van was first seen at this place. A place that was out of reach then is not reachable later."""
    if not position.candidates:
        return time_ms
    hours = (time_ms - position.candidate_ms) / _MS_PER_H
    far_km = between_km(position.candidate_latitude_deg, position.candidate_longitude_deg, latitude, longitude)
    return position.candidates_ms if far_km <= thresholds.fix_gate_kmh * hours + GATE_SLACK_KM else time_ms


def _counted_km(position: Position, latitude: float, longitude: float, mode: int, thresholds: Thresholds) -> float:
    """Distance up to this fix, if it is a step away from the anchor; otherwise 0.

    Sideways errors of fixes make a chain of chords too long, by sigma²/d for a chord of length d. Short chords are thus
    counted between their middles, which have half the error. The second half of a chord is counted with the next one.
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
    """Set the position to a place, without a drive to it."""
    position.latitude_deg = position.anchor_latitude_deg = position.path_latitude_deg = latitude
    position.longitude_deg = position.anchor_longitude_deg = position.path_longitude_deg = longitude
    position.time_ms = time_ms


def _is_due(position: Position, moved_km: float, hours: float, mode: int) -> bool:
    """Whether the speed of a van on a trip explains a far fix."""
    speed = position.speed_kmh
    return mode == DRIVING and speed is not None and moved_km <= DUE_SHARE * speed * hours


def _is_second(position: Position, reading: Reading, thresholds: Thresholds) -> bool:
    """Whether a second fix confirms one that is far away after a silence."""
    return _agrees(position, reading, thresholds) or position.candidates >= 2


def _agrees(position: Position, reading: Reading, thresholds: Thresholds) -> bool:
    """Whether enough refused fixes in a row, over enough time, agree with each other to be believed."""
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
