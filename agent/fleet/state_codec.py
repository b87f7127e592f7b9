# Written by `python -m core_build.codec` from the parts of the state. Do not edit.
# fmt: off
# ruff: noqa: D103, E501, I001
"""From the parts of a van's state to lists of their values, and from their stored form back."""

from msgspec.structs import astuple

from agent.fleet.charge_state import ChargeState, MeterState, SliceState
from agent.fleet.emissions import Carbon, EmissionsState
from agent.fleet.energy_state import Capacity, Consumption, Estimate, Totals
from agent.fleet.motion_state import LoadState, Motion, TripState
from agent.fleet.position_state import Doubt, OdometerCandidate, Position
from agent.fleet.soc_state import SocState
from agent.fleet.state import VanState
from agent.fleet.state_format import (
    StoredCapacity, StoredCarbon, StoredChargeState, StoredConsumption, StoredDoubt, StoredEmissionsState,
    StoredEstimate, StoredLoadState, StoredMark, StoredMeterState, StoredMotion, StoredOdometerCandidate,
    StoredPosition, StoredSliceState, StoredSocState, StoredTotals, StoredTripState, StoredVanState,
)
from agent.fleet.state_part import Mark


def list_mark(part: Mark) -> list[object]:
    return [
        part.time_ms, part.net_kwh, part.predicted_kwh, part.distance_km, part.soc_pct, part.latitude_deg,
        part.longitude_deg, part.before_kwh, part.variance, part.odometer_km,
    ]

def make_mark(stored: StoredMark) -> Mark:
    part = Mark.__new__(Mark)
    (
        part.time_ms, part.net_kwh, part.predicted_kwh, part.distance_km, part.soc_pct, part.latitude_deg,
        part.longitude_deg, part.before_kwh, part.variance, part.odometer_km,
    ) = astuple(stored)
    return part

def list_soc_state(part: SocState) -> list[object]:
    return [
        part.soc_pct, part.time_ms, part.before_pct, part.low_level_pct, part.high_level_pct, part.seen_kwh, part.grid,
        part.step_pct, part.recurring_pct, part.recurrences, part.candidate_pct, part.candidate_ms, part.candidates,
        part.changed, part.power_kw, part.raw_power_kw, part.power_trusted, part.power_sign, part.reversals,
        part.frozen_readings, part.power_sum_kwh, part.power_sum_var, part.blind_ms, part.out_total_kwh,
        part.in_total_kwh, part.counter_trusted, part.counter_sum_kwh, part.ambient_temp_c, part.battery_temp_c,
        part.plugged_in, part.sign_is_sure, part.braked_kwh, part.driven_kwh, part.coarse, part.changed_ms,
        part.changed_km, part.rise_credit_pct, part.fall_credit_pct, part.candidate_from_ms, part.charging,
        part.power_rejected, part.counter_credit_kwh, part.counter_ms, part.counter_refusals, part.changed_kwh,
        part.changed_kwh_per_km, part.frozen, part.flagged_ms, part.owed_pct, part.lost_pct, part.gained_pct,
        part.power_gross_kwh, part.silent_kwh, part.silent_from_ms, part.candidate_out_kwh, part.candidate_in_kwh,
        part.candidate_from_pct,
    ]

def make_soc_state(stored: StoredSocState) -> SocState:
    part = SocState.__new__(SocState)
    (
        part.soc_pct, part.time_ms, part.before_pct, part.low_level_pct, part.high_level_pct, part.seen_kwh, part.grid,
        part.step_pct, part.recurring_pct, part.recurrences, part.candidate_pct, part.candidate_ms, part.candidates,
        part.changed, part.power_kw, part.raw_power_kw, part.power_trusted, part.power_sign, part.reversals,
        part.frozen_readings, part.power_sum_kwh, part.power_sum_var, part.blind_ms, part.out_total_kwh,
        part.in_total_kwh, part.counter_trusted, part.counter_sum_kwh, part.ambient_temp_c, part.battery_temp_c,
        part.plugged_in, part.sign_is_sure, part.braked_kwh, part.driven_kwh, part.coarse, part.changed_ms,
        part.changed_km, part.rise_credit_pct, part.fall_credit_pct, part.candidate_from_ms, part.charging,
        part.power_rejected, part.counter_credit_kwh, part.counter_ms, part.counter_refusals, part.changed_kwh,
        part.changed_kwh_per_km, part.frozen, part.flagged_ms, part.owed_pct, part.lost_pct, part.gained_pct,
        part.power_gross_kwh, part.silent_kwh, part.silent_from_ms, part.candidate_out_kwh, part.candidate_in_kwh,
        part.candidate_from_pct,
    ) = astuple(stored)
    return part

def list_estimate(part: Estimate) -> list[object]:
    return [
        part.started, part.time_ms, part.out_kwh, part.level_pct, part.pct_per_kwh, part.kwh_per_km, part.boundary_kwh,
        part.var_out, part.cov_out_level, part.cov_out_scale, part.cov_out_consumption, part.cov_out_boundary,
        part.var_level, part.cov_level_scale, part.cov_level_consumption, part.cov_level_boundary, part.var_scale,
        part.cov_scale_consumption, part.cov_scale_boundary, part.var_consumption, part.cov_consumption_boundary,
        part.var_boundary, part.pending_kwh, part.pending_km, part.pending_var_kwh2, part.base_kwh,
    ]

def make_estimate(stored: StoredEstimate) -> Estimate:
    part = Estimate.__new__(Estimate)
    (
        part.started, part.time_ms, part.out_kwh, part.level_pct, part.pct_per_kwh, part.kwh_per_km, part.boundary_kwh,
        part.var_out, part.cov_out_level, part.cov_out_scale, part.cov_out_consumption, part.cov_out_boundary,
        part.var_level, part.cov_level_scale, part.cov_level_consumption, part.cov_level_boundary, part.var_scale,
        part.cov_scale_consumption, part.cov_scale_boundary, part.var_consumption, part.cov_consumption_boundary,
        part.var_boundary, part.pending_kwh, part.pending_km, part.pending_var_kwh2, part.base_kwh,
    ) = astuple(stored)
    return part

def list_totals(part: Totals) -> list[object]:
    return [
        part.used_kwh, part.regenerated_kwh, part.charged_kwh, part.grid_kwh, part.idle_kwh, part.distance_km,
        part.net_kwh, part.posted_kwh, part.predicted_kwh, part.idle_from_kwh, part.unused_1, part.source,
        part.emitted_kwh, part.emitted_km,
    ]

def make_totals(stored: StoredTotals) -> Totals:
    part = Totals.__new__(Totals)
    (
        part.used_kwh, part.regenerated_kwh, part.charged_kwh, part.grid_kwh, part.idle_kwh, part.distance_km,
        part.net_kwh, part.posted_kwh, part.predicted_kwh, part.idle_from_kwh, part.unused_1, part.source,
        part.emitted_kwh, part.emitted_km,
    ) = astuple(stored)
    return part

def list_capacity(part: Capacity) -> list[object]:
    return [
        part.battery_kwh, part.samples_kwh, part.window_level_pct, part.window_ms, part.window_power_kwh,
        part.window_power_var, part.window_blind_ms, part.window_counter_kwh, part.window_net_kwh,
        part.efficiencies_ac, part.efficiencies_dc,
    ]

def make_capacity(stored: StoredCapacity) -> Capacity:
    part = Capacity.__new__(Capacity)
    (
        part.battery_kwh, part.samples_kwh, part.window_level_pct, part.window_ms, part.window_power_kwh,
        part.window_power_var, part.window_blind_ms, part.window_counter_kwh, part.window_net_kwh,
        part.efficiencies_ac, part.efficiencies_dc,
    ) = astuple(stored)
    return part

def list_consumption(part: Consumption) -> list[object]:
    return [
        part.kwh, part.km, part.net_kwh, part.distance_km, part.per_100km_kwh, part.range_km, part.uncertainty_kwh,
    ]

def make_consumption(stored: StoredConsumption) -> Consumption:
    part = Consumption.__new__(Consumption)
    (
        part.kwh, part.km, part.net_kwh, part.distance_km, part.per_100km_kwh, part.range_km, part.uncertainty_kwh,
    ) = astuple(stored)
    return part

def list_odometer_candidate(part: OdometerCandidate) -> list[object]:
    return [
        part.from_km, part.km, part.time_ms, part.others_km,
    ]

def make_odometer_candidate(stored: StoredOdometerCandidate) -> OdometerCandidate:
    part = OdometerCandidate.__new__(OdometerCandidate)
    (
        part.from_km, part.km, part.time_ms, part.others_km,
    ) = astuple(stored)
    return part

def list_doubt(part: Doubt) -> list[object]:
    return [
        part.time_ms, part.km, part.soc_pct, part.unused_1, part.counter_kwh, part.blind_ms, part.gross_kwh,
        part.by_speed, part.moved_km,
    ]

def make_doubt(stored: StoredDoubt) -> Doubt:
    part = Doubt.__new__(Doubt)
    (
        part.time_ms, part.km, part.soc_pct, part.unused_1, part.counter_kwh, part.blind_ms, part.gross_kwh,
        part.by_speed, part.moved_km,
    ) = astuple(stored)
    return part

def list_load_state(part: LoadState) -> list[object]:
    return [
        part.payload_kg, part.parcels, part.unused_1, part.unused_2, part.unused_3, part.unused_4,
    ]

def make_load_state(stored: StoredLoadState) -> LoadState:
    part = LoadState.__new__(LoadState)
    (
        part.payload_kg, part.parcels, part.unused_1, part.unused_2, part.unused_3, part.unused_4,
    ) = astuple(stored)
    return part

def list_meter_state(part: MeterState) -> list[object]:
    return [
        part.power_kw, part.time_ms, part.is_whole, part.waiting_kwh, part.waiting_ms, part.gap_kwh, part.gap_ms,
        part.covered_ms, part.metered_kwh, part.battery_kwh, part.grid_kwh,
    ]

def make_meter_state(stored: StoredMeterState) -> MeterState:
    part = MeterState.__new__(MeterState)
    (
        part.power_kw, part.time_ms, part.is_whole, part.waiting_kwh, part.waiting_ms, part.gap_kwh, part.gap_ms,
        part.covered_ms, part.metered_kwh, part.battery_kwh, part.grid_kwh,
    ) = astuple(stored)
    return part

def list_slice_state(part: SliceState) -> list[object]:
    return [
        part.start_ms, part.end_ms, part.battery_kwh, part.grid_kwh, part.metered_kwh, part.direct_g, part.upstream_g,
        part.losses_g, part.market_g, part.hourly_kwh, part.cost, part.instrument, part.waiting_ms,
        part.waiting_battery_kwh, part.waiting_grid_kwh, part.waiting_metered_kwh, part.charge_metered_kwh,
        part.charge_market_g, part.charge_cost, part.charge_primary_g, part.charge_hourly_g,
    ]

def make_slice_state(stored: StoredSliceState) -> SliceState:
    part = SliceState.__new__(SliceState)
    (
        part.start_ms, part.end_ms, part.battery_kwh, part.grid_kwh, part.metered_kwh, part.direct_g, part.upstream_g,
        part.losses_g, part.market_g, part.hourly_kwh, part.cost, part.instrument, part.waiting_ms,
        part.waiting_battery_kwh, part.waiting_grid_kwh, part.waiting_metered_kwh, part.charge_metered_kwh,
        part.charge_market_g, part.charge_cost, part.charge_primary_g, part.charge_hourly_g,
    ) = astuple(stored)
    return part

def list_emissions_state(part: EmissionsState) -> list[object]:
    return [
        part.battery_g_per_kwh, part.market_g_per_kwh, part.co2e_g, part.co2e_g_total, part.unused_1, part.distance_km,
        part.total_distance_km, part.diesel_co2e_g_total, part.avoided_co2e_g_total, part.avoided_nox_mg_total,
        part.avoided_pm_mg_total, part.unused_2, part.content_kwh, part.begun_g, part.charged_g, part.charged_market_g,
        part.adjusted_g, part.market_g, part.primary_share, part.primary_g, part.hourly_share, part.hourly_g,
    ]

def make_emissions_state(stored: StoredEmissionsState) -> EmissionsState:
    part = EmissionsState.__new__(EmissionsState)
    (
        part.battery_g_per_kwh, part.market_g_per_kwh, part.co2e_g, part.co2e_g_total, part.unused_1, part.distance_km,
        part.total_distance_km, part.diesel_co2e_g_total, part.avoided_co2e_g_total, part.avoided_nox_mg_total,
        part.avoided_pm_mg_total, part.unused_2, part.content_kwh, part.begun_g, part.charged_g, part.charged_market_g,
        part.adjusted_g, part.market_g, part.primary_share, part.primary_g, part.hourly_share, part.hourly_g,
    ) = astuple(stored)
    return part

def list_carbon(part: Carbon) -> list[object]:
    return [
        part.location_g, part.market_g, part.primary_g, part.hourly_g,
    ]

def make_carbon(stored: StoredCarbon) -> Carbon:
    part = Carbon.__new__(Carbon)
    (
        part.location_g, part.market_g, part.primary_g, part.hourly_g,
    ) = astuple(stored)
    return part

def list_motion(part: Motion) -> list[object]:
    return [
        part.mode, part.fast_readings, part.standing_ms, part.anchor_latitude_deg, part.anchor_longitude_deg,
        part.unused_1, list_mark(part.wake), list_mark(part.rest), list_mark(part.stand), part.anchor_km, part.rest_ms,
        part.rest_soc_pct, part.rest_idle_kwh,
    ]

def make_motion(stored: StoredMotion) -> Motion:
    part = Motion.__new__(Motion)
    (
        part.mode, part.fast_readings, part.standing_ms, part.anchor_latitude_deg, part.anchor_longitude_deg,
        part.unused_1, stored_wake, stored_rest, stored_stand, part.anchor_km, part.rest_ms, part.rest_soc_pct,
        part.rest_idle_kwh,
    ) = astuple(stored)
    part.wake = make_mark(stored_wake)
    part.rest = make_mark(stored_rest)
    part.stand = make_mark(stored_stand)
    return part

def list_trip_state(part: TripState) -> list[object]:
    return [
        list_mark(part.start), part.regenerated_kwh, part.stops, part.inferred,
    ]

def make_trip_state(stored: StoredTripState) -> TripState:
    part = TripState.__new__(TripState)
    (
        stored_start, part.regenerated_kwh, part.stops, part.inferred,
    ) = astuple(stored)
    part.start = make_mark(stored_start)
    return part

def list_position(part: Position) -> list[object]:
    return [
        part.latitude_deg, part.longitude_deg, part.time_ms, part.anchor_latitude_deg, part.anchor_longitude_deg,
        part.path_latitude_deg, part.path_longitude_deg, part.path_is_behind, part.raw_latitude_deg,
        part.raw_longitude_deg, part.candidate_latitude_deg, part.candidate_longitude_deg, part.candidate_ms,
        part.candidates_ms, part.candidates, part.raw_rejected, part.raw_pending, part.rejected, part.speed_kmh,
        part.odometer_km, part.odometer_is_fine, part.pending_km, part.odometer_ms, part.odometer_credit_km,
        part.odometer_ahead_km, part.odometer_lost, part.odometer_rejected,
        None if part.odometer_candidate is None else list_odometer_candidate(part.odometer_candidate),
        part.odometer_alone_km, part.unmatched_km, part.moved_ms, part.reference_latitude_deg,
        part.reference_longitude_deg, part.held_km, part.gap_km, part.gap_since_ms, part.conflict,
        None if part.doubt is None else list_doubt(part.doubt), part.other_km, part.speed_repeats, part.speed_rejected,
        part.fix_changed_ms, part.path_km, part.path_speed_km, part.path_share, part.path_ms, part.speed_misleads,
        part.settled, part.odometer_is_whole, part.speed_lost, part.late_km, part.unfixed_km, part.placed,
        part.chord_latitude_deg, part.chord_longitude_deg, part.chord_ms, part.chord_from_km, part.chords_km,
        part.chords_way_km, part.chords_share,
    ]

def make_position(stored: StoredPosition) -> Position:
    part = Position.__new__(Position)
    (
        part.latitude_deg, part.longitude_deg, part.time_ms, part.anchor_latitude_deg, part.anchor_longitude_deg,
        part.path_latitude_deg, part.path_longitude_deg, part.path_is_behind, part.raw_latitude_deg,
        part.raw_longitude_deg, part.candidate_latitude_deg, part.candidate_longitude_deg, part.candidate_ms,
        part.candidates_ms, part.candidates, part.raw_rejected, part.raw_pending, part.rejected, part.speed_kmh,
        part.odometer_km, part.odometer_is_fine, part.pending_km, part.odometer_ms, part.odometer_credit_km,
        part.odometer_ahead_km, part.odometer_lost, part.odometer_rejected, stored_odometer_candidate,
        part.odometer_alone_km, part.unmatched_km, part.moved_ms, part.reference_latitude_deg,
        part.reference_longitude_deg, part.held_km, part.gap_km, part.gap_since_ms, part.conflict, stored_doubt,
        part.other_km, part.speed_repeats, part.speed_rejected, part.fix_changed_ms, part.path_km, part.path_speed_km,
        part.path_share, part.path_ms, part.speed_misleads, part.settled, part.odometer_is_whole, part.speed_lost,
        part.late_km, part.unfixed_km, part.placed, part.chord_latitude_deg, part.chord_longitude_deg, part.chord_ms,
        part.chord_from_km, part.chords_km, part.chords_way_km, part.chords_share,
    ) = astuple(stored)
    part.odometer_candidate = None if stored_odometer_candidate is None else make_odometer_candidate(stored_odometer_candidate)
    part.doubt = None if stored_doubt is None else make_doubt(stored_doubt)
    return part

def list_charge_state(part: ChargeState) -> list[object]:
    return [
        list_mark(part.start), part.flagged, part.active, part.charged_kwh, part.grid_kwh, part.co2e_g,
        part.pending_kwh, part.unused_1, part.unused_2, part.unused_3, part.max_power_kw, part.rise_ms, part.rise_pct,
        part.low_pct, part.low_ms, part.settled_ms, part.unflagged_ms,
        None if part.meter is None else list_meter_state(part.meter),
        None if part.slice is None else list_slice_state(part.slice), part.start_variance, part.gives, part.scatters,
    ]

def make_charge_state(stored: StoredChargeState) -> ChargeState:
    part = ChargeState.__new__(ChargeState)
    (
        stored_start, part.flagged, part.active, part.charged_kwh, part.grid_kwh, part.co2e_g, part.pending_kwh,
        part.unused_1, part.unused_2, part.unused_3, part.max_power_kw, part.rise_ms, part.rise_pct, part.low_pct,
        part.low_ms, part.settled_ms, part.unflagged_ms, stored_meter, stored_slice, part.start_variance, part.gives,
        part.scatters,
    ) = astuple(stored)
    part.start = make_mark(stored_start)
    part.meter = None if stored_meter is None else make_meter_state(stored_meter)
    part.slice = None if stored_slice is None else make_slice_state(stored_slice)
    return part

def list_van_state(part: VanState) -> list[object]:
    return [
        part.version, part.vehicle_id, part.time_ms, part.soc_time_ms, part.location_time_ms, part.load_time_ms,
        part.last_arrival_ms, part.verdict, part.accepted, part.duplicates, part.late, part.rejected_soc,
        part.recent_ms, part.due_ms, list_soc_state(part.soc), list_estimate(part.estimate), list_totals(part.totals),
        list_position(part.position), list_motion(part.motion), list_trip_state(part.trip), list_load_state(part.load),
        list_charge_state(part.charge), list_capacity(part.capacity), list_consumption(part.consumption),
        part.returned_ms, list_mark(part.gap_from),
        None if part.emissions is None else list_emissions_state(part.emissions), part.alerts, part.outlook_due_ms,
        part.outlook_mode, part.day, part.day_start_var_kwh2, part.aside_time_ms, part.published_ms, part.corrections,
        part.tour, part.late_arrival_ms, part.late_after,
    ]

def make_van_state(stored: StoredVanState) -> VanState:
    part = VanState.__new__(VanState)
    (
        part.version, part.vehicle_id, part.time_ms, part.soc_time_ms, part.location_time_ms, part.load_time_ms,
        part.last_arrival_ms, part.verdict, part.accepted, part.duplicates, part.late, part.rejected_soc,
        part.recent_ms, part.due_ms, stored_soc, stored_estimate, stored_totals, stored_position, stored_motion,
        stored_trip, stored_load, stored_charge, stored_capacity, stored_consumption, part.returned_ms,
        stored_gap_from, stored_emissions, part.alerts, part.outlook_due_ms, part.outlook_mode, part.day,
        part.day_start_var_kwh2, part.aside_time_ms, part.published_ms, part.corrections, part.tour,
        part.late_arrival_ms, part.late_after,
    ) = astuple(stored)
    part.soc = make_soc_state(stored_soc)
    part.estimate = make_estimate(stored_estimate)
    part.totals = make_totals(stored_totals)
    part.position = make_position(stored_position)
    part.motion = make_motion(stored_motion)
    part.trip = make_trip_state(stored_trip)
    part.load = make_load_state(stored_load)
    part.charge = make_charge_state(stored_charge)
    part.capacity = make_capacity(stored_capacity)
    part.consumption = make_consumption(stored_consumption)
    part.gap_from = make_mark(stored_gap_from)
    part.emissions = None if stored_emissions is None else make_emissions_state(stored_emissions)
    return part
