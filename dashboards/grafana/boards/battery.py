"""How much can the batteries still hold, how hard are they used, and how far do they reach?"""

from dashboards.grafana.charts import histogram, scatter, series
from dashboards.grafana.columns import MODEL, VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import Query, course, latest, ratio, where
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table
from dashboards.grafana.transformations import calculated, known


def build() -> model.Dashboard:
    """The page of battery health."""
    return dashboard(
        "battery",
        "Usable capacity, state of health, cycles, charge levels, temperatures and range of the batteries.",
        PanelRow("Summary", *_summary()),
        PanelRow("Over time", *_course()),
        PanelRow("What it depends on", *_scatter()),
        PanelRow("Vans", _vans()),
        variables=van_variables(),
        refresh="5m",
        start="now-7d",
    )


def _over_vans(function: str, measurement: str, field: str) -> Query:
    return Query(
        f'SELECT {function}("newest") AS "{field}" FROM (SELECT last("{field}") AS "newest" FROM "{measurement}" '
        f'WHERE {where(measurement)} GROUP BY "vehicle_id")'
    )


def _summary() -> list[Panel]:
    newest = "over the vans, of each van's newest value"
    return [
        stat(
            "Mean usable capacity",
            f"Mean {newest}; learnt from state of charge and energy.",
            "kwatth",
            _over_vans("mean", "energy", "usable_capacity_kwh"),
            decimals=1,
        ),
        stat(
            "Mean state of health",
            f"Mean {newest}; as the vans report it.",
            "percent",
            _over_vans("mean", "battery", "soh_pct"),
            decimals=1,
        ),
        stat(
            "Lowest state of health",
            f"Smallest {newest}; as the vans report it.",
            "percent",
            _over_vans("min", "battery", "soh_pct"),
            decimals=1,
        ),
        stat(
            "Hottest pack",
            "Highest temperature that any van reported in the range.",
            "celsius",
            _range("max", "battery_temp_c"),
            decimals=1,
            steps={None: "text", 45: "orange", 55: "red"},
        ),
        stat(
            "Coldest pack",
            "Lowest temperature that any van reported in the range.",
            "celsius",
            _range("min", "battery_temp_c"),
            decimals=1,
            steps={None: "blue", 0: "text"},
        ),
        stat(
            "Charge efficiency",
            "Σ energy into the batteries / Σ energy from the grid, from the increase of both counters.",
            "percent",
            ratio("energy", "charged_kwh_total", "grid_kwh_total", factor=100),
            decimals=1,
        ),
    ]


def _range(function: str, field: str) -> Query:
    return Query(f'SELECT {function}("{field}") AS "{field}" FROM "battery" WHERE {where("battery")}')


def _course() -> list[Panel]:
    percentiles = [
        Query(
            f'SELECT percentile("soc_pct", {share}) AS "soc_pct" FROM "battery" WHERE {where("battery")} '
            "GROUP BY time($__interval) fill(null)",
            alias=f"{share} % of the readings lie below",
        )
        for share in (10, 50, 90)
    ]
    return [
        series(
            "Usable capacity",
            "Mean per model, as learnt.",
            "kwatth",
            course("energy", "usable_capacity_kwh", by=["model"], alias="$tag_model"),
            interval="1h",
        ),
        series(
            "State of health",
            "Mean per model, as the vans report it.",
            "percent",
            course("battery", "soh_pct", by=["model"], alias="$tag_model"),
            interval="1h",
        ),
        series(
            "Charge levels",
            "Percentiles of the state of charge of all readings per interval.",
            "percent",
            *percentiles,
            low=0,
            high=100,
            interval="1h",
        ),
        series(
            "Pack temperature",
            "Mean and highest over the vans per interval, and the mean outside temperature.",
            "celsius",
            course("battery", "battery_temp_c", alias="Mean"),
            course("battery", "battery_temp_c", function="max", alias="Highest"),
            course("battery", "ambient_temp_c", alias="Outside"),
            interval="15m",
        ),
    ]


def _scatter() -> list[Panel]:
    hourly = "1h"
    return [
        scatter(
            "Capacity over mileage",
            "One point per van and hour: learnt usable capacity over the odometer value.",
            "kwatth",
            course("energy", "usable_capacity_kwh", every=hourly, by=["vehicle_id"], fill="none", table=True),
            course(
                "location", "odometer_km", function="last", every=hourly, by=["vehicle_id"], fill="none", table=True
            ),
            x=Column("odometer_km", "Odometer", "suffix:km"),
            y=Column("usable_capacity_kwh", "Usable capacity", "kwatth"),
            steps=[known("odometer_km", "usable_capacity_kwh")],
        ),
        scatter(
            "Projected range at 100 % over outside temperature",
            "Per van and hour above 20 %: projected range / state of charge × 100, over the outside temperature.",
            "suffix:km",
            course("energy", "range_km", every=hourly, by=["vehicle_id"], fill="none", table=True),
            course(
                "battery",
                "soc_pct",
                "ambient_temp_c",
                every=hourly,
                by=["vehicle_id"],
                fill="none",
                conditions=['"soc_pct" > 20'],
                table=True,
            ),
            x=Column("ambient_temp_c", "Outside", "celsius"),
            y=Column("full range", "Range at 100 %", "suffix:km"),
            steps=[
                known("range_km", "soc_pct", "ambient_temp_c"),
                calculated("share", "soc_pct", "/", "100"),
                calculated("full range", "range_km", "/", "share"),
            ],
        ),
        histogram(
            "Pack voltage",
            "Number of van-quarters of an hour per 5 V, from 15-minute means.",
            "volt",
            course("battery", "voltage_v", every="15m", by=["vehicle_id"], fill="none"),
            bucket=5,
        ),
        histogram(
            "Pack temperature",
            "Number of van-quarters of an hour per 2 °C, from 15-minute means.",
            "celsius",
            course("battery", "battery_temp_c", every="15m", by=["vehicle_id"], fill="none"),
            bucket=2,
        ),
    ]


def _vans() -> Panel:
    cycles = Query(
        'SELECT last("charged_kwh_total") / last("usable_capacity_kwh") AS "cycles" FROM "energy" '
        f'WHERE {where("energy")} GROUP BY "vehicle_id"',
        table=True,
    )
    return table(
        "Vans",
        "Newest values; cycles = energy charged since the agent knows the van / usable capacity; "
        "efficiency = charged / grid within the range.",
        latest(
            "energy", "usable_capacity_kwh", "charged_kwh_total", "range_km", by=["vehicle_id", "model"], table=True
        ),
        latest("battery", "soh_pct", "soc_pct", "battery_temp_c", "voltage_v", by=["vehicle_id"], table=True),
        latest("location", "odometer_km", by=["vehicle_id"], table=True),
        cycles,
        ratio(
            "energy",
            "charged_kwh_total",
            "grid_kwh_total",
            factor=100,
            by=["vehicle_id"],
            table=True,
            name="efficiency",
        ),
        columns=[
            VAN,
            MODEL,
            Column("usable_capacity_kwh", "Usable capacity", "kwatth", 1),
            Column("soh_pct", "State of health", "percent", 1),
            Column("cycles", "Cycles", "none", 1),
            Column("charged_kwh_total", "Charged", "kwatth", 0),
            Column("efficiency", "Charge efficiency", "percent", 1),
            Column("odometer_km", "Odometer", "suffix:km", 0),
            Column("soc_pct", "Charge", "percent", 0),
            Column("range_km", "Range", "suffix:km", 0),
            Column("battery_temp_c", "Temperature", "celsius", 0),
            Column("voltage_v", "Voltage", "volt", 0),
        ],
        sort="State of health",
        descending=False,
        height=12,
    )
