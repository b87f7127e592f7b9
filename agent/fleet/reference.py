"""The reference: where another witness than the fix, or than the speed, last moved."""

from typing import Final

from agent.fleet.position_state import Position
from agent.fleet.sphere import between_km

NEAR_REFERENCE_DEG: Final = 0.0003
NEAR_REFERENCE_KM: Final = 0.033
"""Receivers that stand still wander by so much."""
FAR_DEG: Final = 0.0027
FAR_KM: Final = 0.3
"""So far the fix moves before a witness that says the van stands is doubted."""
LEAST_CHORD_SHARE: Final = 1.5
"""Where a speed was taken for stuck and the fix then comes back elsewhere, the way is at most so much longer."""


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


def is_far(position: Position) -> bool:
    """Whether the fix is far from the reference. Without a reference the fix becomes it."""
    latitude, reference = position.latitude_deg, position.reference_latitude_deg
    if latitude is None or reference is None:
        if latitude is not None:
            refer(position)
        return False
    return (
        abs(latitude - reference) > FAR_DEG
        or abs((position.longitude_deg or 0.0) - position.reference_longitude_deg) > FAR_DEG
    ) and from_reference_km(position) > FAR_KM


def has_moved(position: Position, least_km: float) -> bool:
    """Whether the fix has gone on since it was last referred to, by so much at least."""
    if position.reference_latitude_deg is None:
        return True
    if is_near(position):
        return False
    return least_km <= NEAR_REFERENCE_KM or from_reference_km(position) >= least_km


def catch_up(position: Position) -> None:
    """The receiver has a new fix: the way to it has been counted already while it repeated the last one."""
    if from_reference_km(position) <= LEAST_CHORD_SHARE * position.unfixed_km + FAR_KM:
        refer(position)


def refer(position: Position) -> None:
    """The witnesses agree here."""
    position.reference_latitude_deg = position.latitude_deg
    position.reference_longitude_deg = position.longitude_deg or 0.0
    position.unmatched_km = 0.0
    if position.conflict:
        position.conflict = 0
        position.doubt = None
