"""The reference: where the fix was when another witness of movement last agreed with it.

The distance of the fix from the reference is movement that only the fix shows.
"""

from typing import Final

from agent.fleet.position_state import AGREED, Position
from agent.fleet.sphere import between_km

NEAR_REFERENCE_DEG: Final = 0.0003
NEAR_REFERENCE_KM: Final = 0.033
"""Fixes of a van that stands drift by up to this much."""
FAR_DEG: Final = 0.0027
FAR_KM: Final = 0.3
"""From this distance on, a fix contradicts a witness that shows no movement."""
LEAST_CHORD_SHARE: Final = 1.5
"""Where fixes return after a gap, the way is at most this many times the straight line between them."""


def is_near(position: Position) -> bool:
    """Whether the fix is at the reference, within the errors of receivers."""
    latitude, reference = position.latitude_deg, position.reference_latitude_deg
    return (
        latitude is not None
        and reference is not None
        and -NEAR_REFERENCE_DEG < latitude - reference < NEAR_REFERENCE_DEG
        and abs((position.longitude_deg or 0.0) - position.reference_longitude_deg) < NEAR_REFERENCE_DEG
    )


def from_reference_km(position: Position) -> float:
    """Distance of the fix from the reference."""
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
            set_reference(position)
        return False
    return (
        abs(latitude - reference) > FAR_DEG
        or abs((position.longitude_deg or 0.0) - position.reference_longitude_deg) > FAR_DEG
    ) and from_reference_km(position) > FAR_KM


def has_moved(position: Position, least_km: float) -> bool:
    """Whether the fix has moved away from the reference by at least this much."""
    if position.reference_latitude_deg is None:
        return True
    if is_near(position):
        return False
    return least_km <= NEAR_REFERENCE_KM or from_reference_km(position) >= least_km


def refer_if_explained(position: Position) -> None:
    """Set the reference to a new fix if the distance to it was counted while the receiver repeated the last fix."""
    if from_reference_km(position) <= LEAST_CHORD_SHARE * position.unfixed_km + FAR_KM:
        set_reference(position)


def set_reference(position: Position) -> None:
    """Set the reference to the fix: the witnesses agree here."""
    position.reference_latitude_deg = position.latitude_deg
    position.reference_longitude_deg = position.longitude_deg or 0.0
    position.unmatched_km = 0.0
    if position.conflict:
        position.conflict = AGREED
        position.doubt = None
