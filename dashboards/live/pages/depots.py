"""A fleet that is too large for one table: its depots first, then the vans of a depot or of a search, page by page."""

import math
from typing import Final
from urllib.parse import quote, urlencode

from nicegui import ui

from dashboards.live import units
from dashboards.live.channel import FAILURES
from dashboards.live.elements.data_table import DataColumn, DataRow, DataTable
from dashboards.live.elements.van_map import VanMap
from dashboards.live.hours import Standing, kwh_per_100km, total
from dashboards.live.large_fleet import VANS_OF_A_PAGE, Point
from dashboards.live.pages.fleet import ALERT_COLUMNS, COLUMNS, FleetPage, alert_rows, van_row
from dashboards.live.pages.frame import (
    LAND_PATH,
    Figures,
    Frame,
    Site,
    Text,
    card,
    div,
    raw,
    state_legend,
    text,
    van_mark,
)
from dashboards.live.units import Figure, kilograms, number, thousands

DEPOT_COLUMNS: Final = (
    DataColumn("Depot", "link"),
    DataColumn("Vans", "number"),
    DataColumn("Online", "number"),
    DataColumn("On the road", "number", hide="phone", help="Driving or at a stop"),
    DataColumn("Charging", "number"),
    DataColumn("SoC, mean", "soc", "%", 1, help="Mean state of charge"),
    DataColumn("SoC, lowest", "number", "%", 1, hide="phone"),
    DataColumn("Power", "number", "kW", hide="tablet", help="Positive out of the batteries"),
    DataColumn("Distance today", "number", "km", hide="phone"),
    DataColumn("Energy today", "number", "kWh", hide="tablet"),
    DataColumn("CO2e today", "number", "kg", 1, hide="tablet", help="Well-to-wheel"),
    DataColumn("As of", "time", hide="tablet", help="The figures of a depot are those of a full minute"),
)


def depot_row(point: Point, today: Standing) -> DataRow:
    """The table row of a depot."""
    depot = point.get("depot", "")
    amounts = today.get(depot, {})
    return [
        depot,
        depot,
        point["vans"],
        point["online"],
        point["driving"],
        point["charging"],
        point.get("soc_mean_pct"),
        point.get("soc_min_pct"),
        point.get("power_kw"),
        amounts.get("distance_km"),
        amounts.get("used_kwh"),
        thousands(amounts.get("co2e_g")),
        point["time_ms"],
    ]


class DepotsPage:
    """The fleet page of a large fleet in one browser."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.reader = site.reader
        self.frame = Frame(site, "fleet", "Fleet")
        with self.frame.content:
            self._build()
        self.frame.every_tick(self.update)
        self.frame.start()

    def _build(self) -> None:
        self.date = head("Fleet")
        self.figures = Figures()
        for name, label, dot in (
            ("vans", "Vans online", ""),
            ("driving", "On the road", "driving"),
            ("charging", "Charging", "charging"),
            ("soc", "State of charge, mean", ""),
            ("distance", "Distance today", ""),
            ("energy", "Energy today", ""),
            ("avoided", "CO2e avoided today", ""),
            ("power", "Power", ""),
        ):
            self.figures.add(name, label, dot=dot)
        with card("vp-gap"):
            self.depots = DataTable(
                DEPOT_COLUMNS,
                [],
                title="Depots",
                searchable=True,
                placeholder="Search depot ( / )",
                link="/depot/{}",
                nothing="The figures of the depots come with the next full minute.",
            )
        with card("vp-alerts"):
            self.alerts = DataTable(
                ALERT_COLUMNS,
                [],
                title="Active alerts",
                nothing="No alert is active.",
                sort=(3, -1),
            )

    def update(self) -> None:
        """Send what changed since the last tick."""
        reader = self.reader
        today = reader.today()
        self._show_figures(today)
        self.depots.replace([depot_row(point, today) for point in reader.depots.newest.values()])
        self.alerts.replace(alert_rows(reader.view.open_alerts()))

    def _show_figures(self, today: Standing) -> None:
        figures, show = self.reader.depots.figures(), self.figures.set
        self.date.set(units.day(self.reader.today_ms(), self.reader.zone))
        depots = len(self.reader.depots.newest)
        show("vans", Figure(number(figures.online), f"of {number(figures.vans)}"), f"in {number(depots)} depots")
        show("driving", Figure(number(figures.driving), "vans"), "driving or at a stop")
        show("charging", Figure(number(figures.charging), "vans"))
        show("soc", Figure(number(figures.soc_mean_pct), "%"), f"lowest {number(figures.soc_min_pct)} %")
        sums = total(today.values())
        show("distance", Figure(number(sums.get("distance_km")), "km"))
        show("energy", Figure(number(sums.get("used_kwh")), "kWh"), f"{number(kwh_per_100km(sums), 1)} kWh/100 km")
        show("avoided", kilograms(sums.get("avoided_co2e_g")), "against diesel vans")
        show("power", Figure(number(figures.power_kw), "kW"), "out of the batteries, less charging")


class VansPage:
    """One page of the vans of a depot, or of those whose name holds a text."""

    def __init__(self, site: Site, title: str, vans: list[str], *, number_of_page: int, more: bool, base: str) -> None:
        self.site = site
        self.reader = site.reader
        self.frame = Frame(site, "fleet", title)
        self.vans = vans
        self.version = -1
        self.frame.show(vans)
        with self.frame.content:
            head(title)
            pages(base, number_of_page, more=more)
            with card("vp-gap"):
                self.map = VanMap([], depots=[], tiles_url=site.tiles_url, land_url=LAND_PATH)
                state_legend()
            with card():
                self.table = DataTable(
                    COLUMNS, [], title="Vans", searchable=True, placeholder="Search on this page ( / )", broadcast=True
                )
            pages(base, number_of_page, more=more)
        self.frame.every_tick(self.update)
        self.frame.start()

    def update(self) -> None:
        """Send what changed since the last tick."""
        view = self.reader.view
        today = self.reader.today_of_vans()
        worst = view.worst_alerts()
        changed = [
            van
            for vehicle_id in self.vans
            if (van := view.vans.get(vehicle_id)) is not None and van.version > self.version
        ]
        self.version = view.version
        self.map.patch([van_mark(van, worst.get(van.vehicle_id)) for van in changed])
        self.table.patch([van_row(van, today, worst) for van in changed])


def head(title: str) -> Text:
    """The heading of a page, with a search over all vans beside it. Returns the note beside the title."""
    with div("vp-page-head"):
        text(title, tag="h1")
        note = text("", "vp-sub")
        search_form()
    return note


def search_form() -> None:
    """A search over all vans, by a part of the name."""
    raw(
        '<label><span class="vp-visually-hidden">Find a van by a part of its name</span>'
        '<input class="vp-search" type="search" name="text" maxlength="64" placeholder="Find a van"></label>'
        '<button type="submit" class="vp-chip-button">Find</button>',
        tag="form",
        css="vp-find",
    ).props('action="/vans" role="search"')


def pages(base: str, current: int, *, more: bool) -> None:
    """Links to the page before and the page after. `base` is a path with its query, made by this program."""
    with div("vp-pages", tag="nav").props('aria-label="Pages of vans"'):
        for label, page, there in (("Previous", current - 1, current > 1), ("Next", current + 1, more)):
            if there:
                joint = "&amp;" if "?" in base else "?"
                raw(
                    f'<a class="vp-chip-button" href="{base}{joint}page={page}">{label} {VANS_OF_A_PAGE}</a>',
                    tag="span",
                )
        text(f"Page {current}", "vp-sub")


def add(site: Site) -> None:
    """Register the pages."""

    async def page_of_vans(title: str, base: str, page: int, *, depot: str | None, containing: str) -> None:
        page = min(max(1, page), 1 + math.ceil(1e7 / VANS_OF_A_PAGE))
        try:
            found = await site.reader.vehicle_ids(
                depot=depot, containing=containing, offset=(page - 1) * VANS_OF_A_PAGE, limit=VANS_OF_A_PAGE + 1
            )
        except FAILURES:
            found = []  # the frame says that the store does not answer
        more = len(found) > VANS_OF_A_PAGE
        VansPage(site, title, found[:VANS_OF_A_PAGE], number_of_page=page, more=more, base=base)

    @ui.page("/")
    def fleet_page() -> None:
        if site.reader.is_large:
            DepotsPage(site)
        else:
            FleetPage(site)

    @ui.page("/depot/{depot}")
    async def depot_page(depot: str, page: int = 1) -> None:
        depot = depot[:64]
        await page_of_vans(f"Depot {depot}", f"/depot/{quote(depot, safe='')}", page, depot=depot, containing="")

    @ui.page("/vans")
    async def vans_page(text: str = "", page: int = 1) -> None:
        text = text[:64]
        base = f"/vans?{urlencode({'text': text})}"
        await page_of_vans(f"Vans with “{text}”" if text else "All vans", base, page, depot=None, containing=text)
