"""What holds for any readings: totals never fall, energy is conserved, nothing counts twice."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.fleet import VanState, decode_state, encode_state, new_state, step, tick
from agent.fleet.energy_state import STORED_SHARE
from agent.fleet.records import EmissionsRecord, EnergyRecord, Record
from agent.readings import Reading
from tests.fleet.drives import START_MS, make_context

CONTEXT = make_context(curve_slope_per_pct=0.0019)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def lives(draw: st.DrawFn) -> list[Reading]:
    """A van's readings in order: drives, rests, charges, silences, with faults among them."""
    step_pct = draw(st.sampled_from([1.0, 0.5, 0.1]))
    has_power, has_odometer = draw(st.booleans()), draw(st.booleans())
    soc, km, time_s = draw(st.floats(30.0, 95.0)), 0.0, 0
    readings = []
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["drive", "drive", "rest", "charge", "silence", "descent"]))
        if kind == "silence":
            time_s += draw(st.integers(60, 40_000))
            soc = draw(st.sampled_from([soc, min(95.0, soc + 20.0), max(5.0, soc - 1.0)]))
            km += draw(st.sampled_from([0.0, 0.0, 8.0]))
            continue
        period_s = draw(st.sampled_from([2, 10, 30]))
        speed_kmh = draw(st.floats(10.0, 110.0)) if kind in ("drive", "descent") else 0.0
        power_kw = {"drive": -0.2 * speed_kmh, "descent": 0.1 * speed_kmh, "rest": -0.1, "charge": 22.0}[kind]
        for _ in range(draw(st.integers(1, 40))):
            time_s += period_s
            km += speed_kmh * period_s / 3600.0
            soc = min(100.0, max(1.0, soc + power_kw * period_s / 3600.0 * 2.0))
            fields: dict[str, Any] = {"battery_power_kw": power_kw} if has_power else {}
            if has_odometer:
                fields["odometer_km"] = round(1000.0 + km, 1)
            if draw(st.integers(0, 60)) == 0:
                fields["soc_pct"] = 0.0
            if draw(st.integers(0, 60)) == 0:
                fields["latitude_deg"] = 0.0
            values: dict[str, Any] = {
                "soc_pct": round(round(soc / step_pct) * step_pct, 3),
                "latitude_deg": 48.0 + km / 111.195,
                "longitude_deg": 11.0,
                "speed_kmh": speed_kmh,
                "charging": kind == "charge",
                **fields,
            }
            readings.append(Reading(vehicle_id="van-1", time_ms=START_MS + time_s * 1000, seq=len(readings), **values))
    return readings


def live(readings: list[Reading], state: VanState | None = None) -> tuple[VanState, list[Record]]:
    state = state or new_state("van-1")
    records: list[Record] = []
    for reading in readings:
        records += step(state, reading, reading.time_ms, CONTEXT)
    return state, records


def totals(state: VanState) -> bytes:
    """Everything but the counts of what was refused and the times of arrival."""
    plain = replace(state, duplicates=0, late=0, verdict=0, last_arrival_ms=0, late_arrival_ms=0)
    plain.late_after = 0
    return encode_state(plain)


@QUICK
@given(lives())
def test_totals_never_fall(readings: list[Reading]):
    _, records = live(readings)
    for kind in (EnergyRecord, EmissionsRecord):
        names = [name for name in kind.__struct_fields__ if name.endswith("_total")]
        found = [record for record in records if type(record) is kind]
        for earlier, later in pairwise(found):
            for name in names:
                assert getattr(later, name) >= getattr(earlier, name), name


@QUICK
@given(lives())
def test_energy_out_less_energy_in_is_the_change_of_content(readings: list[Reading]):
    state, _ = live(readings)
    if not state.estimate.started:
        return
    tick(state, 0, 3_600_000, CONTEXT)
    ledger = state.totals
    out_kwh = ledger.used_kwh - ledger.regenerated_kwh - STORED_SHARE * ledger.charged_kwh
    estimate = state.estimate
    held_back_kwh = ledger.posted_kwh - (estimate.base_kwh + estimate.out_kwh + estimate.pending_kwh)
    surplus_kwh = ledger.used_kwh - ledger.regenerated_kwh - ledger.net_kwh
    assert surplus_kwh >= -1e-9
    assert abs(out_kwh - surplus_kwh - ledger.posted_kwh) < 1e-6
    assert held_back_kwh > -5.0


@QUICK
@given(lives(), st.data())
def test_duplicates_and_late_readings_change_nothing(readings: list[Reading], data: st.DataObject):
    expected, records = live(readings)
    disturbed: list[Reading] = []
    for index, reading in enumerate(readings):
        disturbed.append(reading)
        if data.draw(st.integers(0, 9)) == 0:
            disturbed.append(readings[data.draw(st.integers(0, index))])
    state, again = live(disturbed)
    assert totals(state) == totals(expected)
    assert again == records


@QUICK
@given(lives(), st.data())
def test_recovery_between_any_two_readings_is_exact(readings: list[Reading], data: st.DataObject):
    expected, records = live(readings)
    cut = data.draw(st.integers(0, len(readings)))
    state, before = live(readings[:cut])
    state, after = live(readings[cut:], decode_state(encode_state(state)))
    assert encode_state(state) == encode_state(expected)
    assert before + after == records


@QUICK
@given(lives())
def test_a_trip_is_part_of_the_totals(readings: list[Reading]):
    state, records = live(readings)
    records += tick(state, 0, 3_600_000, CONTEXT)
    trips = [record for record in records if type(record).__name__ == "TripRecord"]
    km = sum(trip.distance_km for trip in trips)
    assert km <= state.totals.distance_km + 1e-6
    for earlier, later in pairwise(trips):
        assert later.start_ms >= earlier.time_ms
