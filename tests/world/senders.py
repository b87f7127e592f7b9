"""Senders: each kind turns readings into the messages that it publishes."""

import json
from typing import Any, Final, NamedTuple, Protocol

START_MS = 1_795_000_020_000
"""When every life begins: 18 November 2026, 11:07 UTC."""
LATENCY_S = 0.3


class Message(NamedTuple):
    """One published message and its time of arrival."""

    arrival_s: float
    topic: str
    payload: str
    from_store: bool = False


def buffered(messages: list[Message]) -> list[Message]:
    """Send everything as one array at the end, as native vans do after a time without coverage."""
    texts = ", ".join(message.payload for message in messages)
    return [messages[-1]._replace(payload=f"[{texts}]")]


def twice(messages: list[Message]) -> list[Message]:
    """Deliver every message again half a minute later, as QoS 1 may on a bad connection."""
    return messages + [message._replace(arrival_s=message.arrival_s + 30) for message in messages]


def swapped(messages: list[Message]) -> list[Message]:
    """Swap each two messages: the later one arrives first."""
    return [
        message._replace(arrival_s=message.arrival_s + (11 if number % 2 else 0))
        for number, message in enumerate(messages)
    ]


def from_store(messages: list[Message]) -> list[Message]:
    """Deliver all messages at the end as retained ones."""
    return [message._replace(arrival_s=messages[-1].arrival_s, from_store=True) for message in messages]


class Sender(Protocol):
    """One kind of sender."""

    dialect: str

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        """The messages for one reading. Fields that this sender does not know are left out."""
        ...


class Native:
    """One JSON object with its own time; `kind` is `telemetry`, `soc` or `location`."""

    dialect = "native"

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        fields = dict(fields)
        kind = fields.pop("kind", "telemetry")
        if "charger_power_kw" in fields:
            del fields["charger_power_kw"]
        if kind == "load":
            fields = {name: value for name, value in fields.items() if name in ("payload_kg", "parcels")}
        if kind == "soc":
            fields = {name: value for name, value in fields.items() if name not in _PLACE}
        if kind == "location":
            fields = {name: value for name, value in fields.items() if name in _PLACE}
        late_s = fields.pop("late_s", 0.0)
        text = json.dumps({"time": START_MS + round(time_s * 1000), **fields})
        return [Message(time_s + LATENCY_S + late_s, f"vans/van-1/{kind}", text)]


_PLACE = ("latitude_deg", "longitude_deg", "speed_kmh", "odometer_km", "altitude_m", "accuracy_m", "late_s")


class TeslaMate:
    """Sends values that changed, but never a speed that became null. The temperature changes all the time."""

    dialect = "teslamate"

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._count = 0

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        self._count += 1
        texts = {"outside_temp": f"{10 + self._count % 5 / 10:.1f}"}
        for name, value in fields.items():
            match name:
                case "soc_pct":
                    texts["battery_level"] = f"{int(value)}"
                case "latitude_deg":
                    texts["location"] = json.dumps({"latitude": value, "longitude": fields["longitude_deg"]})
                case "charging":
                    texts["charging_state"] = "Charging" if value else "Disconnected"
                case "plugged_in":
                    texts["plugged_in"] = "true" if value else "false"
                case "speed_kmh" if value:
                    texts["speed"] = f"{value:.0f}"
                case "battery_power_kw":
                    texts["power"] = f"{-value:.0f}"
                case "charger_power_kw":
                    texts["charger_power"] = f"{int(value)}"
                case "odometer_km":
                    texts["odometer"] = f"{value:.2f}"
                case "shift_state":
                    texts["shift_state"] = value
                case _:
                    pass
        changed = {field: text for field, text in texts.items() if self._last.get(field) != text}
        self._last |= changed
        return [Message(time_s, f"teslamate/cars/1/{field}", text) for field, text in changed.items()]


_METRICS: Final = {
    "charging": "v/c/charging",
    "charger_power_kw": "v/c/power",
    "soc_pct": "v/b/soc",
    "latitude_deg": "v/p/latitude",
    "longitude_deg": "v/p/longitude",
    "odometer_km": "v/p/odometer",
    "speed_kmh": "v/p/speed",
    "battery_power_kw": "v/b/power",
}


class Ovms:
    """Sends the metrics that changed, and all metrics every 1200 s."""

    dialect = "ovms"

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._resent_s = -1200.0
        self._count = 0

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        self._count += 1
        texts = {_METRICS[name]: _ovms(name, value) for name, value in fields.items() if name in _METRICS}
        if time_s - self._resent_s >= 1200:
            self._resent_s = time_s
            self._last.clear()
        changed = {metric: text for metric, text in texts.items() if self._last.get(metric) != text}
        self._last |= changed
        burst = {**changed, "v/b/temp": f"{16 + self._count % 5}"}
        return [
            Message(time_s + 1.3 * position / len(burst), f"ovms/depot/EV1/metric/{metric}", text)
            for position, (metric, text) in enumerate(burst.items())
        ]


class Saic:
    """Sends everything at each poll. Power and current are negative while charging."""

    dialect = "saic"

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        tails = {
            "drivetrain/soc": fields.get("soc_pct"),
            "drivetrain/charging": fields.get("charging"),
            "drivetrain/chargerConnected": fields.get("plugged_in"),
            "drivetrain/mileage": fields.get("odometer_km"),
            "location/latitude": fields.get("latitude_deg"),
            "location/longitude": fields.get("longitude_deg"),
            "location/speed": fields.get("speed_kmh"),
            "obc/powerSinglePhase": fields.get("single_phase_w"),
            "obc/powerThreePhase": fields.get("three_phase_w"),
            "drivetrain/power": -fields["battery_power_kw"] if "battery_power_kw" in fields else None,
        }
        start = "saic/fleet@x/vehicles/LSKTESTVAN0000001"
        return [Message(time_s, f"{start}/{tail}", f"{value}") for tail, value in tails.items() if value is not None]


def _ovms(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{-value if name == 'battery_power_kw' else value}"
