"""GB/T 32960.3 (2016) as the JSON that the EMQX gateway publishes: raw integers, a two-digit year, clocks in UTC+8."""

import datetime
from typing import Any, Final

import msgspec

from simulator.dialects.native import each
from simulator.reports import Reading
from simulator.vin import vin

REPORT: Final = 2
REISSUED: Final = 3
STARTED: Final = 1
OFF: Final = 2
CHARGING_PARKED: Final = 1
NOT_CHARGING: Final = 3
GEAR_DRIVE: Final = 0x2E
GEAR_PARK: Final = 0x0F
CLOCK_AHEAD: Final = datetime.timezone(datetime.timedelta(hours=8))
RESISTANCE_KOHM: Final = 5000

_encode = msgspec.json.Encoder().encode


class Gbt32960:
    """Topics `gbt32960/<VIN>/upstream/info` in real time, `…/reinfo` for readings held back. It has no loads."""

    retain = False

    def encode(self, readings: list[Reading]) -> list[tuple[str, bytes]]:
        """One message for each reading that has a state of charge."""
        messages = []
        for reading, withheld in each(readings):
            if "soc_pct" not in reading or not isinstance(reading.get("time"), int):
                continue
            number = vin(reading["vehicle_id"])
            kind = "reinfo" if withheld else "info"
            report = {
                "Cmd": REISSUED if withheld else REPORT,
                "Encrypt": 1,
                "Vin": number,
                "Data": {"Time": _clock(reading["time"]), "Infos": _infos(reading)},
            }
            messages.append((f"gbt32960/{number}/upstream/{kind}", _encode(report)))
        return messages


def _clock(time_ms: int) -> dict[str, int]:
    moment = datetime.datetime.fromtimestamp(time_ms // 1000, CLOCK_AHEAD)
    return {
        "Year": moment.year % 100,
        "Month": moment.month,
        "Day": moment.day,
        "Hour": moment.hour,
        "Minute": moment.minute,
        "Second": moment.second,
    }


def _infos(reading: Reading) -> list[dict[str, Any]]:
    speed = reading.get("speed_kmh", 0.0)
    charging = reading.get("charging", False)
    infos: list[dict[str, Any]] = [
        {
            "Type": "Vehicle",
            "Status": OFF if charging else STARTED,
            "Charging": CHARGING_PARKED if charging else NOT_CHARGING,
            "Mode": 1,
            "Speed": round(speed * 10.0),
            "Mileage": round(reading.get("odometer_km", 0.0) * 10.0),
            "Voltage": round(reading.get("voltage_v", 0.0) * 10.0),
            # In steps of 0.1 A from -1000 A. Makers use different signs; here out of the battery is positive.
            "Current": round((1000.0 - reading.get("current_a", 0.0)) * 10.0),
            "SOC": min(max(round(reading["soc_pct"]), 0), 255),
            "DC": 1,
            "Gear": GEAR_DRIVE if speed > 0.0 else GEAR_PARK,
            "Resistance": RESISTANCE_KOHM,
            "AcceleratorPedal": 0,
            "BrakePedal": 0,
        }
    ]
    if "latitude_deg" in reading:
        latitude, longitude = reading["latitude_deg"], reading["longitude_deg"]
        infos.append(
            {
                "Type": "Location",
                "Status": (2 if latitude < 0.0 else 0) | (4 if longitude < 0.0 else 0),
                "Longitude": round(abs(longitude) * 1e6),
                "Latitude": round(abs(latitude) * 1e6),
            }
        )
    if "battery_temp_c" in reading:
        warm = round(reading["battery_temp_c"] + 40.0)
        infos.append({"Type": "Extreme", "MaxTemp": warm + 1, "MinTemp": warm - 1})
    return infos
