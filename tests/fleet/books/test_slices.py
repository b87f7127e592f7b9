"""Charges by the quarter of an hour: where a slice begins and ends, and what its grams are made of."""

from itertools import pairwise

import msgspec
import pytest

from agent.factors.figures import Grid
from agent.factors.intensity import Intensity, Sample
from agent.fleet import decode_state, encode_state
from agent.fleet.books.slices import MAX_SLICES, SLICE_MS, Flow, SliceState, close, enter, without_trace
from agent.fleet.contracts import Contract, Contracts
from agent.fleet.day_zone import DayZone
from agent.fleet.places import Places
from agent.fleet.records import ChargeSliceRecord
from agent.fleet.tariff import Tariff
from agent.geofence_file import parse_places
from tests.fleet.drives import FACTORS, START_MS, Van, make_context

T0 = 1_750_000_500_000 // SLICE_MS * SLICE_MS
GRID = Grid(
    country="DE",
    annual_g_per_kwh=400.0,
    per_lifecycle=1.0,
    direct_g_per_kwh=300.0,
    upstream_g_per_kwh=60.0,
    losses_g_per_kwh=40.0,
)
"""By hand: 300 g of generation, 60 g before it and 40 g of losses, 400 g/kWh in all."""


def context_of(*, grid: Grid = GRID, intensity: Intensity | None = None, **changes):
    context = make_context()
    factors = msgspec.structs.replace(
        context.factors, grid=grid, intensity=intensity or Intensity(Annual(grid.annual_g_per_kwh)), set_name="by hand"
    )
    return msgspec.structs.replace(context, factors=factors, **changes)


class Annual:
    """A factor set that knows one number."""

    def __init__(self, g_per_kwh: float) -> None:
        self._grid = msgspec.structs.replace(GRID, annual_g_per_kwh=g_per_kwh)

    @property
    def newest(self) -> "Annual":
        return self

    def at(self, _time_ms: int) -> "Annual":
        return self

    def validity(self, _factors: object) -> tuple[int, int]:
        return -(2**62), 2**62

    def countries(self) -> list[str]:
        return ["DE"]

    def for_country(self, _country: str) -> Grid:
        return self._grid


def slices(*flows: Flow, context=None) -> list[ChargeSliceRecord]:
    context = context or context_of()
    state, records = SliceState(), []
    for flow in flows:
        records += enter(state, flow, "van-1", context)[0]
    if state.end_ms:
        records.append(close(state, "van-1", flow.latitude_deg, flow.longitude_deg, context))
    return records


def flow(start_min: float, end_min: float, battery_kwh: float, grid_kwh: float, metered_kwh: float = 0.0) -> Flow:
    start_ms, end_ms = (T0 + round(minute * 60_000) for minute in (start_min, end_min))
    return Flow(start_ms, end_ms, battery_kwh, grid_kwh, metered_kwh, 48.0, 11.0)


@pytest.mark.parametrize(
    ("title", "flows", "begin_min", "grid_kwh"),
    [
        ("within one quarter", [flow(2, 8, 0.9, 1.0)], [2], [1.0]),
        ("an hour on the hour", [flow(0, 60, 9.0, 10.0)], [0, 15, 30, 45], [2.5] * 4),
        ("an hour from ten minutes past", [flow(10, 70, 5.4, 6.0)], [10, 15, 30, 45, 60], [0.5, 1.5, 1.5, 1.5, 1.0]),
        ("two within one quarter", [flow(0, 5, 0.9, 1.0), flow(5, 15, 0.9, 1.0)], [0], [2.0]),
        ("found at the very end of a quarter", [flow(0, 15, 0.9, 1.0), flow(15, 15, 0.45, 0.5)], [0], [1.5]),
        ("at one moment", [flow(3, 3, 0.9, 1.0)], [3], [1.0]),
    ],
)
def test_quarters(title: str, flows: list[Flow], begin_min: list[int], grid_kwh: list[float]):
    records = slices(*flows)
    assert [(record.time_ms - T0) / 60_000 for record in records] == begin_min, title
    assert [record.grid_kwh for record in records] == pytest.approx(grid_kwh)
    assert [record.battery_kwh for record in records] == pytest.approx([0.9 * kwh for kwh in grid_kwh])
    assert all(record.efficiency == pytest.approx(0.9) for record in records)


@pytest.mark.parametrize("days", [1, 7, 8, 30, 400])
def test_a_long_silence_has_a_bounded_number_of_slices(days: int):
    records = slices(flow(7, 7 + days * 1440, 36.0, 40.0))
    assert len(records) <= MAX_SLICES + 1
    assert sum(record.grid_kwh for record in records) == pytest.approx(40.0, abs=1e-9)
    starts = [record.time_ms for record in records]
    assert all(later > earlier for earlier, later in pairwise(starts))
    if days <= 7:
        assert all(later - earlier == SLICE_MS for earlier, later in pairwise(starts[1:]))


def test_grams_of_a_slice_by_scope():
    """4 kWh at 400 g/kWh: 1,200 g Scope 2, 240 g upstream and 160 g losses of Scope 3.3."""
    (record,) = slices(flow(0, 15, 3.6, 4.0))
    assert (record.direct_g, record.upstream_g, record.losses_g) == pytest.approx((1200.0, 240.0, 160.0))
    assert (record.market_g, record.instrument) == (pytest.approx(1600.0), "location")
    assert (record.intensity_g_per_kwh, record.intensity_source) == (pytest.approx(400.0), "annual")
    assert (record.meter, record.factor_set, record.cost) == ("modelled", "by hand", None)


def test_intensity_and_its_source_are_those_of_the_slice():
    """400 g/kWh in the first quarter of an hour, 100 g/kWh by the hour in the second."""
    samples = [Sample(T0 + SLICE_MS, "DE", 100.0, "well_to_wheel", 1)]
    context = context_of(intensity=Intensity(Annual(400.0), samples))
    first, second = slices(flow(0, 30, 1.8, 2.0), context=context)
    assert (first.intensity_g_per_kwh, first.intensity_source) == (pytest.approx(400.0), "annual")
    assert (second.intensity_g_per_kwh, second.intensity_source) == (pytest.approx(100.0), "hourly")
    assert second.direct_g + second.upstream_g + second.losses_g == pytest.approx(100.0)
    assert second.direct_g / second.upstream_g == pytest.approx(300.0 / 60.0)


def test_cost_of_a_slice_by_the_hour_of_the_tariff():
    """2 kWh across midnight, when the price falls from 0.40 to 0.20: 0.40 and 0.20."""
    midnight_min = (86_400_000 - T0 % 86_400_000) / 60_000
    night = Tariff((0.2,) * 23 + (0.4,), DayZone())
    records = slices(flow(midnight_min - 15, midnight_min + 15, 1.8, 2.0), context=context_of(tariff=night))
    assert [record.cost for record in records] == pytest.approx([0.40, 0.20])


@pytest.mark.parametrize(
    ("metered_kwh", "meter"), [(4.0, "charger"), (2.1, "charger"), (1.9, "modelled"), (0.0, "modelled")]
)
def test_the_meter_is_what_most_of_it_comes_from(metered_kwh: float, meter: str):
    assert slices(flow(0, 15, 3.6, 4.0, metered_kwh))[0].meter == meter


GREEN = Contract(name="Green 2026", g_per_kwh=20.0)
HALF = Contract(name="Half", g_per_kwh=0.0, coverage=0.5)
PLACES = parse_places(
    '{"type": "FeatureCollection", "features": ['
    '{"type": "Feature", "properties": {"name": "Miller", "kind": "home", "radius_m": 100},'
    ' "geometry": {"type": "Point", "coordinates": [11.0, 49.0]}}]}',
    {"north": (48.0, 11.0), "south": (47.0, 11.0)},
)
RESIDUAL = msgspec.structs.replace(GRID, residual_g_per_kwh=600.0)


@pytest.mark.parametrize(
    ("title", "holding", "latitude_deg", "grid", "market_g", "instrument"),
    [
        # 4 kWh; 400 g/kWh by location, 600 g/kWh by the residual mix.
        ("no contract, no residual mix: location-based", {}, 48.0, GRID, 1600.0, "location"),
        ("no contract: residual mix", {}, 48.0, RESIDUAL, 2400.0, "residual"),
        ("at the depot that has one", {"north": GREEN}, 48.0, GRID, 80.0, "contract Green 2026"),
        ("at another depot", {"north": GREEN}, 47.0, GRID, 1600.0, "location"),
        ("at any depot", {"depot": GREEN}, 47.0, GRID, 80.0, "contract Green 2026"),
        ("the place before its kind", {"depot": GREEN, "south": HALF}, 47.0, GRID, 800.0, "contract Half"),
        ("at home", {"home": HALF}, 49.0, RESIDUAL, 1200.0, "contract Half"),
        ("in public", {"depot": GREEN, "public": HALF}, 50.0, GRID, 800.0, "contract Half"),
        ("in public without a contract", {"depot": GREEN}, 50.0, RESIDUAL, 2400.0, "residual"),
    ],
)
def test_market_based_by_place(title, holding, latitude_deg, grid, market_g, instrument):
    context = context_of(grid=grid, places=PLACES, contracts=Contracts(holding, PLACES))
    here = flow(0, 15, 3.6, 4.0)._replace(latitude_deg=latitude_deg)
    (record,) = slices(here, context=context)
    assert (record.market_g, record.instrument) == (pytest.approx(market_g), instrument), title
    assert record.direct_g == pytest.approx(1200.0)


def test_a_van_without_a_position_charges_in_public():
    contracts = Contracts({"public": GREEN}, Places())
    nowhere = flow(0, 15, 3.6, 4.0)._replace(latitude_deg=None, longitude_deg=None)
    (record,) = slices(nowhere, context=context_of(contracts=contracts))
    assert record.instrument == "contract Green 2026"
    assert record.place is None


def charged_van(*, step_pct: float = 0.1, every_s: int = 30) -> Van:
    """Two hours."""
    van = Van(soc_pct=20.0, step_pct=step_pct)
    van.rest(600, charging=False)
    van.rest(7200, every_s=every_s, kw=-6.0, charging=True)
    van.rest(600, charging=False)
    return van


@pytest.mark.parametrize("step_pct", [0.1, 1.0])
def test_without_a_flag_no_slice_lies_behind_the_end_of_the_charge(step_pct: float):
    van = Van(soc_pct=20.0, step_pct=step_pct)
    van.rest(600)
    van.rest(7200, every_s=30, kw=-6.0)
    van.rest(7200, every_s=30, kw=0.05)
    (charge,) = van.charges
    pieces = van.of(ChargeSliceRecord)
    assert pieces[0].time_ms >= charge.start_ms
    assert all(piece.time_ms < charge.time_ms for piece in pieces)
    assert sum(piece.grid_kwh for piece in pieces) == pytest.approx(charge.grid_kwh, abs=1e-9)
    assert charge.energy_kwh == pytest.approx(12.0 / 0.97, abs=step_pct / 100 * 50 + 0.2)


@pytest.mark.parametrize("step_pct", [0.1, 1.0])
@pytest.mark.parametrize("every_s", [10, 60, 600])
def test_the_slices_of_a_charge(step_pct: float, every_s: int):
    """6 kW that can be taken out are 6 / 0.97 kW in, for 2 h; each full quarter has 1.546 kWh, give or take a step."""
    van = charged_van(step_pct=step_pct, every_s=every_s)
    (charge,) = van.charges
    pieces = van.of(ChargeSliceRecord)
    assert [piece.time_ms for piece in pieces] == sorted({piece.time_ms for piece in pieces})
    assert pieces[0].time_ms == charge.start_ms
    assert all(piece.time_ms % SLICE_MS == 0 for piece in pieces[1:])
    assert pieces[-1].time_ms < charge.time_ms
    assert sum(piece.battery_kwh for piece in pieces) == pytest.approx(charge.energy_kwh, abs=1e-9)
    assert sum(piece.grid_kwh for piece in pieces) == pytest.approx(charge.grid_kwh, abs=1e-9)
    grams = sum(piece.direct_g + piece.upstream_g + piece.losses_g for piece in pieces)
    assert grams == pytest.approx(charge.co2e_g, abs=1e-6)
    assert grams == pytest.approx(charge.grid_kwh * 329.65 / 0.93, abs=1e-3)
    for piece in pieces[1:-1]:
        assert piece.battery_kwh == pytest.approx(1.5 / 0.97, abs=0.6 * step_pct / 100 * 50 + 0.08)


@pytest.mark.parametrize("step_pct", [0.1, 1.0])
def test_the_uncertainty_of_a_charge(step_pct: float):
    """6 kW for 2 h out of a battery of 50 kWh, by the power that the van says, modelled, by the year.

    Both ends lie within a step: at least 1.4 · sqrt(2 / 12) steps of 0.5 kWh per %. The grid energy is known no better
    than its efficiency, 3 %, and the grams no better than the factor, 10 %. The truth, 12 / 0.97 kWh, lies within.
    """
    (charge,) = charged_van(step_pct=step_pct).charges
    ends_kwh = 1.4 * (2 / 12) ** 0.5 * step_pct * 0.5
    assert 0.9 * ends_kwh <= charge.uncertainty_kwh < ends_kwh + 0.1 * charge.energy_kwh
    assert abs(charge.energy_kwh - 12.0 / 0.97) <= charge.uncertainty_kwh
    assert charge.uncertainty_grid_kwh > 1.645 * 0.03 * charge.grid_kwh
    relative_grid = charge.uncertainty_grid_kwh / charge.grid_kwh
    assert charge.uncertainty_g / charge.co2e_g == pytest.approx((relative_grid**2 + (1.645 * 0.1) ** 2) ** 0.5)


def test_a_charge_over_a_silence_is_spread_over_it():
    """From 20 to 60 % of 50 kWh within 8 h of silence: 20 kWh out of 20.62 kWh in, the same in each quarter."""
    van = Van(soc_pct=20.0, step_pct=0.1)
    van.rest(600)
    van.silence(8 * 3600)
    van.soc_pct += 40.0
    van.rest(600)
    (charge,) = van.charges
    pieces = van.of(ChargeSliceRecord)
    assert charge.inferred
    assert 32 <= len(pieces) <= 33
    assert sum(piece.battery_kwh for piece in pieces) == pytest.approx(20.0 / 0.97, rel=0.01)
    for piece in pieces[1:-1]:
        assert piece.battery_kwh == pytest.approx(20.0 / 0.97 / 32, rel=0.01)


def test_a_restart_within_a_slice_changes_nothing():
    whole = charged_van()
    parted = Van(soc_pct=20.0, step_pct=0.1)
    for reading in whole.readings:
        parted.state = decode_state(encode_state(parted.state))
        parted.take(reading)
    assert parted.of(ChargeSliceRecord) == whole.of(ChargeSliceRecord)
    assert whole.readings[0].time_ms > START_MS
    assert FACTORS.set_name == whole.of(ChargeSliceRecord)[0].factor_set


def test_a_trace_behind_the_last_full_quarter_belongs_to_it():
    """6 kW until a minute before a full quarter, then 2 W until 10 s after it: eight slices, and all of the energy."""
    van = Van(soc_pct=20.0, step_pct=0.1)
    van.rest(500, charging=False, battery_power_kw=0.0)
    assert (START_MS + van.time_s * 1000) % SLICE_MS == 0
    van.rest(7140, kw=-6.0, charging=True, battery_power_kw=6.0)
    van.rest(60, charging=True, battery_power_kw=0.0)
    van.rest(10, charging=True, battery_power_kw=0.002)
    van.rest(600, charging=False, battery_power_kw=0.0)
    (charge,) = van.charges
    pieces = van.of(ChargeSliceRecord)
    assert [piece.time_ms // SLICE_MS * SLICE_MS for piece in pieces] == [T0 + i * SLICE_MS for i in range(8)]
    assert sum(piece.grid_kwh for piece in pieces) == pytest.approx(charge.grid_kwh, abs=1e-12)
    assert sum(piece.battery_kwh for piece in pieces) == pytest.approx(charge.energy_kwh, abs=1e-12)


@pytest.mark.parametrize(
    ("title", "start_ms", "end_ms", "grid_kwh", "quarters"),
    [
        ("11 kW for a minute and 1 ms into the quarter", T0 + SLICE_MS - 60_000, T0 + SLICE_MS + 1, 0.1833, [0]),
        ("11 kW for a minute and 10 s into it", T0 + SLICE_MS - 60_000, T0 + SLICE_MS + 10_000, 0.2139, [0, 1]),
        ("a trace alone, with nothing before", T0 + SLICE_MS, T0 + SLICE_MS + 10_000, 3e-6, [1]),
    ],
)
def test_a_flow_over_a_full_quarter(title: str, start_ms: int, end_ms: int, grid_kwh: float, quarters: list[int]):
    state, context = SliceState(), context_of()
    flow = without_trace(state, Flow(start_ms, end_ms, 0.9 * grid_kwh, grid_kwh, 0.0, None, None))
    pieces, _ = enter(state, flow, "van-1", context)
    pieces.append(close(state, "van-1", None, None, context))
    assert [(piece.time_ms - T0) // SLICE_MS for piece in pieces] == quarters, title
    assert sum(piece.grid_kwh for piece in pieces) == pytest.approx(grid_kwh, abs=1e-15), title
