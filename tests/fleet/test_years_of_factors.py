"""Each reading counts with the factors of its own year."""

import msgspec
import pytest

from agent.factors.factor_set import load_factor_years
from agent.factors.intensity import Intensity
from agent.fleet import tick
from agent.fleet.records import EmissionsRecord
from tests.fleet.drives import START_MS, Van, make_context

YEARS = load_factor_years()


def across_the_years(new_year_s: int):
    """A UK van whose new year begins so many seconds after its first reading."""
    context = make_context()
    vehicle = msgspec.structs.replace(context.vehicle, country="GB")
    new_year_ms = START_MS + new_year_s * 1000
    years = tuple(
        YEARS.year(year).for_van(
            country="GB", diesel_class=vehicle.diesel_class, intensity=Intensity(YEARS), validity=validity
        )
        for year, validity in ((2025, (0, new_year_ms)), (2026, (new_year_ms, 2**62)))
    )
    return msgspec.structs.replace(context, vehicle=vehicle, factors=years[-1], years=years)


def test_the_diesel_van_of_each_kilometre_is_that_of_its_year():
    # DESNZ, class III: 278.8 + 67.1 g/km in 2025, 280.46 + 67.1 g/km in 2026. 100 m a reading.
    van = Van(across_the_years(600))
    van.rest(60)
    van.drive(1200)
    total = van.of(EmissionsRecord)[-1].diesel_co2e_g_total
    km = van.state.totals.distance_km
    assert km == pytest.approx(12.0, abs=0.1)
    # The first minute stands, then 540 s of 1200 s are before the new year; 10 s either way.
    old = 0.1 * 54
    assert total == pytest.approx(old * 345.9 + (km - old) * 347.56, abs=0.2 * (347.56 - 345.9))


def test_whichever_years_context_is_handed_in_the_reading_decides():
    one, other = Van(across_the_years(600)), Van(across_the_years(600))
    other.context = other.context.at(0)
    assert other.context is not one.context
    for van in (one, other):
        van.rest(60)
        van.drive(1200)
        van.rest(900)
    assert one.records == other.records


def test_silence_counts_with_the_year_of_the_last_reading():
    van = Van(across_the_years(700))
    van.rest(60)
    van.drive(600)
    records = tick(van.state, START_MS + 2_000_000, 1_340_000, van.context)
    (trip,) = (record for record in records if hasattr(record, "diesel_co2e_g"))
    assert trip.diesel_co2e_g == pytest.approx(trip.distance_km * 345.9)
