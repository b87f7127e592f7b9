"""State of trips, stops and parking, and of the load."""

from dataclasses import dataclass, field

from agent.fleet.modes import PARKED
from agent.fleet.state_part import Mark


@dataclass(slots=True)
class Motion:
    """The mode of the van, and the totals at the moments at which a trip, a stop or a rest may begin or end."""

    mode: int = PARKED
    fast_readings: int = 0
    """Readings in a row that were faster than the speed of a departure."""
    standing_ms: int = 0
    """Since when the van has been standing; 0: it moves."""
    anchor_latitude_deg: float | None = None
    anchor_longitude_deg: float | None = None
    """The resting place; a departure is a distance from here."""
    unused_1: int = 0
    wake: Mark = field(default_factory=Mark)
    """The totals when the van last woke up from a silence."""
    rest: Mark = field(default_factory=Mark)
    """The totals when the van was last seen at rest."""
    stand: Mark = field(default_factory=Mark)
    """The totals when the van came to stand on its trip."""
    anchor_km: float = 0.0
    """`Totals.distance_km` at the resting place."""
    rest_ms: int = 0
    rest_soc_pct: float | None = None
    rest_idle_kwh: float = 0.0
    """Since when the van rests, and state of charge and `Totals.idle_kwh` then."""


@dataclass(slots=True)
class TripState:
    """The trip under way."""

    start: Mark = field(default_factory=Mark)
    regenerated_kwh: float = 0.0
    stops: int = 0
    inferred: bool = False
    """The departure was in a silence."""


@dataclass(slots=True)
class LoadState:
    """The load of the van, as last reported."""

    payload_kg: float | None = None
    parcels: int | None = None
    unused_1: float = 0.0
    unused_2: float = 0.0
    unused_3: float = 0.0
    unused_4: int | None = None
