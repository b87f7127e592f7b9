"""More senders: wrong clocks, GB/T 32960 and VSS; and more ways in which messages are delivered."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from tests.world.senders import START_MS, Message, Native

Change = Callable[[list[Message]], list[Message]]


def later(seconds: float) -> Change:
    """Delay each message by the same time and change nothing in it."""
    return lambda messages: [message._replace(arrival_s=message.arrival_s + seconds) for message in messages]


def again(seconds: float) -> Change:
    """Deliver every message a second time, so much later, as QoS 1 may on a bad connection."""
    return lambda messages: messages + later(seconds)(messages)


def backlog(messages: list[Message]) -> list[Message]:
    """Deliver everything at once at the end, in order, as a queue does after its reader was away."""
    end_s = messages[-1].arrival_s
    return [message._replace(arrival_s=end_s + 0.002 * number) for number, message in enumerate(messages)]


def newest_first(messages: list[Message]) -> list[Message]:
    """Deliver the newest message first and the others after it, newest first. Some trackers can be set to do so."""
    return [
        message._replace(arrival_s=messages[-1].arrival_s + 0.5 * number)
        for number, message in enumerate(reversed(messages))
    ]


def in_arrays(length: int, *bad: str) -> Change:
    """Put so many readings into one array, together with these other elements."""

    def change(messages: list[Message]) -> list[Message]:
        arrays = []
        for first in range(0, len(messages), length):
            part = messages[first : first + length]
            texts = [message.payload for message in part]
            for place, element in enumerate(bad):
                texts.insert(2 * place + 1, element)
            arrays.append(part[-1]._replace(payload=f"[{', '.join(texts)}]"))
        return arrays

    return change


class Clock(Native):
    """A van whose clock is `clock_s` ahead of the true time."""

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        clock_s = fields.pop("clock_s", 0.0)
        return [
            message._replace(arrival_s=message.arrival_s - clock_s)
            for message in super().messages(time_s + clock_s, fields)
        ]


class Zoned(Native):
    """Writes local time as text, `zone_h` hours east of UTC. A full minute is second 60 of the minute before."""

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        zone = timezone(timedelta(hours=fields.pop("zone_h", 2)))
        messages = super().messages(time_s, fields)
        moment = datetime.fromtimestamp(round((START_MS + time_s * 1000) / 1000), zone)
        text = moment.isoformat()
        if moment.second == 0:
            text = (moment - timedelta(seconds=1)).isoformat().replace(":59+", ":60+")
        return [
            message._replace(payload=json.dumps(json.loads(message.payload) | {"time": text})) for message in messages
        ]


class Gbt:
    """GB/T 32960 through EMQX's gateway: raw integers, Beijing time, current positive out of the battery."""

    dialect = "gbt32960"

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        late_s = fields.get("late_s", 0.0)
        moment = datetime.fromtimestamp(round(START_MS / 1000 + time_s), UTC) + timedelta(hours=8)
        current_a = -1000 * fields.get("battery_power_kw", 0.0) / 380
        vehicle = {
            "Type": "Vehicle",
            "Status": 1,
            "Charging": 1 if fields.get("charging") else 3,
            "Mode": 1,
            "Speed": round(10 * fields["speed_kmh"]),
            "Mileage": fields.get("raw_mileage", round(10 * fields["odometer_km"])),
            "Voltage": 3800,
            "Current": round(10 * (current_a + 1000)),
            "SOC": fields.get("raw_soc", int(fields["soc_pct"])),
            "DC": 1,
            "Gear": 46,
            "Resistance": 5000,
        }
        place = {
            "Type": "Location",
            "Status": 0,
            "Latitude": round(1e6 * fields["latitude_deg"]),
            "Longitude": round(1e6 * fields["longitude_deg"]),
        }
        time = {"Year": moment.year - 2000, "Month": moment.month, "Day": moment.day}
        time |= {"Hour": moment.hour, "Minute": moment.minute, "Second": moment.second}
        report = {"Time": time, "Infos": [vehicle, place]}
        payload = {"Cmd": 3 if late_s else 2, "Encrypt": 1, "Vin": "LTESTVAN000000001", "Data": report}
        topic = f"gbt32960/LTESTVAN000000001/upstream/{'reinfo' if late_s else 'info'}"
        return [Message(time_s + late_s + 0.3, topic, json.dumps(payload))]


_BATTERY: Final = "Vehicle.Powertrain.TractionBattery."
PATHS: Final[dict[str, tuple[str, float]]] = {
    "soc_pct": (f"{_BATTERY}StateOfCharge.Current", 1),
    "displayed_pct": (f"{_BATTERY}StateOfCharge.Displayed", 1),
    "latitude_deg": ("Vehicle.CurrentLocation.Latitude", 1),
    "longitude_deg": ("Vehicle.CurrentLocation.Longitude", 1),
    "speed_kmh": ("Vehicle.Speed", 1),
    "odometer_km": ("Vehicle.TraveledDistance", 1000),
    "battery_power_kw": (f"{_BATTERY}CurrentPower", 1000),
    "energy_out_total_kwh": (f"{_BATTERY}AccumulatedConsumedEnergy", 1),
    "charging": (f"{_BATTERY}Charging.IsCharging", 1),
    "plugged_in": (f"{_BATTERY}Charging.ChargingPort.AnyPosition.IsChargingCableConnected", 1),
}


class Vss:
    """VSS paths in one object without a time. The time of arrival counts."""

    dialect = "vss"

    def values(self, fields: dict[str, Any]) -> dict[str, Any]:
        said = {PATHS[name]: value for name, value in fields.items() if name in PATHS}
        return {path: value if isinstance(value, bool) else value * scale for (path, scale), value in said.items()}

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        return [Message(time_s, "vss/van-1", json.dumps(self.values(fields)))]


class VssBare(Vss):
    """VSS as bare values, one message for each."""

    def messages(self, time_s: float, fields: dict[str, Any]) -> list[Message]:
        return [
            Message(time_s + 0.01 * number, f"vss/van-1/{path.replace('.', '/')}", json.dumps(value))
            for number, (path, value) in enumerate(self.values(fields).items())
        ]
