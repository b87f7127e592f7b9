"""Energy and emissions: compared with diesel, by scope, by hour, by depot and by country."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from nicegui import ui

from dashboards.live import units
from dashboards.live.elements.chart import Chart, ChartSeries
from dashboards.live.elements.data_table import DataColumn, DataRow, DataTable
from dashboards.live.hours import HOUR_MS, Amounts, Standing, grouped, kwh_per_100km, total
from dashboards.live.pages.frame import Figures, Frame, Site, card, grid, page_head, text
from dashboards.live.units import Figure, kilograms, number, thousands

GROUP_COLUMNS = (
    DataColumn("Vans", "number"),
    DataColumn("Distance", "number", "km", 1, hide="phone"),
    DataColumn("Energy", "number", "kWh", 1),
    DataColumn("Consumption", "number", "kWh/100 km", 1, hide="phone"),
    DataColumn("From grid", "number", "kWh", 1, hide="tablet", help="Drawn from the grid while charging"),
    DataColumn("CO2e", "number", "kg", 1, help="Well-to-wheel emissions of the energy used"),
    DataColumn("Diesel", "number", "kg CO2e", 1, hide="phone", help="The same distances with diesel vans"),
    DataColumn("Avoided", "number", "kg CO2e", 1),
    DataColumn("NOx", "number", "g", 1, hide="tablet", help="Avoided, by legal limit"),
)

BALANCED: Final = 0.001
"""Largest allowed imbalance: carbon charged must equal carbon used plus the increase in the batteries."""


def group_rows(today: Standing, group: Callable[[str], str]) -> list[DataRow]:
    """The rows of today's amounts by depot or country."""
    counts: dict[str, int] = {}
    for vehicle_id in today:
        counts[group(vehicle_id)] = counts.get(group(vehicle_id), 0) + 1
    rows = []
    for name, sums in sorted(grouped(today, group).items()):
        distance_km, used_kwh = sums.get("distance_km"), sums.get("used_kwh")
        rows.append(
            [
                name,
                name or "not set",
                counts[name],
                distance_km,
                used_kwh,
                kwh_per_100km(sums),
                sums.get("grid_kwh"),
                thousands(sums.get("co2e_g")),
                thousands(sums.get("diesel_co2e_g")),
                thousands(sums.get("avoided_co2e_g")),
                thousands(sums.get("avoided_nox_mg")),
            ]
        )
    return rows


def depot_rows(today: Standing, depots: Mapping[str, Mapping[str, Any]]) -> list[DataRow]:
    """The same rows of a large fleet, whose amounts are known by depot."""
    rows = group_rows(today, lambda depot: depot)
    return [[*row[:2], depots[row[0]]["vans"], *row[3:]] for row in rows if row[0] in depots]


class EnergyPage:
    """The energy page in one browser."""

    def __init__(self, site: Site) -> None:
        self.reader = site.reader
        self.frame = Frame(site, "energy", "Energy and emissions")
        self.version = -1
        with self.frame.content:
            self._build()
        self.frame.every_tick(self.update)
        self.frame.start(metrics=True)

    def _build(self) -> None:
        self.date = page_head("Energy and emissions")
        self.figures = Figures()
        for name, label in (
            ("used", "Energy used today"),
            ("consumption", "Consumption today"),
            ("grid", "Drawn from the grid today"),
            ("co2e", "CO2e today"),
            ("diesel", "Diesel vans, same distance"),
            ("avoided", "CO2e avoided today"),
            ("per_km", "CO2e per km today"),
            ("intensity", "Grid intensity now"),
        ):
            self.figures.add(name, label)
        text("Charged today, by scope", "vp-title vp-heading", tag="h2")
        self.scopes = Figures()
        for name, label in (
            ("scope2_location", "Scope 2, location-based"),
            ("scope2_market", "Scope 2, market-based"),
            ("upstream", "Scope 3.3, upstream"),
            ("losses", "Scope 3.3, grid losses"),
            ("covered", "Covered by contracts"),
            ("metered", "Metered by chargers"),
            ("balance", "Carbon balance"),
        ):
            self.scopes.add(name, label)
        with grid("vp-1-1"):
            with card("vp-tall"):
                self.energy = Chart("Energy by hour", "kWh", [], note="last 24 h")
            with card("vp-tall"):
                self.emissions = Chart("CO2e by hour against diesel", "kg", [], note="last 24 h, well-to-wheel")
        with card("vp-gap"):
            self.depots = DataTable((DataColumn("Depot"), *GROUP_COLUMNS), [], title="Today by depot")
        if self.reader.is_large:
            return  # the amounts of single vans are not in memory
        with card("vp-gap"):
            self.countries = DataTable((DataColumn("Country"), *GROUP_COLUMNS), [], title="Today by country")
        with card():
            self.vans = DataTable(
                (DataColumn("Van", "link"), *GROUP_COLUMNS[1:]),
                [],
                title="Today by van",
                page=25,
                searchable=True,
                sort=(2, -1),
            )

    def update(self) -> None:
        """Send what changed. Sums over a day are updated only every five ticks."""
        view = self.reader.view
        if not self.reader.has_data or (self.version >= 0 and view.version < self.version + 2):
            return
        self.version = view.version
        self.date.set(units.day(self.reader.today_ms(), self.reader.zone))
        today = self.reader.today()
        self._show_scopes()
        self._show_figures(total(today.values()))
        by_hour = self.reader.by_hour()
        self.energy.set(energy_bars(by_hour))
        self.emissions.set(emission_bars(by_hour))
        if self.reader.is_large:
            self.depots.replace(depot_rows(today, self.reader.depots.newest))
            return
        vans = view.vans
        self.depots.replace(group_rows(today, lambda vehicle_id: vans[vehicle_id].depot))
        self.countries.replace(group_rows(today, lambda vehicle_id: vans[vehicle_id].country))
        self.vans.replace([[row[0], row[1], *row[3:]] for row in group_rows(today, lambda vehicle_id: vehicle_id)])

    def _show_figures(self, sums: Amounts) -> None:
        show = self.figures.set
        distance_km, used_kwh, co2e_g = (sums.get(name) for name in ("distance_km", "used_kwh", "co2e_g"))
        show(
            "used",
            Figure(number(used_kwh, 1), "kWh"),
            f"{number(sums.get('regenerated_kwh'), 1)} kWh recovered by braking",
        )
        per_100_km = kwh_per_100km(sums)
        show("consumption", Figure(number(per_100_km, 1), "kWh/100 km"), f"over {number(distance_km)} km")
        show(
            "grid",
            Figure(number(sums.get("grid_kwh"), 1), "kWh"),
            f"{number(sums.get('charged_kwh'), 1)} kWh into batteries",
        )
        show("co2e", kilograms(co2e_g), "well-to-wheel")
        diesel_g, avoided_g = sums.get("diesel_co2e_g"), sums.get("avoided_co2e_g")
        show("diesel", kilograms(diesel_g), "CO2e, well-to-wheel")
        share = None if not diesel_g or co2e_g is None else (1 - co2e_g / diesel_g) * 100
        show("avoided", kilograms(avoided_g), f"{number(share)} % less than diesel")
        per_km = co2e_g / distance_km if co2e_g is not None and distance_km else None
        diesel_per_km = diesel_g / distance_km if diesel_g is not None and distance_km else None
        show("per_km", Figure(number(per_km), "g/km"), f"diesel {number(diesel_per_km)} g/km")
        vans = self.reader.view.vans.values()
        grid_g = [van.emissions["grid_g_per_kwh"] for van in vans if "grid_g_per_kwh" in van.emissions]
        hourly = sum(van.emissions.get("intensity_source") == "hourly" for van in vans)
        source = "hourly values" if hourly == len(grid_g) else "annual values" if not hourly else "hourly and annual"
        mean = sum(grid_g) / len(grid_g) if grid_g else None
        show("intensity", Figure(number(mean), "g/kWh"), f"mean over vans, {source}" if grid_g else "")

    def _show_scopes(self) -> None:
        show, sums = self.scopes.set, self.reader.charged.total()
        show("scope2_location", kilograms(sums.get("direct_g")), "CO2e of generation")
        show("scope2_market", kilograms(sums.get("market_scope_2_g")), "by contract, residual mix, else location")
        show("upstream", kilograms(sums.get("upstream_g")), "CO2e of fuels and plants")
        show("losses", kilograms(sums.get("losses_g")), "CO2e of transmission and distribution")
        grid_kwh = sums.get("grid_kwh")
        for name, part in (("covered", "contract_kwh"), ("metered", "metered_kwh")):
            share = sums.get(part, 0.0) / grid_kwh * 100 if grid_kwh else None
            show(name, Figure(number(share), "%"), f"of {number(grid_kwh, 1)} kWh from the grid")
        metrics = self.reader.metrics
        off = metrics.value("vanpulse_carbon_imbalance_ratio") if metrics else None
        adjusted = metrics.value("vanpulse_carbon_adjusted_ratio") if metrics else None
        if off is None or adjusted is None:
            show("balance", Figure(number(None), ""), "the agent does not answer")
            return
        show(
            "balance",
            Figure(number(abs(off) * 100, 2), "% off"),
            f"charged = used + more in the packs; {number(adjusted * 100, 1)} % came or went without a charge",
            bad=abs(off) > BALANCED,
        )


Hours = list[tuple[int, Amounts]]


def _bars(by_hour: Hours, name: str, divisor: float) -> list[list[float | None]]:
    return [
        [hour + HOUR_MS // 2, None if name not in sums else round(sums[name] / divisor, 2)] for hour, sums in by_hour
    ]


def energy_bars(by_hour: Hours) -> list[ChartSeries]:
    """Energy used and energy from the grid, by hour."""
    return [
        ChartSeries("Used on the road", "accent", _bars(by_hour, "used_kwh", 1), type="bar"),
        ChartSeries("Drawn from the grid", "charging", _bars(by_hour, "grid_kwh", 1), type="bar"),
    ]


def emission_bars(by_hour: Hours) -> list[ChartSeries]:
    """CO2e of the vans and of diesel vans, by hour."""
    return [
        ChartSeries("Electric vans", "accent", _bars(by_hour, "co2e_g", 1000), type="bar"),
        ChartSeries("Diesel vans, same distance", "diesel", _bars(by_hour, "diesel_co2e_g", 1000), type="bar"),
    ]


def add(site: Site) -> None:
    """Register the page."""

    @ui.page("/energy")
    def energy_page() -> None:
        EnergyPage(site)
