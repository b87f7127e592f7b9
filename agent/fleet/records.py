"""The records of the van core: one type per measurement. The fields are named as in the public contract.

Signs: `EnergyRecord.power_kw` is positive **out of** the battery, as the contract has it; energy taken out is positive.
`time_ms` is event time. `None` is "not known" and is never written.
"""

from typing import Literal

import msgspec

ModeName = Literal["driving", "stopped", "parked", "charging", "offline"]
EnergySource = Literal["counter", "power", "soc"]
Quality = Literal["primary", "modelled", "default"]
Meter = Literal["charger", "modelled"]
DropSource = Literal["message", "import", "load", "default"]


class Record(msgspec.Struct, gc=False, kw_only=True):
    """Base of all records: which van, when."""

    vehicle_id: str
    time_ms: int


class EnergyRecord(Record, kw_only=True, gc=False):
    """Mode, power and energy totals of a van."""

    state: ModeName
    power_kw: float | None = None
    used_kwh_total: float
    regenerated_kwh_total: float | None = None
    charged_kwh_total: float
    grid_kwh_total: float
    idle_kwh_total: float
    distance_km_total: float
    consumption_kwh_per_100km: float | None = None
    range_km: float | None = None
    usable_capacity_kwh: float | None = None
    uncertainty_kwh: float | None = None
    source: EnergySource | None = None


class EmissionsRecord(Record, kw_only=True, gc=False):
    """Emission totals of a van; well-to-wheel, g CO2e."""

    co2e_g_total: float
    co2e_g_per_km: float | None = None
    grid_g_per_kwh: float | None = None
    battery_g_per_kwh: float | None = None
    diesel_co2e_g_total: float
    avoided_co2e_g_total: float
    avoided_nox_mg_total: float
    avoided_pm_mg_total: float
    intensity_source: Literal["hourly", "annual"]


class TripRecord(Record, kw_only=True, gc=False):
    """One trip, at its end (`time_ms`)."""

    start_ms: int
    duration_s: float
    distance_km: float
    energy_kwh: float | None = None
    regenerated_kwh: float | None = None
    uncertainty_kwh: float | None = None
    soc_start_pct: float | None = None
    soc_end_pct: float | None = None
    consumption_kwh_per_100km: float | None = None
    stops: int = 0
    start_latitude_deg: float | None = None
    start_longitude_deg: float | None = None
    end_latitude_deg: float | None = None
    end_longitude_deg: float | None = None
    start_place: str | None = None
    end_place: str | None = None
    odometer_start_km: float | None = None
    odometer_end_km: float | None = None
    co2e_g: float | None = None
    diesel_co2e_g: float | None = None
    avoided_co2e_g: float | None = None
    energy_cost: float | None = None
    quality: Quality = "default"
    inferred: bool = False


class TourRecord(Record, kw_only=True, gc=False):
    """One tour, at its end (`time_ms`): from leaving a depot until the return to one."""

    start_ms: int
    duration_s: float
    distance_km: float
    empty_km: float | None = None
    energy_kwh: float | None = None
    co2e_g: float | None = None
    market_co2e_g: float | None = None
    diesel_co2e_g: float
    avoided_co2e_g: float | None = None
    energy_cost: float | None = None
    trips: int
    stops: int
    drops: int
    items: int | None = None
    mass_kg: float | None = None
    activity_tkm: float | None = None
    load_factor_pct: float | None = None
    co2e_g_per_tkm: float | None = None
    co2e_g_per_item: float | None = None
    primary_share_pct: float | None = None
    uncertainty_kwh: float | None = None
    uncertainty_g: float | None = None
    quality: Quality
    factor_set: str | None = None


class DropRecord(Record, kw_only=True, gc=False):
    """Goods loaded or unloaded on a tour. Published at the end of the tour, under their own time."""

    action: Literal["load", "unload"]
    consignment_id: str | None = None
    customer_id: str | None = None
    mass_kg: float | None = None
    items: int | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    place: str | None = None
    distance_gcd_km: float | None = None
    activity_tkm: float | None = None
    co2e_g: float | None = None
    source: DropSource


class ChargeRecord(Record, kw_only=True, gc=False):
    """One charge, at its end (`time_ms`)."""

    start_ms: int
    duration_s: float
    soc_start_pct: float | None = None
    soc_end_pct: float | None = None
    energy_kwh: float
    grid_kwh: float
    max_power_kw: float | None = None
    kind: Literal["ac", "dc"]
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    place: str | None = None
    co2e_g: float | None = None
    market_co2e_g: float | None = None
    cost: float | None = None
    meter: Meter = "modelled"
    inferred: bool = False
    uncertainty_kwh: float | None = None
    uncertainty_grid_kwh: float | None = None
    uncertainty_g: float | None = None


class ChargeSliceRecord(Record, kw_only=True, gc=False):
    """A quarter of an hour of a charge, or a part of one at its ends. `time_ms` is its beginning.

    Location-based emissions are the sum of `direct_g` (GHG Protocol Scope 2), `upstream_g` and `losses_g` (Scope 3.3).
    """

    battery_kwh: float
    grid_kwh: float
    meter: Meter
    efficiency: float | None = None
    direct_g: float
    upstream_g: float
    losses_g: float
    market_g: float
    instrument: str
    intensity_g_per_kwh: float | None = None
    intensity_source: Literal["hourly", "annual"]
    cost: float | None = None
    place: str | None = None
    factor_set: str


class StopRecord(Record, kw_only=True, gc=False):
    """One stop on a trip (a delivery), at its end (`time_ms`)."""

    start_ms: int
    dwell_s: float
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    place: str | None = None


class DayRecord(Record, kw_only=True, gc=False):
    """One day of a van, at its end. `time_ms` is the first millisecond of the day."""

    distance_km: float
    used_kwh: float
    regenerated_kwh: float | None = None
    charged_kwh: float
    grid_kwh: float
    idle_kwh: float
    trips: int
    stops: int
    charges: int
    co2e_g: float
    diesel_co2e_g: float
    avoided_co2e_g: float
    energy_cost: float | None = None
    uncertainty_kwh: float | None = None
    market_co2e_g: float | None = None
    factor_set: str | None = None
    uncertainty_g: float | None = None
    uncertainty_energy_g: float | None = None
    uncertainty_meter_g: float | None = None
    uncertainty_factor_g: float | None = None


class AlertRecord(Record, kw_only=True, gc=False):
    """An alert that was raised or cleared."""

    kind: str
    severity: Literal["info", "warning", "critical"]
    state: Literal["raised", "cleared"]
    value: float | None = None
    message: str


class CorrectionRecord(Record, kw_only=True, gc=False):
    """The amounts that one hour of a stretch added to the totals, to be subtracted. `time_ms` is its beginning."""

    from_ms: int
    to_ms: int
    made_ms: int
    reason: str
    made_by: str
    distance_km: float
    used_kwh: float
    regenerated_kwh: float
    charged_kwh: float
    grid_kwh: float
    idle_kwh: float
    co2e_g: float
    diesel_co2e_g: float
    avoided_co2e_g: float
    avoided_nox_mg: float
    avoided_pm_mg: float


class FleetRecord(msgspec.Struct, gc=False, kw_only=True):
    """The vans of a depot at a full minute."""

    depot: str
    time_ms: int
    vans: int
    online: int
    driving: int
    charging: int
    soc_mean_pct: float | None = None
    soc_min_pct: float | None = None
    power_kw: float | None = None
    used_kwh_total: float
    grid_kwh_total: float
    distance_km_total: float
    co2e_g_total: float
    avoided_co2e_g_total: float
