"""Which trips were driven, how far, with how much energy, and how sure is that?"""

from dashboards.grafana.charts import histogram, pie, scatter, series
from dashboards.grafana.columns import TRIP_LINK, VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import Query, course, per_day, rows, total, where
from dashboards.grafana.layout import PanelRow, dashboard, text_variable, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table, world_map

LONG_ENOUGH = '"distance_km" >= $min_km'


def trip_columns() -> list[Column]:
    """The columns of every table of trips, the van first."""
    return [
        VAN,
        Column("start_ms", "Start", "dateTimeAsIso", link=TRIP_LINK),
        Column("duration_s", "Duration", "dtdurations", 0),
        Column("distance_km", "Distance", "suffix:km", 1),
        Column("energy_kwh", "Energy", "kwatth", 2),
        Column("uncertainty_kwh", "± (90 %)", "kwatth", 2),
        Column("regenerated_kwh", "Regenerated", "kwatth", 2),
        Column("consumption_kwh_per_100km", "Consumption", "suffix:kWh/100 km", 1),
        Column("soc_start_pct", "Charge at start", "percent", 0),
        Column("soc_end_pct", "Charge at end", "percent", 0),
        Column("stops", "Stops"),
        Column("start_place", "From", "string"),
        Column("end_place", "To", "string"),
        Column("co2e_g", "CO2e", "massg", 0),
        Column("diesel_co2e_g", "CO2e with diesel", "massg", 0),
        Column("avoided_co2e_g", "CO2e avoided", "massg", 0),
        Column("energy_cost", "Energy cost", "none", 2),
        Column("odometer_start_km", "Odometer at start", "suffix:km", 1),
        Column("odometer_end_km", "Odometer at end", "suffix:km", 1),
        Column("quality", "Data", "string"),
        Column("inferred", "Inferred", "bool_yes_no"),
    ]


def build() -> model.Dashboard:
    """The trips' page."""
    return dashboard(
        "trips",
        "Trips that ended in the range shown, of at least the chosen length.",
        PanelRow("Summary", *_summary()),
        PanelRow("Shape", *_shape()),
        PanelRow("Trips", *_tables()),
        variables=[
            *van_variables(),
            text_variable("min_km", "Shortest trip (km)", "0", "Trips shorter than this are left out."),
        ],
        refresh="1m",
        start="now-7d",
    )


def _summary() -> list[Panel]:
    long = [LONG_ENOUGH]
    consumption = Query(
        'SELECT sum("energy_kwh") / sum("distance_km") * 100 AS "consumption" FROM "trip" '
        f"WHERE {where('trip', LONG_ENOUGH)}"
    )
    return [
        stat(
            "Trips",
            "Number of trips that ended in the range.",
            "short",
            total("trip", "duration_s", function="count", conditions=long),
            width=3,
        ),
        stat(
            "Distance",
            "Σ distance of the trips.",
            "suffix:km",
            total("trip", "distance_km", conditions=long),
            width=3,
            decimals=0,
        ),
        stat(
            "Energy",
            "Σ net energy of the trips; energy returned by braking is subtracted.",
            "kwatth",
            total("trip", "energy_kwh", conditions=long),
            width=3,
            decimals=1,
        ),
        stat(
            "Regenerated",
            "Σ energy returned by braking.",
            "kwatth",
            total("trip", "regenerated_kwh", conditions=long),
            width=3,
            decimals=1,
        ),
        stat("Consumption", "Σ net energy / Σ distance × 100.", "suffix:kWh/100 km", consumption, width=3, decimals=1),
        stat(
            "Median distance",
            "Half of the trips were shorter.",
            "suffix:km",
            total("trip", "distance_km", function="median", conditions=long),
            width=3,
            decimals=1,
        ),
        stat("Stops", "Σ stops during the trips.", "short", total("trip", "stops", conditions=long), width=3),
        stat(
            "Inferred trips",
            "Trips while the van was offline, inferred from the change of odometer or position and charge.",
            "short",
            total("trip", "duration_s", function="count", conditions=[LONG_ENOUGH, '"inferred" = true']),
            width=3,
        ),
    ]


def _shape() -> list[Panel]:
    return [
        series(
            "Distance per day",
            "Σ distance of the vans' days, written when a day has ended.",
            "suffix:km",
            per_day("day", "distance_km", alias="Distance"),
            bars=True,
            interval="1h",
        ),
        series(
            "Trips and stops per day",
            "Σ trips and stops of the vans' days, written when a day has ended.",
            "short",
            per_day("day", "trips", alias="Trips"),
            per_day("day", "stops", alias="Stops"),
            bars=True,
            interval="1h",
        ),
        histogram(
            "Length of trips",
            "Number of trips per 5 km of length.",
            "suffix:km",
            rows("trip", "distance_km", by=[], conditions=[LONG_ENOUGH]),
            bucket=5,
            names={"distance_km": "Distance"},
            width=8,
        ),
        histogram(
            "Speed while driving",
            "Number of van-minutes per 10 km/h, from one-minute means above 3 km/h.",
            "velocitykmh",
            course("location", "speed_kmh", every="1m", by=["vehicle_id"], fill="none", conditions=['"speed_kmh" > 3']),
            bucket=10,
            width=8,
        ),
        pie(
            "Basis of the figures",
            "Trips by the quality of their energy: primary (measured), modelled, default (not known).",
            "short",
            *_counts("quality", "primary", "modelled", "default"),
            width=8,
        ),
        scatter(
            "Consumption over distance",
            "Each trip: net energy per 100 km over its length.",
            "suffix:kWh/100 km",
            rows("trip", "distance_km", "consumption_kwh_per_100km", by=[], conditions=[LONG_ENOUGH]),
            x=Column("distance_km", "Distance", "suffix:km"),
            y=Column("consumption_kwh_per_100km", "Consumption", "suffix:kWh/100 km"),
            width=24,
        ),
    ]


def _counts(name: str, *values: str, measurement: str = "trip") -> list[Query]:
    """The number of points with each value of a text field. InfluxQL can group only by tags."""
    return [
        total(measurement, "duration_s", function="count", conditions=[f"\"{name}\" = '{value}'"], alias=value)
        for value in values
    ]


def _tables() -> list[Panel]:
    return [
        table(
            "Trips",
            "Each trip: energy is net, ± is the half width of its 90 % interval, CO2e is well-to-wheel.",
            rows("trip", *(column.field for column in trip_columns()[1:]), conditions=[LONG_ENOUGH], limit=500),
            columns=trip_columns(),
            time="End",
            sort="End",
            height=14,
        ),
        table(
            "Trips per van",
            "Σ of the trips of each van.",
            total(
                "trip",
                "distance_km",
                "energy_kwh",
                "regenerated_kwh",
                "stops",
                "co2e_g",
                by=["vehicle_id"],
                conditions=[LONG_ENOUGH],
                table=True,
            ),
            total("trip", "duration_s", function="count", by=["vehicle_id"], conditions=[LONG_ENOUGH], table=True),
            columns=[
                VAN,
                Column("duration_s", "Trips"),
                Column("distance_km", "Distance", "suffix:km", 0),
                Column("energy_kwh", "Energy", "kwatth", 1),
                Column("regenerated_kwh", "Regenerated", "kwatth", 1),
                Column("stops", "Stops"),
                Column("co2e_g", "CO2e", "suffix:kg", 0),
            ],
            sort="Distance",
            width=12,
            height=12,
        ),
        world_map(
            "Where trips ended",
            "End of each trip, coloured by its length; the start is in the tooltip.",
            rows(
                "trip",
                "end_latitude_deg",
                "end_longitude_deg",
                "start_latitude_deg",
                "start_longitude_deg",
                "distance_km",
                conditions=[LONG_ENOUGH],
                limit=200,
            ),
            columns=[
                Column("distance_km", "Distance", "suffix:km"),
                Column("start_latitude_deg", "Start latitude", "degree"),
                Column("start_longitude_deg", "Start longitude", "degree"),
            ],
            latitude="end_latitude_deg",
            longitude="end_longitude_deg",
            color="distance_km",
            steps={None: "blue", 20: "green", 60: "orange", 120: "red"},
            unit="suffix:km",
            width=12,
            height=12,
        ),
    ]
