"""State of the position, and of the three witnesses of movement: odometer, speed and fixes.

`Position.conflict` says whether they agree:

    AGREED ──▶ DOUBTED ──▶ AGREED    the battery has decided: the van drives, the distance is counted
                       ├─▶ STUCK     the speed alone shows movement, and is wrong
                       └─▶ CARRIED   the fixes move and the van does not drive: it is on a lorry or a ferry

STUCK and CARRIED end when the witnesses agree again.
"""

from dataclasses import dataclass
from typing import Final

AGREED: Final = 0
DOUBTED: Final = 1
"""Some show movement and others do not: nothing is counted until it is decided."""
STUCK: Final = 2
CARRIED: Final = 3


@dataclass(slots=True)
class OdometerCandidate:
    """Odometer values after one that was set aside: they are believed when they agree with the other witnesses."""

    from_km: float
    km: float
    time_ms: int
    """The first of these values, the last one and its time."""
    others_km: float = 0.0
    """Distance by the other witnesses since the first one."""


@dataclass(slots=True)
class Doubt:
    """A conflict of the witnesses of movement: the distance that is claimed, and the battery when it began."""

    time_ms: int
    """When the place last changed."""
    km: float
    """Distance that is claimed and not counted."""
    soc_pct: float | None
    unused_1: float
    counter_kwh: float
    blind_ms: int
    gross_kwh: float
    """`SocState.counter_sum_kwh`, `blind_ms` and `power_gross_kwh` when the conflict began."""
    by_speed: bool = False
    """The speed shows movement too."""
    moved_km: float = 0.0
    """Distance of the fix from the reference."""


@dataclass(slots=True)
class Position:
    """Where the van is, and how far it went."""

    latitude_deg: float | None = None
    longitude_deg: float | None = None
    time_ms: int = 0
    """The last fix that was believed."""
    anchor_latitude_deg: float | None = None
    anchor_longitude_deg: float | None = None
    """The fix up to which distance by fixes has been counted."""
    path_latitude_deg: float = 0.0
    path_longitude_deg: float = 0.0
    """The point on the smoothed path up to which distance by fixes has been counted."""
    path_is_behind: bool = False
    """Odometer or speed have counted since then: the path begins anew at the last fix."""
    raw_latitude_deg: float | None = None
    raw_longitude_deg: float | None = None
    """The last fix as sent."""
    candidate_latitude_deg: float = 0.0
    candidate_longitude_deg: float = 0.0
    candidate_ms: int = 0
    candidates_ms: int = 0
    candidates: int = 0
    """Refused fixes that agree: the last one and its time, the time of the first one, and how many."""
    raw_rejected: bool = False
    """The last fix was refused: it needs an impossible speed."""
    raw_pending: bool = False
    """The last fix was far away after a silence, and waits for a second one."""
    rejected: int = 0
    """Refused fixes so far."""
    speed_kmh: float | None = None
    odometer_km: float | None = None
    odometer_is_fine: bool = False
    """The odometer has shown parts of a kilometre."""
    pending_km: float = 0.0
    """Distance counted while a far fix waits for a second one."""
    odometer_ms: int = 0
    """When the odometer was last believed."""
    odometer_credit_km: float = 0.0
    """How far the odometer may still run ahead of the fastest mean speed."""
    odometer_ahead_km: float = 0.0
    """Distance by other witnesses since the odometer was last believed."""
    odometer_lost: bool = False
    """The odometer has no say until it agrees with the other witnesses again."""
    odometer_rejected: int = 0
    """Odometer values set aside so far."""
    odometer_candidate: OdometerCandidate | None = None
    odometer_alone_km: float = 0.0
    """Distance by the odometer while all other witnesses stand."""
    unmatched_km: float = 0.0
    """Distance by speed since another witness last moved."""
    moved_ms: int = 0
    """When another witness than the speed last moved."""
    reference_latitude_deg: float | None = None
    reference_longitude_deg: float = 0.0
    """The reference: see `agent.fleet.reference`."""
    held_km: float = 0.0
    """Distance by speed that is held until the fixes confirm it."""
    gap_km: float = 0.0
    gap_since_ms: int = 0
    """Distance in the silence that is being assessed, and when that distance began."""
    conflict: int = AGREED
    doubt: Doubt | None = None
    other_km: float = 0.0
    """During a conflict: the distance that this reading claims."""
    speed_repeats: int = 0
    """In how many readings in a row the speed has been the same."""
    speed_rejected: int = 0
    """Refused speeds so far."""
    fix_changed_ms: int = 0
    """When the fix last changed."""
    path_km: float = 0.0
    path_speed_km: float = 0.0
    path_share: float = 0.0
    path_ms: int = 0
    """Distance by fixes and by speed since the same moment, their ratio in the section before, and the last time. Only
    without an odometer."""
    speed_misleads: bool = False
    """The speed is in another unit: it shows whether the van moves, and not how far."""
    settled: bool = False
    """All witnesses of movement are there and agree."""
    odometer_is_whole: bool = False
    """The odometer has moved, by whole kilometres."""
    speed_lost: bool = False
    """The speed is 0 while the van drives."""
    late_km: float = 0.0
    """Distance that the odometer has told late since the last trip began."""
    unfixed_km: float = 0.0
    """Distance counted while the receiver repeated its last fix."""
    placed: bool = False
    """The van is at a new place to which it has not driven."""
    chord_latitude_deg: float | None = None
    chord_longitude_deg: float = 0.0
    chord_ms: int = 0
    chord_from_km: float = 0.0
    """Where the current chord begins, when, and the van's distance then: see `agent.fleet.chords`."""
    chords_km: float = 0.0
    chords_way_km: float = 0.0
    chords_share: float = 0.0
    """Sum of the chords, the distance counted along them, and the ratio of both in the section before."""
