"""The readings that vans send in the present second, with their periods and resolution."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulator.batteries import settle
from simulator.chance import Floats, Integers, normal, unit
from simulator.fleet import Fleet
from simulator.tours import Purpose
from simulator.van_states import Activity

AWAKE_S: Final = 10
CHARGING_S: Final = 60
ASLEEP_S: Final = 300
LOCATION_LATER_S: Final = 3
"""Vans that send charge and position separately send them at different times."""
FIX_NOISE_M: Final = 2.5
CUSTOMERS: Final = 40
"""Senders of the parcels of all vans."""
SMALL_FLEET: Final = 200

FULL, POWER, PLAIN = 0, 1, 2

Reading = dict[str, Any]
"""One report: fields by their names in the native payload, with "kind" and "vehicle_id"."""


class Reporter:
    """Makes readings from the state of the fleet, at the period of each van."""

    def __init__(self, fleet: Fleet, *, rate_hz: float | None = None, everything: bool = False) -> None:
        """`rate_hz` is the number of messages per second and van. Without it, each van has its own period.

        With `everything`, all vans send all values in one report. Vans that send charge and position separately report
        their load, but not their deliveries.
        """
        self._fleet = fleet
        self._rate_hz = rate_hz
        n = fleet.size
        reports = ["full" if everything else model.reports for model in fleet.models]
        self._style = np.array([{"full": FULL, "power": POWER, "plain": PLAIN}[style] for style in reports])
        self._soc_step = np.array([model.soc_step_pct for model in fleet.models])
        # A small fleet reports at two times of a period, which costs less than one van at a time.
        draw = unit(fleet.keys, Purpose.PHASE)
        self._draw = np.floor(draw * 2.0) / 2.0 if n <= SMALL_FLEET else draw
        self._loads: list[int] = []
        self._parcels = fleet.parcels.copy()
        """The parcels on board at the last check."""
        self._drops: list[Reading] = []
        self._sequence = np.zeros(n, dtype=np.int64)
        self._fix_north_m = np.zeros(n)
        self._fix_east_m = np.zeros(n)
        self._consumption = np.array([0.26 + 0.00003 * (model.test_mass_kg - 2400) for model in fleet.models])
        fleet.watchers.append(self)

    def load_changed(self, vans: Integers) -> None:
        """Note vans with a changed load. A decrease at a stop is a delivery."""
        self._loads.extend(vans.tolist())
        fleet = self._fleet
        fewer = (fleet.parcels[vans] < self._parcels[vans]) & (fleet.activity[vans] == Activity.STOPPED)
        delivering = vans[fewer & (self._style[vans] != PLAIN)]
        parcel_kg = fleet.tours.parcel_kg(delivering, fleet.day[delivering])
        for van, kg in zip(delivering.tolist(), parcel_kg.tolist(), strict=True):
            self._drops.append(self._drop(van, int(self._parcels[van] - fleet.parcels[van]), kg))
        self._parcels[vans] = fleet.parcels[vans]

    def stepped(self) -> None:
        """Nothing to do, because the simulation calls `readings`."""

    def readings(self) -> list[Reading]:
        """All readings of the present second, in the order of the vans."""
        found = [*self._drops, *(self._load(van) for van in sorted(self._loads))]
        self._loads.clear()
        self._drops.clear()
        if self._rate_hz is not None and self._rate_hz > 1.0:
            parts = round(self._rate_hz)
            everyone = np.arange(self._fleet.size)
            for part in range(parts):
                found.extend(self._telemetry(everyone, part / parts))
            return found
        due, later = self._due()
        if due.size:
            found.extend(self._telemetry(due, 0.0))
        if later.size:
            found.extend(self._locations(later))
        return found

    def _due(self) -> tuple[Integers, Integers]:
        fleet = self._fleet
        period: npt.NDArray[np.int64]
        if self._rate_hz is not None:
            period = np.full(fleet.size, max(1, round(1.0 / self._rate_hz)), dtype=np.int64)
        else:
            parked = fleet.activity == Activity.PARKED
            period = np.where(parked, np.where(fleet.charging, CHARGING_S, ASLEEP_S), AWAKE_S)
        phase = (self._draw * period).astype(np.int64)
        place = (fleet.time_s - phase) % period
        later = np.where(period > LOCATION_LATER_S, LOCATION_LATER_S, 0)
        return np.nonzero(place == 0)[0], np.nonzero((place == later) & (self._style == PLAIN))[0]

    def _load(self, van: int) -> Reading:
        fleet = self._fleet
        self._sequence[van] += 1
        return {
            "vehicle_id": fleet.ids[van],
            "kind": "load",
            "time": fleet.time_s * 1000,
            "seq": int(self._sequence[van]),
            "payload_kg": round(float(fleet.payload_kg[van]), 1),
            "parcels": int(fleet.parcels[van]),
        }

    def _drop(self, van: int, items: int, parcel_kg: float) -> Reading:
        """The drop of the parcels at the present stop, as one consignment."""
        fleet = self._fleet
        self._sequence[van] += 1
        stop = int(fleet.stop[van])
        return {
            "vehicle_id": fleet.ids[van],
            "kind": "drop",
            "time": fleet.time_s * 1000,
            "seq": int(self._sequence[van]),
            "action": "unload",
            "mass_kg": round(items * parcel_kg, 2),
            "items": items,
            "consignment_id": f"{fleet.ids[van]}/{int(fleet.day[van])}/{stop}",
            "customer_id": f"customer-{(7 * stop + van) % CUSTOMERS + 1:02d}",
        }

    def _telemetry(self, vans: Integers, part: float) -> list[Reading]:
        """A reading with charge, position and all other values of the van, `part` of a second after the step."""
        fleet = self._fleet
        settle(fleet, vans[fleet.activity[vans] != Activity.DRIVING])
        self._sequence[vans] += 1
        soc_pct = self.shown_soc_pct(vans)
        range_km = fleet.soc[vans] * fleet.vehicles.usable_kwh[vans] / self._consumption[vans]
        hours = part / 3600.0
        power = fleet.power_kw[vans]
        columns: dict[str, npt.NDArray[Any]] = {
            "time": np.full(vans.size, fleet.time_s * 1000 + round(part * 1000), dtype=np.int64),
            "seq": self._sequence[vans],
            "soc_pct": soc_pct,
            "battery_power_kw": np.round(power, 3),
            "voltage_v": np.round(fleet.volt[vans], 1),
            "current_a": np.round(fleet.ampere[vans], 1),
            "battery_temp_c": np.round(fleet.battery_c[vans], 1),
            "soh_pct": np.round(100.0 * fleet.health[vans], 1),
            "range_km": np.round(range_km),
            "ambient_temp_c": np.round(fleet.air_c(vans) * 2.0) / 2.0,
            "charging": fleet.charging[vans],
            "plugged_in": fleet.plugged[vans],
            "energy_out_total_kwh": np.round(fleet.used_kwh[vans] + np.maximum(-power, 0.0) * hours, 3),
            "energy_in_total_kwh": np.round(
                fleet.regenerated_kwh[vans] + fleet.charged_kwh[vans] + np.maximum(power, 0.0) * hours, 3
            ),
            **self._where(vans, part),
        }
        lists = {name: column.tolist() for name, column in columns.items()}
        readings = []
        for i, (van, style) in enumerate(zip(vans.tolist(), self._style[vans].tolist(), strict=True)):
            kind = "soc" if style == PLAIN else "telemetry"
            reading: Reading = {"vehicle_id": fleet.ids[van], "kind": kind}
            for name in FIELDS[style]:
                reading[name] = lists[name][i]
            readings.append(reading)
        return readings

    def _locations(self, vans: Integers) -> list[Reading]:
        fleet = self._fleet
        self._sequence[vans] += 1
        columns = {
            "time": np.full(vans.size, fleet.time_s * 1000, dtype=np.int64),
            "seq": self._sequence[vans],
            **self._where(vans, 0.0),
        }
        columns["odometer_km"] = np.floor(columns["odometer_km"])
        lists = {name: column.tolist() for name, column in columns.items()}
        return [
            {"vehicle_id": fleet.ids[van], "kind": "location", **{name: lists[name][i] for name in LOCATION_FIELDS}}
            for i, van in enumerate(vans.tolist())
        ]

    def _where(self, vans: Integers, part: float) -> dict[str, npt.NDArray[Any]]:
        fleet = self._fleet
        place = fleet.streets.of(vans).place(fleet.u[vans], fleet.v[vans], fleet.direction[vans])
        speed = fleet.speed_mps[vans]
        moved_m = speed * part
        heading = np.radians(place.heading_deg)
        self._wander(vans, speed)
        north_m = moved_m * np.cos(heading) + self._fix_north_m[vans]
        east_m = moved_m * np.sin(heading) + self._fix_east_m[vans]
        latitude = place.latitude_deg + north_m / 111_195.0
        longitude = place.longitude_deg + east_m / (111_195.0 * np.cos(np.radians(latitude)))
        return {
            "latitude_deg": np.round(latitude, 6),
            "longitude_deg": np.round(longitude, 6),
            "altitude_m": np.round(place.altitude_m, 1),
            "speed_kmh": np.round(speed * 3.6, 1),
            "heading_deg": np.round(place.heading_deg, 1) % 360.0,
            "odometer_km": np.round((fleet.odometer_m[vans] + moved_m) / 1000.0, 2),
        }

    def _wander(self, vans: Integers, speed: Floats) -> None:
        """The position error changes while the van moves. A receiver keeps it constant at rest."""
        moving = vans[speed > 0.5]
        keys = self._fleet.keys[moving]
        for error, purpose in ((self._fix_north_m, 0), (self._fix_east_m, 1)):
            draw = normal(keys, Purpose.FIX + 100 * purpose, self._fleet.time_s)
            error[moving] = 0.8 * error[moving] + 0.6 * FIX_NOISE_M * draw

    def shown_soc_pct(self, vans: Integers) -> Floats:
        """The state of charge, rounded as the van does it."""
        step = self._soc_step[vans]
        return np.asarray(np.round(np.round(self._fleet.soc[vans] * 100.0 / step) * step, 2))


_BASE: Final = ("time", "seq", "soc_pct")
LOCATION_FIELDS: Final = (
    "time",
    "seq",
    "latitude_deg",
    "longitude_deg",
    "altitude_m",
    "speed_kmh",
    "heading_deg",
    "odometer_km",
)
FIELDS: Final = {
    FULL: (
        *_BASE,
        "battery_power_kw",
        "voltage_v",
        "current_a",
        "battery_temp_c",
        "soh_pct",
        "range_km",
        "ambient_temp_c",
        "charging",
        "plugged_in",
        "energy_out_total_kwh",
        "energy_in_total_kwh",
        *LOCATION_FIELDS[2:],
    ),
    POWER: (*_BASE, "battery_power_kw", "ambient_temp_c", "charging", *LOCATION_FIELDS[2:]),
    PLAIN: (*_BASE, "battery_temp_c", "range_km", "ambient_temp_c", "charging", "plugged_in"),
}
"""The fields of each style of report, in the order in which they are written."""
