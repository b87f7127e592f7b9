"""Every measurement, tag and field by its name. Dashboards, documentation, stores and exports are tested against it."""

from typing import Final, Literal, NamedTuple

FieldType = Literal["float", "integer", "boolean", "text"]

TAGS: Final = ("vehicle_id", "depot", "model", "country")
"""The tags of a van's measurements, in this order; `fleet` has only `depot`, `agent` has none."""


class Field(NamedTuple):
    """A field of a measurement. Its type never changes."""

    name: str
    type: FieldType
    unit: str
    description: str


class Measurement(NamedTuple):
    """A kind of points: a name, tags and fields."""

    name: str
    tags: tuple[str, ...]
    fields: tuple[Field, ...]
    description: str

    @property
    def field_names(self) -> tuple[str, ...]:
        """The field names in row order."""
        return tuple(field.name for field in self.fields)


def _measurement(name: str, description: str, *fields: str, tags: tuple[str, ...] = TAGS) -> Measurement:
    """A measurement whose fields are written as "name type unit: description"."""
    parsed = []
    for field in fields:
        head, text = field.split(": ", 1)
        field_name, field_type, unit = head.split(" ", 2)
        parsed.append(Field(field_name, field_type, unit, text))  # type: ignore[arg-type]  # held by test_measurements
    return Measurement(name, tags, tuple(parsed), description)


MEASUREMENTS: Final[dict[str, Measurement]] = {
    measurement.name: measurement
    for measurement in (
        _measurement(
            "battery",
            "The battery values of each reading.",
            "soc_pct float %: state of charge",
            "soh_pct float %: state of health",
            "voltage_v float V: pack voltage",
            "current_a float A: pack current, positive into the battery",
            "battery_power_kw float kW: pack power, positive into the battery",
            "battery_temp_c float °C: mean pack temperature",
            "range_km float km: remaining range by the van's own estimate",
            "charging boolean -: energy flows from a charger",
            "plugged_in boolean -: the cable is connected",
            "ambient_temp_c float °C: outside air",
        ),
        _measurement(
            "location",
            "The position values of each reading.",
            "latitude_deg float °: WGS 84 latitude",
            "longitude_deg float °: WGS 84 longitude",
            "altitude_m float m: height",
            "speed_kmh float km/h: speed",
            "heading_deg float °: 0 = north, clockwise",
            "odometer_km float km: lifetime distance",
        ),
        _measurement(
            "energy",
            "The van's energy totals and state: every `derived_every_s` of event time and at every change of state.",
            "state text -: driving, stopped, parked, charging or offline",
            "power_kw float kW: power, positive out of the battery",
            "used_kwh_total float kWh: energy taken out of the battery",
            "regenerated_kwh_total float kWh: energy returned by braking",
            "charged_kwh_total float kWh: energy charged into the battery",
            "grid_kwh_total float kWh: energy drawn from the grid for it",
            "idle_kwh_total float kWh: energy lost while parked",
            "distance_km_total float km: distance driven",
            "consumption_kwh_per_100km float kWh/100 km: recent consumption",
            "range_km float km: projected range",
            "usable_capacity_kwh float kWh: usable battery capacity as learnt",
            "uncertainty_kwh float kWh: half width of the 90 % interval of used_kwh_total",
            "source text -: where the energy comes from: counter, power or soc",
        ),
        _measurement(
            "emissions",
            "The van's emission totals, well-to-wheel, at the same times as `energy`.",
            "co2e_g_total float g: CO2e of the energy used",
            "co2e_g_per_km float g/km: CO2e per distance driven",
            "grid_g_per_kwh float g/kWh: intensity of the grid now",
            "battery_g_per_kwh float g/kWh: carbon content of the energy in the battery",
            "diesel_co2e_g_total float g: CO2e of the diesel van for the same distance",
            "avoided_co2e_g_total float g: CO2e avoided against diesel, never falling",
            "avoided_nox_mg_total float mg: NOx avoided, by legal limit",
            "avoided_pm_mg_total float mg: exhaust particles avoided, by legal limit",
            "intensity_source text -: hourly or annual",
        ),
        _measurement(
            "trip",
            "One trip, written at its end.",
            "start_ms integer ms: start, since the epoch",
            "duration_s float s: from start to end",
            "distance_km float km: distance",
            "energy_kwh float kWh: energy taken out of the battery, net; negative downhill",
            "regenerated_kwh float kWh: energy returned by braking",
            "uncertainty_kwh float kWh: half width of the 90 % interval of energy_kwh",
            "soc_start_pct float %: state of charge at the start",
            "soc_end_pct float %: state of charge at the end",
            "consumption_kwh_per_100km float kWh/100 km: energy per distance",
            "stops integer -: stops on the way",
            "start_latitude_deg float °: where it started",
            "start_longitude_deg float °: where it started",
            "end_latitude_deg float °: where it ended",
            "end_longitude_deg float °: where it ended",
            "start_place text -: the geofence it started in",
            "end_place text -: the geofence it ended in",
            "odometer_start_km float km: odometer at the start",
            "odometer_end_km float km: odometer at the end",
            "co2e_g float g: CO2e, well-to-wheel",
            "diesel_co2e_g float g: CO2e of the diesel van",
            "avoided_co2e_g float g: CO2e avoided",
            "energy_cost float -: cost of the energy used in the tariff's currency",
            "quality text -: of the energy: primary, modelled or default data",
            "inferred boolean -: happened while the van was offline",
        ),
        _measurement(
            "tour",
            "One tour, from leaving a depot to the return to one, written at its end.",
            "start_ms integer ms: departure, since the epoch",
            "duration_s float s: from departure to return",
            "distance_km float km: distance",
            "empty_km float km: part of it with nothing on board",
            "energy_kwh float kWh: energy used since the tour before, net",
            "co2e_g float g: CO2e since the tour before, well-to-wheel, location-based",
            "market_co2e_g float g: the same, market-based",
            "diesel_co2e_g float g: CO2e of the diesel van",
            "avoided_co2e_g float g: CO2e avoided",
            "energy_cost float -: cost of the energy used in the tariff's currency",
            "trips integer -: trips",
            "stops integer -: stops, those between its trips included",
            "drops integer -: consignments delivered, pick-ups included",
            "items integer -: items of these, each counted once",
            "mass_kg float kg: their mass",
            "activity_tkm float t-km: mass times great-circle distance from loading to unloading",
            "load_factor_pct float %: mean load over the loaded kilometres, of the largest load",
            "co2e_g_per_tkm float g/t-km: CO2e per activity",
            "co2e_g_per_item float g: CO2e per item delivered",
            "primary_share_pct float %: CO2e whose grid energy and mass are measured",
            "uncertainty_kwh float kWh: half width of the 90 % interval of energy_kwh",
            "uncertainty_g float g: half width of the 90 % interval of co2e_g",
            "quality text -: primary, modelled or default data, the weakest of all",
            "factor_set text -: the factors it was computed with",
        ),
        _measurement(
            "drop",
            "Goods that were loaded or unloaded, written at the tour's end with the time of the drop.",
            "action text -: load or unload",
            "consignment_id text -: the consignment",
            "customer_id text -: the customer",
            "mass_kg float kg: mass with the shipper's packaging",
            "items integer -: number of items",
            "latitude_deg float °: where",
            "longitude_deg float °: where",
            "place text -: the geofence it lies in",
            "distance_gcd_km float km: great circle from where it was loaded to where it was unloaded",
            "activity_tkm float t-km: mass times this distance",
            "co2e_g float g: its share of the tour's CO2e",
            "source text -: message, import, load or default",
        ),
        _measurement(
            "charge",
            "One charge, written at its end.",
            "start_ms integer ms: start, since the epoch",
            "duration_s float s: from start to end",
            "soc_start_pct float %: state of charge at the start",
            "soc_end_pct float %: state of charge at the end",
            "energy_kwh float kWh: energy into the battery",
            "grid_kwh float kWh: energy drawn from the grid",
            "max_power_kw float kW: highest power into the battery",
            "kind text -: ac or dc",
            "latitude_deg float °: where",
            "longitude_deg float °: where",
            "place text -: the geofence it stood in",
            "co2e_g float g: CO2e of the grid energy, location-based, well-to-wheel",
            "market_co2e_g float g: the same, market-based",
            "cost float -: cost of the grid energy in the tariff's currency",
            "meter text -: where most of grid_kwh comes from: charger or modelled",
            "uncertainty_kwh float kWh: half width of the 90 % interval of energy_kwh",
            "uncertainty_grid_kwh float kWh: half width of the 90 % interval of grid_kwh",
            "uncertainty_g float g: half width of the 90 % interval of co2e_g",
            "inferred boolean -: happened while the van was offline",
        ),
        _measurement(
            "charge_slice",
            "A quarter of an hour of a charge, written when it is complete, with the time of its beginning.",
            "battery_kwh float kWh: energy into the battery",
            "grid_kwh float kWh: energy drawn from the grid",
            "meter text -: where most of grid_kwh comes from: charger or modelled",
            "efficiency float -: battery_kwh over grid_kwh",
            "direct_g float g: CO2e of generation, location-based (Scope 2)",
            "upstream_g float g: CO2e of fuels and plants before generation (Scope 3.3)",
            "losses_g float g: CO2e of transmission and distribution losses (Scope 3.3)",
            "market_g float g: CO2e by the instrument's factor",
            "instrument text -: what market_g is by: contract NAME, residual or location",
            "intensity_g_per_kwh float g/kWh: location-based intensity that was used",
            "intensity_source text -: hourly or annual",
            "cost float -: cost of the grid energy in the tariff's currency",
            "place text -: the geofence it stood in",
            "factor_set text -: the factor set that was used",
        ),
        _measurement(
            "stop",
            "One stop, written at its end.",
            "start_ms integer ms: start, since the epoch",
            "dwell_s float s: how long it stood",
            "latitude_deg float °: where",
            "longitude_deg float °: where",
            "place text -: the geofence it stood in",
        ),
        _measurement(
            "day",
            "One day of a van, written at its end, with the time of the day's first millisecond.",
            "distance_km float km: distance driven",
            "used_kwh float kWh: energy taken out of the battery",
            "regenerated_kwh float kWh: energy returned by braking",
            "charged_kwh float kWh: energy charged into the battery",
            "grid_kwh float kWh: energy drawn from the grid",
            "idle_kwh float kWh: energy lost while parked",
            "trips integer -: trips ended",
            "stops integer -: stops ended",
            "charges integer -: charges ended",
            "co2e_g float g: CO2e, well-to-wheel",
            "market_co2e_g float g: the same, market-based",
            "diesel_co2e_g float g: CO2e of the diesel van",
            "avoided_co2e_g float g: CO2e avoided",
            "energy_cost float -: cost of the grid energy in the tariff's currency",
            "uncertainty_kwh float kWh: half width of the 90 % interval of used_kwh",
            "uncertainty_g float g: half width of the 90 % interval of co2e_g",
            "uncertainty_energy_g float g: the part of it that the energy estimate makes",
            "uncertainty_meter_g float g: the part that meters and charging efficiency make, the same on all days",
            "uncertainty_factor_g float g: the part that the grid's factor makes, the same on all days",
            "factor_set text -: the factor set that was used",
        ),
        _measurement(
            "alert",
            "A condition of a van that began or ended.",
            "kind text -: which condition",
            "severity text -: info, warning or critical",
            "state text -: raised or cleared",
            "value float -: the value that raised or cleared it",
            "message text -: one sentence for people",
        ),
        _measurement(
            "correction",
            "What one hour of a corrected period added to the totals, with the time of that hour's beginning.",
            "from_ms integer ms: beginning of the period, since the epoch",
            "to_ms integer ms: its end",
            "made_ms integer ms: when the correction was made",
            "reason text -: why the period is excluded",
            "made_by text -: who made the correction",
            "distance_km float km: distance that is excluded",
            "used_kwh float kWh: of used_kwh_total",
            "regenerated_kwh float kWh: of regenerated_kwh_total",
            "charged_kwh float kWh: of charged_kwh_total",
            "grid_kwh float kWh: of grid_kwh_total",
            "idle_kwh float kWh: of idle_kwh_total",
            "co2e_g float g: of co2e_g_total",
            "diesel_co2e_g float g: of diesel_co2e_g_total",
            "avoided_co2e_g float g: of avoided_co2e_g_total",
            "avoided_nox_mg float mg: of avoided_nox_mg_total",
            "avoided_pm_mg float mg: of avoided_pm_mg_total",
        ),
        _measurement(
            "fleet",
            "The sums over the vans of one depot, at each full minute.",
            "vans integer -: vans known",
            "online integer -: vans that are not offline",
            "driving integer -: vans on a trip, stops included",
            "charging integer -: vans charging",
            "soc_mean_pct float %: mean state of charge",
            "soc_min_pct float %: lowest state of charge",
            "power_kw float kW: sum of power out of the batteries",
            "used_kwh_total float kWh: sum over the vans",
            "grid_kwh_total float kWh: sum over the vans",
            "distance_km_total float km: sum over the vans",
            "co2e_g_total float g: sum over the vans",
            "avoided_co2e_g_total float g: sum over the vans",
            tags=("depot",),
        ),
        _measurement(
            "agent",
            "The agent's own counters and gauges, once per minute.",
            "messages_total integer -: messages received and journaled",
            "accepted_total integer -: readings taken",
            "duplicates_total integer -: readings seen before",
            "late_total integer -: readings older than the van's newest",
            "dead_letters_total integer -: messages refused",
            "points_total integer -: points the store confirmed",
            "store_retries_total integer -: writes tried again",
            "sessions_lost_total integer -: broker sessions lost, possible loss",
            "reconnects_total integer -: connections to the broker made again",
            "messages_per_s float 1/s: rate since the last point",
            "lag_s float s: age of the newest reading the store has",
            "journal_bytes integer B: journal in use",
            "journal_limit_bytes integer B: journal limit",
            "backlog integer -: messages journaled and not yet confirmed by the store",
            "vans integer -: vans known",
            "memory_bytes integer B: resident memory",
            tags=(),
        ),
    )
}
