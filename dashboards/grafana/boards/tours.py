"""What was delivered on which tours, with how much CO2e per item and per tonne-kilometre?"""

from typing import Final

from dashboards.grafana.charts import histogram, pie, scatter
from dashboards.grafana.columns import TRIP_LINK, VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import Query, rows, total, where
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table, world_map

LOAD_KNOWN: Final = '"empty_km" >= 0'
"""The field is absent if the load of the tour is not known."""


def tour_columns() -> list[Column]:
    """The columns of the table of tours, the van first."""
    return [
        VAN,
        Column("start_ms", "Start", "dateTimeAsIso", link=TRIP_LINK),
        Column("duration_s", "Duration", "dtdurations", 0),
        Column("distance_km", "Distance", "suffix:km", 1),
        Column("empty_km", "Empty", "suffix:km", 1),
        Column("trips", "Trips"),
        Column("stops", "Stops"),
        Column("drops", "Drops"),
        Column("items", "Items"),
        Column("mass_kg", "Mass", "suffix:kg", 0),
        Column("activity_tkm", "Transport", "suffix:t·km", 2),
        Column("load_factor_pct", "Load factor", "percent", 0),
        Column("energy_kwh", "Energy", "kwatth", 2),
        Column("uncertainty_kwh", "± energy (90 %)", "kwatth", 2),
        Column("co2e_g", "CO2e", "massg", 0),
        Column("uncertainty_g", "± (90 %)", "massg", 0),
        Column("market_co2e_g", "CO2e, market-based", "massg", 0),
        Column("diesel_co2e_g", "CO2e with diesel", "massg", 0),
        Column("avoided_co2e_g", "CO2e avoided", "massg", 0),
        Column("co2e_g_per_tkm", "CO2e per t·km", "suffix:g/t·km", 0),
        Column("co2e_g_per_item", "CO2e per item", "suffix:g", 0),
        Column("energy_cost", "Energy cost", "none", 2),
        Column("primary_share_pct", "Primary data", "percent", 0),
        Column("quality", "Data", "string"),
        Column("factor_set", "Factor set", "string"),
    ]


def drop_columns() -> list[Column]:
    """The columns of the table of drops, the van first."""
    return [
        VAN,
        Column("action", "What", "string"),
        Column("consignment_id", "Consignment", "string"),
        Column("customer_id", "Customer", "string"),
        Column("mass_kg", "Mass", "suffix:kg", 1),
        Column("items", "Items"),
        Column("place", "Place", "string"),
        Column("distance_gcd_km", "Great circle", "suffix:km", 2),
        Column("activity_tkm", "Transport", "suffix:t·km", 3),
        Column("co2e_g", "CO2e", "massg", 0),
        Column("source", "Source", "string"),
    ]


def build() -> model.Dashboard:
    """The tours' page."""
    return dashboard(
        "tours",
        "Tours that ended in the range shown, from depot to depot, and their deliveries.",
        PanelRow("Summary", *_summary()),
        PanelRow("Shape", *_shape()),
        PanelRow("Tours and drops", *_tables()),
        variables=van_variables(),
        refresh="1m",
        start="now-7d",
    )


def _summary() -> list[Panel]:
    known = where("tour", LOAD_KNOWN)
    per_item = Query(f'SELECT sum("co2e_g") / sum("items") AS "g" FROM "tour" WHERE {known}')
    per_tkm = Query(f'SELECT sum("co2e_g") / sum("activity_tkm") AS "g" FROM "tour" WHERE {known}')
    return [
        stat("Tours", "Number of tours.", "short", total("tour", "duration_s", function="count"), width=3),
        stat("Drops", "Σ consignments delivered, pick-ups included.", "short", total("tour", "drops"), width=3),
        stat("Items", "Σ items delivered, each counted once.", "short", total("tour", "items"), width=3),
        stat(
            "Transport",
            "Σ mass × great-circle distance from loading to unloading point.",
            "suffix:t·km",
            total("tour", "activity_tkm"),
            width=3,
            decimals=1,
        ),
        stat("CO2e per item", "Σ CO2e / Σ items, empty tours included.", "suffix:g", per_item, width=4, decimals=0),
        stat("CO2e per t·km", "Σ CO2e / Σ t·km, empty tours included.", "suffix:g/t·km", per_tkm, width=4, decimals=0),
        stat("Distance", "Σ distance of the tours.", "suffix:km", total("tour", "distance_km"), width=4, decimals=0),
    ]


def _shape() -> list[Panel]:
    return [
        histogram(
            "CO2e per item",
            "Number of tours per 20 g.",
            "suffix:g",
            rows("tour", "co2e_g_per_item", by=[]),
            bucket=20,
            names={"co2e_g_per_item": "CO2e per item"},
            width=8,
        ),
        scatter(
            "CO2e per item over items",
            "One point per tour. With more items, each item has a smaller share.",
            "suffix:g",
            rows("tour", "items", "co2e_g_per_item", by=[]),
            x=Column("items", "Items"),
            y=Column("co2e_g_per_item", "CO2e per item", "suffix:g"),
            width=8,
        ),
        pie(
            "Basis of the figures",
            "Tours by their lowest data quality: primary (measured, from messages or a manifest), modelled, default.",
            "short",
            *(
                total("tour", "duration_s", function="count", conditions=[f"\"quality\" = '{value}'"], alias=value)
                for value in ("primary", "modelled", "default")
            ),
            width=8,
        ),
    ]


def _tables() -> list[Panel]:
    return [
        table(
            "Tours",
            "Each tour: energy and CO2e since the end of the previous tour, well-to-wheel; ± applies to CO2e.",
            rows("tour", *(column.field for column in tour_columns()[1:]), limit=500),
            columns=tour_columns(),
            time="End",
            sort="End",
            height=12,
        ),
        table(
            "Drops",
            "Goods loaded and unloaded on tours that have ended; the shares of CO2e add up to the tour's.",
            rows("drop", *(column.field for column in drop_columns()[1:]), limit=1000),
            columns=drop_columns(),
            time="Time",
            sort="Time",
            height=14,
        ),
        world_map(
            "Where goods were unloaded",
            "Each drop, coloured by its share of CO2e.",
            rows("drop", "latitude_deg", "longitude_deg", "co2e_g", "items", limit=1000),
            columns=[Column("co2e_g", "CO2e", "massg", 0), Column("items", "Items")],
            color="co2e_g",
            steps={None: "green", 100: "yellow", 300: "orange", 1000: "red"},
            unit="massg",
            width=24,
        ),
    ]
