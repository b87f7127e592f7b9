"""Rows of an invented fleet, as the agent would write them: plausible, and the same for the same seed."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.fleet.records import (
    AlertRecord,
    ChargeRecord,
    DropRecord,
    EmissionsRecord,
    EnergyRecord,
    Record,
    TourRecord,
    TripRecord,
)
from agent.points.rows import Rows, Series, add_reading, add_records, empty_rows
from agent.readings import Reading

PERIOD_MS = 10_000
GRID_G_PER_KWH = {"DE": 381.0, "FR": 56.0, "NL": 268.0}
DIESEL_G_PER_KM = 262.0
DEPOTS = (
    ("Berlin Ost", "DE", 52.512, 13.495),
    ("Hamburg Altona", "DE", 53.562, 9.922),
    ("Lyon Sud", "FR", 45.718, 4.856),
    ("Rotterdam", "NL", 51.905, 4.462),
)
MODELS = (("farizon-sv-83", 80.0), ("edeliver-3", 48.0), ("esprinter-56", 55.0))


@dataclass
class FakeVan:
    """One van's day: tours with stops from 7 to about 16 o'clock, then the charger."""

    number: int
    seed: int
    period_ms: int = PERIOD_MS
    series: Series = field(init=False)
    soc: float = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed * 100_003 + self.number)
        depot, country, self.home_lat, self.home_lon = DEPOTS[self.number % len(DEPOTS)]
        model, self.capacity = MODELS[self.number % len(MODELS)]
        self.id = f"van-{self.number + 1:04d}"
        self.series = Series(vehicle_id=self.id, depot=depot, model=model, country=country)
        self.grid_g = GRID_G_PER_KWH[country]
        self.soc = self.random.uniform(55, 100)
        self.lat = self.home_lat + self.random.gauss(0, 0.0006)
        self.lon = self.home_lon + self.random.gauss(0, 0.0009)
        self.state = "parked"
        self.until = 0
        self.heading = 0
        self.speed = 0.0
        self.used = self.regenerated = self.charged = self.grid = self.idle = self.distance = 0.0
        self.co2e_total = self.avoided_total = 0.0
        self.odometer = 12_000.0 + self.number * 37
        self.starts_h = self.random.uniform(6.6, 8.2)
        self.ends_h = self.random.uniform(13.4, 16.8)
        self.charger_kw = 11.0 if self.number % 5 else 22.0
        self.silent_from_h = self.random.uniform(9, 15) if self.number % 12 == 7 else 99.0
        self.forgets_cable = self.number % 9 == 4
        self.trip: dict[str, float] | None = None
        self.charge: dict[str, float] | None = None
        self.low_alert = False
        self.gone = False

    def step(self, time_ms: int, hour: float, rows: Rows) -> None:
        """One period: move, and give the rows that the agent would write."""
        if hour >= self.silent_from_h:
            if not self.gone:
                self.gone = True
                self._records(time_ms, "offline", None, rows)
                self._alert(
                    time_ms, "offline_on_duty", "warning", "raised", "Silent for 10 minutes while on duty", rows
                )
            return
        self.gone = False
        self._decide(time_ms, hour, rows)
        power = self._move()
        self._write(time_ms, power, rows)

    def _decide(self, time_ms: int, hour: float, rows: Rows) -> None:
        at_work = self.starts_h <= hour < self.ends_h and self.soc > (12 if self.state == "driving" else 45)
        if self.state in ("parked", "charging") and at_work:
            self._end_charge(time_ms, rows)
            self._begin_trip(time_ms)
            self.state, self.until = "driving", time_ms + self.random.randint(6, 14) * 60_000
        elif self.state == "driving" and not at_work:
            if self._home():
                self._end_trip(time_ms, rows)
                self.state = "parked" if self.forgets_cable else "charging"
                if self.state == "charging":
                    self.charge = {"start": time_ms, "soc": self.soc, "kwh": self.charged, "grid": self.grid}
        elif self.state == "driving" and time_ms >= self.until:
            self.state, self.until, self.speed = "stopped", time_ms + self.random.randint(2, 9) * 60_000, 0.0
            if self.trip:
                self.trip["stops"] += 1
        elif self.state == "stopped" and time_ms >= self.until:
            self.state, self.until = "driving", time_ms + self.random.randint(2, 7) * 60_000
            self.heading = self.random.choice((0, 90, 180, 270))
        elif self.state == "charging" and self.soc >= 99.9:
            self._end_charge(time_ms, rows)
            self.state = "parked"
        if self.soc < 20 and not self.low_alert:
            self.low_alert = True
            self._alert(time_ms, "soc_low", "critical" if self.soc < 12 else "warning", "raised", "Charge is low", rows)
        elif self.soc > 25 and self.low_alert:
            self.low_alert = False
            self._alert(time_ms, "soc_low", "info", "cleared", "Charge is no longer low", rows)

    def _move(self) -> float:
        """Power out of the battery over one period."""
        hours = self.period_ms / 3_600_000
        if self.state == "driving":
            if self.random.random() < 0.12:
                self.heading = self.random.choice((0, 90, 180, 270))
            self.speed = max(8.0, min(64.0, self.speed + self.random.gauss(2, 9)))
            km = self.speed * hours
            self.distance += km
            self.odometer += km
            turn = math.radians(self.heading + 12)
            self.lat += km / 111.2 * math.cos(turn)
            self.lon += km / 111.2 * math.sin(turn) / math.cos(math.radians(self.lat))
            if abs(self.lat - self.home_lat) > 0.07 or abs(self.lon - self.home_lon) > 0.11:
                north = self.lat < self.home_lat
                east = self.lon < self.home_lon
                self.heading = (0 if north else 180) if abs(self.lat - self.home_lat) > 0.07 else (90 if east else 270)
            power = max(-30.0, self.speed * 0.2 + self.random.gauss(0.8, 6))
            kwh = power * hours
            self.used += max(kwh, 0.0)
            self.regenerated += max(-kwh, 0.0)
            self.soc = max(3.0, self.soc - kwh / self.capacity * 100)
            return power
        self.speed = 0.0
        if self.state == "charging":
            power = self.charger_kw * (1 if self.soc < 90 else 0.45)
            kwh = min(power * hours, (100 - self.soc) / 100 * self.capacity)
            self.soc = min(100.0, self.soc + kwh / self.capacity * 100)
            self.charged += kwh
            self.grid += kwh / 0.9
            return -power
        if self.state == "stopped":
            self.used += 0.4 * hours
            self.soc = max(3.0, self.soc - 0.4 * hours / self.capacity * 100)
            return 0.4
        self.idle += 0.02 * hours
        return 0.02

    def _home(self) -> bool:
        north, east = self.home_lat - self.lat, self.home_lon - self.lon
        self.heading = (0 if north > 0 else 180) if abs(north) > 0.004 else (90 if east > 0 else 270)
        if abs(north) < 0.004 and abs(east) < 0.007:
            self.lat = self.home_lat + self.random.gauss(0, 0.0006)
            self.lon = self.home_lon + self.random.gauss(0, 0.0009)
            return True
        return False

    def _write(self, time_ms: int, power: float, rows: Rows) -> None:
        reading = Reading(
            vehicle_id=self.id,
            time_ms=time_ms,
            soc_pct=round(self.soc, 1),
            soh_pct=97.0,
            battery_power_kw=round(-power, 2),
            battery_temp_c=24.0 + self.number % 7,
            range_km=round(self.soc / 100 * self.capacity / 0.24),
            charging=self.state == "charging",
            plugged_in=self.state == "charging",
            ambient_temp_c=11.0,
            latitude_deg=round(self.lat, 6),
            longitude_deg=round(self.lon, 6),
            speed_kmh=round(self.speed, 1),
            heading_deg=float(self.heading),
            odometer_km=round(self.odometer, 2),
        )
        add_reading(rows, self.series, reading)
        self._records(time_ms, self.state, power, rows)

    def _records(self, time_ms: int, state: str, power: float | None, rows: Rows) -> None:
        per_100 = self.used / self.distance * 100 if self.distance > 1 else None
        record = EnergyRecord(
            vehicle_id=self.id,
            time_ms=time_ms,
            state=state,  # type: ignore[arg-type]
            power_kw=None if power is None else round(power, 2),
            used_kwh_total=round(self.used, 4),
            regenerated_kwh_total=round(self.regenerated, 4),
            charged_kwh_total=round(self.charged, 4),
            grid_kwh_total=round(self.grid, 4),
            idle_kwh_total=round(self.idle, 4),
            distance_km_total=round(self.distance, 4),
            consumption_kwh_per_100km=per_100,
            range_km=round(self.soc / 100 * self.capacity / (per_100 or 24) * 100, 1),
            usable_capacity_kwh=self.capacity,
            uncertainty_kwh=round(0.02 * self.used, 4),
            source="power",
        )
        add_records(rows, self.series, [record])
        co2e = (self.used - self.regenerated) * self.grid_g / 0.9
        diesel = self.distance * DIESEL_G_PER_KM
        self.co2e_total = max(self.co2e_total, co2e)  # as the agent's totals, these never fall
        self.avoided_total = max(self.avoided_total, diesel - co2e)
        emissions = EmissionsRecord(
            vehicle_id=self.id,
            time_ms=time_ms,
            co2e_g_total=round(self.co2e_total, 2),
            co2e_g_per_km=co2e / self.distance if self.distance > 1 else None,
            grid_g_per_kwh=self.grid_g,
            battery_g_per_kwh=self.grid_g,
            diesel_co2e_g_total=round(diesel, 2),
            avoided_co2e_g_total=round(self.avoided_total, 2),
            avoided_nox_mg_total=round(self.distance * 80, 2),
            avoided_pm_mg_total=round(self.distance * 4.5, 2),
            intensity_source="hourly" if self.series.country == "DE" else "annual",
        )
        add_records(rows, self.series, [emissions])

    def _begin_trip(self, time_ms: int) -> None:
        self.trip = {
            "start": time_ms, "km": self.distance, "kwh": self.used - self.regenerated, "soc": self.soc,
            "regenerated": self.regenerated, "stops": 0, "lat": self.lat, "lon": self.lon,
        }  # fmt: skip

    def _end_trip(self, time_ms: int, rows: Rows) -> None:
        trip, self.trip = self.trip, None
        if trip is None:
            return
        km, kwh = self.distance - trip["km"], self.used - self.regenerated - trip["kwh"]
        co2e = kwh * self.grid_g / 0.9
        record = TripRecord(
            vehicle_id=self.id, time_ms=time_ms, start_ms=int(trip["start"]),
            duration_s=(time_ms - trip["start"]) / 1000,
            distance_km=km, energy_kwh=kwh, regenerated_kwh=self.regenerated - trip["regenerated"],
            uncertainty_kwh=0.03 * kwh, soc_start_pct=round(trip["soc"], 1), soc_end_pct=round(self.soc, 1),
            consumption_kwh_per_100km=kwh / km * 100 if km else None, stops=int(trip["stops"]),
            start_latitude_deg=trip["lat"], start_longitude_deg=trip["lon"],
            end_latitude_deg=self.lat, end_longitude_deg=self.lon,
            co2e_g=co2e, diesel_co2e_g=km * DIESEL_G_PER_KM, avoided_co2e_g=km * DIESEL_G_PER_KM - co2e,
            quality="primary",
        )  # fmt: skip
        add_records(rows, self.series, [record, *self._tour(record)])

    def _tour(self, trip: TripRecord) -> list[Record]:
        """Each trip is a tour of its own, with a drop at each stop."""
        drops, co2e = trip.stops, trip.co2e_g or 0.0
        tour = TourRecord(
            vehicle_id=self.id, time_ms=trip.time_ms, start_ms=trip.start_ms, duration_s=trip.duration_s,
            distance_km=trip.distance_km, energy_kwh=trip.energy_kwh, co2e_g=co2e,
            diesel_co2e_g=trip.distance_km * DIESEL_G_PER_KM, trips=1, stops=drops, drops=drops, items=3 * drops,
            co2e_g_per_item=co2e / (3 * drops) if drops else None, quality="modelled",
        )  # fmt: skip
        step_ms = (trip.time_ms - trip.start_ms) // (drops + 1)
        return [tour] + [
            DropRecord(
                vehicle_id=self.id, time_ms=trip.start_ms + number * step_ms, action="unload", items=3,
                consignment_id=f"c-{number}", co2e_g=co2e / drops, source="message",
            )
            for number in range(1, drops + 1)
        ]  # fmt: skip

    def _end_charge(self, time_ms: int, rows: Rows) -> None:
        charge, self.charge = self.charge, None
        if charge is None:
            return
        grid = self.grid - charge["grid"]
        record = ChargeRecord(
            vehicle_id=self.id, time_ms=time_ms, start_ms=int(charge["start"]),
            duration_s=(time_ms - charge["start"]) / 1000, soc_start_pct=round(charge["soc"], 1),
            soc_end_pct=round(self.soc, 1), energy_kwh=self.charged - charge["kwh"], grid_kwh=grid,
            max_power_kw=self.charger_kw, kind="ac", latitude_deg=self.home_lat, longitude_deg=self.home_lon,
            place=self.series.depot, co2e_g=grid * self.grid_g,
        )  # fmt: skip
        add_records(rows, self.series, [record])

    def _alert(self, time_ms: int, kind: str, severity: str, state: str, message: str, rows: Rows) -> None:
        record = AlertRecord(
            vehicle_id=self.id, time_ms=time_ms, kind=kind, severity=severity, state=state,  # type: ignore[arg-type]
            value=round(self.soc, 1), message=f"{message}: {self.soc:.0f} %",
        )  # fmt: skip
        add_records(rows, self.series, [record])


@dataclass
class FakeFleet:
    """So many vans, stepped together; `hour_offset` moves their working day against UTC."""

    vans: int
    seed: int = 1
    hour_offset: float = 0.0
    period_ms: int = PERIOD_MS
    spread: bool = False
    """Vans report one after the other within a period, as real ones do, instead of all at once."""

    def __post_init__(self) -> None:
        self.fleet = [FakeVan(number, self.seed, self.period_ms) for number in range(self.vans)]
        self.counts = dict.fromkeys(("messages", "late", "duplicates", "dead"), 0)
        self.random = random.Random(self.seed)

    def rows(self, start_ms: int, end_ms: int) -> Iterator[Rows]:
        """Rows of every period from `start_ms` up to `end_ms`, one batch per minute."""
        batch = empty_rows()
        for time_ms in range(start_ms, end_ms, self.period_ms):
            for van in self.fleet:
                own_ms = time_ms + (van.number * 7919 % self.period_ms if self.spread else 0)
                van.step(own_ms, self.hour(own_ms), batch)
            self.counts["messages"] += self.vans
            if time_ms % 60_000 == 0:
                self._agent(time_ms, batch)
                yield batch
                batch = empty_rows()
        yield batch

    def hour(self, time_ms: int) -> float:
        """Hour of the fleet's own working day."""
        return (time_ms / 3_600_000 + self.hour_offset) % 24

    def _agent(self, time_ms: int, rows: Rows) -> None:
        counts = self.counts
        counts["late"] += self.random.randint(0, 3)
        counts["duplicates"] += self.random.randint(0, 5)
        counts["dead"] += int(self.random.random() < 0.2)
        rows["agent"].append(
            (
                Series(), time_ms, counts["messages"], counts["messages"] - counts["duplicates"] - counts["dead"],
                counts["duplicates"], counts["late"], counts["dead"], 4 * counts["messages"], 0, 0, 1,
                self.vans / 10 + self.random.gauss(0, 0.2), 0.4 + self.random.random() * 0.4,
                4_000_000 + self.random.randint(0, 2_000_000), 1_073_741_824, self.random.randint(0, 40), self.vans,
                58_000_000,
            )
        )  # fmt: skip
