"""State of the position and the distance."""

from agent.fast.attributes import quick_to_set
from agent.fleet.state_part import Part


@quick_to_set
class OdometerCandidate(Part):
    """Where an odometer goes on from after a value that was set aside."""

    from_km: float
    km: float
    time_ms: int
    others_km: float = 0.0
    """Counted by the other witnesses since then."""


@quick_to_set
class Doubt(Part):
    """The witnesses of movement disagree: what one of them claims, and how the battery stood when that began."""

    time_ms: int
    """When the place last changed."""
    km: float
    """Claimed and not counted."""
    soc_pct: float | None
    unused_1: float
    counter_kwh: float
    blind_ms: int
    gross_kwh: float
    by_speed: bool = False
    """Whether the speed says that the van moves, too."""
    moved_km: float = 0.0
    """How far the fix has come."""


@quick_to_set
class Position(Part):
    """Where the van is, and how far it went."""

    latitude_deg: float | None = None
    longitude_deg: float | None = None
    time_ms: int = 0
    anchor_latitude_deg: float | None = None
    anchor_longitude_deg: float | None = None
    """The fix up to which distance has been counted."""
    path_latitude_deg: float = 0.0
    path_longitude_deg: float = 0.0
    """The point on the smoothed path up to which distance has been counted."""
    path_is_behind: bool = False
    """Distance has been counted by odometer or speed since: the path goes on from the last fix."""
    raw_latitude_deg: float | None = None
    raw_longitude_deg: float | None = None
    candidate_latitude_deg: float = 0.0
    candidate_longitude_deg: float = 0.0
    candidate_ms: int = 0
    candidates_ms: int = 0
    candidates: int = 0
    raw_rejected: bool = False
    raw_pending: bool = False
    """The last fix was far away after a silence, and waits for a second one."""
    rejected: int = 0
    speed_kmh: float | None = None
    odometer_km: float | None = None
    odometer_is_fine: bool = False
    """It shows parts of a kilometre."""
    pending_km: float = 0.0
    """Counted since a far fix has been waiting for a second one."""
    odometer_ms: int = 0
    """When the odometer was last believed."""
    odometer_credit_km: float = 0.0
    """How far the odometer may still run ahead of the fastest mean speed."""
    odometer_ahead_km: float = 0.0
    """Counted by other witnesses since the odometer was last believed."""
    odometer_lost: bool = False
    """The odometer has no say until it agrees with the other witnesses again."""
    odometer_rejected: int = 0
    odometer_candidate: OdometerCandidate | None = None
    odometer_alone_km: float = 0.0
    """By the odometer, while everything else says that the van stands."""
    unmatched_km: float = 0.0
    """By speed, since another witness last moved."""
    moved_ms: int = 0
    """When another witness than the speed last moved."""
    reference_latitude_deg: float | None = None
    reference_longitude_deg: float = 0.0
    """Where another witness than the fix, or than the speed, last moved."""
    held_km: float = 0.0
    """By speed at rest, not counted before the van has really left."""
    gap_km: float = 0.0
    """Told by odometer or fixes of the silence that has not been made sense of yet."""
    gap_since_ms: int = 0
    """From when on that is."""
    conflict: int = 0
    """One of `agent.fleet.witnesses`: whether the witnesses of movement agree."""
    doubt: Doubt | None = None
    other_km: float = 0.0
    """While they disagree: what this reading claims."""
    speed_repeats: int = 0
    """How often the last speed has been the same."""
    speed_rejected: int = 0
    fix_changed_ms: int = 0
    """When the fix last changed."""
    path_km: float = 0.0
    path_speed_km: float = 0.0
    path_share: float = 0.0
    path_ms: int = 0
    """The way by fixes, and by speed over the same time, where no odometer tells."""
    speed_misleads: bool = False
    """The speed is in another unit: it tells whether the van moves, not how far."""
    settled: bool = False
    """All witnesses of movement are there and agree."""
    odometer_is_whole: bool = False
    """It has moved by whole kilometres."""
    speed_lost: bool = False
    """The speed reads 0 while the van drives."""
    late_km: float = 0.0
    """What the odometer has told late since the last trip began."""
    unfixed_km: float = 0.0
    """Counted while the receiver repeated its last fix."""
    placed: bool = False
    """The van was found elsewhere without having driven there."""
    chord_latitude_deg: float | None = None
    chord_longitude_deg: float = 0.0
    chord_ms: int = 0
    chord_from_km: float = 0.0
    """Where the chord under way begins, when, and how far the van had gone by then."""
    chords_km: float = 0.0
    chords_way_km: float = 0.0
    chords_share: float = 0.0
    """Chords between places, the way that was counted along them, and their share in the stretch before."""
