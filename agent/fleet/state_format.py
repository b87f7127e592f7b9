# Written by `python -m core_build.codec` from the parts of the state. Do not edit.
# fmt: off
# ruff: noqa: D101, E702
"""The stored form of each part of a van's state: an array in MessagePack."""

import msgspec

from agent.fleet.alert_state import AlertsState
from agent.fleet.contracts import LOCATION
from agent.fleet.correction_state import CorrectionsState
from agent.fleet.day_state import DayState
from agent.fleet.energy_state import SOURCE_SOC
from agent.fleet.modes import PARKED
from agent.fleet.position_state import AGREED
from agent.fleet.state import Verdict
from agent.fleet.tour_state import TourState


class StoredMark(msgspec.Struct, array_like=True, gc=False):
    time_ms: int = 0; net_kwh: float = 0.0; predicted_kwh: float = 0.0; distance_km: float = 0.0
    soc_pct: float | None = None; latitude_deg: float | None = None; longitude_deg: float | None = None
    before_kwh: float = 0.0; variance: float = 0.0; odometer_km: float | None = None

class StoredSocState(msgspec.Struct, array_like=True, gc=False):
    soc_pct: float | None = None; time_ms: int = 0; before_pct: float | None = None; low_level_pct: float = 0.0
    high_level_pct: float = 0.0; seen_kwh: float = 0.0; grid: int = 0; step_pct: float = 1.0
    recurring_pct: float = 0.0; recurrences: int = 0; candidate_pct: float | None = None; candidate_ms: int = 0
    candidates: int = 0; changed: bool = False; power_kw: float | None = None; raw_power_kw: float | None = None
    power_trusted: bool = True; power_sign: int = 1; reversals: int = 0; frozen_readings: int = 0
    power_sum_kwh: float = 0.0; power_sum_var: float = 0.0; blind_ms: int = 0; out_total_kwh: float | None = None
    in_total_kwh: float | None = None; counter_trusted: bool = False; counter_sum_kwh: float = 0.0
    ambient_temp_c: float | None = None; battery_temp_c: float | None = None; plugged_in: bool | None = None
    sign_is_sure: bool = False; braked_kwh: float = 0.0; driven_kwh: float = 0.0; coarse: bool = True
    changed_ms: int = 0; changed_km: float = 0.0; rise_credit_pct: float = 0.0; fall_credit_pct: float = 0.0
    candidate_from_ms: int = 0; charging: bool | None = None; power_rejected: int = 0; counter_credit_kwh: float = 0.0
    counter_ms: int = 0; counter_refusals: int = 0; changed_kwh: float = 0.0; changed_kwh_per_km: float = 0.0
    frozen: bool = False; flagged_ms: int = 0; owed_pct: float = 0.0; lost_pct: float = 0.0; gained_pct: float = 0.0
    power_gross_kwh: float = 0.0; silent_kwh: float = 0.0; silent_from_ms: int = 0; candidate_out_kwh: float = 0.0
    candidate_in_kwh: float = 0.0; candidate_from_pct: float = 0.0

class StoredEstimate(msgspec.Struct, array_like=True, gc=False):
    started: bool = False; time_ms: int = 0; out_kwh: float = 0.0; level_pct: float = 0.0; pct_per_kwh: float = 1.0
    kwh_per_km: float = 0.22; boundary_kwh: float = 0.0; var_out: float = 0.0; cov_out_level: float = 0.0
    cov_out_scale: float = 0.0; cov_out_consumption: float = 0.0; cov_out_boundary: float = 0.0
    var_level: float = 0.0; cov_level_scale: float = 0.0; cov_level_consumption: float = 0.0
    cov_level_boundary: float = 0.0; var_scale: float = 0.0; cov_scale_consumption: float = 0.0
    cov_scale_boundary: float = 0.0; var_consumption: float = 0.0; cov_consumption_boundary: float = 0.0
    var_boundary: float = 0.0; pending_kwh: float = 0.0; pending_km: float = 0.0; pending_var_kwh2: float = 0.0
    base_kwh: float = 0.0

class StoredTotals(msgspec.Struct, array_like=True, gc=False):
    used_kwh: float = 0.0; regenerated_kwh: float = 0.0; charged_kwh: float = 0.0; grid_kwh: float = 0.0
    idle_kwh: float = 0.0; distance_km: float = 0.0; net_kwh: float = 0.0; posted_kwh: float = 0.0
    predicted_kwh: float = 0.0; idle_from_kwh: float = 0.0; unused_1: bool = False; source: int = SOURCE_SOC
    emitted_kwh: float = 0.0; emitted_km: float = 0.0

class StoredCapacity(msgspec.Struct, array_like=True, gc=False):
    battery_kwh: float = 0.0; samples_kwh: list[float] = msgspec.field(default_factory=list)
    window_level_pct: float | None = None; window_ms: int = 0; window_power_kwh: float = 0.0
    window_power_var: float = 0.0; window_blind_ms: int = 0; window_counter_kwh: float = 0.0
    window_net_kwh: float = 0.0; efficiencies_ac: list[float] = msgspec.field(default_factory=list)
    efficiencies_dc: list[float] = msgspec.field(default_factory=list)

class StoredConsumption(msgspec.Struct, array_like=True, gc=False):
    kwh: float = 0.0; km: float = 0.0; net_kwh: float = 0.0; distance_km: float = 0.0
    per_100km_kwh: float | None = None; range_km: float | None = None; uncertainty_kwh: float | None = None

class StoredOdometerCandidate(msgspec.Struct, array_like=True, gc=False):
    from_km: float; km: float; time_ms: int; others_km: float = 0.0

class StoredDoubt(msgspec.Struct, array_like=True, gc=False):
    time_ms: int; km: float; soc_pct: float | None; unused_1: float; counter_kwh: float; blind_ms: int
    gross_kwh: float; by_speed: bool = False; moved_km: float = 0.0

class StoredLoadState(msgspec.Struct, array_like=True, gc=False):
    payload_kg: float | None = None; parcels: int | None = None; unused_1: float = 0.0; unused_2: float = 0.0
    unused_3: float = 0.0; unused_4: int | None = None

class StoredMeterState(msgspec.Struct, array_like=True, gc=False):
    power_kw: float | None = None; time_ms: int = 0; is_whole: bool = True; waiting_kwh: float = 0.0
    waiting_ms: int = 0; gap_kwh: float = 0.0; gap_ms: int = 0; covered_ms: int = 0; metered_kwh: float = 0.0
    battery_kwh: float = 0.0; grid_kwh: float = 0.0

class StoredSliceState(msgspec.Struct, array_like=True, gc=False):
    start_ms: int = 0; end_ms: int = 0; battery_kwh: float = 0.0; grid_kwh: float = 0.0; metered_kwh: float = 0.0
    direct_g: float = 0.0; upstream_g: float = 0.0; losses_g: float = 0.0; market_g: float = 0.0
    hourly_kwh: float = 0.0; cost: float | None = None; instrument: str = LOCATION; waiting_ms: int = 0
    waiting_battery_kwh: float = 0.0; waiting_grid_kwh: float = 0.0; waiting_metered_kwh: float = 0.0
    charge_metered_kwh: float = 0.0; charge_market_g: float = 0.0; charge_cost: float | None = None
    charge_primary_g: float = 0.0; charge_hourly_g: float = 0.0

class StoredEmissionsState(msgspec.Struct, array_like=True, gc=False):
    battery_g_per_kwh: float; market_g_per_kwh: float | None = None; co2e_g: float = 0.0; co2e_g_total: float = 0.0
    unused_1: float | None = None; distance_km: float = 0.0; total_distance_km: float = 0.0
    diesel_co2e_g_total: float = 0.0; avoided_co2e_g_total: float = 0.0; avoided_nox_mg_total: float = 0.0
    avoided_pm_mg_total: float = 0.0; unused_2: float = 0.0; content_kwh: float | None = None; begun_g: float = 0.0
    charged_g: float = 0.0; charged_market_g: float = 0.0; adjusted_g: float = 0.0; market_g: float = 0.0
    primary_share: float = 0.0; primary_g: float = 0.0; hourly_share: float = 0.0; hourly_g: float = 0.0

class StoredCarbon(msgspec.Struct, array_like=True, gc=False):
    location_g: float = 0.0; market_g: float = 0.0; primary_g: float = 0.0; hourly_g: float = 0.0

class StoredMotion(msgspec.Struct, array_like=True, gc=False):
    mode: int = PARKED; fast_readings: int = 0; standing_ms: int = 0; anchor_latitude_deg: float | None = None
    anchor_longitude_deg: float | None = None; unused_1: int = 0
    wake: StoredMark = msgspec.field(default_factory=StoredMark)
    rest: StoredMark = msgspec.field(default_factory=StoredMark)
    stand: StoredMark = msgspec.field(default_factory=StoredMark); anchor_km: float = 0.0; rest_ms: int = 0
    rest_soc_pct: float | None = None; rest_idle_kwh: float = 0.0

class StoredTripState(msgspec.Struct, array_like=True, gc=False):
    start: StoredMark = msgspec.field(default_factory=StoredMark); regenerated_kwh: float = 0.0; stops: int = 0
    inferred: bool = False

class StoredPosition(msgspec.Struct, array_like=True, gc=False):
    latitude_deg: float | None = None; longitude_deg: float | None = None; time_ms: int = 0
    anchor_latitude_deg: float | None = None; anchor_longitude_deg: float | None = None
    path_latitude_deg: float = 0.0; path_longitude_deg: float = 0.0; path_is_behind: bool = False
    raw_latitude_deg: float | None = None; raw_longitude_deg: float | None = None; candidate_latitude_deg: float = 0.0
    candidate_longitude_deg: float = 0.0; candidate_ms: int = 0; candidates_ms: int = 0; candidates: int = 0
    raw_rejected: bool = False; raw_pending: bool = False; rejected: int = 0; speed_kmh: float | None = None
    odometer_km: float | None = None; odometer_is_fine: bool = False; pending_km: float = 0.0; odometer_ms: int = 0
    odometer_credit_km: float = 0.0; odometer_ahead_km: float = 0.0; odometer_lost: bool = False
    odometer_rejected: int = 0; odometer_candidate: StoredOdometerCandidate | None = None
    odometer_alone_km: float = 0.0; unmatched_km: float = 0.0; moved_ms: int = 0
    reference_latitude_deg: float | None = None; reference_longitude_deg: float = 0.0; held_km: float = 0.0
    gap_km: float = 0.0; gap_since_ms: int = 0; conflict: int = AGREED; doubt: StoredDoubt | None = None
    other_km: float = 0.0; speed_repeats: int = 0; speed_rejected: int = 0; fix_changed_ms: int = 0
    path_km: float = 0.0; path_speed_km: float = 0.0; path_share: float = 0.0; path_ms: int = 0
    speed_misleads: bool = False; settled: bool = False; odometer_is_whole: bool = False; speed_lost: bool = False
    late_km: float = 0.0; unfixed_km: float = 0.0; placed: bool = False; chord_latitude_deg: float | None = None
    chord_longitude_deg: float = 0.0; chord_ms: int = 0; chord_from_km: float = 0.0; chords_km: float = 0.0
    chords_way_km: float = 0.0; chords_share: float = 0.0

class StoredChargeState(msgspec.Struct, array_like=True, gc=False):
    start: StoredMark = msgspec.field(default_factory=StoredMark); flagged: bool = False; active: bool = False
    charged_kwh: float = 0.0; grid_kwh: float = 0.0; co2e_g: float = 0.0; pending_kwh: float = 0.0
    unused_1: float = 0.0; unused_2: float | None = None; unused_3: int = 0; max_power_kw: float | None = None
    rise_ms: int = 0; rise_pct: float = 0.0; low_pct: float | None = None; low_ms: int = 0; settled_ms: int = 0
    unflagged_ms: int = 0; meter: StoredMeterState | None = None; slice: StoredSliceState | None = None
    start_variance: float | None = None; gives: bool = False; scatters: int = 0

class StoredVanState(msgspec.Struct, array_like=True, gc=False):
    version: int; vehicle_id: str; time_ms: int = 0; soc_time_ms: int = 0; location_time_ms: int = 0
    load_time_ms: int = 0; last_arrival_ms: int = 0; verdict: int = Verdict.ACCEPTED; accepted: int = 0
    duplicates: int = 0; late: int = 0; rejected_soc: int = 0
    recent_ms: list[int] = msgspec.field(default_factory=lambda: [0] * 8); due_ms: int = 0
    soc: StoredSocState = msgspec.field(default_factory=StoredSocState)
    estimate: StoredEstimate = msgspec.field(default_factory=StoredEstimate)
    totals: StoredTotals = msgspec.field(default_factory=StoredTotals)
    position: StoredPosition = msgspec.field(default_factory=StoredPosition)
    motion: StoredMotion = msgspec.field(default_factory=StoredMotion)
    trip: StoredTripState = msgspec.field(default_factory=StoredTripState)
    load: StoredLoadState = msgspec.field(default_factory=StoredLoadState)
    charge: StoredChargeState = msgspec.field(default_factory=StoredChargeState)
    capacity: StoredCapacity = msgspec.field(default_factory=StoredCapacity)
    consumption: StoredConsumption = msgspec.field(default_factory=StoredConsumption); returned_ms: int = 0
    gap_from: StoredMark = msgspec.field(default_factory=StoredMark); emissions: StoredEmissionsState | None = None
    alerts: AlertsState = msgspec.field(default_factory=AlertsState); outlook_due_ms: int = 0
    outlook_mode: int = PARKED; day: DayState = msgspec.field(default_factory=DayState)
    day_start_var_kwh2: float = 0.0; aside_time_ms: int = 0; published_ms: int = 0
    corrections: CorrectionsState | None = None; tour: TourState = msgspec.field(default_factory=TourState)
    late_arrival_ms: int = 0; late_after: int = 0
