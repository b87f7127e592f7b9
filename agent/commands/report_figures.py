"""From sums to the figures of a report."""

from math import hypot, sqrt
from typing import Any, Final

from agent.commands.report_sums import Sums
from agent.fleet.uncertainty import Z90, Z95, MakeUp, make_up, over_grids

SHORTEST_KM: Final = 1.0
"""Below this distance a figure per distance is left out."""


def figures_of(sums: Sums) -> dict[str, Any]:
    """The figures of these sums, well-to-wheel. An unknown figure is left out."""
    km = sums.distance_km
    net_kwh = sums.used_kwh - sums.regenerated_kwh
    qualified_km = sums.primary_km + sums.modelled_km + sums.default_km
    figures: dict[str, float | int | None] = {
        "distance_km": km,
        "trips": sums.trips,
        "stops": sums.stops,
        "tours": sums.tours,
        "drops": sums.drops,
        "charges": sums.charges,
        "battery_kwh": net_kwh,
        "battery_uncertainty_kwh": Z95 * sqrt(sums.variance_kwh2) if sums.variance_kwh2 else None,
        "idle_kwh": sums.idle_kwh,
        "regenerated_kwh": sums.regenerated_kwh or None,
        "charged_kwh": sums.charged_kwh,
        "grid_kwh": sums.grid_kwh,
        "driving_kwh_per_100km": _over(100 * (net_kwh - sums.idle_kwh), km, at_least=SHORTEST_KM),
        "overall_kwh_per_100km": _over(100 * net_kwh, km, at_least=SHORTEST_KM),
        "battery_kwh_per_stop": _over(net_kwh, sums.stops),
        "co2e_kg": sums.co2e_g / 1000,
        **_uncertainty(sums),
        "co2e_ttw_kg": 0.0,
        "co2e_wtt_kg": sums.co2e_g / 1000,
        "co2e_by_annual_factor_kg": sums.annual_co2e_g / 1000,
        "charged_location_based_co2e_kg": sums.charge_co2e_g / 1000,
        "charged_market_based_co2e_kg": sums.charge_market_g / 1000 if sums.market_charges else None,
        "co2e_g_per_km": _over(sums.co2e_g, km, at_least=SHORTEST_KM),
        "co2e_g_per_tkm": _over(sums.tonne_km_co2e_g, sums.tonne_km),
        "co2e_g_per_parcel": _over(sums.parcel_co2e_g, sums.parcels),
        "co2e_g_per_stop": _over(sums.co2e_g, sums.stops),
        "tonne_km": sums.tonne_km,
        "parcels": sums.parcels,
        "load_factor_pct": _over(sums.load_factor_km, sums.loaded_km),
        "empty_km_pct": _over(100 * sums.empty_km, sums.load_known_km),
        "diesel_co2e_kg": sums.diesel_co2e_g / 1000,
        "diesel_ttw_kg": sums.diesel_ttw_g / 1000,
        "diesel_wtt_kg": (sums.diesel_co2e_g - sums.diesel_ttw_g) / 1000,
        "avoided_co2e_kg": (sums.diesel_co2e_g - sums.co2e_g) / 1000,
        "avoided_nox_g": sums.avoided_nox_mg / 1000,
        "avoided_pm_g": sums.avoided_pm_mg / 1000,
        "avoided_diesel_l": sums.diesel_l,
        "charged_below_annual_intensity_pct": _over(100 * sums.clean_grid_kwh, sums.charge_grid_kwh),
        "primary_co2e_pct": _over(100 * sums.primary_g, sums.shared_g),
        "primary_km_pct": _over(100 * sums.primary_km, qualified_km),
        "modelled_km_pct": _over(100 * sums.modelled_km, qualified_km),
        "default_km_pct": _over(100 * sums.default_km, qualified_km),
        "inferred_trips": sums.inferred_trips,
        "inferred_charges": sums.inferred_charges,
    }
    return {name: value for name, value in figures.items() if value is not None}


def make_up_of(sums: Sums) -> MakeUp | None:
    """The parts of the uncertainty of one van's `co2e_g`: from its days, or from its charges if no day has one.

    Emissions outside these days, such as those of the current day, are taken to be as uncertain.
    """
    if sums.days_g > 0.0:
        scale = abs(sums.co2e_g) / sums.days_g
        energy_g, meter_g, factor_g = sums.days_make_up
        return MakeUp(energy_g * scale, meter_g * scale, factor_g * scale)
    net_kwh = sums.used_kwh - sums.regenerated_kwh
    if sums.co2e_g <= 0.0 or net_kwh <= 0.0:
        return None
    # Without a charge, the larger uncertainties are assumed: modelled energy, annual intensity.
    metered, hourly = (part / sums.slices_g if sums.slices_g > 0.0 else 0.0 for part in (sums.metered_g, sums.hourly_g))
    return make_up(
        sums.co2e_g,
        energy_kwh=net_kwh,
        uncertainty_kwh=Z90 * sqrt(sums.variance_kwh2),
        primary_g=sums.co2e_g * metered,
        hourly_g=sums.co2e_g * hourly,
    )


def _uncertainty(sums: Sums) -> dict[str, float | None]:
    """Half widths of 95 % intervals: of `co2e_kg`, of its parts, and of the grams per t-km."""
    if not sums.grids:
        return {}
    parts = over_grids(sums.grids.values())
    figures: dict[str, float | None] = {
        "co2e_uncertainty_kg": Z95 * parts.standard_g / 1000,
        "co2e_uncertainty_energy_kg": Z95 * parts.energy_g / 1000 or None,  # only completed days have it
        "co2e_uncertainty_meter_kg": Z95 * parts.meter_g / 1000,
        "co2e_uncertainty_factor_kg": Z95 * parts.factor_g / 1000,
    }
    if sums.tonne_km > 0.0 and sums.co2e_g > 0.0:
        by_tours = sums.activity_mass_tkm / sums.tonne_km
        mass = sums.drop_mass_tkm / sums.drop_tkm if sums.drop_tkm > 0.0 else by_tours
        u = hypot(parts.standard_g / sums.co2e_g, mass)
        figures["co2e_g_per_tkm_uncertainty"] = Z95 * u * sums.tonne_km_co2e_g / sums.tonne_km
    return figures


def _over(value: float, divisor: float, *, at_least: float = 1e-9) -> float | None:
    return value / divisor if divisor >= at_least else None
