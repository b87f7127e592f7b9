"""Data quality: late, duplicate and rejected messages, and silent vans."""

import itertools
from collections.abc import Iterable
from typing import Any, Final

from nicegui import ui

from agent.errors import REASONS
from dashboards.live.agent_metrics import Metrics
from dashboards.live.elements.chart import Chart, ChartSeries
from dashboards.live.elements.data_table import DataColumn, DataRow, DataTable
from dashboards.live.fleet_view import Point
from dashboards.live.pages.frame import Figures, Frame, Site, card, grid, page_head
from dashboards.live.units import Figure, number, thousands

QUARTER_MS: Final = 900_000

SILENT_AFTER_S: Final = 300
"""A van without readings for this long is listed as silent, in any state."""

REJECTED_TOTAL: Final = "vanpulse_messages_rejected_total"

COUNTERS: Final = {
    "accepted_total": "vanpulse_readings_accepted_total",
    "late_total": "vanpulse_readings_late_total",
    "duplicates_total": "vanpulse_readings_duplicate_total",
    "dead_letters_total": REJECTED_TOTAL,
    "sessions_lost_total": "vanpulse_mqtt_sessions_lost_total",
}
"""Field of the store's `agent` → metric."""

MEANINGS = {
    "malformed": "not JSON, or not the format of its topic",
    "schema": "a field is missing or has the wrong type",
    "out_of_range": "an impossible value",
    "identity_mismatch": "the payload names another van than the topic",
    "unknown_topic": "no dialect knows the topic",
    "unknown_vehicle": "not in the fleet file, and unknown vans are rejected",
    "too_old": "older than accepted",
    "in_future": "too far in the future",
    "oversize": "larger than accepted",
    "malformed_packet": "not MQTT",
    "journal_corrupt": "damaged in the journal",
    "rejected_by_store": "refused by the store",
}

REJECTED = (
    DataColumn("Reason"),
    DataColumn("Meaning", hide="phone"),
    DataColumn("Messages", "number"),
    DataColumn("Share", "number", "%", 3),
)
SILENT = (
    DataColumn("Van", "link"),
    DataColumn("State", "state"),
    DataColumn("Last reading", "age", "ago"),
    DataColumn("Last reading", "time", hide="phone"),
    DataColumn("SoC then", "soc", "%", 1),
    DataColumn("Depot", "text", hide="phone"),
    DataColumn("Model", "text", hide="tablet"),
)
IMPLAUSIBLE = (
    DataColumn("Van", "link"),
    DataColumn("Kind"),
    DataColumn("Now", "text", help="raised: the van still sends implausible data"),
    DataColumn("Since", "time"),
    DataColumn("What", "message", hide="phone"),
    DataColumn("Depot", "text", hide="tablet"),
)
CORRECTED = (
    DataColumn("Van", "link"),
    DataColumn("From", "time"),
    DataColumn("To", "time"),
    DataColumn("Distance", "number", "km", 1, help="Not counted in sums"),
    DataColumn("Energy", "number", "kWh", 1, hide="phone", help="Not counted in sums"),
    DataColumn("CO2e", "number", "kg", 2, hide="phone", help="Not counted in sums"),
    DataColumn("Reason", "message"),
    DataColumn("Made", "time", hide="tablet"),
)


class QualityPage:
    """The data quality page in one browser."""

    def __init__(self, site: Site) -> None:
        self.reader = site.reader
        self.frame = Frame(site, "quality", "Data quality", needs_all_vans=True)
        with self.frame.content:
            self._build()
        self.frame.every_tick(self.update)
        self.frame.start(metrics=True)

    def _build(self) -> None:
        self.note = page_head("Data quality")
        self.figures = Figures()
        for name, label in (
            ("accepted", "Readings accepted"),
            ("late", "Late"),
            ("duplicates", "Duplicate"),
            ("rejected", "Rejected"),
            ("silent", "Silent vans"),
            ("sessions", "Broker sessions lost"),
        ):
            self.figures.add(name, label)
        with grid("vp-1-1"):
            with card("vp-tall"):
                self.trouble = Chart(
                    "Late, duplicate and rejected",
                    "per 15 min",
                    [],
                    note="last 24 h",
                    bar_ms=QUARTER_MS,
                    digits=0,
                    low=0,
                )
            with card():
                self.rejected = DataTable(REJECTED, [], title="Rejected by reason", sort=(2, -1))
        with card("vp-gap"):
            self.implausible = DataTable(
                IMPLAUSIBLE,
                [],
                title="Implausible data",
                page=25,
                nothing="No van has sent implausible data in the last seven days.",
                sort=(3, -1),
            )
        with card("vp-gap"):
            self.corrected = DataTable(
                CORRECTED,
                [],
                title="Corrections by hand",
                page=25,
                nothing="Nothing has been corrected in the last 31 days.",
                sort=(7, -1),
            )
        with card():
            self.silent = DataTable(
                SILENT,
                [],
                title="Silent vans",
                nothing="Every van has sent a reading in the last 5 minutes.",
                sort=(2, 1),
            )

    def update(self) -> None:
        """Send what changed since the last tick."""
        view, metrics = self.reader.view, self.reader.metrics
        counts = counters(metrics, view.agent)
        self.note.set(
            "since the start of the agent, " + ("up to now" if metrics else "up to its last point in the store")
        )
        self._show_figures(counts)
        self.trouble.set(trouble_bars(list(view.agent_past)))
        by_reason = metrics.by_label(REJECTED_TOTAL, "reason") if metrics else None
        self.rejected.replace(rejected_rows(by_reason, counts["accepted_total"]))
        silent = self._silent()
        self.figures.set(
            "silent", Figure(number(len(silent)), f"of {number(len(view.vans))}"), bad=bool(silent) or None
        )
        self.silent.replace(silent)
        self.implausible.replace(implausible_rows(view.alerts.values()))
        self.corrected.replace(self._corrected())

    def _show_figures(self, counts: dict[str, float | None]) -> None:
        show = self.figures.set
        accepted = counts["accepted_total"]

        def share(count: float | None) -> str:
            return f"{number(count / accepted * 100, 2)} % of the accepted" if accepted and count is not None else ""

        show("accepted", Figure(number(accepted), ""))
        show("late", Figure(number(counts["late_total"]), ""), "stored, totals unchanged")
        show("duplicates", Figure(number(counts["duplicates_total"]), ""), share(counts["duplicates_total"]))
        show("rejected", Figure(number(counts["dead_letters_total"]), ""), share(counts["dead_letters_total"]))
        lost = counts["sessions_lost_total"]
        show("sessions", Figure(number(lost), ""), "messages may be missing" if lost else "", bad=bool(lost) or None)

    def _silent(self) -> list[DataRow]:
        view = self.reader.view
        limit_ms = self.reader.clock_ms() - SILENT_AFTER_S * 1000
        return [
            [
                van.vehicle_id,
                van.vehicle_id,
                van.state,
                van.heard_ms,
                van.heard_ms,
                van.soc_pct,
                van.depot or None,
                van.model or None,
            ]
            for van in view.vans.values()
            if van.state == "offline" or (van.heard_ms or 0) < limit_ms
        ]

    def _corrected(self) -> list[DataRow]:
        return [
            [
                f"{each['vehicle_id']}/{each['from_ms']}/{each['made_ms']}",
                each["vehicle_id"],
                each["from_ms"],
                each["to_ms"],
                each["distance_km"],
                each["used_kwh"],
                thousands(each["co2e_g"]),
                each["reason"],
                each["made_ms"],
            ]
            for each in self.reader.corrected.stretches
        ]


def implausible_rows(alerts: Iterable[Point]) -> list[DataRow]:
    """The newest alert about implausible data of each van and kind."""
    return [
        [
            f"{alert.get('vehicle_id')}/{alert['kind']}",
            alert.get("vehicle_id"),
            alert["kind"].removesuffix("_implausible").replace("soc", "state of charge"),
            alert.get("state"),
            alert["time_ms"],
            alert.get("message"),
            alert.get("depot") or None,
        ]
        for alert in alerts
        if alert.get("kind", "").endswith("_implausible")
    ]


def counters(metrics: Metrics | None, agent: dict[str, Any]) -> dict[str, float | None]:
    """The present counts of the agent. Missing ones are taken from its last point in the store. 0 is a count."""
    counts: dict[str, float | None] = {}
    for field, name in COUNTERS.items():
        found = metrics.value(name) if metrics else None
        counts[field] = agent.get(field) if found is None else found
    if metrics and metrics.value(REJECTED_TOTAL) is None:
        counts["dead_letters_total"] = 0.0  # a reason has no metric before its first message
    return counts


def rejected_rows(by_reason: dict[str, float] | None, accepted: float | None) -> list[DataRow]:
    """A row for every reason. It shows a dash if the agent does not answer."""
    rows: list[DataRow] = []
    for reason in REASONS:
        count = None if by_reason is None else by_reason.get(reason, 0.0)
        everything = (accepted or 0) + sum((by_reason or {}).values())
        share = None if count is None or not everything else count / everything * 100
        rows.append([reason, reason.replace("_", " "), MEANINGS[reason], count, share])
    return rows


def trouble_bars(points: list[dict[str, float]]) -> list[ChartSeries]:
    """The increase in each quarter of an hour."""
    return [
        ChartSeries(name, color, quarters(points, field), type="bar", stack="trouble")
        for name, color, field in (
            ("Late", "stopped", "late_total"),
            ("Duplicate", "accent", "duplicates_total"),
            ("Rejected", "critical", "dead_letters_total"),
        )
    ]


def quarters(points: list[dict[str, float]], field: str) -> list[list[float]]:
    """The increase of a counter in each quarter of an hour. A counter that restarts counts from 0."""
    sums: dict[int, float] = {}
    for before, after in itertools.pairwise(points):
        if field in before and field in after:
            grown = after[field] - before[field] if after[field] >= before[field] else after[field]
            quarter = int(after["time_ms"]) // QUARTER_MS
            sums[quarter] = sums.get(quarter, 0.0) + grown
    return [[quarter * QUARTER_MS + QUARTER_MS // 2, grown] for quarter, grown in sorted(sums.items())]


def added(points: list[dict[str, float]], field: str) -> list[list[float | None]]:
    """The differences of a counter per minute. A counter that restarts counts from 0."""
    line: list[list[float | None]] = []
    for before, after in itertools.pairwise(points):
        if field in before and field in after and after["time_ms"] > before["time_ms"]:
            grown = after[field] - before[field] if after[field] >= before[field] else after[field]
            line.append([after["time_ms"], round(grown / (after["time_ms"] - before["time_ms"]) * 60_000, 2)])
    return line


def add(site: Site) -> None:
    """Register the page."""

    @ui.page("/quality")
    def quality_page() -> None:
        QualityPage(site)
