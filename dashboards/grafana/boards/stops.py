"""Where do the vans stop, how often and for how long?"""

from dashboards.grafana.charts import histogram, series
from dashboards.grafana.columns import VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import Query, course, per_day, ratio, rows, total, where
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table, world_map
from dashboards.grafana.transformations import grouped


def build() -> model.Dashboard:
    """The stops' page."""
    return dashboard(
        "stops",
        "Stops on trips (deliveries) that ended in the range shown.",
        PanelRow("Summary", *_summary()),
        PanelRow("Shape", *_shape()),
        PanelRow("Stops", *_tables()),
        variables=van_variables(),
        refresh="1m",
        start="now-24h",
    )


def _summary() -> list[Panel]:
    per_trip = Query(f'SELECT mean("stops") AS "stops" FROM "trip" WHERE {where("trip")}')
    per_stop = Query(f'SELECT sum("energy_kwh") / sum("stops") AS "kwh" FROM "trip" WHERE {where("trip")}')
    return [
        stat("Stops", "Number of stops that ended in the range.", "short", total("stop", "dwell_s", function="count")),
        stat("Mean dwell", "Σ dwell / number of stops.", "dtdurations", total("stop", "dwell_s", function="mean")),
        stat(
            "Median dwell",
            "Half of the stops were shorter.",
            "dtdurations",
            total("stop", "dwell_s", function="median"),
        ),
        stat("Time stopped", "Σ dwell of the stops that ended in the range.", "dtdurations", total("stop", "dwell_s")),
        stat("Stops per trip", "Σ stops / number of trips that ended in the range.", "short", per_trip, decimals=1),
        stat("Energy per stop", "Σ net energy of the trips / Σ their stops.", "kwatth", per_stop, decimals=2),
    ]


def _shape() -> list[Panel]:
    return [
        series(
            "Stops per hour",
            "Number of stops that ended in each hour.",
            "short",
            course("stop", "dwell_s", function="count", every="1h", fill="0", alias="Stops"),
            bars=True,
            interval="1h",
        ),
        series(
            "Stops per day",
            "Σ stops of the vans' days, written when a day has ended.",
            "short",
            per_day("day", "stops", alias="Stops"),
            bars=True,
            interval="1h",
        ),
        histogram(
            "Dwell",
            "Number of stops per minute of dwell.",
            "s",
            rows("stop", "dwell_s", by=[]),
            bucket=60,
            names={"dwell_s": "Dwell"},
        ),
        table(
            "Places",
            "Stops inside a named area (geofence), by place: number and dwell.",
            rows("stop", "dwell_s", "place", conditions=["\"place\" != ''"]),
            steps=[grouped_places()],
            columns=[
                Column("place", "Place", "string"),
                Column("dwell_s (count)", "Stops"),
                Column("dwell_s (sum)", "Time", "dtdurations", 0),
                Column("dwell_s (mean)", "Mean dwell", "dtdurations", 0),
            ],
            sort="Stops",
            width=12,
            height=8,
        ),
    ]


def grouped_places() -> model.DataTransformerConfig:
    """Count, sum and mean of the dwell per place."""
    step = grouped("place", dwell_s="count")
    step.options["fields"]["dwell_s"]["aggregations"] = ["count", "sum", "mean"]  # type: ignore[index]
    return step


def _tables() -> list[Panel]:
    return [
        world_map(
            "Map",
            "Each stop, coloured by its dwell.",
            rows("stop", "latitude_deg", "longitude_deg", "dwell_s", "place", limit=300),
            columns=[Column("dwell_s", "Dwell", "dtdurations"), Column("place", "Place", "string")],
            color="dwell_s",
            steps={None: "green", 180: "yellow", 600: "orange", 1800: "red"},
            unit="dtdurations",
            width=12,
        ),
        table(
            "Stops",
            "Each stop, newest first.",
            rows("stop", "start_ms", "dwell_s", "place", limit=300),
            columns=[
                VAN,
                Column("start_ms", "Start", "dateTimeAsIso"),
                Column("dwell_s", "Dwell", "dtdurations", 0),
                Column("place", "Place", "string"),
            ],
            time="End",
            sort="End",
            width=12,
            height=14,
        ),
        table(
            "Vans",
            "Stops of each van, their dwell, and its consumption within the range (used / distance × 100).",
            total("stop", "dwell_s", by=["vehicle_id"], table=True),
            Query(
                f'SELECT count("dwell_s") AS "stops", mean("dwell_s") AS "mean_dwell_s" FROM "stop" '
                f'WHERE {where("stop")} GROUP BY "vehicle_id"',
                table=True,
            ),
            ratio(
                "energy", "used_kwh_total", "distance_km_total", factor=100, by=["vehicle_id"], table=True, name="net"
            ),
            columns=[
                VAN,
                Column("stops", "Stops"),
                Column("mean_dwell_s", "Mean dwell", "dtdurations", 0),
                Column("dwell_s", "Time stopped", "dtdurations", 0),
                Column("net", "Consumption", "suffix:kWh/100 km", 1),
            ],
            sort="Stops",
        ),
    ]
