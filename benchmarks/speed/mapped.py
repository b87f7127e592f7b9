"""The same load from a gateway with a format of its own, and the mapping of that format.

The gateway sends what native vans send: nested, in other units, with a flag, and one value at the second of two paths.
"""

import json

from agent.dialects.mapping.settings import MappingSettings
from agent.messages import Message

MAPPING = MappingSettings.model_validate(
    {
        "topic": "gateway/{vehicle_id}/status",
        "time": {"path": "ts", "unit": "s"},
        "fields": {
            "seq": {"path": "n"},
            "soc_pct": {"path": "ev.soc", "sentinels": [255]},
            "battery_power_kw": {"path": "ev.p", "unit": "W", "sign": -1},
            "latitude_deg": {"path": "gps.lat", "when": "gps.ok"},
            "longitude_deg": {"path": "gps.lon", "when": "gps.ok"},
            "speed_kmh": {"path": "gps.v", "unit": "m/s"},
            "odometer_km": {"path": ["can.odo", "odo"], "unit": "m"},
            "ambient_temp_c": {"path": "env.t"},
        },
    }
)


def as_gateway(message: Message) -> Message:
    """The message of the gateway that says what a native message says."""
    said = json.loads(message.payload)
    content = {
        "ts": said["time"] / 1000,
        "n": said["seq"],
        "ev": {"soc": said["soc_pct"], "p": round(-1000 * said["battery_power_kw"])},
        "gps": {
            "ok": True,
            "lat": said["latitude_deg"],
            "lon": said["longitude_deg"],
            "v": round(said["speed_kmh"] / 3.6, 2),
        },
        "odo": round(1000 * said["odometer_km"]),
        "env": {"t": said["ambient_temp_c"]},
    }
    van = message.topic.split("/")[1]
    return Message(f"gateway/{van}/status", json.dumps(content, separators=(",", ":")).encode())
