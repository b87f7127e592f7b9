"""What the parts of a van's state have in common, and the `Mark` that several of them hold."""

import msgspec

from agent.fast.attributes import quick_to_set


class Part(msgspec.Struct, array_like=True, gc=False):
    """Base of the parts of a van's state."""


@quick_to_set
class Mark(Part):
    """Where the totals stood at one moment."""

    time_ms: int = 0
    net_kwh: float = 0.0
    """Energy taken out of the battery less what came back, charging apart."""
    predicted_kwh: float = 0.0
    distance_km: float = 0.0
    soc_pct: float | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    before_kwh: float = 0.0
    """At the end of a trip: what has been learnt since its start about the energy before it."""
    variance: float = 0.0
    """Of the energy since the trip's start, kWh²."""
    odometer_km: float | None = None
