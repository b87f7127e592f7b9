from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.factors.factor_set import load_factor_set
from agent.fleet import emissions
from agent.fleet.state_codec import list_emissions_state, make_emissions_state
from agent.fleet.state_format import StoredEmissionsState

FACTORS = load_factor_set()
GRID = FACTORS.for_country("DE")
VAN_3 = FACTORS.diesel("van_3")


def state(battery_g_per_kwh=400.0, content=None):
    van = emissions.EmissionsState(battery_g_per_kwh=battery_g_per_kwh)
    if content is not None:
        emissions.open_account(van, content)
    return van


def charge(van, *, battery, estimate=None, grid=None, intensity=300.0, market=None, primary=0.0):
    """Energy that can be taken out again, as the estimate has it, too, unless that says something else."""
    grid = battery / 0.89 if grid is None else grid
    carbon = emissions.Carbon(
        location_g=grid * intensity,
        market_g=grid * (intensity if market is None else market),
        primary_g=grid * intensity * primary,
    )
    content = (van.content_kwh or 0.0) + battery if estimate is None else estimate
    emissions.charge(van, content_kwh=content, stored_kwh=battery, carbon=carbon)
    return carbon.location_g


def test_a_new_van_was_charged_with_the_average_of_its_country():
    van = emissions.start(GRID, 0.89 * 0.97)
    assert van.battery_g_per_kwh == pytest.approx(329.65 / 0.93 / 0.89 / 0.97)
    assert van.content_kwh is None


@pytest.mark.parametrize(
    ("title", "content", "battery", "grid", "intensity", "after", "emitted"),
    [
        ("into an empty pack: the grid's carbon over the efficiency", 0, 30, 30 / 0.89, 300, 300 / 0.89, 0),
        ("half and half: the mean", 30, 30, 30, 200, 300, 0),
        ("no energy: nothing", 30, 0, 0, 300, 400, 0),
        ("clean energy thins the content", 20, 20, 22, 0, 200, 0),
        ("heating on the plug: carbon without energy", 40, 0, 10, 400, 500, 0),
        ("the same with an empty pack: emitted at once", 0, 0, 10, 300, 400, 3000),
        ("a content below zero counts as empty", -5, 30, 30, 250, 250, 0),
    ],
)
def test_a_charge_mixes(title, content, battery, grid, intensity, after, emitted):
    van = state(content=content)
    charge(van, battery=battery, grid=grid, intensity=intensity)
    assert van.charged_g == grid * intensity
    assert van.battery_g_per_kwh == pytest.approx(after), title
    assert van.co2e_g == emitted


@pytest.mark.parametrize(
    ("title", "estimate", "content", "g_per_kwh"),
    [
        # 20 kWh at 400 g/kWh and 10 kWh at 200 g/kWh: 10,000 g, whatever they are spread over.
        ("as the books have it", 30.0, 30.0, 10_000 / 30),
        ("2 kWh have been lost: their carbon stays", 28.0, 28.0, 10_000 / 28),
        ("2 kWh more than booked: the carbon is spread over them, too", 32.0, 32.0, 10_000 / 32),
        ("far less: half of what was stored at a time", 10.0, 25.0, 10_000 / 25),
        ("far more: likewise", 50.0, 35.0, 10_000 / 35),
    ],
)
def test_a_charge_moves_the_books_towards_the_estimate_with_every_gram(title, estimate, content, g_per_kwh):
    van = state(400.0, content=20.0)
    charge(van, battery=10.0, grid=10.0, intensity=200.0, estimate=estimate)
    assert van.content_kwh == pytest.approx(content), title
    assert van.battery_g_per_kwh == pytest.approx(g_per_kwh), title
    assert van.adjusted_g == 0.0
    assert emissions.imbalance_g(van) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "content", "adjusted"), [(5.0, 25.0, 2000.0), (-5.0, 15.0, -2000.0), (-30, 0, -8000)]
)
def test_energy_that_appears_or_vanishes_takes_its_carbon_with_it(change, content, adjusted):
    van = state(400.0, content=20.0)
    emissions.adjust(van, change)
    assert (van.content_kwh, van.adjusted_g, van.battery_g_per_kwh) == (content, adjusted, 400.0)
    assert emissions.imbalance_g(van) == 0.0


def test_more_used_than_the_books_held_is_an_adjustment():
    van = state(400.0, content=2.0)
    emissions.use(van, 3.0, 10.0)
    assert (van.co2e_g, van.adjusted_g, van.content_kwh) == (1200.0, 400.0, 0.0)
    assert emissions.imbalance_g(van) == 0.0


def test_grams_with_measured_grid_energy_are_counted_apart():
    """8,000 g of unknown origin and 2,000 g by a charger's meter: a fifth of what is used from then on is primary."""
    van = state(400.0, content=20.0)
    emissions.use(van, 1.0, 0.0)
    assert van.primary_g == 0.0
    emissions.use(van, -1.0, 0.0)
    charge(van, battery=10.0, grid=10.0, intensity=200.0, primary=1.0)
    emissions.use(van, 3.0, 0.0)
    assert van.co2e_g == pytest.approx(1000.0)
    assert van.primary_g == pytest.approx(200.0)


def test_use_is_energy_times_content_and_braking_gives_back():
    van = state(400.0)
    emissions.use(van, 10.0, 40.0)
    emissions.use(van, -1.0, 5.0)
    emissions.update_totals(van, VAN_3)
    assert van.co2e_g == pytest.approx(3600)
    assert van.co2e_g_total == pytest.approx(3600)
    assert van.battery_g_per_kwh == 400.0
    assert van.diesel_co2e_g_total == pytest.approx(45 * 347.56)
    assert van.avoided_co2e_g_total == pytest.approx(45 * 347.56 - 3600)
    assert van.avoided_nox_mg_total == pytest.approx(45 * 125)
    assert van.avoided_pm_mg_total == pytest.approx(45 * 4.5)


def test_published_totals_wait_where_the_net_sum_falls():
    van = state(400.0)
    emissions.use(van, 5.0, 10.0)
    emissions.update_totals(van, VAN_3)
    highest = van.co2e_g_total
    emissions.use(van, -3.0, 0.0)
    emissions.update_totals(van, VAN_3)
    assert van.co2e_g == pytest.approx(800)
    assert van.co2e_g_total == highest
    emissions.use(van, 2.0, 0.0)
    emissions.update_totals(van, VAN_3)
    assert van.co2e_g_total == highest
    emissions.use(van, 2.0, 0.0)
    emissions.update_totals(van, VAN_3)
    assert van.co2e_g_total == pytest.approx(2400)


def test_the_contract_is_followed_beside_the_grid():
    """The pack begins with the grid's content: 10 kWh at 400 g/kWh and 10 kWh at 50 g/kWh are 225 g/kWh."""
    van = state(400.0, content=10.0)
    charge(van, battery=10, grid=10, intensity=300, market=50)
    emissions.use(van, 4.0, 0.0)
    assert van.market_g_per_kwh == pytest.approx(225)
    assert van.market_g == pytest.approx(900)
    assert van.co2e_g == pytest.approx(4 * (400 + 300) / 2)


def test_without_a_contract_market_based_equals_location_based():
    van = state(400.0, content=10.0)
    emissions.use(van, 2.0, 0.0)
    charge(van, battery=10, grid=10, intensity=300)
    emissions.use(van, 2.0, 0.0)
    assert van.market_g == pytest.approx(van.co2e_g)


def test_the_record_says_where_the_van_stands():
    van = state(400.0)
    emissions.use(van, 10.0, 0.5)
    arguments = {"vehicle_id": "v", "time_ms": 7, "grid_g_per_kwh": 300.0, "intensity_source": "annual"}
    assert emissions.record(van, VAN_3, **arguments).co2e_g_per_km is None
    emissions.use(van, 10.0, 39.5)
    record = emissions.record(van, VAN_3, **arguments)
    assert record.co2e_g_total == pytest.approx(8000)
    assert record.co2e_g_per_km == pytest.approx(200)
    assert record.battery_g_per_kwh == 400.0
    assert record.grid_g_per_kwh == 300.0


charges = st.tuples(st.just("charge"), st.floats(0, 40), st.floats(0, 900))
uses = st.tuples(st.just("use"), st.floats(-5, 40), st.floats(0, 150))
lives = st.lists(charges | uses, max_size=40)


def live(van, events, *, content=20.0, capacity=80.0):
    """Drive and charge a pack whose content is known. Yields the carbon in, and the content, after each event."""
    emissions.open_account(van, content)
    carbon_in = content * van.battery_g_per_kwh
    yield carbon_in, content
    for kind, energy, extra in events:
        if kind == "charge":
            battery = min(energy, capacity - content)
            carbon_in += charge(van, battery=battery, intensity=extra)
            content += battery
        else:
            used = min(energy, content) if energy > 0 else max(energy, content - capacity)
            emissions.use(van, used, extra)
            content -= used
        emissions.update_totals(van, VAN_3)
        yield carbon_in, content


@given(lives)
def test_carbon_in_is_carbon_out_and_carbon_left(events):
    van = state(500.0)
    for carbon_in, content in live(van, events):
        left = content * van.battery_g_per_kwh
        assert van.co2e_g + left == pytest.approx(carbon_in, rel=1e-9, abs=1e-3)


@given(lives)
def test_totals_never_fall(events):
    van = state(500.0)
    names = [name for name in emissions.EmissionsState.__dataclass_fields__ if name.endswith("_total")]
    seen = [[getattr(van, name) for name in names] for _ in live(van, events)]
    for before, after in pairwise(seen):
        assert all(a >= b for b, a in zip(before, after, strict=True))


@given(st.lists(st.tuples(st.floats(-3, 10), st.floats(0, 30)), min_size=1, max_size=20), st.integers(1, 7))
def test_any_division_into_calls_gives_the_same_sums(legs, parts):
    whole, divided = state(), state()
    for kwh, km in legs:
        emissions.use(whole, kwh, km)
        for _ in range(parts):
            emissions.use(divided, kwh / parts, km / parts)
    emissions.update_totals(whole, VAN_3)
    emissions.update_totals(divided, VAN_3)
    for name in ("co2e_g", "diesel_co2e_g_total", "avoided_nox_mg_total", "total_distance_km"):
        assert getattr(divided, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-6)


@given(st.lists(st.tuples(st.floats(-3, 10), st.booleans()), max_size=30))
def test_trips_and_idling_add_up_to_the_total(legs):
    van, parts = state(), []
    for kwh, _ in legs:
        before = van.co2e_g
        emissions.use(van, kwh, 1.0)
        parts.append(van.co2e_g - before)
    assert sum(parts) == pytest.approx(van.co2e_g, rel=1e-9, abs=1e-6)


@given(lives)
def test_the_state_survives_being_written_down(events):
    van = state(500.0)
    list(live(van, events))
    encoded = msgspec.msgpack.encode(list_emissions_state(van))
    assert make_emissions_state(msgspec.msgpack.decode(encoded, type=StoredEmissionsState)) == van


def test_a_change_of_the_baseline_changes_only_what_comes_after():
    van = state()
    emissions.use(van, 0.0, 10.0)
    emissions.update_totals(van, VAN_3)
    emissions.use(van, 0.0, 10.0)
    emissions.update_totals(van, FACTORS.diesel("van_1"))
    assert van.diesel_co2e_g_total == pytest.approx(10 * 347.56 + 10 * 195.83)
