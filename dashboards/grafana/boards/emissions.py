"""How much CO2e does the fleet cause, per kilometre, tonne-kilometre and parcel, and how much does it avoid?"""

from agent.points.measurements import MEASUREMENTS
from dashboards.grafana.boards.trips import LONG_ENOUGH
from dashboards.grafana.charts import pie, series
from dashboards.grafana.columns import MODEL, VAN, Column
from dashboards.grafana.figures import stat, text
from dashboards.grafana.influxql import (
    Query,
    course,
    increase,
    increase_course,
    latest,
    per_day,
    ratio,
    rows,
    total,
    where,
)
from dashboards.grafana.layout import PanelRow, dashboard, text_variable, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table

G_PER_KM = "suffix:g/km"
G_PER_TKM = "suffix:g/t·km"
G_PER_KWH = "suffix:g/kWh"

FACTORS = """
**Which figures stand behind this page.** `vanpulse factors` prints the factor set in force: every value with its unit,
year and source, the grid intensity of each country, and the file of hourly intensities if one is set. The setting is
`[emissions] factor_set`; `intensity_file` gives the hours.

* **Method**: that of EN ISO 14083:2023; not certified, not verified.
* **Boundary**: well-to-wheel on both sides (vehicle operation and energy provision).
* **Own CO2e**: each charge fills the battery with the grid's intensity of its hour, charging and grid losses included;
  each kilometre takes out what is in it. *hourly* or *annual* says which intensity was known.
* **Diesel**: the van of the same class over the same distance. **Avoided** = diesel − own.
* **NOx and particles** are the legal limits of that diesel van (Euro 6), not measurements.
* **g/t·km** = Σ CO2e / Σ (mass × great-circle distance from loading to unloading point) of the tours, empty runs
  included in Σ CO2e. *primary*, *modelled* or *default* says what the load and the energy are based on.
"""


def build() -> model.Dashboard:
    """The emissions page."""
    return dashboard(
        "emissions",
        "CO2e of the fleet, well-to-wheel, compared with diesel, with the intensities used.",
        PanelRow("In the range shown", *_summary()),
        PanelRow("Per kilometre, tonne-kilometre and item", *_intensities()),
        PanelRow("Over time", *_course()),
        PanelRow("By model, country and van", *_tables()),
        PanelRow("Basis", *_basis()),
        PanelRow("Corrections by hand", _corrections()),
        variables=[
            *van_variables(),
            text_variable("min_km", "Shortest trip (km)", "0", "Trips shorter than this are left out."),
        ],
        refresh="5m",
        start="now-7d",
    )


def _summary() -> list[Panel]:
    grown = "Increase of the vans' counters within the range."
    return [
        stat("CO2e", f"Well-to-wheel. {grown}", "suffix:kg", increase("emissions", "co2e_g_total"), decimals=1),
        stat(
            "With diesel",
            f"Diesel vans of the same class, same distance, well-to-wheel. {grown}",
            "suffix:kg",
            increase("emissions", "diesel_co2e_g_total"),
            decimals=1,
        ),
        stat(
            "Avoided",
            f"Diesel − own; never decreases. {grown}",
            "suffix:kg",
            increase("emissions", "avoided_co2e_g_total"),
            decimals=1,
        ),
        stat(
            "Share avoided",
            "Σ avoided / Σ diesel baseline, from the increase of both counters.",
            "percent",
            ratio("emissions", "avoided_co2e_g_total", "diesel_co2e_g_total", factor=100),
            decimals=1,
        ),
        stat(
            "NOx avoided",
            f"Legal limit of the diesel van × distance. {grown}",
            "suffix:g",
            increase("emissions", "avoided_nox_mg_total"),
            decimals=0,
        ),
        stat(
            "Particles avoided",
            f"Legal limit of the diesel van × distance, exhaust only. {grown}",
            "suffix:g",
            increase("emissions", "avoided_pm_mg_total"),
            decimals=0,
        ),
    ]


def _intensities() -> list[Panel]:
    per_km = Query(f'SELECT sum("co2e_g") / sum("distance_km") AS "g_per_km" FROM "trip" WHERE {_trips()}')
    diesel = Query(f'SELECT sum("diesel_co2e_g") / sum("distance_km") AS "g_per_km" FROM "trip" WHERE {_trips()}')
    # A tour without drops counts if it is known to have been empty, because G covers all emissions of the operation.
    tours = where("tour")
    per_tkm = Query(
        f'SELECT sum("co2e_g") / sum("activity_tkm") AS "g_per_tkm" FROM "tour" WHERE {tours} AND "empty_km" >= 0'
    )
    per_item = Query(
        f'SELECT sum("co2e_g") / sum("items") AS "g_per_item" FROM "tour" WHERE {tours} AND "empty_km" >= 0'
    )
    return [
        stat("CO2e per kilometre", "Σ CO2e / Σ distance of the trips, well-to-wheel.", G_PER_KM, per_km, decimals=0),
        stat(
            "Diesel per kilometre",
            "Σ diesel baseline / Σ distance of the trips, well-to-wheel.",
            G_PER_KM,
            diesel,
            decimals=0,
        ),
        stat(
            "CO2e per tonne-kilometre",
            "Σ CO2e / Σ (mass × great-circle distance) of tours whose load is known; Σ CO2e includes empty running.",
            G_PER_TKM,
            per_tkm,
            decimals=0,
        ),
        stat(
            "CO2e per item",
            "Σ CO2e / Σ items delivered, of the tours whose load is known; each item counts once.",
            "suffix:g",
            per_item,
            decimals=0,
        ),
        stat(
            "Empty running",
            "Σ kilometres with nothing on board / Σ kilometres, of the tours whose load is known.",
            "percent",
            Query(
                'SELECT sum("empty_km") / sum("distance_km") * 100 AS "share" FROM "tour" '
                f'WHERE {tours} AND "empty_km" >= 0'
            ),
            decimals=0,
        ),
        stat(
            "Load factor",
            "Mean of the tours: load over the loaded kilometres, of the largest load.",
            "percent",
            total("tour", "load_factor_pct", function="mean"),
            decimals=0,
        ),
    ]


def _trips() -> str:
    return where("trip", LONG_ENOUGH)


def _course() -> list[Panel]:
    return [
        series(
            "CO2e per hour",
            "Σ over the vans of the growth of their counters per hour.",
            "suffix:kg",
            increase_course("emissions", "co2e_g_total", every="1h", alias="Own"),
            increase_course("emissions", "diesel_co2e_g_total", every="1h", alias="Diesel"),
            increase_course("emissions", "avoided_co2e_g_total", every="1h", alias="Avoided"),
            bars=True,
            interval="1h",
        ),
        series(
            "CO2e per day",
            "Σ of the vans' days, written when a day has ended.",
            "suffix:kg",
            per_day("day", "co2e_g", alias="Own"),
            per_day("day", "market_co2e_g", alias="Own, market-based"),
            per_day("day", "diesel_co2e_g", alias="Diesel"),
            per_day("day", "avoided_co2e_g", alias="Avoided"),
            bars=True,
            interval="1h",
        ),
        series(
            "Uncertainty of the CO2e per day",
            "Half widths of the 90 % intervals, Σ over the vans. For the energy this sum is an upper bound.",
            "suffix:kg",
            per_day("day", "uncertainty_g", alias="All"),
            per_day("day", "uncertainty_energy_g", alias="Energy estimate"),
            per_day("day", "uncertainty_meter_g", alias="Meters and charging efficiency"),
            per_day("day", "uncertainty_factor_g", alias="Factor of the grid"),
            interval="1h",
        ),
        series(
            "Intensity of the grid and of the batteries",
            "Grid: of the country now. Battery: carbon content of the energy in it. Means over the vans of a country.",
            G_PER_KWH,
            course("emissions", "grid_g_per_kwh", by=["country"], alias="$tag_country grid"),
            course("emissions", "battery_g_per_kwh", by=["country"], alias="$tag_country batteries"),
            interval="15m",
            low=0,
        ),
        series(
            "CO2e per kilometre by model",
            "Mean over the vans of their recent CO2e per distance, well-to-wheel.",
            G_PER_KM,
            course("emissions", "co2e_g_per_km", by=["model"], alias="$tag_model"),
            interval="15m",
            low=0,
        ),
    ]


def _tables() -> list[Panel]:
    counters = ("co2e_g_total", "diesel_co2e_g_total", "avoided_co2e_g_total")
    columns = [
        Column("co2e_g_total", "CO2e", "suffix:kg", 1),
        Column("diesel_co2e_g_total", "With diesel", "suffix:kg", 1),
        Column("avoided_co2e_g_total", "Avoided", "suffix:kg", 1),
        Column("share", "Share avoided", "percent", 1),
    ]
    panels = []
    for tag, head in (("model", MODEL), ("country", Column("country", "Country")), ("vehicle_id", VAN)):
        extra = [] if tag == "country" else [increase("energy", "distance_km_total", by=[tag], table=True)]
        panels.append(
            table(
                {"model": "Models", "country": "Countries", "vehicle_id": "Vans"}[tag],
                "Increase of the counters within the range; share = avoided / diesel.",
                increase("emissions", *counters, by=[tag], table=True),
                ratio(
                    "emissions",
                    "avoided_co2e_g_total",
                    "diesel_co2e_g_total",
                    factor=100,
                    by=[tag],
                    table=True,
                    name="share",
                ),
                latest("emissions", "grid_g_per_kwh", "battery_g_per_kwh", by=[tag], table=True),
                *extra,
                columns=[
                    head,
                    *([Column("distance_km_total", "Distance", "suffix:km", 0)] if extra else []),
                    *columns,
                    Column("grid_g_per_kwh", "Grid now", G_PER_KWH, 0),
                    Column("battery_g_per_kwh", "In the battery", G_PER_KWH, 0),
                ],
                sort="CO2e",
                width=12 if tag != "vehicle_id" else 24,
                height=7 if tag != "vehicle_id" else 12,
            )
        )
    return panels


def _corrections() -> Panel:
    return table(
        "Corrections",
        "Periods that `vanpulse correct` removed from reports and days, one row per hour with an amount. Increases of "
        "counters on these pages still include them.",
        rows("correction", *MEASUREMENTS["correction"].field_names, limit=200),
        columns=[
            VAN,
            Column("from_ms", "From", "dateTimeAsIso"),
            Column("to_ms", "To", "dateTimeAsIso"),
            Column("reason", "Reason", "string"),
            Column("made_by", "By", "string"),
            Column("made_ms", "Made", "dateTimeAsIso"),
            Column("distance_km", "Distance", "suffix:km", 1),
            Column("used_kwh", "Used", "kwatth", 1),
            Column("charged_kwh", "Charged", "kwatth", 1),
            Column("grid_kwh", "Grid", "kwatth", 1),
            Column("co2e_g", "CO2e", "massg", 0),
            Column("diesel_co2e_g", "With diesel", "massg", 0),
        ],
        time="Hour",
    )


def _basis() -> list[Panel]:
    return [
        pie(
            "Intensities used",
            "Points of `emissions` by source of the intensity: hourly or annual.",
            "short",
            *(
                total(
                    "emissions",
                    "co2e_g_total",
                    function="count",
                    conditions=[f"\"intensity_source\" = '{source}'"],
                    alias=source,
                )
                for source in ("hourly", "annual")
            ),
        ),
        pie(
            "Data quality of the trips",
            "Σ distance of the trips by quality: primary, modelled or default data.",
            "suffix:km",
            *(
                total("trip", "distance_km", conditions=[LONG_ENOUGH, f"\"quality\" = '{quality}'"], alias=quality)
                for quality in ("primary", "modelled", "default")
            ),
        ),
        table(
            "Factor sets",
            "The factor set of the newest day of each van in the range.",
            latest("day", "factor_set", by=["vehicle_id", "country"], table=True),
            columns=[VAN, Column("country", "Country"), Column("factor_set", "Factor set", "string")],
            sort="Factor set",
            width=12,
        ),
        text(
            "Factor set and method",
            "Sources of the factors, and the method.",
            FACTORS,
            width=12,
            height=8,
        ),
    ]
