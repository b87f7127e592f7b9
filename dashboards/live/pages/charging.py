"""Charging: which vans charge, with how much power, and which will not be ready by morning."""

from nicegui import ui

from dashboards.live import units
from dashboards.live.charged import ChargeSite, ChargeSums
from dashboards.live.elements.data_table import DataColumn, DataRow, DataTable
from dashboards.live.morning import READY_AT, READY_SOC_PCT, Outlook, next_morning_ms, outlook
from dashboards.live.pages.frame import Figures, Frame, Site, card, grid, page_head
from dashboards.live.units import Figure, number, thousands

CHARGING = (
    DataColumn("Van", "link"),
    DataColumn("SoC", "soc", "%", 1),
    DataColumn("Power", "number", "kW", 1, help="Into the battery"),
    DataColumn("80 % at", "time"),
    DataColumn("By morning", "number", "%", help="If charging continues at this power"),
    DataColumn("Ready", "verdict", hide="phone"),
    DataColumn("Depot", "text", hide="phone"),
)
AT_RISK = (
    DataColumn("Van", "link"),
    DataColumn("Why", "verdict"),
    DataColumn("SoC", "soc", "%", 1),
    DataColumn("By morning", "number", "%"),
    DataColumn("Missing", "number", "kWh", 1, hide="phone", help="Into the battery, up to 80 %"),
    DataColumn("State", "state", hide="phone"),
    DataColumn("Depot", "text", hide="phone"),
)
DONE = (
    DataColumn("Van", "link"),
    DataColumn("Ended", "time"),
    DataColumn("Duration", "span", hide="phone"),
    DataColumn("Into battery", "number", "kWh", 1),
    DataColumn("From grid", "number", "kWh", 1, hide="phone"),
    DataColumn("Max.", "number", "kW", 1, hide="tablet"),
    DataColumn("SoC from", "number", "%", hide="phone"),
    DataColumn("to", "number", "%"),
    DataColumn("Kind", "text"),
    DataColumn(
        "CO2e", "number", "kg", 2, hide="phone", help="Location-based: at the intensity of the grid during the charge"
    ),
    DataColumn("Market-based", "number", "kg", 2, hide="tablet", help="By contract, residual mix, else location-based"),
    DataColumn(
        "Meter", "text", hide="tablet", help="Grid energy: metered by the charger, or modelled with its efficiency"
    ),
    DataColumn("Place", "text", hide="tablet"),
)


SCOPES = (
    DataColumn("Place", "text"),
    DataColumn("Instrument", "text", help="Basis of market-based: contract, residual mix, or the grid's intensity"),
    DataColumn("From grid", "number", "kWh", 1),
    DataColumn("Metered", "number", "%", hide="tablet", help="Share measured by chargers"),
    DataColumn("Scope 2", "number", "kg", 2, help="CO2e of generation, location-based"),
    DataColumn("3.3 upstream", "number", "kg", 2, hide="phone", help="CO2e of fuels and plants before generation"),
    DataColumn("3.3 losses", "number", "kg", 2, hide="phone", help="CO2e of transmission and distribution losses"),
    DataColumn("Market-based", "number", "kg", 2),
)


def scope_row(site: ChargeSite, sums: ChargeSums) -> DataRow:
    """The energy charged at one place with one instrument."""
    grid_kwh = sums["grid_kwh"]
    return [
        f"{site.place}/{site.instrument}",
        site.place or "elsewhere",
        site.instrument or None,
        grid_kwh,
        100.0 * sums["metered_kwh"] / grid_kwh if grid_kwh else None,
        *(thousands(sums[name]) for name in ("direct_g", "upstream_g", "losses_g", "market_g")),
    ]


def charging_row(one: Outlook) -> DataRow:
    """The row of a van that charges."""
    van = one.van
    return [
        van.vehicle_id,
        van.vehicle_id,
        van.soc_pct,
        one.power_kw,
        None if one.full_enough_ms is None else one.full_enough_ms // 60_000 * 60_000,
        one.soc_then_pct,
        one.verdict,
        van.depot or None,
    ]


def risk_row(one: Outlook) -> DataRow:
    """The row of a van that will not be ready by morning."""
    van = one.van
    capacity_kwh = van.energy.get("usable_capacity_kwh")
    missing_kwh = None
    if capacity_kwh and one.soc_then_pct is not None:
        missing_kwh = max(0.0, READY_SOC_PCT - one.soc_then_pct) / 100 * capacity_kwh
    return [
        van.vehicle_id,
        van.vehicle_id,
        one.verdict,
        van.soc_pct,
        one.soc_then_pct,
        missing_kwh,
        van.state,
        van.depot or None,
    ]


class ChargingPage:
    """The charging page in one browser."""

    def __init__(self, site: Site) -> None:
        self.reader = site.reader
        self.frame = Frame(site, "charging", "Charging", needs_all_vans=True)
        self.version = -1
        with self.frame.content:
            self._build()
        self.frame.every_tick(self.update)
        self.frame.start()

    def _build(self) -> None:
        self.note = page_head("Charging")
        self.figures = Figures()
        for name, label, dot in (
            ("charging", "Charging now", "charging"),
            ("power", "Power into batteries", ""),
            ("risk", "Not ready by morning", ""),
            ("ready", "Ready or on time", ""),
            ("out", "On the road, below 80 %", "driving"),
            ("grid", "From the grid today", ""),
        ):
            self.figures.add(name, label, dot=dot)
        with grid("vp-1-1"):
            with card():
                self.at_risk = DataTable(
                    AT_RISK,
                    [],
                    title="Not ready by morning",
                    nothing="All standing vans will be ready.",
                    sort=(3, 1),
                )
            with card():
                self.charging = DataTable(
                    CHARGING, [], title="Charging now", page=25, nothing="No van is charging.", sort=(2, -1)
                )
        with card("vp-gap"):
            self.scopes = DataTable(
                SCOPES, [], title="Charged today by scope", nothing="Nothing has been charged today.", sort=(2, -1)
            )
        with card():
            self.done = DataTable(
                DONE,
                [],
                title="Charges that ended",
                page=25,
                nothing="No charge has ended yet.",
                searchable=True,
                sort=(1, -1),
            )

    def update(self) -> None:
        """Send what changed since the last tick."""
        view = self.reader.view
        if not view.vans or (self.version >= 0 and view.version < self.version + 2):
            return
        self.version = view.version
        now_ms = view.newest_ms or self.reader.clock_ms()
        morning_ms = next_morning_ms(now_ms, self.reader.zone)
        outlooks = [outlook(van, now_ms, morning_ms) for van in view.vans.values()]
        self.note.set(
            f"Ready means {READY_SOC_PCT:g} % at {READY_AT:%H:%M} on {units.day(morning_ms, self.reader.zone)}, "
            "at the present charging power of each van"
        )
        self._show_figures(outlooks)
        self.at_risk.replace([risk_row(one) for one in outlooks if one.at_risk])
        self.charging.replace([charging_row(one) for one in outlooks if one.van.state == "charging"])
        self.scopes.replace([scope_row(site, sums) for site, sums in self.reader.charged.sites().items()])
        self.done.replace(
            [
                [
                    f"{point.get('vehicle_id')}/{point['time_ms']}",
                    point.get("vehicle_id"),
                    point["time_ms"],
                    point.get("duration_s"),
                    point.get("energy_kwh"),
                    point.get("grid_kwh"),
                    point.get("max_power_kw"),
                    point.get("soc_start_pct"),
                    point.get("soc_end_pct"),
                    (point.get("kind") or "").upper() or None,
                    thousands(point.get("co2e_g")),
                    thousands(point.get("market_co2e_g")),
                    point.get("meter"),
                    point.get("place"),
                ]
                for point in view.recent["charge"].values()
            ]
        )

    def _show_figures(self, outlooks: list[Outlook]) -> None:
        show = self.figures.set
        charging = [one for one in outlooks if one.van.state == "charging"]
        powers = [one.power_kw for one in charging if one.power_kw is not None]
        show("charging", Figure(number(len(charging)), f"of {number(len(outlooks))}"))
        show("power", Figure(number(sum(powers), 1), "kW"))
        by_verdict = {
            verdict: sum(one.verdict == verdict for one in outlooks)
            for verdict in ("ready", "on time", "late", "not charging", "out", "unknown")
        }
        at_risk = by_verdict["late"] + by_verdict["not charging"]
        show(
            "risk",
            Figure(number(at_risk), "vans"),
            f"{by_verdict['not charging']} not charging, {by_verdict['late']} charging too slowly",
            bad=at_risk > 0,
        )
        show(
            "ready",
            Figure(number(by_verdict["ready"] + by_verdict["on time"]), "vans"),
            f"{by_verdict['ready']} already",
        )
        show("out", Figure(number(by_verdict["out"]), "vans"), "have to come back first")
        grid_kwh = [each["grid_kwh"] for each in self.reader.today().values() if "grid_kwh" in each]
        show("grid", Figure(number(sum(grid_kwh) if grid_kwh else None, 1), "kWh"))


def add(site: Site) -> None:
    """Register the page."""

    @ui.page("/charging")
    def charging_page() -> None:
        ChargingPage(site)
