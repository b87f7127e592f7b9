"""Readings: every dialect decodes payloads into them, and the van core takes nothing else.

Signs and units are defined here. Battery power and current are positive **into** the battery (COVESA VSS). The time is
the reading's own, in integer milliseconds since the epoch, UTC. An unknown value is `None`, never 0.
"""

from typing import Final, Literal

import msgspec

from agent.fast.attributes import quick_to_set

RANGES: Final[dict[str, tuple[float, float]]] = {
    "soc_pct": (0.0, 100.0),
    "soh_pct": (0.0, 150.0),
    "voltage_v": (0.0, 2000.0),
    "current_a": (-3000.0, 3000.0),
    "battery_power_kw": (-1000.0, 1000.0),
    "battery_temp_c": (-60.0, 150.0),
    "range_km": (0.0, 3000.0),
    "ambient_temp_c": (-80.0, 80.0),
    "energy_out_total_kwh": (0.0, 1e8),
    "energy_in_total_kwh": (0.0, 1e8),
    "charger_power_kw": (0.0, 1000.0),
    "latitude_deg": (-90.0, 90.0),
    "longitude_deg": (-180.0, 180.0),
    "altitude_m": (-500.0, 9000.0),
    "speed_kmh": (0.0, 300.0),
    "heading_deg": (0.0, 360.0),
    "accuracy_m": (0.0, 1e6),
    "odometer_km": (0.0, 1e7),
    "payload_kg": (0.0, 50_000.0),
    "parcels": (0, 100_000),
}
"""The accepted range of each numeric field, both ends included."""

DROP_RANGES: Final[dict[str, tuple[float, float]]] = {
    "mass_kg": (0.0, 50_000.0),
    "items": (0, 100_000),
    "latitude_deg": RANGES["latitude_deg"],
    "longitude_deg": RANGES["longitude_deg"],
}
"""The accepted range of each numeric field of a drop."""

VEHICLE_ID_PATTERN: Final = r"^[A-Za-z0-9._-]{1,64}$"


@quick_to_set
class Reading(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """What one van reported for one time; every field but the first two may be missing."""

    vehicle_id: str
    time_ms: int
    seq: int | None = None
    stale: bool = False
    """A retained value without a time of its own: it shows the last known state and changes no totals."""

    soc_pct: float | None = None
    soh_pct: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    battery_power_kw: float | None = None
    battery_temp_c: float | None = None
    range_km: float | None = None
    ambient_temp_c: float | None = None
    charging: bool | None = None
    plugged_in: bool | None = None
    energy_out_total_kwh: float | None = None
    energy_in_total_kwh: float | None = None
    charger_power_kw: float | None = None
    """Power from the grid, as the charger or the on-board charger reports it."""

    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None
    speed_kmh: float | None = None
    heading_deg: float | None = None
    accuracy_m: float | None = None
    odometer_km: float | None = None

    payload_kg: float | None = None
    parcels: int | None = None


class DropReading(msgspec.Struct, gc=False, kw_only=True):
    """Goods loaded into a van or unloaded from it, as the van, the driver's device or a manifest reports."""

    vehicle_id: str
    time_ms: int
    action: Literal["load", "unload"]
    imported: bool = False
    """It comes from an imported manifest."""
    seq: int | None = None
    mass_kg: float | None = None
    """Mass including the shipper's packaging."""
    items: int | None = None
    consignment_id: str | None = None
    customer_id: str | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
