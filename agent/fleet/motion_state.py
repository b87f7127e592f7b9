"""State of trips, stops and parking, and of the load."""

import msgspec

from agent.fast.attributes import quick_to_set
from agent.fleet.modes import PARKED
from agent.fleet.state_part import Mark, Part


@quick_to_set
class Motion(Part):
    """Trips, stops and parking."""

    mode: int = PARKED
    fast_readings: int = 0
    standing_ms: int = 0
    """Since when the van has been standing; 0: it is not."""
    anchor_latitude_deg: float | None = None
    anchor_longitude_deg: float | None = None
    """The resting place that displacement is judged from."""
    unused_1: int = 0
    wake: Mark = msgspec.field(default_factory=Mark)
    rest: Mark = msgspec.field(default_factory=Mark)
    stand: Mark = msgspec.field(default_factory=Mark)
    anchor_km: float = 0.0
    """The van's distance at its resting place."""
    rest_ms: int = 0
    rest_soc_pct: float | None = None
    rest_idle_kwh: float = 0.0
    """Since when the van rests, with which state of charge, and what idling was entered until then."""


@quick_to_set
class TripState(Part):
    """The trip under way."""

    start: Mark = msgspec.field(default_factory=Mark)
    regenerated_kwh: float = 0.0
    stops: int = 0
    inferred: bool = False


@quick_to_set
class LoadState(Part):
    """What the van carries."""

    payload_kg: float | None = None
    parcels: int | None = None
    unused_1: float = 0.0
    unused_2: float = 0.0
    unused_3: float = 0.0
    unused_4: int | None = None
