"""What do the vans lose while they stand, and which of them lose most?"""

from dashboards.grafana.charts import scatter, series
from dashboards.grafana.columns import VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import Query, course, increase, increase_course, per_day, ratio, where
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table
from dashboards.grafana.transformations import calculated, known

QUARTER = "15m"


def build() -> model.Dashboard:
    """The page of idle drain."""
    return dashboard(
        "idle",
        "Energy lost while parked (idle or vampire drain) in the range shown.",
        PanelRow("Summary", *_summary()),
        PanelRow("Over time", *_course()),
        PanelRow("Vans", *_vans()),
        variables=van_variables(),
        refresh="5m",
        start="now-7d",
    )


def _standing(function: str) -> Query:
    """Mean power while parked, per van and then over the vans, in those quarters of an hour that had a drain."""
    inner = (
        f'SELECT non_negative_difference(last("idle_kwh_total")) * 4000 AS "watts" FROM "energy" '
        f'WHERE {where("energy")} GROUP BY time({QUARTER}), "vehicle_id" fill(none)'
    )
    return Query(f'SELECT {function}("watts") AS "watts" FROM ({inner}) WHERE $timeFilter AND "watts" > 0')


def _summary() -> list[Panel]:
    return [
        stat(
            "Idle drain",
            "Σ energy lost while parked: increase of the vans' counters within the range.",
            "kwatth",
            increase("energy", "idle_kwh_total"),
            width=5,
            decimals=2,
        ),
        stat(
            "Share of the energy used",
            "Σ idle drain / Σ energy used, from the increase of both counters.",
            "percent",
            ratio("energy", "idle_kwh_total", "used_kwh_total", factor=100),
            width=5,
            decimals=2,
        ),
        stat(
            "Mean power while draining",
            "Mean over the van-quarters of an hour with a drain: kWh lost × 4000 W.",
            "watt",
            _standing("mean"),
            width=5,
            decimals=0,
        ),
        stat(
            "Highest power while draining",
            "Largest van-quarter of an hour: kWh lost × 4000 W.",
            "watt",
            _standing("max"),
            width=5,
            decimals=0,
        ),
        stat(
            "Points while parked",
            "Points of `energy` with the state parked: the basis of the figures on this page.",
            "short",
            Query(
                f'SELECT count("idle_kwh_total") AS "points" FROM "energy" WHERE {where("energy")} '
                "AND \"state\" = 'parked'"
            ),
            width=4,
        ),
    ]


def _course() -> list[Panel]:
    return [
        series(
            "Idle drain per hour",
            "Σ over the vans of the growth of their counters per hour.",
            "kwatth",
            increase_course("energy", "idle_kwh_total", every="1h", alias="Idle drain"),
            bars=True,
            interval="1h",
        ),
        series(
            "Idle drain per day",
            "Σ of the vans' days, written when a day has ended.",
            "kwatth",
            per_day("day", "idle_kwh", alias="Idle drain"),
            bars=True,
            interval="1h",
        ),
        scatter(
            "Drain over outside temperature",
            "Each van and hour: energy lost while parked over the mean outside temperature.",
            "kwatth",
            Query(
                'SELECT non_negative_difference(last("idle_kwh_total")) AS "idle_kwh_total" FROM "energy" '
                f'WHERE {where("energy")} GROUP BY time(1h), "vehicle_id" fill(none)',
                table=True,
            ),
            course("battery", "ambient_temp_c", every="1h", by=["vehicle_id"], fill="none", table=True),
            x=Column("ambient_temp_c", "Outside", "celsius"),
            y=Column("idle_kwh_total", "Idle drain per hour", "kwatth"),
            steps=[known("ambient_temp_c", "idle_kwh_total")],
            width=24,
        ),
    ]


def _vans() -> list[Panel]:
    return [
        table(
            "Vans",
            "Idle drain and energy used of each van within the range, and their ratio.",
            increase("energy", "idle_kwh_total", "used_kwh_total", by=["vehicle_id", "depot", "model"], table=True),
            columns=[
                VAN,
                Column("depot", "Depot"),
                Column("model", "Model"),
                Column("idle_kwh_total", "Idle drain", "kwatth", 2),
                Column("used_kwh_total", "Used", "kwatth", 1),
                Column("share", "Share", "percent", 1),
            ],
            steps=[
                calculated("part", "idle_kwh_total", "/", "used_kwh_total"),
                calculated("share", "part", "*", "100"),
            ],
            sort="Idle drain",
            width=12,
            height=12,
        ),
        table(
            "Van-days with the largest drain",
            "The vans' days in the range, by the energy they lost while parked.",
            Query(
                f'SELECT "idle_kwh", "used_kwh" FROM "day" WHERE {where("day")} GROUP BY "vehicle_id" '
                "ORDER BY time DESC LIMIT 100",
                table=True,
            ),
            columns=[
                VAN,
                Column("idle_kwh", "Idle drain", "kwatth", 2),
                Column("used_kwh", "Used", "kwatth", 1),
            ],
            time="Day",
            sort="Idle drain",
            width=12,
            height=12,
        ),
    ]
