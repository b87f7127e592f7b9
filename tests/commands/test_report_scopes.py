"""Scopes and instruments of what was charged, by hand."""

from math import sqrt
from typing import Any

import pytest

from agent.commands.report_scopes import scopes_of


def piece(kwh: float, **fields: Any) -> dict[str, Any]:
    """A slice at 300 g of generation, 60 g upstream and 40 g of losses per kWh; at 89 % efficiency."""
    return {
        "country": "DE",
        "depot": "north",
        "battery_kwh": 0.89 * kwh,
        "grid_kwh": kwh,
        "meter": "modelled",
        "direct_g": 300.0 * kwh,
        "upstream_g": 60.0 * kwh,
        "losses_g": 40.0 * kwh,
        "market_g": 400.0 * kwh,
        "instrument": "location",
        "intensity_source": "annual",
        "factor_set": "2025.1",
        **fields,
    }


GREEN = {"instrument": "contract Green", "market_g": 0.0}
CHARGED = [
    piece(10.0, place="north", meter="charger", **GREEN),
    piece(20.0, place="north", meter="charger", **GREEN),
    piece(5.0),
    piece(
        8.0, country="FR", place="lyon", depot="lyon", intensity_source="hourly", instrument="residual", market_g=4000.0
    ),
]


def test_sites_with_their_scopes():
    sites, _ = scopes_of(CHARGED)
    north = next(site for site in sites if site["place"] == "north")
    assert north["grid_kwh"] == north["metered_kwh"] == 30.0
    assert north["scope_2_location_based_co2e_kg"] == pytest.approx(9.0)
    assert north["scope_3_3_upstream_co2e_kg"] == pytest.approx(1.8)
    assert north["scope_3_3_losses_co2e_kg"] == pytest.approx(1.2)
    assert north["location_based_co2e_kg"] == pytest.approx(12.0)
    assert north["scope_2_market_based_co2e_kg"] == 0.0
    elsewhere = next(site for site in sites if site["place"] == "elsewhere")
    assert elsewhere["modelled_kwh"] == 5.0
    assert elsewhere["scope_2_market_based_co2e_kg"] == pytest.approx(1.5)  # no instrument: the grid's generation
    lyon = next(site for site in sites if site["place"] == "lyon")
    assert lyon["scope_2_market_based_co2e_kg"] == pytest.approx(4.0)


def test_the_last_row_is_the_sum():
    sites, _ = scopes_of(CHARGED)
    *parts, whole = sites
    assert whole["place"] == "all"
    for name in ("grid_kwh", "metered_kwh", "location_based_co2e_kg", "market_based_co2e_kg"):
        assert whole[name] == pytest.approx(sum(part[name] for part in parts)), name


def test_the_factors_of_two_grids_are_independent_and_their_meters_are_not():
    """DE: 14 kg, 12 of them by chargers; FR: 3.2 kg, modelled, by the hour. 1.96 standard deviations."""
    whole = scopes_of(CHARGED)[0][-1]
    meter = 0.01 * 12 + 0.03 * 2 + 0.03 * 3.2
    german, french = 0.10 * 14, 0.05 * 3.2
    assert whole["uncertainty_kg"] == pytest.approx(1.96 * sqrt(meter**2 + german**2 + french**2))


def test_instruments_with_what_they_cover():
    _, instruments = scopes_of(CHARGED)
    assert [(row["instrument"], row["grid_kwh"]) for row in instruments] == [
        ("contract Green", 30.0),
        ("location", 5.0),
        ("residual", 8.0),
    ]
    assert sum(row["share_pct"] for row in instruments) == pytest.approx(100.0)
    assert {row["factor_set"] for row in instruments} == {"2025.1"}


def test_nothing_was_charged():
    assert scopes_of([]) == ([], [])
