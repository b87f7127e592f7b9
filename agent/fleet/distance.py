"""How far the van went: by odometer, else by the integral of speed, else by distinct fixes.

Fixes are gated (a position that needs an impossible speed is refused, three refused ones that agree are a new place) and
counted only when they have moved on by a step that depends on what the van is doing: receivers drift while it stands.
"""

from math import cos, radians, sqrt
from typing import Final

from agent.fleet.state import Mode, Position
from agent.fleet.thresholds import Thresholds
from agent.readings import Reading

KM_PER_DEGREE: Final = 111.195
"""Of a great circle on a sphere of 6371 km."""
GATE_SLACK_KM: Final = 0.03
"""What the errors of two fixes add to the distance between them."""
_MS_PER_H: Final = 3_600_000.0


def between_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Distance of two places on the sphere; flat-earth approximation, within 0.1 % below 100 km."""
    dx = (longitude_b - longitude_a) % 360.0
    if dx > 180.0:
        dx -= 360.0
    dx *= cos(radians(0.5 * (latitude_a + latitude_b)))
    dy = latitude_b - latitude_a
    return KM_PER_DEGREE * sqrt(dx * dx + dy * dy)


def advance(position: Position, reading: Reading, mode: Mode, thresholds: Thresholds) -> float:
    """Take the position, speed and odometer of a reading; returns the km driven since the one before."""
    time_ms = reading.time_ms
    by_fix = None
    if reading.latitude_deg is not None and reading.longitude_deg is not None:
        by_fix = _fix(position, reading, mode, thresholds)
    by_speed = None
    speed = reading.speed_kmh
    if speed is not None:
        if position.speed_kmh is not None:
            elapsed_ms = time_ms - position.speed_ms
            if elapsed_ms <= thresholds.speed_gap_s * 1000.0:
                by_speed = 0.5 * (speed + position.speed_kmh) * elapsed_ms / _MS_PER_H
        position.speed_kmh = speed
        position.speed_ms = time_ms
    by_odometer = None
    odometer = reading.odometer_km
    if odometer is not None:
        last = position.odometer_km
        if last is not None:
            by_odometer = odometer - last
            hours = (time_ms - position.odometer_ms) / _MS_PER_H
            if not 0.0 <= by_odometer <= thresholds.fix_gate_kmh * hours + 1.0:
                by_odometer = None
        position.odometer_km = odometer
        position.odometer_ms = time_ms
    if by_odometer is not None:
        return by_odometer
    if by_speed is not None:
        return by_speed
    return by_fix or 0.0


def _fix(position: Position, reading: Reading, mode: Mode, thresholds: Thresholds) -> float | None:
    latitude, longitude = reading.latitude_deg, reading.longitude_deg
    if latitude is None or longitude is None:
        return None
    if latitude == position.raw_latitude_deg and longitude == position.raw_longitude_deg:
        if position.raw_rejected:
            position.rejected += 1
        return None
    position.raw_latitude_deg = latitude
    position.raw_longitude_deg = longitude
    position.raw_rejected = False
    if reading.accuracy_m is not None and reading.accuracy_m > thresholds.fix_accuracy_m:
        return None
    last_latitude, last_longitude = position.latitude_deg, position.longitude_deg
    if last_latitude is None or last_longitude is None:
        if latitude == 0.0 or longitude == 0.0:
            position.rejected += 1
            position.raw_rejected = True
            return None
        _place(position, latitude, longitude, reading.time_ms)
        return None
    hours = (reading.time_ms - position.time_ms) / _MS_PER_H
    moved = between_km(last_latitude, last_longitude, latitude, longitude)
    if moved > thresholds.fix_gate_kmh * hours + GATE_SLACK_KM:
        position.rejected += 1
        position.raw_rejected = True
        if (latitude == 0.0 or longitude == 0.0) or not _agrees(position, reading, thresholds):
            return None
        _place(position, latitude, longitude, reading.time_ms)
        position.candidates = 0
        return None
    position.candidates = 0
    position.latitude_deg = latitude
    position.longitude_deg = longitude
    position.time_ms = reading.time_ms
    return _counted_km(position, latitude, longitude, mode, thresholds)


def _counted_km(
    position: Position, latitude: float, longitude: float, mode: Mode, thresholds: Thresholds
) -> float | None:
    """Distance up to this fix, if it is a step beyond the anchor.

    Sideways errors of the fixes make a chain of them too long, by sigma²/d for a chord d, so that short chords are counted
    between their middles, which have half the error; what is left of the last one follows with the next.
    """
    anchor_latitude, anchor_longitude = position.anchor_latitude_deg or 0.0, position.anchor_longitude_deg or 0.0
    far = between_km(anchor_latitude, anchor_longitude, latitude, longitude)
    if mode == Mode.DRIVING:
        step_m = thresholds.fix_step_m
    elif mode == Mode.STOPPED:
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
        and reading.time_ms - position.candidates_ms >= thresholds.fix_anchors_s * 1000.0
    )
