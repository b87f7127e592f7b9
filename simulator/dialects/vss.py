"""Topics `vss/<vehicle>` with a JSON object whose keys are COVESA VSS paths, and the time of the reading."""

from typing import Final

import msgspec

from simulator.dialects.native import each
from simulator.reports import Reading

_BATTERY: Final = "Vehicle.Powertrain.TractionBattery."
PATHS: Final[dict[str, tuple[str, float]]] = {
    "soc_pct": (f"{_BATTERY}StateOfCharge.Displayed", 1.0),
    "soh_pct": (f"{_BATTERY}StateOfHealth", 1.0),
    "voltage_v": (f"{_BATTERY}CurrentVoltage", 1.0),
    "current_a": (f"{_BATTERY}CurrentCurrent", 1.0),
    "battery_power_kw": (f"{_BATTERY}CurrentPower", 1000.0),
    "battery_temp_c": (f"{_BATTERY}Temperature.Average", 1.0),
    "range_km": (f"{_BATTERY}Range", 1000.0),
    "charging": (f"{_BATTERY}Charging.IsCharging", 1.0),
    "plugged_in": (f"{_BATTERY}Charging.ChargingPort.AnyPosition.IsChargingCableConnected", 1.0),
    "latitude_deg": ("Vehicle.CurrentLocation.Latitude", 1.0),
    "longitude_deg": ("Vehicle.CurrentLocation.Longitude", 1.0),
    "altitude_m": ("Vehicle.CurrentLocation.Altitude", 1.0),
    "heading_deg": ("Vehicle.CurrentLocation.Heading", 1.0),
    "speed_kmh": ("Vehicle.Speed", 1.0),
    "odometer_km": ("Vehicle.TraveledDistance", 1000.0),
    "ambient_temp_c": ("Vehicle.Exterior.AirTemperature", 1.0),
}
"""Canonical field → path and scale. Accumulated energies are left out, because their meaning differs by maker."""

WHOLE: Final = frozenset({"range_km", "odometer_km"})

_encode = msgspec.json.Encoder().encode


class Vss:
    """Publishes several paths in one message."""

    retain = False

    def encode(self, readings: list[Reading]) -> list[tuple[str, bytes]]:
        """One message for each reading. Loads and drops have no VSS path."""
        messages = []
        for reading, _ in each(readings):
            if reading["kind"] in {"load", "drop"}:
                continue
            values: dict[str, object] = {"time": reading["time"]}
            for name, (path, scale) in PATHS.items():
                if name in reading:
                    value = reading[name]
                    scaled = value if isinstance(value, bool) or scale == 1.0 else value * scale
                    values[path] = round(scaled) if name in WHOLE else scaled
            messages.append((f"vss/{reading['vehicle_id']}", _encode(values)))
        return messages
