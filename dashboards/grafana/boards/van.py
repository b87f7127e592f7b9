"""How is this van doing, where has it been, and what did that take?"""

from dashboards.grafana.boards.charging import charge_columns
from dashboards.grafana.boards.trips import trip_columns
from dashboards.grafana.charts import series, states
from dashboards.grafana.columns import Column
from dashboards.grafana.figures import gauge, stat
from dashboards.grafana.influxql import course, increase, latest, ratio, rows
from dashboards.grafana.layout import PanelRow, dashboard, van_variables
from dashboards.grafana.panel import SEVERITY_COLORS, STATE_COLORS, Panel
from dashboards.grafana.sdk import model
from dashboards.grafana.tables import table, world_map

NEWEST = "Newest value in the range shown."


def build() -> model.Dashboard:
    """One van's page."""
    return dashboard(
        "van",
        "One van: state, charge, power, track, trips, charges, stops and alerts in the range shown.",
        PanelRow("Now", *_now()),
        PanelRow("In the range shown", *_range()),
        PanelRow("Over time", *_course()),
        PanelRow("Track", *_track()),
        PanelRow("Trips, charges, stops, alerts", *_tables()),
        variables=van_variables(one_van=True),
        refresh="10s",
        start="now-12h",
        alerts_shown=True,
    )


def _now() -> list[Panel]:
    return [
        gauge(
            "State of charge",
            f"As the van reports it. {NEWEST}",
            "percent",
            latest("battery", "soc_pct"),
            low=0,
            high=100,
            steps={None: "red", 15: "orange", 30: "green"},
        ),
        stat(
            "State",
            f"From position, speed and charge. {NEWEST}",
            "string",
            latest("energy", "state"),
            width=3,
            colors=STATE_COLORS,
        ),
        stat(
            "Range",
            f"Energy left / recent consumption. {NEWEST}",
            "suffix:km",
            latest("energy", "range_km"),
            width=3,
            decimals=0,
        ),
        stat(
            "Range reported by the van",
            f"The van's own estimate. {NEWEST}",
            "suffix:km",
            latest("battery", "range_km"),
            width=3,
            decimals=0,
        ),
        stat(
            "Power",
            f"Positive out of the battery. {NEWEST}",
            "kwatt",
            latest("energy", "power_kw"),
            width=3,
            decimals=1,
        ),
        stat("Speed", NEWEST, "velocitykmh", latest("location", "speed_kmh"), width=2, decimals=0),
        stat("Odometer", NEWEST, "suffix:km", latest("location", "odometer_km"), width=3, decimals=0),
        stat(
            "Usable capacity",
            f"Energy from 100 % to 0 %, as learnt. {NEWEST}",
            "kwatth",
            latest("energy", "usable_capacity_kwh"),
            width=3,
            decimals=1,
        ),
    ]


def _range() -> list[Panel]:
    formula = "Newest − oldest value of the counter within the range."
    return [
        stat(
            "Distance",
            f"Distance driven. {formula}",
            "suffix:km",
            increase("energy", "distance_km_total"),
            width=3,
            decimals=1,
        ),
        stat(
            "Used",
            f"Energy out of the battery. {formula}",
            "kwatth",
            increase("energy", "used_kwh_total"),
            width=3,
            decimals=1,
        ),
        stat(
            "Regenerated",
            f"Energy returned by braking. {formula}",
            "kwatth",
            increase("energy", "regenerated_kwh_total"),
            width=3,
            decimals=1,
        ),
        stat(
            "Charged",
            f"Energy into the battery from a charger. {formula}",
            "kwatth",
            increase("energy", "charged_kwh_total"),
            width=3,
            decimals=1,
        ),
        stat(
            "Idle drain",
            f"Energy lost while parked. {formula}",
            "kwatth",
            increase("energy", "idle_kwh_total"),
            width=3,
            decimals=2,
        ),
        stat(
            "Consumption",
            "Energy used / distance driven × 100, from the increase of both counters.",
            "suffix:kWh/100 km",
            ratio("energy", "used_kwh_total", "distance_km_total", factor=100),
            width=3,
            decimals=1,
        ),
        stat(
            "CO2e", f"Well-to-wheel. {formula}", "suffix:kg", increase("emissions", "co2e_g_total"), width=3, decimals=1
        ),
        stat(
            "CO2e avoided",
            f"Diesel baseline − own, well-to-wheel. {formula}",
            "suffix:kg",
            increase("emissions", "avoided_co2e_g_total"),
            width=3,
            decimals=1,
        ),
    ]


def _course() -> list[Panel]:
    mean = "Mean per interval."
    return [
        states(
            "State",
            "Driving, stopped (a delivery), parked, charging or offline: newest per interval.",
            course("energy", "state", function="last", fill="none", alias="State"),
            colors=STATE_COLORS,
        ),
        series(
            "State of charge and range",
            f"As reported and as projected. {mean}",
            "percent",
            course("battery", "soc_pct", alias="State of charge"),
            course("energy", "range_km", alias="Range"),
            units={"Range": "suffix:km"},
            low=0,
        ),
        series(
            "Power and speed",
            f"Power positive out of the battery, negative while charging or braking. {mean}",
            "kwatt",
            course("energy", "power_kw", alias="Power"),
            course("location", "speed_kmh", alias="Speed"),
            units={"Speed": "velocitykmh"},
        ),
        series(
            "Pack voltage and current",
            f"Current positive into the battery, as the van reports it. {mean}",
            "volt",
            course("battery", "voltage_v", alias="Voltage"),
            course("battery", "current_a", alias="Current"),
            units={"Current": "amp"},
        ),
        series(
            "Temperatures",
            f"Pack and outside air. {mean}",
            "celsius",
            course("battery", "battery_temp_c", alias="Pack"),
            course("battery", "ambient_temp_c", alias="Outside"),
        ),
        series(
            "Consumption",
            f"Recent energy per distance. {mean}",
            "suffix:kWh/100 km",
            course("energy", "consumption_kwh_per_100km", alias="Consumption"),
        ),
        series(
            "CO2e per distance",
            f"Well-to-wheel, of the recent distance. {mean}",
            "suffix:g/km",
            course("emissions", "co2e_g_per_km", alias="CO2e per km"),
        ),
        series("Altitude", f"Above sea level. {mean}", "lengthm", course("location", "altitude_m", alias="Altitude")),
        series(
            "Charge state as reported",
            "Readings per interval that report charging, and that report being plugged in.",
            "short",
            course("battery", "soc_pct", function="count", conditions=['"charging" = true'], alias="Charging"),
            course("battery", "soc_pct", function="count", conditions=['"plugged_in" = true'], alias="Plugged in"),
            low=0,
        ),
    ]


def _track() -> list[Panel]:
    return [
        world_map(
            "Track",
            "Newest position per interval, coloured by speed; the tooltip shows heading and altitude.",
            course(
                "location",
                "latitude_deg",
                "longitude_deg",
                "speed_kmh",
                "heading_deg",
                "altitude_m",
                function="last",
                fill="none",
                table=True,
            ),
            columns=[
                Column("speed_kmh", "Speed", "velocitykmh"),
                Column("heading_deg", "Heading", "degree"),
                Column("altitude_m", "Altitude", "lengthm"),
            ],
            color="speed_kmh",
            route=True,
            steps={None: "blue", 30: "green", 60: "orange", 90: "red"},
            unit="velocitykmh",
            width=24,
        )
    ]


def _tables() -> list[Panel]:
    return [
        table(
            "Trips",
            "Every trip that ended in the range; a click on its start shows that time on this page.",
            rows("trip", *(column.field for column in trip_columns()[1:])),
            columns=trip_columns(),
            time="End",
            sort="End",
        ),
        table(
            "Charges",
            "Every charge that ended in the range.",
            rows("charge", *(column.field for column in charge_columns()[1:])),
            columns=charge_columns(),
            time="End",
            sort="End",
            width=14,
        ),
        table(
            "Stops",
            "Every stop (delivery) that ended in the range.",
            rows("stop", "start_ms", "dwell_s", "place"),
            columns=[
                Column("start_ms", "Start", "dateTimeAsIso"),
                Column("dwell_s", "Dwell", "dtdurations", 0),
                Column("place", "Place", "string"),
            ],
            time="End",
            sort="End",
            width=10,
        ),
        table(
            "Alerts",
            "Alerts raised or cleared in the range.",
            rows("alert", "severity", "state", "kind", "value", "message"),
            columns=[
                Column("severity", "Severity", "string", colors=SEVERITY_COLORS),
                Column("state", "State", "string"),
                Column("kind", "Kind", "string"),
                Column("value", "Value", "none", 1),
                Column("message", "Message", "string"),
            ],
            time="Time",
            sort="Time",
        ),
    ]
