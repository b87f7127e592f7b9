"""One van: its present state, today's energy and CO2e, its last hours, trips, charges and alerts."""

from typing import Final

from fastapi.responses import RedirectResponse
from nicegui import ui

from dashboards.live import units
from dashboards.live.elements.chart import Chart, ChartSeries
from dashboards.live.elements.data_table import DataColumn, DataRow, DataTable
from dashboards.live.elements.van_map import VanMap
from dashboards.live.fleet_view import Point
from dashboards.live.hours import kwh_per_100km
from dashboards.live.pages.frame import LAND_PATH, Figures, Frame, Site, card, div, grid, raw, text, van_mark
from dashboards.live.pages.tours import DROPS, TOURS, drop_row, tour_row
from dashboards.live.units import Figure, kilograms, number, thousands
from dashboards.live.van_view import VanView

RANGES_H: Final = (6, 24, 72)

TRIPS = (
    DataColumn("Ended", "time"),
    DataColumn("Duration", "span"),
    DataColumn("Distance", "number", "km", 1),
    DataColumn("Energy", "number", "kWh", 2),
    DataColumn("±", "number", "kWh", 2, hide="phone", help="Half width of the 90 % interval"),
    DataColumn("Consumption", "number", "kWh/100 km", 1, hide="phone"),
    DataColumn("SoC from", "number", "%", hide="tablet"),
    DataColumn("to", "number", "%", hide="tablet"),
    DataColumn("Stops", "number", hide="phone"),
    DataColumn("CO2e", "number", "kg", 2),
    DataColumn("Avoided", "number", "kg", 2, hide="phone"),
    DataColumn("Data", "text", hide="tablet", help="Of the energy: primary, modelled or default"),
)
CHARGES = (
    DataColumn("Ended", "time"),
    DataColumn("Duration", "span"),
    DataColumn("Into battery", "number", "kWh", 1),
    DataColumn("From grid", "number", "kWh", 1, hide="phone"),
    DataColumn("Max.", "number", "kW", 1, hide="phone"),
    DataColumn("SoC from", "number", "%"),
    DataColumn("to", "number", "%"),
    DataColumn("Kind", "text"),
    DataColumn("CO2e", "number", "kg", 2, hide="phone"),
    DataColumn("Place", "text", hide="tablet"),
)
ALERTS = (
    DataColumn("When", "time"),
    DataColumn("Severity", "severity"),
    DataColumn("What", "message"),
    DataColumn("Now", "text"),
)


def trip_row(point: Point) -> DataRow:
    """The table row of a trip."""
    get = point.get
    return [
        f"{get('vehicle_id')}/{point['time_ms']}",
        point["time_ms"],
        get("duration_s"),
        get("distance_km"),
        get("energy_kwh"),
        get("uncertainty_kwh"),
        get("consumption_kwh_per_100km"),
        get("soc_start_pct"),
        get("soc_end_pct"),
        get("stops"),
        thousands(get("co2e_g")),
        thousands(get("avoided_co2e_g")),
        (get("quality") or "") + (", inferred" if get("inferred") else ""),
    ]


def charge_row(point: Point) -> DataRow:
    """The table row of a charge."""
    get = point.get
    return [
        f"{get('vehicle_id')}/{point['time_ms']}",
        point["time_ms"],
        get("duration_s"),
        get("energy_kwh"),
        get("grid_kwh"),
        get("max_power_kw"),
        get("soc_start_pct"),
        get("soc_end_pct"),
        (get("kind") or "").upper() or None,
        thousands(get("co2e_g")),
        get("place"),
    ]


class VanPage:
    """The page of one van in one browser."""

    def __init__(self, site: Site, vehicle_id: str, hours: int) -> None:
        self.site = site
        self.reader = site.reader
        self.vehicle_id = vehicle_id
        self.hours = hours
        self.frame = Frame(site, "", vehicle_id)
        self.detail: VanView = self.frame.watch(vehicle_id, hours)
        self.detail_version = -1
        self.today_basis = (-1, 0, 0)
        self.version = -1
        self.frame.show([vehicle_id])
        with self.frame.content:
            self._build()
        self.frame.every_tick(self.update)
        self.frame.start()

    def _build(self) -> None:
        with div("vp-page-head"):
            text(self.vehicle_id, tag="h1")
            with div("vp-state-big", tag="span"):
                self.dot = raw('<span class="vp-dot"></span>', tag="span")
                self.state = text(units.DASH)
            self.about = text("", "vp-sub")
            with div("vp-segments", tag="nav").props('aria-label="Time shown"'):
                for hours in RANGES_H:
                    raw(
                        f'<a href="?hours={hours}" {"aria-current=true" if hours == self.hours else ""}>'
                        f"{hours if hours < 72 else hours // 24} {'h' if hours < 72 else 'days'}</a>",
                        tag="span",
                    )
        self.figures = Figures()
        for name, label in (
            ("soc", "State of charge"),
            ("range", "Range"),
            ("power", "Power"),
            ("speed", "Speed"),
            ("distance", "Distance today"),
            ("energy", "Energy today"),
            ("co2e", "CO2e today"),
            ("avoided", "Avoided today"),
        ):
            self.figures.add(name, label)
        with grid("vp-2-1"):
            with card():
                self.map = VanMap(
                    [],
                    path=self.detail.trail(),
                    depots=self.site.depot_places(),
                    tiles_url=self.site.tiles_url,
                    land_url=LAND_PATH,
                    single=True,
                )
                with div("vp-legend"):
                    raw('<span class="vp-way"></span>Where it drove', tag="span")
                    raw('<span class="vp-dot vp-charged"></span>Where it charged', tag="span")
            with card("vp-alerts"):
                self.alerts = DataTable(
                    ALERTS, [], title="Alerts", nothing="No alert in the last seven days.", sort=(0, -1)
                )
        minutes = self.detail.bucket_ms / 60_000
        note = f"means of {minutes:g} min" if minutes >= 1 else f"means of {minutes * 60:g} s"
        with grid("vp-1-1-1"):
            with card():
                self.soc = Chart("State of charge", "%", self._lines("soc_pct"), note=note, low=0, high=100)
            with card():
                self.power = Chart("Power out of the battery", "kW", self._lines("power_kw"), note=note)
            with card():
                self.speed = Chart("Speed", "km/h", self._lines("speed_kmh"), note=note, digits=0, low=0)
        with card("vp-gap"):
            self.tours = DataTable(
                TOURS, [], title="Tours", page=10, nothing="No tour has ended in the last days.", sort=(0, -1)
            )
        with card("vp-gap"):
            self.drops = DataTable(
                DROPS, [], title="Drops", page=15, nothing="Drops are shown when their tour has ended.", sort=(0, -1)
            )
        with card("vp-gap"):
            self.trips = DataTable(
                TRIPS, [], title="Trips", page=15, nothing="No trip has ended in the last days.", sort=(0, -1)
            )
        with card():
            self.charges = DataTable(
                CHARGES, [], title="Charges", page=15, nothing="No charge has ended in the last days.", sort=(0, -1)
            )

    def _lines(self, signal: str) -> list[ChartSeries]:
        color = {"soc_pct": "charging", "power_kw": "accent", "speed_kmh": "stopped"}[signal]
        name = {"soc_pct": "State of charge", "power_kw": "Power", "speed_kmh": "Speed"}[signal]
        return [ChartSeries(name, color, [list(point) for point in self.detail.line(signal)], area=True)]

    def update(self) -> None:
        """Send what changed since the last tick."""
        view = self.reader.view
        van = view.vans.get(self.vehicle_id)
        if van is None:
            self.state.set("This van is not in the store.")
            return
        if van.version > self.version:
            self._show_now()
            self.version = view.version
        basis = (van.version, id(self.reader.hours), self.reader.today_ms())
        if basis != self.today_basis:  # also at midnight and after the full hours were read, even if the van is silent
            self._show_today()
            self.today_basis = basis
        if self.detail.version != self.detail_version:
            self.detail_version = self.detail.version
            self.map.set_path(self.detail.trail())
            for chart, signal in ((self.soc, "soc_pct"), (self.power, "power_kw"), (self.speed, "speed_kmh")):
                chart.set(self._lines(signal))
        self._show_events()

    def _show_now(self) -> None:
        van = self.reader.view.vans[self.vehicle_id]
        energy, show = van.energy, self.figures.set
        self.state.set(van.state or "state unknown")
        self.dot.set_content(f'<span class="vp-dot vp-{van.state or "unknown"}"></span>')
        self.about.set(", ".join(part for part in (van.model, van.depot and f"depot {van.depot}", van.country) if part))
        worst = self.reader.view.worst_alerts()
        self.map.patch([van_mark(van, worst.get(self.vehicle_id))])
        show(
            "soc", Figure(number(van.soc_pct, 1), "%"), f"of {number(energy.get('usable_capacity_kwh'), 1)} kWh usable"
        )
        temperature = van.battery.get("battery_temp_c")
        show(
            "range",
            Figure(number(energy.get("range_km")), "km"),
            f"the van says {number(van.battery.get('range_km'))} km",
        )
        power_kw = energy.get("power_kw")
        way = "" if power_kw is None else "into the battery" if power_kw < 0 else "out of the battery"
        show("power", Figure(number(None if power_kw is None else abs(power_kw), 1), "kW"), way)
        show("speed", Figure(number(van.location.get("speed_kmh")), "km/h"), f"battery {number(temperature)} °C")

    def _show_today(self) -> None:
        amounts, show = self.reader.today_of_vans().get(self.vehicle_id, {}), self.figures.set
        distance_km, used_kwh, co2e_g = (amounts.get(name) for name in ("distance_km", "used_kwh", "co2e_g"))
        show(
            "distance",
            Figure(number(distance_km, 1), "km"),
            f"since {units.clock(self.reader.today_ms(), self.reader.zone)}",
        )
        per_100_km = kwh_per_100km(amounts)
        show("energy", Figure(number(used_kwh, 1), "kWh"), f"{number(per_100_km, 1)} kWh/100 km")
        per_km = co2e_g / distance_km if co2e_g is not None and distance_km else None
        show("co2e", Figure(number(thousands(co2e_g), 2), "kg"), f"{number(per_km)} g/km, well-to-wheel")
        diesel = kilograms(amounts.get("diesel_co2e_g"))
        avoided = kilograms(amounts.get("avoided_co2e_g"))
        show("avoided", avoided, f"diesel van: {diesel.text} {diesel.unit}")

    def _show_events(self) -> None:
        alerts = [
            point for point in self.reader.view.recent["alert"].values() if point.get("vehicle_id") == self.vehicle_id
        ]
        charges = list(self.detail.charges.values())
        self.tours.replace([tour_row(point) for point in self.detail.tours.values()])
        self.drops.replace([drop_row(point) for point in self.detail.drops.values()])
        self.trips.replace([trip_row(point) for point in self.detail.trips.values()])
        self.charges.replace([charge_row(point) for point in charges])
        self.map.set_places(
            [
                [point["latitude_deg"], point["longitude_deg"], "charge"]
                for point in charges
                if "latitude_deg" in point and "longitude_deg" in point
            ]
        )
        self.alerts.replace(
            [
                [
                    f"{point['kind']}/{point['time_ms']}",
                    point["time_ms"],
                    point.get("severity"),
                    point.get("message") or point.get("kind"),
                    point.get("state"),
                ]
                for point in alerts
            ]
        )


def add(site: Site) -> None:
    """Register the page."""

    @ui.page("/van/{vehicle_id}", response_model=None)
    def van_page(vehicle_id: str, hours: int = RANGES_H[0]) -> RedirectResponse | None:
        if hours not in RANGES_H:
            return RedirectResponse(f"/van/{vehicle_id}")
        VanPage(site, vehicle_id, hours)
        return None
