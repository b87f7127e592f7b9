"""The agent itself: rates, lag, journal, store."""

from typing import Any

from nicegui import ui

from dashboards.live import units
from dashboards.live.elements.chart import Chart, ChartSeries
from dashboards.live.elements.data_table import DataColumn, DataRow, DataTable
from dashboards.live.pages.frame import Figures, Frame, Site, card, grid, page_head
from dashboards.live.pages.quality import added
from dashboards.live.units import Figure, number

COUNTERS = (DataColumn("Counter"), DataColumn("Meaning", hide="phone"), DataColumn("Now", "text"))

_COUNTERS = (
    (
        "messages_total",
        "vanpulse_messages_journaled_total",
        "Messages journaled",
        "written to disk before their acknowledgement",
    ),
    ("accepted_total", "vanpulse_readings_accepted_total", "Readings accepted", "valid readings"),
    ("points_total", "vanpulse_points_written_total", "Points stored", "confirmed by the store"),
    ("store_retries_total", "vanpulse_store_retries_total", "Store retries", "repeated writes"),
    ("reconnects_total", "vanpulse_mqtt_reconnects_total", "Reconnects", "new connections to the broker"),
    (
        "sessions_lost_total",
        "vanpulse_mqtt_sessions_lost_total",
        "Sessions lost",
        "reconnects without the earlier session",
    ),
)


class AgentPage:
    """The agent page in one browser."""

    def __init__(self, site: Site) -> None:
        self.reader = site.reader
        self.frame = Frame(site, "agent", "Agent")
        with self.frame.content:
            self._build()
        self.frame.every_tick(self.update)
        self.frame.start(metrics=True)

    def _build(self) -> None:
        self.note = page_head("Agent")
        self.figures = Figures()
        for name, label in (
            ("rate", "Messages per second"),
            ("lag", "Lag to the store"),
            ("journal", "Journal in use"),
            ("backlog", "Backlog"),
            ("broker", "Broker"),
            ("store", "Store"),
            ("memory", "Memory"),
        ):
            self.figures.add(name, label)
        with grid("vp-1-1-1"):
            with card():
                self.rate = Chart("Messages", "1/s", [], low=0)
            with card():
                self.lag = Chart("Lag to the store", "s", [], low=0)
            with card():
                self.journal = Chart("Journal in use", "MiB", [], low=0)
        with grid("vp-1-1"):
            with card("vp-tall"):
                self.points = Chart("Points stored", "per minute", [], digits=0, low=0)
            with card():
                self.counters = DataTable(COUNTERS, [], title="Counters")

    def update(self) -> None:
        """Send what changed since the last tick."""
        agent, metrics = self.reader.view.agent, self.reader.metrics
        if metrics is not None:
            self.note.set("present values from /metrics; charts from the store")
        else:
            self.note.set(
                f"from the store; /metrics does not answer: {self.reader.metrics_problem or 'not requested yet'}"
            )

        def value(field: str, name: str) -> float | None:
            found = metrics.value(name) if metrics else None
            return agent.get(field) if found is None else found

        self._show_figures(value)
        past = list(self.reader.view.agent_past)
        self.rate.set([ChartSeries("Messages per second", "accent", line(past, "messages_per_s"), area=True)])
        self.lag.set([ChartSeries("Lag", "stopped", line(past, "lag_s"), area=True)])
        self.journal.set([ChartSeries("In use", "charging", line(past, "journal_bytes", 1 / 1048576), area=True)])
        self.points.set([ChartSeries("Points", "accent", added(past, "points_total"), area=True)])
        self.counters.replace(
            [[field, label, meaning, number(value(field, name))] for field, name, label, meaning in _COUNTERS]
        )

    def _show_figures(self, value: Any) -> None:
        agent, metrics, show = self.reader.view.agent, self.reader.metrics, self.figures.set
        show("rate", Figure(number(agent.get("messages_per_s"), 1), "1/s"), f"{number(agent.get('vans'))} vans known")
        lag_s = value("lag_s", "vanpulse_store_lag_seconds")
        show("lag", Figure(number(lag_s, 1), "s"), "age of the newest reading in the store")
        used, limit = (
            value("journal_bytes", "vanpulse_journal_bytes"),
            value("journal_limit_bytes", "vanpulse_journal_limit_bytes"),
        )
        room = (
            f"{number(used / limit * 100, 1)} % of {' '.join(units.bytes_(limit))}"
            if used is not None and limit
            else ""
        )
        show("journal", units.bytes_(used), room, bad=True if used and limit and used > 0.8 * limit else None)
        backlog = value("backlog", "vanpulse_journal_backlog_messages")
        show("backlog", Figure(number(backlog), "messages"), "journaled, not yet stored")
        for name, metric, good, bad in (
            ("broker", "vanpulse_mqtt_connected", "connected", "not connected"),
            ("store", "vanpulse_store_up", "up", "failing"),
        ):
            up = metrics.value(metric) if metrics else None
            word = units.DASH if up is None else good if up else bad
            show(
                name,
                Figure(word, ""),
                "" if up is not None else "unknown without /metrics",
                bad=None if up is None else not up,
            )
        show("memory", units.bytes_(value("memory_bytes", "vanpulse_memory_bytes")))


def line(points: list[dict[str, Any]], field: str, factor: float = 1.0) -> list[DataRow]:
    """The values of a field over time."""
    return [[point["time_ms"], round(point[field] * factor, 2)] for point in points if field in point]


def add(site: Site) -> None:
    """Register the page."""

    @ui.page("/agent")
    def agent_page() -> None:
        AgentPage(site)
