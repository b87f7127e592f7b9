"""Can the figures be trusted: what came late, twice, wrong or not at all?"""

from dashboards.grafana.charts import pie, series
from dashboards.grafana.columns import VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import Query, agent_increase, course, latest, rows, total, where
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table

RAW = ("soc_pct", "battery_power_kw", "voltage_v", "current_a", "battery_temp_c", "soh_pct", "ambient_temp_c")
PLACED = ("latitude_deg", "speed_kmh", "odometer_km")


def build() -> model.Dashboard:
    """The page of data quality."""
    return dashboard(
        "quality",
        "Late, duplicate and refused messages, silent vans, missing fields, and the uncertainty of derived figures.",
        PanelRow("Messages", *_summary()),
        PanelRow("Over time", *_course()),
        PanelRow("Vans", *_vans()),
        PanelRow("Derived figures", *_derived()),
        variables=van_variables(),
        refresh="1m",
        start="now-24h",
    )


def _summary() -> list[Panel]:
    grown = "Increase of the agent's counter within the range; all vans."
    return [
        stat("Messages", f"Messages received and journaled. {grown}", "short", agent_increase("messages_total")),
        stat("Readings accepted", f"New, and in order. {grown}", "short", agent_increase("accepted_total")),
        stat(
            "Refused",
            f"Messages that became dead letters: `vanpulse deadletters list` shows them. {grown}",
            "short",
            agent_increase("dead_letters_total"),
            steps={None: "green", 1: "orange"},
        ),
        stat(
            "Share refused",
            "Dead letters / messages.",
            "percent",
            agent_increase(
                "dead_letters_total",
                "messages_total",
                select='sum("dead_letters_total_step") / sum("messages_total_step") * 100 AS "share"',
            ),
            decimals=3,
        ),
        stat(
            "Late",
            f"Readings older than the newest of their van: stored, but not counted in totals. {grown}",
            "short",
            agent_increase("late_total"),
        ),
        stat(
            "Duplicate",
            f"Readings received before: counted, not stored. {grown}",
            "short",
            agent_increase("duplicates_total"),
        ),
    ]


def _course() -> list[Panel]:
    minute = "Per second, from the agent's counters, one point per minute."
    rates = [
        Query(
            f'SELECT non_negative_derivative(max("{name}"), 1s) AS "{name}" FROM "agent" WHERE $timeFilter '
            "GROUP BY time($__interval) fill(none)",
            alias=title,
        )
        for name, title in (
            ("late_total", "Late"),
            ("duplicates_total", "Duplicate"),
            ("dead_letters_total", "Refused"),
        )
    ]
    return [
        series("Late, duplicate and refused messages", minute, "suffix:/s", *rates, low=0, interval="1m"),
        series(
            "Readings with a position and with a charge",
            "Number of points per interval, over the vans chosen.",
            "short",
            course("location", "latitude_deg", function="count", fill="0", alias="Position"),
            course("battery", "soc_pct", function="count", fill="0", alias="Charge"),
            low=0,
            interval="1m",
        ),
    ]


def _counts(*names: str) -> str:
    return ", ".join(f'count("{name}") AS "{name}_count"' for name in names)


def _vans() -> list[Panel]:
    counted = Query(
        f'SELECT {_counts(*RAW)} FROM "battery" WHERE {where("battery")} GROUP BY "vehicle_id"',
        table=True,
    )
    placed = Query(
        f'SELECT {_counts(*PLACED)} FROM "location" WHERE {where("location")} GROUP BY "vehicle_id"',
        table=True,
    )
    return [
        table(
            "Newest reading of each van",
            "Time of the newest reading of each van in the range; silent vans first.",
            latest("battery", "soc_pct", by=["vehicle_id", "depot"], table=True),
            columns=[VAN, Column("depot", "Depot"), Column("soc_pct", "Charge", "percent", 0)],
            time="Newest reading",
            sort="Newest reading",
            descending=False,
            width=10,
            height=12,
        ),
        table(
            "What the vans report",
            "Number of readings in the range with each field. 0 means that the van never sends the field.",
            counted,
            placed,
            columns=[
                VAN,
                Column("soc_pct_count", "Charge"),
                Column("battery_power_kw_count", "Power"),
                Column("voltage_v_count", "Voltage"),
                Column("current_a_count", "Current"),
                Column("battery_temp_c_count", "Pack °C"),
                Column("soh_pct_count", "Health"),
                Column("ambient_temp_c_count", "Outside °C"),
                Column("latitude_deg_count", "Position"),
                Column("speed_kmh_count", "Speed"),
                Column("odometer_km_count", "Odometer"),
            ],
            sort="Charge",
            descending=False,
            width=14,
            height=12,
        ),
    ]


def _derived() -> list[Panel]:
    return [
        table(
            "Uncertainty of the energy",
            "Newest source and half width of the 90 % interval of each van's total energy used.",
            latest("energy", "source", "uncertainty_kwh", "used_kwh_total", by=["vehicle_id"], table=True),
            columns=[
                VAN,
                Column("source", "Source", "string"),
                Column("uncertainty_kwh", "± (90 %)", "kwatth", 2),
                Column("used_kwh_total", "Used since the start", "kwatth", 1),
            ],
            sort="± (90 %)",
            width=10,
            height=10,
        ),
        pie(
            "Trips observed and inferred",
            "Number of trips that were observed, and that were inferred after the van had been offline.",
            "short",
            total("trip", "duration_s", function="count", conditions=['"inferred" = false'], alias="Seen"),
            total("trip", "duration_s", function="count", conditions=['"inferred" = true'], alias="Inferred"),
            width=7,
            height=10,
        ),
        pie(
            "Charges observed and inferred",
            "Number of charges that were observed, and that were inferred after the van had been offline.",
            "short",
            total("charge", "duration_s", function="count", conditions=['"inferred" = false'], alias="Seen"),
            total("charge", "duration_s", function="count", conditions=['"inferred" = true'], alias="Inferred"),
            width=7,
            height=10,
        ),
        table(
            "Alerts raised",
            "All alerts that were raised in the range; this includes implausible charge, position, odometer and power.",
            rows("alert", "severity", "kind", "value", "message", conditions=["\"state\" = 'raised'"], limit=200),
            columns=[
                VAN,
                Column("severity", "Severity", "string"),
                Column("kind", "Kind", "string"),
                Column("value", "Value", "none", 1),
                Column("message", "Message", "string"),
            ],
            time="Time",
            sort="Time",
        ),
    ]
