"""The fleet at a glance: key figures, map, alerts, and every van in a table."""

from typing import Any

from dashboards.live import units
from dashboards.live.elements.data_table import DataColumn, DataRow, DataTable
from dashboards.live.elements.van_map import VanMap
from dashboards.live.fleet_view import LatestVan
from dashboards.live.hours import Standing, kwh_per_100km, total
from dashboards.live.pages.frame import LAND_PATH, Figures, Frame, Site, card, grid, page_head, state_legend, van_mark
from dashboards.live.units import Figure, kilograms, number, thousands

COLUMNS = (
    DataColumn("Van", "link"),
    DataColumn("State", "state"),
    DataColumn("SoC", "soc", "%", 1, help="State of charge"),
    DataColumn("Range", "number", "km", hide="phone", help="Projected range"),
    DataColumn("Power", "number", "kW", 1, help="Positive out of the battery, negative while charging"),
    DataColumn("Speed", "number", "km/h", hide="phone"),
    DataColumn("Distance today", "number", "km", 1, hide="tablet"),
    DataColumn("Energy today", "number", "kWh", 1, hide="tablet", help="Taken out of the battery since midnight"),
    DataColumn("CO2e today", "number", "kg", 2, hide="tablet", help="Well-to-wheel"),
    DataColumn("Depot", "text", hide="phone"),
    DataColumn("Model", "text", hide="tablet"),
    DataColumn("Alert", "severity", hide="phone", help="The highest severity of its active alerts"),
    DataColumn("Last reading", "age", "ago", hide="phone", help="Age of the van's newest reading"),
)

ALERT_COLUMNS = (
    DataColumn("Van", "link"),
    DataColumn("Severity", "severity"),
    DataColumn("What", "message"),
    DataColumn("Since", "time"),
)


def van_row(van: LatestVan, today: Standing, worst: dict[str, str]) -> DataRow:
    """The table row of a van."""
    amounts = today.get(van.vehicle_id, {})
    return [
        van.vehicle_id,
        van.vehicle_id,
        van.state,
        van.soc_pct,
        van.energy.get("range_km"),
        van.energy.get("power_kw"),
        van.location.get("speed_kmh"),
        amounts.get("distance_km"),
        amounts.get("used_kwh"),
        thousands(amounts.get("co2e_g")),
        van.depot or None,
        van.model or None,
        worst.get(van.vehicle_id),
        van.heard_ms,
    ]


def alert_rows(points: list[Any]) -> list[DataRow]:
    """The table rows of active alerts."""
    return [
        [
            f"{point.get('vehicle_id')}/{point.get('kind')}",
            point.get("vehicle_id"),
            point.get("severity"),
            point.get("message") or point.get("kind"),
            point["time_ms"],
        ]
        for point in points[:100]
    ]


class FleetPage:
    """The fleet page in one browser."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.reader = site.reader
        self.frame = Frame(site, "fleet", "Fleet")
        self.version = self.reader.view.version
        self.hours = self.reader.hours
        with self.frame.content:
            self._build()
        self.frame.every_tick(self.update)
        self.frame.start()

    def _build(self) -> None:
        view = self.reader.view
        today = self.reader.today()
        worst = view.worst_alerts()
        vans = list(view.vans.values())
        self.date = page_head("Fleet")
        self.figures = Figures()
        for name, label, dot in (
            ("vans", "Vans online", ""),
            ("driving", "On the road", "driving"),
            ("charging", "Charging", "charging"),
            ("soc", "State of charge, mean", ""),
            ("distance", "Distance today", ""),
            ("energy", "Energy today", ""),
            ("avoided", "CO2e avoided today", ""),
            ("alerts", "Active alerts", ""),
        ):
            self.figures.add(name, label, dot=dot)
        with grid("vp-2-1"):
            with card():
                self.map = VanMap(
                    [van_mark(van, worst.get(van.vehicle_id)) for van in vans],
                    trails={van.vehicle_id: list(van.trail) for van in vans if len(van.trail) > 1},
                    depots=self.site.depot_places(),
                    tiles_url=self.site.tiles_url,
                    land_url=LAND_PATH,
                )
                state_legend()
            with card("vp-alerts"):
                self.alerts = DataTable(
                    ALERT_COLUMNS,
                    alert_rows(view.open_alerts()),
                    title="Active alerts",
                    nothing="No alert is active.",
                    sort=(3, -1),
                )
        with card():
            self.table = DataTable(
                COLUMNS,
                [van_row(van, today, worst) for van in vans],
                title="Vans",
                searchable=True,
                placeholder="Search van, depot, model ( / )",
                broadcast=True,
            )

    def update(self) -> None:
        """Send what changed since the last tick."""
        view = self.reader.view
        if not view.vans:
            return
        today = self.reader.today()
        self._show_figures(today)
        worst = view.worst_alerts()
        changed = view.changed_since(self.version)
        if self.reader.hours is not self.hours:
            self.hours = self.reader.hours
            changed = list(view.vans.values())
        self.version = view.version
        self.map.patch([van_mark(van, worst.get(van.vehicle_id)) for van in changed])
        self.map.set_depots(self.site.depot_places())
        self.table.patch([van_row(van, today, worst) for van in changed])
        self.alerts.replace(alert_rows(view.open_alerts()))

    def _show_figures(self, today: Standing) -> None:
        figures = self.reader.view.key_figures()
        show = self.figures.set
        self.date.set(units.day(self.reader.today_ms(), self.reader.zone))
        states = figures.by_state
        show("vans", Figure(number(figures.online), f"of {number(figures.vans)}"), f"{states['offline']} offline")
        show(
            "driving",
            Figure(number(states["driving"] + states["stopped"]), "vans"),
            f"{states['stopped']} at a stop, {number(figures.drawn_kw)} kW",
        )
        show("charging", Figure(number(states["charging"]), "vans"), f"{number(figures.charging_kw)} kW into batteries")
        show("soc", Figure(number(figures.soc_mean_pct), "%"), f"lowest {number(figures.soc_min_pct)} %")
        sums = total(today.values())
        distance_km, used_kwh = sums.get("distance_km"), sums.get("used_kwh")
        show("distance", Figure(number(distance_km), "km"))
        per_100_km = kwh_per_100km(sums)
        show("energy", Figure(number(used_kwh), "kWh"), f"{number(per_100_km, 1)} kWh/100 km")
        diesel = kilograms(sums.get("diesel_co2e_g"))
        show("avoided", kilograms(sums.get("avoided_co2e_g")), f"diesel vans: {diesel.text} {diesel.unit}")
        alerts = figures.alerts
        count = sum(alerts.values())
        show(
            "alerts",
            Figure(number(count), ""),
            f"{alerts['critical']} critical, {alerts['warning']} warning",
            bad=True if alerts["critical"] else None,
        )
