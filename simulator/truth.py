"""Writes the true trips, stops, charges and totals of every van as JSON lines.

The definitions are those of the agent:

* A trip begins with the first movement after 300 s or more at rest. It ends when the van has come to rest for 300 s.
* A stop is a rest of 60 s to 300 s on a trip.
* A charge lasts while energy flows from a charger.
* Energy is at the terminals of the battery, minus the energy returned by braking. Distance is that of the odometer.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import numpy as np

from simulator.chance import Integers
from simulator.fleet import Fleet
from simulator.van_states import Activity

PARKED_AFTER_S: Final = 300
STOP_AFTER_S: Final = 60
TOTALS_EVERY_S: Final = 600


class TruthWriter:
    """Watches a fleet and writes its events. A context manager: leaving it writes the last totals."""

    def __init__(self, fleet: Fleet, path: Path) -> None:
        """Begin now with a new file."""
        self._fleet = fleet
        self._file = path.open("wb")
        self._encode = msgspec.json.Encoder().encode
        n = fleet.size
        self._start_s = fleet.time_s
        self._rest_since_s = np.where(fleet.activity == Activity.PARKED, 0, fleet.time_s)
        self._moving = np.zeros(n, dtype=bool)
        self._on_trip = fleet.activity != Activity.PARKED
        self._charging = fleet.charging.copy()
        self._trips = np.zeros(n, dtype=np.int64)
        self._stops = np.zeros(n, dtype=np.int64)
        self._charges = np.zeros(n, dtype=np.int64)
        self._trip_stops = np.zeros(n, dtype=np.int64)
        self._begin_marks = self._marks()
        self._trip_marks = self._marks()
        self._rest_marks = self._marks()
        self._charge_marks = self._marks()
        self._parked_kwh = np.zeros(n)
        """Energy used outside trips, up to the last departure."""
        self._parked_from_kwh = self._begin_marks["net_kwh"].copy()
        self._peak_kw = np.zeros(n)
        fleet.watchers.append(self)
        self._write(
            kind="definitions",
            start_ms=fleet.time_s * 1000,
            parked_after_s=PARKED_AFTER_S,
            stop_after_s=STOP_AFTER_S,
            vans=n,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._totals()
        self._file.close()

    def load_changed(self, vans: Integers) -> None:
        """Loads are not part of the truth file."""

    def stepped(self) -> None:
        """Find events by comparing with the previous second."""
        fleet = self._fleet
        moving = fleet.speed_mps > 0.0
        changed = np.nonzero(moving != self._moving)[0]
        if changed.size:
            self._left(changed[moving[changed]])
            halted = changed[~moving[changed]]
            self._rest_since_s[halted] = fleet.time_s
            self._mark(self._rest_marks, halted)
            self._moving = moving
        rested = self._on_trip & ~moving & (fleet.time_s - self._rest_since_s >= PARKED_AFTER_S)
        if rested.any():
            self._parked(np.nonzero(rested)[0])
        self._watch_charging()
        if fleet.time_s % TOTALS_EVERY_S == 0:
            self._totals()

    def _left(self, vans: Integers) -> None:
        """Handle vans that begin to move: a stop ends, or a trip begins with this second."""
        fleet = self._fleet
        rest_s = fleet.time_s - 1 - self._rest_since_s[vans]
        on_trip = self._on_trip[vans]
        for van in vans[on_trip & (rest_s >= STOP_AFTER_S)].tolist():
            self._stop(van)
        starting = vans[~on_trip]
        self._on_trip[starting] = True
        self._trip_stops[starting] = 0
        self._mark(self._trip_marks, starting)
        self._trip_marks["time_s"][starting] -= 1
        self._trip_marks["odometer_m"][starting] -= fleet.speed_mps[starting]
        self._trip_marks["net_kwh"][starting] += fleet.power_kw[starting] / 3600.0
        self._parked_kwh[starting] += self._trip_marks["net_kwh"][starting] - self._parked_from_kwh[starting]

    def _stop(self, van: int) -> None:
        self._stops[van] += 1
        self._trip_stops[van] += 1
        since_s = int(self._rest_since_s[van])
        place = self._place(van)
        left_ms = (self._fleet.time_s - 1) * 1000
        self._write(
            kind="stop",
            vehicle_id=self._fleet.ids[van],
            start_ms=since_s * 1000,
            end_ms=left_ms,
            dwell_s=left_ms // 1000 - since_s,
            **place,
        )

    def _parked(self, vans: Integers) -> None:
        """Handle vans whose trip ended when they came to rest."""
        self._on_trip[vans] = False
        for van in vans.tolist():
            begin = {name: values[van].item() for name, values in self._trip_marks.items()}
            end = {name: values[van].item() for name, values in self._rest_marks.items()}
            self._parked_from_kwh[van] = end["net_kwh"]
            if end["odometer_m"] - begin["odometer_m"] < 1.0:
                continue
            self._trips[van] += 1
            self._write(
                kind="trip",
                vehicle_id=self._fleet.ids[van],
                start_ms=int(begin["time_s"]) * 1000,
                end_ms=int(end["time_s"]) * 1000,
                distance_km=round((end["odometer_m"] - begin["odometer_m"]) / 1000.0, 4),
                energy_kwh=round(end["net_kwh"] - begin["net_kwh"], 4),
                regenerated_kwh=round(end["regenerated_kwh"] - begin["regenerated_kwh"], 4),
                soc_start_pct=round(100.0 * begin["soc"], 2),
                soc_end_pct=round(100.0 * end["soc"], 2),
                stops=int(self._trip_stops[van]),
                **self._place(van),
            )

    def _watch_charging(self) -> None:
        fleet = self._fleet
        changed = np.nonzero(fleet.charging != self._charging)[0]
        if changed.size:
            begun = changed[fleet.charging[changed]]
            # The energy of a charge is the increase of the counters since the previous charge.
            for name in ("time_s", "soc"):
                self._charge_marks[name][begun] = self._marks(begun)[name]
            self._peak_kw[begun] = 0.0
            for van in changed[~fleet.charging[changed]].tolist():
                self._charged(van)
            self._charging = fleet.charging.copy()
        if fleet.time_s % 60 == 0:
            np.maximum(self._peak_kw, np.where(fleet.charging, fleet.power_kw, 0.0), out=self._peak_kw)

    def _charged(self, van: int) -> None:
        fleet = self._fleet
        one = np.array([van])
        begin = {name: values[van].item() for name, values in self._charge_marks.items()}
        end = {name: values[0].item() for name, values in self._marks(one).items()}
        self._mark(self._charge_marks, one)
        energy_kwh = end["charged_kwh"] - begin["charged_kwh"]
        self._charges[van] += 1
        self._write(
            kind="charge",
            vehicle_id=fleet.ids[van],
            start_ms=int(begin["time_s"]) * 1000,
            end_ms=int(end["time_s"]) * 1000,
            energy_kwh=round(energy_kwh, 4),
            grid_kwh=round(end["grid_kwh"] - begin["grid_kwh"], 4),
            soc_start_pct=round(100.0 * begin["soc"], 2),
            soc_end_pct=round(100.0 * end["soc"], 2),
            max_power_kw=round(float(self._peak_kw[van]), 2),
            current="dc" if fleet.activity[van] == Activity.FAST_CHARGING else "ac",
            **self._place(van),
        )

    def _totals(self) -> None:
        """Write one line per van with its totals since the start."""
        fleet = self._fleet
        now = self._marks()
        lines = {name: (now[name] - self._begin_marks[name]).tolist() for name in now}
        since = np.where(self._on_trip, 0.0, now["net_kwh"] - self._parked_from_kwh)
        parked_kwh = (self._parked_kwh + since).tolist()
        for van, vehicle_id in enumerate(fleet.ids):
            self._write(
                kind="total",
                vehicle_id=vehicle_id,
                start_ms=self._start_s * 1000,
                end_ms=fleet.time_s * 1000,
                distance_km=round(lines["odometer_m"][van] / 1000.0, 4),
                net_kwh=round(lines["net_kwh"][van], 4),
                regenerated_kwh=round(lines["regenerated_kwh"][van], 4),
                charged_kwh=round(lines["charged_kwh"][van], 4),
                grid_kwh=round(lines["grid_kwh"][van], 4),
                idle_kwh=round(parked_kwh[van], 4),
                soc_pct=round(100.0 * float(fleet.soc[van]), 2),
                trips=int(self._trips[van]),
                stops=int(self._stops[van]),
                charges=int(self._charges[van]),
            )
        self._file.flush()

    def _marks(self, vans: Integers | slice = slice(None)) -> dict[str, np.typing.NDArray[Any]]:
        """The present counters."""
        fleet = self._fleet
        return {
            "time_s": np.full(fleet.size, fleet.time_s, dtype=np.int64)[vans],
            "odometer_m": fleet.odometer_m[vans].copy(),
            "net_kwh": fleet.used_kwh[vans] - fleet.regenerated_kwh[vans],
            "regenerated_kwh": fleet.regenerated_kwh[vans].copy(),
            "charged_kwh": fleet.charged_kwh[vans].copy(),
            "grid_kwh": fleet.grid_kwh[vans].copy(),
            "soc": fleet.soc[vans].copy(),
        }

    def _mark(self, marks: dict[str, np.typing.NDArray[Any]], vans: Integers) -> None:
        for name, values in self._marks(vans).items():
            marks[name][vans] = values

    def _place(self, van: int) -> dict[str, float]:
        fleet = self._fleet
        one = np.array([van])
        place = fleet.streets.of(one).place(fleet.u[one], fleet.v[one], fleet.direction[one])
        return {
            "latitude_deg": round(float(place.latitude_deg[0]), 6),
            "longitude_deg": round(float(place.longitude_deg[0]), 6),
        }

    def _write(self, **line: Any) -> None:
        self._file.write(self._encode(line) + b"\n")
