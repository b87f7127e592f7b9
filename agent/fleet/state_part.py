"""`Mark`, which several parts of a van's state hold."""

from dataclasses import dataclass


@dataclass(slots=True)
class Mark:
    """The totals of a van at one moment."""

    time_ms: int = 0
    net_kwh: float = 0.0
    """Energy out of the battery less energy into it, without charging."""
    predicted_kwh: float = 0.0
    distance_km: float = 0.0
    soc_pct: float | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    before_kwh: float = 0.0
    """At the end of a trip: correction of the energy before the trip, learnt since its start."""
    variance: float = 0.0
    """At the end of a trip: variance of its energy, kWh²."""
    odometer_km: float | None = None
