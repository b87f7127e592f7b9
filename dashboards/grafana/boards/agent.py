"""Does the agent keep up, and how long would it survive an outage?"""

from dashboards.grafana.charts import series
from dashboards.grafana.figures import gauge, stat
from dashboards.grafana.influxql import Query, agent_increase
from dashboards.grafana.layout import PanelRow, dashboard
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model

POINTS = "From the agent's own points, one per minute."


def build() -> model.Dashboard:
    """The agent's page."""
    return dashboard(
        "agent",
        "Rates, lag, journal and store of the agent itself.",
        PanelRow("Now", *_now()),
        PanelRow("In the range shown", *_range()),
        PanelRow("Over time", *_course()),
        refresh="30s",
        start="now-6h",
    )


def _newest(*names: str) -> Query:
    columns = ", ".join(f'last("{name}") AS "{name}"' for name in names)
    return Query(f'SELECT {columns} FROM "agent" WHERE $timeFilter')


def _course_of(name: str, title: str, function: str = "mean") -> Query:
    return Query(
        f'SELECT {function}("{name}") AS "{name}" FROM "agent" WHERE $timeFilter GROUP BY time($__interval) fill(null)',
        alias=title,
    )


def _rate(name: str, title: str) -> Query:
    return Query(
        f'SELECT non_negative_derivative(max("{name}"), 1s) AS "{name}" FROM "agent" WHERE $timeFilter '
        "GROUP BY time($__interval) fill(none)",
        alias=title,
    )


def _now() -> list[Panel]:
    filled = Query(
        'SELECT last("journal_bytes") / last("journal_limit_bytes") * 100 AS "filled" FROM "agent" WHERE $timeFilter'
    )
    return [
        stat(
            "Messages per second",
            f"Mean rate since the previous point. {POINTS}",
            "suffix:/s",
            _newest("messages_per_s"),
            decimals=1,
        ),
        stat(
            "Lag",
            f"Age of the newest reading in the store. {POINTS}",
            "s",
            _newest("lag_s"),
            decimals=1,
            steps={None: "green", 60: "orange", 600: "red"},
        ),
        stat(
            "Backlog",
            f"Messages journaled and not yet confirmed by the store. {POINTS}",
            "short",
            _newest("backlog"),
            steps={None: "green", 100_000: "orange"},
        ),
        gauge(
            "Journal filled",
            "Journal bytes in use / limit. The rest is available for an outage of the store.",
            "percent",
            filled,
            low=0,
            high=100,
            steps={None: "green", 50: "orange", 80: "red"},
        ),
        stat("Memory", f"Resident memory. {POINTS}", "bytes", _newest("memory_bytes"), decimals=0),
        stat("Vans", f"Vans known. {POINTS}", "short", _newest("vans")),
    ]


def _range() -> list[Panel]:
    grown = "Increase of the counter within the range."
    return [
        stat("Messages", f"Messages received and journaled. {grown}", "short", agent_increase("messages_total")),
        stat("Readings accepted", f"New and in order. {grown}", "short", agent_increase("accepted_total")),
        stat("Points stored", f"Confirmed by the store. {grown}", "short", agent_increase("points_total")),
        stat(
            "Repeated writes",
            f"Writes that failed and were sent again. {grown}",
            "short",
            agent_increase("store_retries_total"),
            steps={None: "green", 1: "orange"},
        ),
        stat(
            "Sessions lost",
            f"Reconnects at which the broker no longer had the session: messages may be missing. {grown}",
            "short",
            agent_increase("sessions_lost_total"),
            steps={None: "green", 1: "red"},
        ),
        stat(
            "Reconnects",
            f"To the broker. {grown}",
            "short",
            agent_increase("reconnects_total"),
            steps={None: "green", 1: "orange"},
        ),
    ]


def _course() -> list[Panel]:
    return [
        series(
            "Messages",
            f"Mean and highest rate per interval. {POINTS}",
            "suffix:/s",
            _course_of("messages_per_s", "Mean"),
            _course_of("messages_per_s", "Highest", "max"),
            low=0,
            interval="1m",
        ),
        series(
            "Lag",
            f"Age of the newest reading in the store: highest per interval. {POINTS}",
            "s",
            _course_of("lag_s", "Lag", "max"),
            low=0,
            interval="1m",
        ),
        series(
            "Journal",
            f"Bytes in use, and the limit. {POINTS}",
            "bytes",
            _course_of("journal_bytes", "In use", "max"),
            _course_of("journal_limit_bytes", "Limit", "max"),
            low=0,
            interval="1m",
        ),
        series(
            "Backlog",
            f"Messages not yet confirmed by the store: highest per interval. {POINTS}",
            "short",
            _course_of("backlog", "Backlog", "max"),
            low=0,
            interval="1m",
        ),
        series(
            "Messages by result",
            f"Per second, from the counters. {POINTS}",
            "suffix:/s",
            _rate("accepted_total", "Taken"),
            _rate("late_total", "Late"),
            _rate("duplicates_total", "Duplicate"),
            _rate("dead_letters_total", "Refused"),
            low=0,
            interval="1m",
        ),
        series(
            "Writes to the store",
            f"Points and repeated writes per second, from the counters. {POINTS}",
            "suffix:/s",
            _rate("points_total", "Points"),
            _rate("store_retries_total", "Tried again"),
            low=0,
            interval="1m",
        ),
        series(
            "Connection to the broker",
            f"Reconnects and lost sessions since the start. {POINTS}",
            "short",
            _course_of("reconnects_total", "Reconnects", "max"),
            _course_of("sessions_lost_total", "Sessions lost", "max"),
            low=0,
            interval="1m",
        ),
        series(
            "Memory",
            f"Resident memory: highest per interval. {POINTS}",
            "bytes",
            _course_of("memory_bytes", "Memory", "max"),
            low=0,
            interval="1m",
        ),
    ]
