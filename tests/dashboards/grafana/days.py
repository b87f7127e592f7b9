"""The messages of four delivery vans in two and a half days. Every kind of event occurs.

`berlin-1` reports everything, and is silent for a night in which it charges. `berlin-2` also reports lifetime energy
counters and deliveries. `paris-1` reports only charge and position, and is silent for an afternoon in which it drives
and charges. `paris-2` gets hot and nearly empty, and does not report its load.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import Any

import msgspec

from agent.fleet.books.corrections import CorrectedHour, Correction
from agent.fleet.correction_state import Amounts
from agent.messages import Batch, Message, MessageKind

START_MS = 1_789_948_800_000  # 2026-09-21, a Monday, 00:00 UTC
DAY_S = 86_400
LENGTH_S = int(2.5 * DAY_S)
END_MS = START_MS + LENGTH_S * 1000
PERIOD_S = 20
ASLEEP_PERIOD_S = 120
TICK_S = 60
KM_PER_DEGREE = 111.2

DEPOTS = {"berlin": (52.48, 13.42), "paris": (48.83, 2.36)}
FLEET = {
    "depots": {
        name: {"country": {"berlin": "DE", "paris": "FR"}[name], "latitude_deg": place[0], "longitude_deg": place[1]}
        for name, place in DEPOTS.items()
    },
    "vans": {
        "berlin-1": {"depot": "berlin", "model": "farizon-sv-83"},
        "berlin-2": {"depot": "berlin", "model": "farizon-sv-106"},
        "paris-1": {"depot": "paris", "model": "farizon-sv-83"},
        "paris-2": {"depot": "paris", "model": "farizon-sv-106"},
    },
}
GEOFENCES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"name": f"{name} yard", "kind": "depot", "radius_m": 300},
            "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        }
        for name, (latitude, longitude) in DEPOTS.items()
    ]
    + [
        {
            "type": "Feature",
            "properties": {"name": f"{name} market", "kind": "customer", "radius_m": 2500, "alert": True},
            "geometry": {"type": "Point", "coordinates": [longitude + 0.06, latitude]},
        }
        for name, (latitude, longitude) in DEPOTS.items()
    ],
}


def intensities() -> str:
    """Hourly grid intensity for Germany only. France falls back to the annual factor."""
    lines = ["start_utc,zone,gco2e_per_kwh"]
    for hour in range(-24, LENGTH_S // 3600 + 24):
        day, of_day = divmod(hour, 24)
        value = 360 + 120 * cos(2 * pi * of_day / 24)
        lines.append(f"2026-09-{21 + day:02d}T{of_day:02d}:00:00Z,DE,{value:.1f}")
    return "\n".join(lines) + "\n"


@dataclass
class Van:
    vehicle_id: str
    depot: str
    capacity_kwh: float
    soc_pct: float
    counters: bool = False
    plain: bool = False
    silent_s: range = range(0)
    hot: bool = False
    x_km: float = 0.0
    odometer_km: float = 21_000.0
    used_kwh: float = 5000.0
    charged_kwh: float = 5400.0
    speed_kmh: float = 0.0
    power_kw: float = 0.0
    charging: bool = False
    plugged_in: bool = False
    seq: int = field(default=0)

    def advance(self, second: int, seconds: int) -> None:
        """Drive, stand or charge for `seconds`, by the time of day."""
        of_day = second % DAY_S
        tour = 7 * 3600 <= of_day < 15 * 3600 + 1800
        lunch = 11 * 3600 <= of_day < 12 * 3600
        self.speed_kmh = self.power_kw = 0.0
        self.plugged_in = self.charging = False
        if tour and not lunch:
            self._drive(of_day, seconds)
        elif self._returning(of_day):
            self._move(-45.0, seconds)
        elif lunch and self.vehicle_id == "berlin-2":
            self._charge(50.0, seconds, limit_pct=85)
        elif of_day < 6 * 3600 or of_day >= 17 * 3600:
            self._charge(11.0, seconds, limit_pct=100)
        if not self.plugged_in and not self.speed_kmh:
            self._take(0.15, seconds)

    def _returning(self, of_day: int) -> bool:
        return 15 * 3600 + 1800 <= of_day < 17 * 3600 and self.x_km > 0.2

    def _drive(self, of_day: int, seconds: int) -> None:
        """Drive for nine minutes, deliver for three; away from the depot in the morning, back in the afternoon."""
        if of_day % 720 < 540:
            outwards = of_day < 11 * 3600
            fast = of_day % 1440 < 720
            self._move((62.0 if fast else 24.0) if outwards else (-62.0 if fast else -24.0), seconds)

    def _move(self, kmh: float, seconds: int) -> None:
        if kmh < 0 and self.x_km <= 0.1:
            return
        self.speed_kmh = abs(kmh)
        km = kmh * seconds / 3600
        self.x_km += km
        self.odometer_km += abs(km)
        power_kw = self.speed_kmh * (0.30 if self.speed_kmh > 40 else 0.24) * (1.15 if self.hot else 1.0)
        self._take(power_kw, seconds)

    def _take(self, power_kw: float, seconds: int) -> None:
        self.power_kw = -power_kw
        self.used_kwh += power_kw * seconds / 3600
        self.soc_pct = max(1.0, self.soc_pct - power_kw * seconds / 36 / self.capacity_kwh)

    def _charge(self, power_kw: float, seconds: int, *, limit_pct: float) -> None:
        self.plugged_in = True
        if self.soc_pct < limit_pct:
            self.charging = True
            self.power_kw = power_kw
            self.charged_kwh += power_kw * seconds / 3600
            self.soc_pct = min(limit_pct, self.soc_pct + power_kw * seconds / 36 / self.capacity_kwh)

    def telemetry(self, second: int) -> dict[str, Any]:
        latitude, longitude = DEPOTS[self.depot]
        self.seq += 1
        outside_c = 6.0 + 9.0 * sin(2 * pi * (second % DAY_S - 28_800) / DAY_S)
        soc_pct = round(self.soc_pct * 2) / 2
        values: dict[str, Any] = {
            "time": START_MS + second * 1000,
            "seq": self.seq,
            "soc_pct": soc_pct,
            "latitude_deg": round(latitude, 6),
            "longitude_deg": round(longitude + self.x_km / (KM_PER_DEGREE * cos(latitude * pi / 180)), 6),
            "speed_kmh": self.speed_kmh,
            "ambient_temp_c": round(outside_c, 1),
            "odometer_km": round(self.odometer_km, 1),
        }
        if self.plain:
            return values
        voltage_v = 330 + self.soc_pct / 2
        values |= {
            "altitude_m": 34 + 10 * sin(self.x_km),
            "heading_deg": 90 if self.speed_kmh else 0,
            "accuracy_m": 4,
            "voltage_v": round(voltage_v, 1),
            "current_a": round(self.power_kw * 1000 / voltage_v, 1),
            "battery_power_kw": round(self.power_kw, 2),
            "battery_temp_c": round(outside_c + (40 if self.hot and self.speed_kmh else 12), 1),
            "soh_pct": 96.5,
            "range_km": round(soc_pct * 3),
            "charging": self.charging,
            "plugged_in": self.plugged_in,
        }
        if self.counters:
            values |= {
                "energy_out_total_kwh": round(self.used_kwh, 2),
                "energy_in_total_kwh": round(self.charged_kwh, 2),
            }
        return values

    def load(self, second: int) -> dict[str, Any]:
        done = (second % DAY_S - 7 * 3600) / (9 * 3600)
        return {
            "time": START_MS + second * 1000,
            "payload_kg": round(800 * (1 - done)),
            "parcels": round(120 * (1 - done)),
        }

    def drop(self, second: int) -> dict[str, Any]:
        return {
            "time": START_MS + second * 1000,
            "action": "unload",
            "consignment_id": f"{self.vehicle_id}-{second}",
            "customer_id": "acme",
            "mass_kg": 40.0,
            "items": 6,
        } | (
            {}
            if second % 3600
            else {"latitude_deg": DEPOTS[self.depot][0], "longitude_deg": DEPOTS[self.depot][1] + 0.06}
        )


def vans() -> list[Van]:
    afternoon = range(DAY_S + 12 * 3600, DAY_S + 18 * 3600)
    night = range(16 * 3600 + 3000, 30 * 3600)
    return [
        Van("berlin-1", "berlin", 83, 62, silent_s=night),
        Van("berlin-2", "berlin", 106, 55, counters=True),
        Van("paris-1", "paris", 83, 70, plain=True, silent_s=afternoon),
        Van("paris-2", "paris", 106, 20, hot=True),
    ]


def batches() -> Iterator[Batch]:
    """The messages in order of time, one batch per period, a tick each minute. A few are late, duplicate or broken."""
    fleet = vans()
    offset = 0
    for second in range(0, LENGTH_S, PERIOD_S):
        messages = list(_messages(fleet, second))
        now_ms = START_MS + second * 1000
        if second == 2 * DAY_S:
            messages.append(_correction())
        if second % TICK_S == 0:
            messages.append(Message("", b"%d" % now_ms, kind=MessageKind.TICK))
        if messages:
            yield Batch(offset, now_ms, START_MS, messages)
            offset += len(messages)


def _messages(fleet: list[Van], second: int) -> Iterator[Message]:
    for van in fleet:
        before = van.charging
        van.advance(second, PERIOD_S)
        on_duty = 7 * 3600 <= second % DAY_S < 17 * 3600
        awake = on_duty or van.charging or before or second % ASLEEP_PERIOD_S == 0
        if second in van.silent_s or not awake:
            continue
        yield _message(van, "telemetry", van.telemetry(second))
        of_day = second % DAY_S
        if van.vehicle_id != "paris-2" and 7 * 3600 <= of_day < 16 * 3600 and second % 1800 == 0:
            yield _message(van, "load", van.load(second))
        if van.counters and 8 * 3600 <= of_day < 16 * 3600 and second % 1800 == 0:
            yield _message(van, "drop", van.drop(second))
        if second % 7200 == 0:
            yield _message(van, "telemetry", van.telemetry(second))
            yield _message(van, "soc", {"time": START_MS + second * 1000 - 30_000, "soc_pct": round(van.soc_pct)})
            yield Message(f"vans/{van.vehicle_id}/telemetry", b'{"time": 1')


def _correction() -> Message:
    """A correction: an hour of the second morning must not count."""
    from_ms = START_MS + (DAY_S + 8 * 3600) * 1000
    wrong = Amounts(30.0, 9.0, 1.0, 1.0, 1.0, 0.1, 3000.0, 7500.0, 4500.0, 3750.0, 135.0)
    asked = Correction(
        "berlin-1", from_ms, from_ms + 3_600_000, from_ms + 60_000, "test bench", "ann", [CorrectedHour(from_ms, wrong)]
    )
    return Message("", msgspec.json.encode(asked), kind=MessageKind.CORRECTION)


def _message(van: Van, kind: str, values: dict[str, Any]) -> Message:
    return Message(f"vans/{van.vehicle_id}/{kind}", json.dumps(values).encode())
