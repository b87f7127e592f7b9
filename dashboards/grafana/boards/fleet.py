"""Where is the fleet, what is it doing, and what has it used?"""

from dashboards.grafana.charts import series
from dashboards.grafana.columns import DEPOT, MODEL, VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import DEPOTS, Query, course, increase, latest, rows, sum_of_latest
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import SEVERITY_COLORS, STATE_COLORS, Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table, world_map

SOC_STEPS: dict[float | None, str] = {None: "red", 15: "orange", 30: "green"}


def build() -> model.Dashboard:
    """The fleet's page."""
    return dashboard(
        "fleet",
        "Where the vans are, what they are doing, and what the fleet has used in the range shown.",
        PanelRow("Now", *_now()),
        PanelRow("In the range shown", *_range()),
        PanelRow("Vans", *_vans()),
        PanelRow("Over time", *_course()),
        PanelRow("Depots and alerts", _depots(), _alerts()),
        variables=van_variables(),
        refresh="30s",
        start="now-12h",
        alerts_shown=True,
    )


def _now() -> list[Panel]:
    count = "Sum over the depots of the newest `fleet` point, which the agent writes each full minute."
    weighted = Query(
        'SELECT sum("weighted") / sum("online") AS "soc_mean_pct" FROM '
        '(SELECT last("soc_mean_pct") * last("vans") AS "weighted", last("vans") AS "online" '
        f'FROM "fleet" WHERE $timeFilter AND {DEPOTS} GROUP BY "depot")'
    )
    lowest = Query(
        'SELECT min("lowest") AS "soc_min_pct" FROM (SELECT last("soc_min_pct") AS "lowest" '
        f'FROM "fleet" WHERE $timeFilter AND {DEPOTS} GROUP BY "depot")'
    )
    return [
        stat("Vans", f"Vans known. {count}", "short", sum_of_latest("fleet", "vans", of="depot"), width=3),
        stat(
            "Online",
            f"Vans that are not offline. {count}",
            "short",
            sum_of_latest("fleet", "online", of="depot"),
            width=3,
        ),
        stat(
            "Driving",
            f"Vans on a trip, stops included. {count}",
            "short",
            sum_of_latest("fleet", "driving", of="depot"),
            width=3,
        ),
        stat("Charging", f"Vans charging. {count}", "short", sum_of_latest("fleet", "charging", of="depot"), width=3),
        stat(
            "Mean state of charge",
            "Σ(depot's mean × its vans) / Σ vans, from the newest `fleet` point of each depot.",
            "percent",
            weighted,
            width=4,
            decimals=1,
            steps=SOC_STEPS,
        ),
        stat(
            "Lowest state of charge",
            "The smallest of the depots' lowest states of charge.",
            "percent",
            lowest,
            width=4,
            decimals=1,
            steps=SOC_STEPS,
        ),
        stat(
            "Power out of the batteries",
            "Sum of the vans' power now; negative if more energy is charged than used.",
            "kwatt",
            sum_of_latest("fleet", "power_kw", of="depot"),
            width=4,
            decimals=1,
        ),
    ]


def _range() -> list[Panel]:
    formula = "Increase of the vans' counters within the range: newest − oldest value per van, summed."
    return [
        stat(
            "Distance", f"Distance driven. {formula}", "suffix:km", increase("energy", "distance_km_total"), decimals=0
        ),
        stat(
            "Energy used",
            f"Energy out of the batteries. {formula}",
            "kwatth",
            increase("energy", "used_kwh_total"),
            decimals=1,
        ),
        stat(
            "Energy from the grid",
            f"Energy drawn for charging. {formula}",
            "kwatth",
            increase("energy", "grid_kwh_total"),
            decimals=1,
        ),
        stat("CO2e", f"Well-to-wheel. {formula}", "suffix:kg", increase("emissions", "co2e_g_total"), decimals=1),
        stat(
            "CO2e with diesel vans",
            f"Diesel vans of the same class over the same distance, well-to-wheel. {formula}",
            "suffix:kg",
            increase("emissions", "diesel_co2e_g_total"),
            decimals=1,
        ),
        stat(
            "CO2e avoided",
            f"Diesel baseline − own, well-to-wheel on both sides. {formula}",
            "suffix:kg",
            increase("emissions", "avoided_co2e_g_total"),
            decimals=1,
        ),
    ]


def _vans() -> list[Panel]:
    return [
        world_map(
            "Map",
            "Newest position of each van in the range, coloured by its state of charge.",
            latest("location", "latitude_deg", "longitude_deg", "speed_kmh", by=["vehicle_id"], table=True),
            latest("battery", "soc_pct", by=["vehicle_id"], table=True),
            latest("energy", "state", "range_km", by=["vehicle_id"], table=True),
            columns=[
                Column("soc_pct", "State of charge", "percent"),
                Column("speed_kmh", "Speed", "velocitykmh"),
                Column("range_km", "Range", "suffix:km"),
            ],
            color="soc_pct",
            steps=SOC_STEPS,
            unit="percent",
            width=10,
            height=16,
        ),
        table(
            "Vans",
            "Newest values of each van in the range; a click on the van opens its page.",
            latest(
                "energy",
                "state",
                "power_kw",
                "range_km",
                "consumption_kwh_per_100km",
                by=["vehicle_id", "depot", "model"],
                table=True,
            ),
            latest("battery", "soc_pct", by=["vehicle_id"], table=True),
            latest("location", "speed_kmh", by=["vehicle_id"], table=True),
            increase("energy", "distance_km_total", "used_kwh_total", by=["vehicle_id"], table=True),
            increase("emissions", "avoided_co2e_g_total", by=["vehicle_id"], table=True),
            columns=[
                VAN,
                DEPOT,
                MODEL,
                Column("state", "State", "string", colors=STATE_COLORS),
                Column("soc_pct", "State of charge", "percent", 0, gauge=(0, 100)),
                Column("range_km", "Range", "suffix:km", 0),
                Column("power_kw", "Power", "kwatt", 1),
                Column("speed_kmh", "Speed", "velocitykmh", 0),
                Column("consumption_kwh_per_100km", "Consumption", "suffix:kWh/100 km", 1),
                Column("distance_km_total", "Distance", "suffix:km", 1),
                Column("used_kwh_total", "Used", "kwatth", 1),
                Column("avoided_co2e_g_total", "CO2e avoided", "suffix:kg", 1),
            ],
            sort="State of charge",
            descending=False,
            width=14,
            height=16,
        ),
    ]


def _course() -> list[Panel]:
    minute = "The agent's `fleet` points, one per depot and minute."
    counts = [
        Query(
            f'SELECT sum("count") AS "{name}" FROM (SELECT max("{name}") AS "count" FROM "fleet" '
            f'WHERE $timeFilter AND {DEPOTS} GROUP BY time($__interval), "depot" fill(none)) '
            "WHERE $timeFilter GROUP BY time($__interval) fill(null)",
            alias=title,
        )
        for name, title in (("online", "Online"), ("driving", "Driving"), ("charging", "Charging"))
    ]
    return [
        series(
            "What the vans are doing",
            f"Vans online, driving and charging: highest number per interval, summed over depots. {minute}",
            "short",
            *counts,
            low=0,
            interval="1m",
        ),
        series(
            "Power out of the batteries",
            f"Mean power per depot. {minute}",
            "kwatt",
            course("fleet", "power_kw", by=["depot"], alias="$tag_depot"),
            interval="1m",
        ),
        series(
            "State of charge",
            f"Mean and lowest per depot. {minute}",
            "percent",
            course("fleet", "soc_mean_pct", by=["depot"], alias="$tag_depot mean"),
            course("fleet", "soc_min_pct", function="min", by=["depot"], alias="$tag_depot lowest"),
            low=0,
            high=100,
            interval="1m",
        ),
        series(
            "CO2e and CO2e avoided since the start",
            f"The depots' running totals. {minute}",
            "suffix:kg",
            course("fleet", "co2e_g_total", function="last", by=["depot"], alias="$tag_depot CO2e"),
            course("fleet", "avoided_co2e_g_total", function="last", by=["depot"], alias="$tag_depot avoided"),
            interval="1m",
        ),
    ]


def _depots() -> Panel:
    return table(
        "Depots",
        "Newest counts and the increase of the depot's totals within the range (newest − oldest).",
        latest(
            "fleet", "vans", "online", "driving", "charging", "soc_mean_pct", "soc_min_pct", by=["depot"], table=True
        ),
        increase(
            "fleet",
            "distance_km_total",
            "used_kwh_total",
            "grid_kwh_total",
            "co2e_g_total",
            "avoided_co2e_g_total",
            of="depot",
            by=["depot"],
            table=True,
        ),
        columns=[
            DEPOT,
            Column("vans", "Vans"),
            Column("online", "Online"),
            Column("driving", "Driving"),
            Column("charging", "Charging"),
            Column("soc_mean_pct", "Mean charge", "percent", 0),
            Column("soc_min_pct", "Lowest charge", "percent", 0),
            Column("distance_km_total", "Distance", "suffix:km", 0),
            Column("used_kwh_total", "Used", "kwatth", 0),
            Column("grid_kwh_total", "From the grid", "kwatth", 0),
            Column("co2e_g_total", "CO2e", "suffix:kg", 1),
            Column("avoided_co2e_g_total", "CO2e avoided", "suffix:kg", 1),
        ],
        sort="Depot",
        descending=False,
        width=24,
        height=7,
    )


def _alerts() -> Panel:
    return table(
        "Alerts",
        "Alerts raised or cleared in the range, newest first.",
        rows("alert", "severity", "state", "kind", "value", "message"),
        columns=[
            VAN,
            Column("severity", "Severity", "string", colors=SEVERITY_COLORS),
            Column("state", "State", "string"),
            Column("kind", "Kind", "string"),
            Column("value", "Value", "none", 1),
            Column("message", "Message", "string"),
        ],
        time="Time",
        sort="Time",
        width=24,
        height=8,
    )
