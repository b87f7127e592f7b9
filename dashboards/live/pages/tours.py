"""Tours and drops: deliveries with their energy, CO2e and uncertainty."""

from nicegui import ui

from dashboards.live.delivered import DAYS, NEWEST, TourSums
from dashboards.live.elements.data_table import DataColumn, DataRow, DataTable
from dashboards.live.fleet_view import Point
from dashboards.live.pages.frame import Figures, Frame, Site, card, page_head
from dashboards.live.units import DASH, Figure, kilograms, number, thousands

VAN = DataColumn("Van", "link")
TOURS = (
    DataColumn("Returned", "time"),
    DataColumn("Duration", "span", hide="phone"),
    DataColumn("Distance", "number", "km", 1, hide="phone"),
    DataColumn("Empty", "number", "km", 1, hide="tablet", help="Distance with nothing on board"),
    DataColumn("Stops", "number", hide="tablet"),
    DataColumn("Drops", "number"),
    DataColumn("Items", "number", hide="phone"),
    DataColumn("Transport", "number", "t·km", 2, hide="tablet", help="Mass times great-circle distance"),
    DataColumn("Energy", "number", "kWh", 1, hide="phone"),
    DataColumn("CO2e", "number", "kg", 2, help="Location-based, well-to-wheel, since the previous tour"),
    DataColumn("±", "number", "kg", 2, hide="tablet", help="Half width of the 90 % interval of the CO2e"),
    DataColumn("per t·km", "number", "g", hide="tablet"),
    DataColumn("per item", "number", "g"),
    DataColumn("Primary", "number", "%", hide="tablet", help="Share of CO2e with measured grid energy and mass"),
    DataColumn("Data", "text", hide="tablet", help="primary, modelled or default, by the method of EN ISO 14083"),
)
DROPS = (
    DataColumn("When", "time"),
    DataColumn("What", "text", hide="phone"),
    DataColumn("Consignment", "text"),
    DataColumn("Customer", "text", hide="phone"),
    DataColumn("Mass", "number", "kg", 1, hide="phone"),
    DataColumn("Items", "number"),
    DataColumn("Straight line", "number", "km", 1, hide="tablet"),
    DataColumn("CO2e", "number", "g", help="Its share of the tour's CO2e"),
    DataColumn("From", "text", hide="tablet", help="message, import, load or default"),
)


def tour_row(point: Point) -> DataRow:
    """The row of a tour in the table of one van."""
    get = point.get
    return [
        f"{get('vehicle_id')}/{point['time_ms']}",
        point["time_ms"],
        get("duration_s"),
        get("distance_km"),
        get("empty_km"),
        get("stops"),
        get("drops"),
        get("items"),
        get("activity_tkm"),
        get("energy_kwh"),
        thousands(get("co2e_g")),
        thousands(get("uncertainty_g")),
        get("co2e_g_per_tkm"),
        get("co2e_g_per_item"),
        get("primary_share_pct"),
        get("quality"),
    ]


def drop_row(point: Point) -> DataRow:
    """The row of a drop in the table of one van."""
    get = point.get
    return [
        f"{get('vehicle_id')}/{point['time_ms']}",
        point["time_ms"],
        {"load": "loaded", "unload": "unloaded"}.get(get("action", "")),
        get("consignment_id"),
        get("customer_id"),
        get("mass_kg"),
        get("items"),
        get("distance_gcd_km"),
        get("co2e_g"),
        get("source"),
    ]


def with_van(row: DataRow, point: Point) -> DataRow:
    """The row with the van in its first column."""
    return [row[0], point.get("vehicle_id"), *row[1:]]


class ToursPage:
    """The tours page in one browser."""

    def __init__(self, site: Site) -> None:
        self.reader = site.reader
        self.frame = Frame(site, "tours", "Tours", needs_all_vans=True)
        self.version = -1
        with self.frame.content:
            self._build()
        self.frame.every_tick(self.update)
        self.frame.start()

    def _build(self) -> None:
        self.note = page_head("Tours")
        self.figures = Figures()
        for name, label in (
            ("tours", "Tours"),
            ("drops", "Drops"),
            ("transport", "Transport"),
            ("energy", "Energy"),
            ("co2e", "CO2e"),
            ("per_item", "CO2e per item"),
            ("per_tkm", "CO2e per t·km"),
            ("primary", "Primary data"),
        ):
            self.figures.add(name, label)
        with card("vp-gap"):
            self.tours = DataTable(
                (VAN, *TOURS),
                [],
                title="Tours",
                page=25,
                nothing="No tour has ended in the last days. A tour ends when a van returns to a depot.",
                searchable=True,
                placeholder="Search van, data",
                sort=(1, -1),
            )
        with card():
            self.drops = DataTable(
                (VAN, *DROPS),
                [],
                title="Drops",
                page=25,
                nothing="No drop yet. Drops are shown when their tour has ended.",
                searchable=True,
                placeholder="Search consignment, van",
                sort=(1, -1),
            )

    def update(self) -> None:
        """Send what changed since the last update."""
        delivered = self.reader.delivered
        version = delivered.version * 2 + delivered.complete
        if version == self.version:
            return
        self.version = version
        sums = delivered.sums()
        note = f"tours that ended in the last {DAYS} days" + ("" if delivered.complete else " (still being read)")
        self.note.set(f"{note}; the newest {NEWEST} in the lists" if sums.tours > NEWEST else note)
        self._show_figures(sums)
        self.tours.replace([with_van(tour_row(point), point) for point in delivered.tours()])
        self.drops.replace([with_van(drop_row(point), point) for point in delivered.drops])

    def _show_figures(self, sums: TourSums) -> None:
        show, get = self.figures.set, sums.amounts.get
        show("tours", Figure(number(sums.tours), ""), f"{number(get('distance_km'))} km, {number(get('stops'))} stops")
        show("drops", Figure(number(get("drops")), ""), f"{number(get('items'))} items, {number(get('mass_kg'))} kg")
        show("transport", Figure(number(get("activity_tkm"), 1), "t·km"), "mass × great circle")
        show(
            "energy", Figure(number(get("energy_kwh"), 1), "kWh"), f"± {number(get('uncertainty_kwh'), 1)} kWh at most"
        )
        width, market = kilograms(get("uncertainty_g")), kilograms(get("market_co2e_g"))
        show(
            "co2e",
            kilograms(get("co2e_g")),
            f"± {width.text} {width.unit} at most; market-based {market.text} {market.unit}",
        )
        show("per_item", Figure(number(sums.per("items")), "g"), "Σ CO2e / Σ items")
        show("per_tkm", Figure(number(sums.per("activity_tkm")), "g"), "Σ CO2e / Σ t·km")
        share = number(sums.primary_pct)
        show("primary", Figure(share, "%" if share != DASH else ""), "of the CO2e: energy and mass measured")


def add(site: Site) -> None:
    """Register the page."""

    @ui.page("/tours")
    def tours_page() -> None:
        ToursPage(site)
