"""How much energy does a kilometre take, and what does that depend on?"""

from dashboards.grafana.charts import bars, pie, series
from dashboards.grafana.columns import MODEL, VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import Query, course, increase, increase_course, ratio, total, where
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table
from dashboards.grafana.transformations import binned, calculated, grouped, known, positive, sorted_by

PER_100KM = "suffix:kWh/100 km"
QUARTER = "15m"


def build() -> model.Dashboard:
    """The energy page."""
    return dashboard(
        "energy",
        "Energy per distance, net and gross, by outside temperature, speed, model and van.",
        PanelRow("Summary", *_summary()),
        PanelRow("What it depends on", *_bins()),
        PanelRow("Over time", *_course()),
        PanelRow("Models and vans", *_tables()),
        variables=van_variables(),
        refresh="5m",
        start="now-7d",
    )


def _summary() -> list[Panel]:
    grown = "from the increase of the vans' counters within the range"
    return [
        stat(
            "Net consumption",
            f"Σ energy used / Σ distance × 100, {grown}.",
            PER_100KM,
            ratio("energy", "used_kwh_total", "distance_km_total", factor=100),
            decimals=1,
        ),
        stat(
            "Gross consumption",
            f"Σ (energy used + idle drain) / Σ distance × 100, {grown}.",
            PER_100KM,
            ratio("energy", "used_kwh_total+idle_kwh_total", "distance_km_total", factor=100),
            decimals=1,
        ),
        stat(
            "Grid energy per distance",
            f"Σ energy from the grid / Σ distance × 100, {grown}.",
            PER_100KM,
            ratio("energy", "grid_kwh_total", "distance_km_total", factor=100),
            decimals=1,
        ),
        stat(
            "Regenerated",
            f"Σ energy returned by braking / Σ energy used, {grown}.",
            "percent",
            ratio("energy", "regenerated_kwh_total", "used_kwh_total", factor=100),
            decimals=1,
        ),
        stat(
            "Idle share",
            f"Σ idle drain / Σ energy used, {grown}.",
            "percent",
            ratio("energy", "idle_kwh_total", "used_kwh_total", factor=100),
            decimals=1,
        ),
        stat(
            "Uncertainty",
            "Mean over the vans of the half width of the 90 % interval of their total energy used.",
            "kwatth",
            Query(
                'SELECT mean("half_width") AS "uncertainty_kwh" FROM (SELECT last("uncertainty_kwh") AS "half_width" '
                f'FROM "energy" WHERE {where("energy")} GROUP BY "vehicle_id")'
            ),
            decimals=2,
        ),
    ]


def _quarters(*names: str) -> Query:
    """The increase of each counter per van and quarter of an hour, as rows that can be merged with means."""
    columns = ", ".join(f'non_negative_difference(last("{name}")) AS "{name}"' for name in names)
    return Query(
        f'SELECT {columns} FROM "energy" WHERE {where("energy")} GROUP BY time({QUARTER}), "vehicle_id" fill(none)',
        table=True,
    )


def _bins() -> list[Panel]:
    grown = _quarters("used_kwh_total", "distance_km_total")
    return [
        _binned(
            "Consumption by outside temperature",
            "Σ energy used / Σ distance × 100 of the van-quarters of an hour whose mean outside temperature lies in "
            "each 5 °C bin, named by its lower edge.",
            grown,
            course("battery", "ambient_temp_c", every=QUARTER, by=["vehicle_id"], fill="none", table=True),
            "ambient_temp_c",
            "From °C",
            "celsius",
            5,
        ),
        _binned(
            "Consumption by speed",
            "Σ energy used / Σ distance × 100 of the van-quarters of an hour whose mean speed lies in each "
            "10 km/h bin, named by its lower edge.",
            _quarters("used_kwh_total", "distance_km_total"),
            course("location", "speed_kmh", every=QUARTER, by=["vehicle_id"], fill="none", table=True),
            "speed_kmh",
            "From km/h",
            "velocitykmh",
            10,
        ),
        table(
            "By outside temperature",
            "The values of the bars: distance, energy used and idle drain per 5 °C bin.",
            _quarters("used_kwh_total", "distance_km_total", "idle_kwh_total"),
            course("battery", "ambient_temp_c", every=QUARTER, by=["vehicle_id"], fill="none", table=True),
            steps=[
                known("ambient_temp_c", "used_kwh_total", "distance_km_total"),
                *binned("From °C", "ambient_temp_c", 5),
                grouped("From °C", used_kwh_total="sum", distance_km_total="sum", idle_kwh_total="sum"),
                positive("distance_km_total (sum)"),
                calculated("per km", "used_kwh_total (sum)", "/", "distance_km_total (sum)"),
                calculated("net", "per km", "*", "100"),
                calculated("all kWh", "used_kwh_total (sum)", "+", "idle_kwh_total (sum)"),
                calculated("all per km", "all kWh", "/", "distance_km_total (sum)"),
                calculated("gross", "all per km", "*", "100"),
            ],
            keep_time=True,
            columns=[
                Column("From °C", "From", "celsius", 0),
                Column("distance_km_total (sum)", "Distance", "suffix:km", 0),
                Column("used_kwh_total (sum)", "Used", "kwatth", 1),
                Column("idle_kwh_total (sum)", "Idle drain", "kwatth", 1),
                Column("net", "Net consumption", PER_100KM, 1),
                Column("gross", "Gross consumption", PER_100KM, 1),
            ],
            sort="From",
            descending=False,
            height=9,
        ),
    ]


def _binned(
    title: str, description: str, grown: Query, means: Query, field: str, name: str, unit: str, size: float
) -> Panel:
    return bars(
        title,
        description,
        PER_100KM,
        grown,
        means,
        over=name,
        over_unit=unit,
        values={"consumption": "Net consumption"},
        keep_time=True,
        steps=[
            known(field, "used_kwh_total", "distance_km_total"),
            *binned(name, field, size),
            grouped(name, used_kwh_total="sum", distance_km_total="sum"),
            positive("distance_km_total (sum)"),
            calculated("per km", "used_kwh_total (sum)", "/", "distance_km_total (sum)"),
            calculated("consumption", "per km", "*", "100"),
            sorted_by(name),
        ],
    )


def _course() -> list[Panel]:
    return [
        series(
            "Energy per hour",
            "Σ over the vans of the growth of their counters per hour.",
            "kwatth",
            increase_course("energy", "used_kwh_total", every="1h", alias="Used"),
            increase_course("energy", "regenerated_kwh_total", every="1h", alias="Regenerated"),
            increase_course("energy", "charged_kwh_total", every="1h", alias="Charged"),
            bars=True,
            interval="1h",
        ),
        series(
            "Recent consumption by model",
            "Mean over the vans of their recent consumption.",
            PER_100KM,
            course("energy", "consumption_kwh_per_100km", by=["model"], alias="$tag_model"),
            interval="15m",
        ),
        series(
            "Energy used per day",
            "Σ of the vans' days, with the half width of their 90 % intervals.",
            "kwatth",
            course(
                "day",
                "used_kwh",
                "regenerated_kwh",
                "idle_kwh",
                "uncertainty_kwh",
                function="sum",
                every="1h",
                fill="none",
                alias="$col",
            ),
            names={
                "used_kwh": "Used",
                "regenerated_kwh": "Regenerated",
                "idle_kwh": "Idle drain",
                "uncertainty_kwh": "± (90 %)",
            },
            bars=True,
            interval="1h",
        ),
        pie(
            "Source of the energy",
            "Points of `energy` by source: the van's counters, its power, or its state of charge.",
            "short",
            *(
                total(
                    "energy", "used_kwh_total", function="count", conditions=[f"\"source\" = '{source}'"], alias=source
                )
                for source in ("counter", "power", "soc")
            ),
            width=12,
        ),
    ]


def _tables() -> list[Panel]:
    counters = ("distance_km_total", "used_kwh_total", "regenerated_kwh_total", "idle_kwh_total", "grid_kwh_total")
    columns = [
        Column("distance_km_total", "Distance", "suffix:km", 0),
        Column("used_kwh_total", "Used", "kwatth", 1),
        Column("regenerated_kwh_total", "Regenerated", "kwatth", 1),
        Column("idle_kwh_total", "Idle drain", "kwatth", 2),
        Column("grid_kwh_total", "From the grid", "kwatth", 1),
        Column("net", "Net consumption", PER_100KM, 1),
        Column("gross", "Gross consumption", PER_100KM, 1),
    ]
    figures = "Growth of the counters within the range; net = used / distance, gross = (used + idle drain) / distance."
    return [
        table(
            "Models",
            figures,
            increase("energy", *counters, by=["model"], table=True),
            ratio("energy", "used_kwh_total", "distance_km_total", factor=100, by=["model"], table=True, name="net"),
            ratio(
                "energy",
                "used_kwh_total+idle_kwh_total",
                "distance_km_total",
                factor=100,
                by=["model"],
                table=True,
                name="gross",
            ),
            columns=[MODEL, *columns],
            sort="Net consumption",
            descending=False,
            height=7,
        ),
        table(
            "Vans",
            figures,
            increase("energy", *counters, by=["vehicle_id"], table=True),
            ratio(
                "energy", "used_kwh_total", "distance_km_total", factor=100, by=["vehicle_id"], table=True, name="net"
            ),
            ratio(
                "energy",
                "used_kwh_total+idle_kwh_total",
                "distance_km_total",
                factor=100,
                by=["vehicle_id"],
                table=True,
                name="gross",
            ),
            columns=[VAN, *columns],
            sort="Net consumption",
            height=12,
        ),
    ]
