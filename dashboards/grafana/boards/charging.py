"""Who charged where, how much, how fast, with what loss and at what cost?"""

from dashboards.grafana.charts import pie, scatter, series
from dashboards.grafana.columns import VAN, Column
from dashboards.grafana.figures import stat
from dashboards.grafana.influxql import Query, course, latest, per_day, rows, total, where
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table

AC = "\"kind\" = 'ac'"
DC = "\"kind\" = 'dc'"
CHARGER = "\"meter\" = 'charger'"
MODELLED = "\"meter\" = 'modelled'"

SLICE_COLUMNS = [
    VAN,
    Column("battery_kwh", "Into the battery", "kwatth", 2),
    Column("grid_kwh", "From the grid", "kwatth", 2),
    Column("meter", "Meter", "string"),
    Column("efficiency", "Efficiency", "percentunit", 3),
    Column("intensity_g_per_kwh", "Intensity", "suffix:g/kWh", 0),
    Column("intensity_source", "Of", "string"),
    Column("direct_g", "Scope 2", "massg", 0),
    Column("upstream_g", "Scope 3.3 upstream", "massg", 0),
    Column("losses_g", "Scope 3.3 losses", "massg", 0),
    Column("market_g", "Market-based", "massg", 0),
    Column("instrument", "Instrument", "string"),
    Column("cost", "Cost", "short", 2),
    Column("place", "Place", "string"),
    Column("factor_set", "Factor set", "string"),
]


def charge_columns() -> list[Column]:
    """The columns of every table of charges, the van first."""
    return [
        VAN,
        Column("start_ms", "Start", "dateTimeAsIso"),
        Column("duration_s", "Duration", "dtdurations", 0),
        Column("kind", "Kind", "string"),
        Column("place", "Place", "string"),
        Column("soc_start_pct", "Charge at start", "percent", 0),
        Column("soc_end_pct", "Charge at end", "percent", 0),
        Column("energy_kwh", "Into the battery", "kwatth", 1),
        Column("uncertainty_kwh", "± energy (90 %)", "kwatth", 1),
        Column("grid_kwh", "From the grid", "kwatth", 1),
        Column("uncertainty_grid_kwh", "± grid energy (90 %)", "kwatth", 1),
        Column("max_power_kw", "Highest power", "kwatt", 1),
        Column("co2e_g", "CO2e", "massg", 0),
        Column("uncertainty_g", "± (90 %)", "massg", 0),
        Column("market_co2e_g", "CO2e, market-based", "massg", 0),
        Column("cost", "Cost", "short", 2),
        Column("meter", "Meter", "string"),
        Column("latitude_deg", "Latitude", "degree", 4),
        Column("longitude_deg", "Longitude", "degree", 4),
        Column("inferred", "Inferred", "bool_yes_no"),
    ]


def build() -> model.Dashboard:
    """The charging page."""
    return dashboard(
        "charging",
        "Charges that ended in the range shown, and vans that are charging now.",
        PanelRow("Summary", *_summary()),
        PanelRow("Now", *_now()),
        PanelRow("Shape", *_shape()),
        PanelRow("Scopes, by the quarter of an hour", *_scopes()),
        PanelRow("Charges", *_tables()),
        variables=van_variables(),
        refresh="1m",
        start="now-7d",
    )


def _summary() -> list[Panel]:
    efficiency = Query(
        f'SELECT sum("energy_kwh") / sum("grid_kwh") * 100 AS "efficiency" FROM "charge" WHERE {where("charge")}'
    )
    intensity = Query(f'SELECT sum("co2e_g") / sum("grid_kwh") AS "intensity" FROM "charge" WHERE {where("charge")}')
    return [
        stat(
            "Charges",
            "Number of charges that ended in the range.",
            "short",
            total("charge", "duration_s", function="count"),
            width=3,
        ),
        stat(
            "Into the batteries",
            "Σ energy into the batteries.",
            "kwatth",
            total("charge", "energy_kwh"),
            width=3,
            decimals=0,
        ),
        stat(
            "From the grid",
            "Σ energy drawn from the grid for these charges.",
            "kwatth",
            total("charge", "grid_kwh"),
            width=3,
            decimals=0,
        ),
        stat(
            "Efficiency",
            "Σ energy into the batteries / Σ energy from the grid.",
            "percent",
            efficiency,
            width=3,
            decimals=1,
        ),
        stat(
            "Mean duration",
            "Σ duration / number of charges.",
            "dtdurations",
            total("charge", "duration_s", function="mean"),
            width=3,
            decimals=0,
        ),
        stat(
            "CO2e",
            "Σ grid energy × intensity of the grid in that hour, well-to-wheel.",
            "suffix:kg",
            total("charge", "co2e_g"),
            width=3,
            decimals=1,
        ),
        stat("CO2e per grid kWh", "Σ CO2e / Σ energy from the grid.", "suffix:g/kWh", intensity, width=3, decimals=0),
        stat(
            "Cost",
            "Σ energy cost of the vans' days, in the tariff's currency; needs a tariff in the settings.",
            "short",
            total("day", "energy_cost"),
            width=3,
            decimals=2,
        ),
    ]


def _now() -> list[Panel]:
    charging = Query(
        'SELECT last("battery_power_kw") AS "battery_power_kw", last("soc_pct") AS "soc_pct" FROM "battery" '
        f'WHERE {where("battery")} AND "charging" = true GROUP BY "vehicle_id"',
        table=True,
    )
    return [
        series(
            "Charging power",
            "Σ over the vans of their mean power into the battery per interval, from readings that report charging.",
            "kwatt",
            Query(
                'SELECT sum("power") AS "Power" FROM (SELECT mean("battery_power_kw") AS "power" FROM "battery" '
                f'WHERE {where("battery")} AND "charging" = true GROUP BY time($__interval), "vehicle_id" fill(none)) '
                "WHERE $timeFilter GROUP BY time($__interval) fill(null)",
                alias="Power",
            ),
            low=0,
            interval="1m",
        ),
        table(
            "Plugged in or charging in the range",
            "Newest reading of each van: plugged in, charging; power of its newest reading while charging.",
            latest("battery", "plugged_in", "charging", by=["vehicle_id", "depot"], table=True),
            charging,
            columns=[
                VAN,
                Column("depot", "Depot"),
                Column("plugged_in", "Plugged in", "bool_yes_no"),
                Column("charging", "Charging", "bool_yes_no"),
                Column("soc_pct", "Charge when last charging", "percent", 0, gauge=(0, 100)),
                Column("battery_power_kw", "Power when last charging", "kwatt", 1),
            ],
            sort="Charging",
            width=12,
            height=8,
        ),
    ]


def _shape() -> list[Panel]:
    return [
        scatter(
            "Charge curve",
            "Power into the battery over state of charge: one point per van and five minutes of charging.",
            "kwatt",
            course(
                "battery",
                "soc_pct",
                "battery_power_kw",
                every="5m",
                by=["vehicle_id"],
                fill="none",
                conditions=['"charging" = true'],
                table=True,
            ),
            x=Column("soc_pct", "State of charge", "percent"),
            y=Column("battery_power_kw", "Power into the battery", "kwatt"),
        ),
        pie(
            "Energy by kind",
            "Σ energy into the batteries, AC against DC.",
            "kwatth",
            total("charge", "energy_kwh", conditions=[AC], alias="AC"),
            total("charge", "energy_kwh", conditions=[DC], alias="DC"),
        ),
        pie(
            "Time by kind",
            "Σ duration, AC against DC.",
            "dtdurations",
            total("charge", "duration_s", conditions=[AC], alias="AC"),
            total("charge", "duration_s", conditions=[DC], alias="DC"),
        ),
        series(
            "Energy per day",
            "Σ of the vans' days: into the batteries, and from the grid.",
            "kwatth",
            per_day("day", "charged_kwh", alias="Into the batteries"),
            per_day("day", "grid_kwh", alias="From the grid"),
            bars=True,
            interval="1h",
        ),
        series(
            "Charges per day",
            "Σ charges of the vans' days, written when a day has ended.",
            "short",
            per_day("day", "charges", alias="Charges"),
            bars=True,
            width=6,
            interval="1h",
        ),
        series(
            "Cost per day",
            "Σ energy cost of the vans' days, in the tariff's currency; needs a tariff in the settings.",
            "short",
            per_day("day", "energy_cost", alias="Cost"),
            bars=True,
            width=6,
            interval="1h",
        ),
    ]


def _scopes() -> list[Panel]:
    metered = Query(
        f'SELECT sum("grid_kwh") AS "grid_kwh" FROM "charge_slice" WHERE {where("charge_slice", CHARGER)}',
        alias="Charger",
    )
    modelled = Query(
        f'SELECT sum("grid_kwh") AS "grid_kwh" FROM "charge_slice" WHERE {where("charge_slice", MODELLED)}',
        alias="Modelled",
    )
    return [
        stat(
            "Scope 2, location-based",
            "Σ CO2e of generation of the slices' grid energy, at the grid's intensity.",
            "suffix:kg",
            total("charge_slice", "direct_g"),
            decimals=1,
        ),
        stat(
            "Scope 3.3, upstream",
            "Σ CO2e of fuels and plants before generation, location-based.",
            "suffix:kg",
            total("charge_slice", "upstream_g"),
            decimals=1,
        ),
        stat(
            "Scope 3.3, grid losses",
            "Σ CO2e of transmission and distribution losses, location-based.",
            "suffix:kg",
            total("charge_slice", "losses_g"),
            decimals=1,
        ),
        stat(
            "Market-based",
            "Σ CO2e by each slice's instrument: contract, residual mix, else the location-based intensity.",
            "suffix:kg",
            total("charge_slice", "market_g"),
            decimals=1,
        ),
        pie(
            "Grid energy by meter",
            "Σ grid energy of the slices: measured by the charger, or modelled by the charging efficiency.",
            "kwatth",
            metered,
            modelled,
            width=8,
            height=4,
        ),
        series(
            "Grid energy and intensity",
            "Mean location-based intensity of the slices, over the vans of a country.",
            "suffix:g/kWh",
            course("charge_slice", "intensity_g_per_kwh", by=["country"], alias="$tag_country", every="15m"),
            low=0,
            interval="15m",
        ),
        series(
            "CO2e per hour by scope",
            "Σ over the slices that begin in the hour, location-based, and and market-based.",
            "suffix:kg",
            course("charge_slice", "direct_g", function="sum", every="1h", fill="none", alias="Scope 2"),
            course("charge_slice", "upstream_g", function="sum", every="1h", fill="none", alias="Scope 3.3 upstream"),
            course("charge_slice", "losses_g", function="sum", every="1h", fill="none", alias="Scope 3.3 losses"),
            course("charge_slice", "market_g", function="sum", every="1h", fill="none", alias="Market-based"),
            bars=True,
            interval="1h",
        ),
        table(
            "Slices",
            "Each quarter of an hour of a charge. Energy, emissions and cost of a charge are sums of its slices.",
            rows("charge_slice", *(column.field for column in SLICE_COLUMNS[1:]), limit=500),
            columns=SLICE_COLUMNS,
            time="Begin",
            sort="Begin",
            height=10,
        ),
    ]


def _tables() -> list[Panel]:
    return [
        table(
            "Charges",
            "Each charge. Grid energy is measured if the charger reports its power, otherwise energy / efficiency.",
            rows("charge", *(column.field for column in charge_columns()[1:]), limit=500),
            columns=charge_columns(),
            time="End",
            sort="End",
            height=12,
        ),
        table(
            "Charging per van",
            "Σ of the charges of each van.",
            total("charge", "energy_kwh", "grid_kwh", "co2e_g", by=["vehicle_id"], table=True),
            total("charge", "max_power_kw", function="max", by=["vehicle_id"], table=True),
            total("charge", "duration_s", function="count", by=["vehicle_id"], table=True),
            columns=[
                VAN,
                Column("duration_s", "Charges"),
                Column("energy_kwh", "Into the battery", "kwatth", 0),
                Column("grid_kwh", "From the grid", "kwatth", 0),
                Column("max_power_kw", "Highest power", "kwatt", 0),
                Column("co2e_g", "CO2e", "suffix:kg", 0),
            ],
            sort="From the grid",
        ),
    ]
