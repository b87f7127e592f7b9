"""Rows of a fleet of thousands of vans whose figures follow from their numbers, so that a test can state them."""

from agent.fleet.records import AlertRecord, EmissionsRecord, EnergyRecord, FleetRecord
from agent.points.rows import Rows, Series, add_reading, add_records, empty_rows
from agent.readings import Reading

DEPOTS = 5
STATES = ("driving", "parked", "charging", "offline")


def name(number: int) -> str:
    return f"van-{number:06d}"


def depot(number: int) -> str:
    return f"depot-{number % DEPOTS}"


def soc_pct(number: int) -> float:
    """40 to 89 %."""
    return 40.0 + number % 50


def state(number: int) -> str:
    return STATES[number % 4]


def vans(numbers: range, time_ms: int, *, distance_km: float, used_kwh: float) -> Rows:
    """One point of each measurement of each van, with these counters."""
    rows = empty_rows()
    for number in numbers:
        series = Series(vehicle_id=name(number), depot=depot(number), model="esprinter-56", country="DE")
        add_reading(
            rows,
            series,
            Reading(
                vehicle_id=name(number),
                time_ms=time_ms,
                soc_pct=soc_pct(number),
                latitude_deg=52.0 + number % 100 / 1000,
                longitude_deg=13.0 + number % 70 / 1000,
                speed_kmh=30.0,
            ),
        )
        energy = EnergyRecord(
            vehicle_id=name(number),
            time_ms=time_ms,
            state=state(number),  # type: ignore[arg-type]
            power_kw=5.0,
            used_kwh_total=used_kwh,
            charged_kwh_total=0.0,
            grid_kwh_total=0.0,
            idle_kwh_total=0.0,
            distance_km_total=distance_km,
        )
        emissions = EmissionsRecord(
            vehicle_id=name(number),
            time_ms=time_ms,
            co2e_g_total=used_kwh * 400.0,
            diesel_co2e_g_total=distance_km * 260.0,
            avoided_co2e_g_total=distance_km * 260.0 - used_kwh * 400.0,
            avoided_nox_mg_total=0.0,
            avoided_pm_mg_total=0.0,
            intensity_source="annual",
        )
        add_records(rows, series, [energy, emissions])
        if number == 7:
            text = "Charge is low"
            alert = AlertRecord(
                vehicle_id=name(number),
                time_ms=time_ms,
                kind="soc_low",
                severity="critical",
                state="raised",
                message=text,
            )
            add_records(rows, series, [alert])
    return rows


def depots(total: int, time_ms: int, *, distance_km: float, used_kwh: float) -> Rows:
    """The `fleet` point of each depot, as the sum of its vans with these counters."""
    rows = empty_rows()
    for place in range(DEPOTS):
        numbers = range(place, total, DEPOTS)
        states = [state(number) for number in numbers]
        socs = [soc_pct(number) for number in numbers]
        count = len(numbers)
        record = FleetRecord(
            depot=depot(place),
            time_ms=time_ms,
            vans=count,
            online=count - states.count("offline"),
            driving=states.count("driving"),
            charging=states.count("charging"),
            soc_mean_pct=sum(socs) / count,
            soc_min_pct=min(socs),
            power_kw=5.0 * (count - states.count("offline")),
            used_kwh_total=used_kwh * count,
            grid_kwh_total=0.0,
            distance_km_total=distance_km * count,
            co2e_g_total=used_kwh * 400.0 * count,
            avoided_co2e_g_total=(distance_km * 260.0 - used_kwh * 400.0) * count,
        )
        add_records(rows, Series(depot=record.depot), (record,))
    return rows
