"""The simulator's readings as other senders would put them: each at its own resolution and with its own habits."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Reading = dict[str, Any]
Outgoing = tuple[str, bytes]
Encode = Callable[[list[Reading]], list[Outgoing]]

UNKNOWN = {"Speed": 65535, "Mileage": 4294967295, "Voltage": 65535, "Current": 65535, "SOC": 255, "Charging": 255}
BATTERY = "Vehicle.Powertrain.TractionBattery."


def native(readings: list[Reading]) -> list[Outgoing]:
    """As they are."""
    return [
        (
            f"vans/{reading['vehicle_id']}/{reading['kind']}",
            json.dumps({name: value for name, value in reading.items() if name not in {"vehicle_id", "kind"}}).encode(),
        )
        for reading in readings
    ]


def gbt32960(readings: list[Reading], *, sign: int = 1) -> list[Outgoing]:
    """Raw integers, whole per cent, Beijing time; `sign` is what the van's maker thinks a positive current is."""
    return [_report(reading, sign) for reading in readings if reading["kind"] != "load"]


def _report(reading: Reading, sign: int) -> Outgoing:
    vehicle = {"Type": "Vehicle", "Status": 1, **UNKNOWN}
    for key, name, scale in (("Speed", "speed_kmh", 10), ("Mileage", "odometer_km", 10), ("Voltage", "voltage_v", 10)):
        if name in reading:
            vehicle[key] = round(reading[name] * scale)
    if "current_a" in reading:
        vehicle["Current"] = round((sign * reading["current_a"] + 1000) * 10)
    if "soc_pct" in reading:
        vehicle["SOC"] = round(reading["soc_pct"])
    if "charging" in reading:
        vehicle["Charging"] = 1 if reading["charging"] else 3
    blocks: list[dict[str, Any]] = [vehicle]
    if "latitude_deg" in reading:
        latitude, longitude = reading["latitude_deg"], reading["longitude_deg"]
        status = (2 if latitude < 0 else 0) | (4 if longitude < 0 else 0)
        place = {"Latitude": round(abs(latitude) * 1e6), "Longitude": round(abs(longitude) * 1e6)}
        blocks.append({"Type": "Location", "Status": status} | place)
    local = datetime.fromtimestamp(reading["time"] // 1000, tz=UTC) + timedelta(hours=8)
    clock = {"Year": local.year - 2000, "Month": local.month, "Day": local.day}
    clock |= {"Hour": local.hour, "Minute": local.minute, "Second": local.second}
    content = {"Cmd": 2, "Encrypt": 1, "Vin": reading["vehicle_id"], "Data": {"Time": clock, "Infos": blocks}}
    return f"gbt32960/{reading['vehicle_id']}/upstream/info", json.dumps(content).encode()


def vss(readings: list[Reading]) -> list[Outgoing]:
    """Paths in one object, W and m."""
    paths = {
        f"{BATTERY}StateOfCharge.Displayed": ("soc_pct", 1),
        f"{BATTERY}CurrentPower": ("battery_power_kw", 1000),
        f"{BATTERY}CurrentVoltage": ("voltage_v", 1),
        f"{BATTERY}CurrentCurrent": ("current_a", 1),
        f"{BATTERY}Temperature.Average": ("battery_temp_c", 1),
        f"{BATTERY}Charging.IsCharging": ("charging", 0),
        f"{BATTERY}Charging.ChargingPort.AnyPosition.IsChargingCableConnected": ("plugged_in", 0),
        "Vehicle.Exterior.AirTemperature": ("ambient_temp_c", 1),
        "Vehicle.Speed": ("speed_kmh", 1),
        "Vehicle.TraveledDistance": ("odometer_km", 1000),
        "Vehicle.CurrentLocation.Latitude": ("latitude_deg", 1),
        "Vehicle.CurrentLocation.Longitude": ("longitude_deg", 1),
    }
    messages = []
    for reading in readings:
        if reading["kind"] != "load":
            content: dict[str, Any] = {"time": reading["time"]}
            for path, (name, scale) in paths.items():
                if name in reading:
                    content[path] = reading[name] * scale if scale else reading[name]
            messages.append((f"vss/{reading['vehicle_id']}", json.dumps(content).encode()))
    return messages


def _yes_no(value: Any) -> str:
    return "yes" if value else "no"


def _six_digits(value: Any) -> str:
    return f"{value:.6g}"


def _negated(value: Any) -> str:
    return _six_digits(-value)


class Ovms:
    """Bare values, only those that have changed, and everything anew each 20 minutes."""

    METRICS: dict[str, tuple[str, Callable[[Any], str]]] = {  # noqa: RUF012
        "soc_pct": ("v/b/soc", _six_digits),
        "battery_power_kw": ("v/b/power", _negated),
        "voltage_v": ("v/b/voltage", _six_digits),
        "current_a": ("v/b/current", _negated),
        "battery_temp_c": ("v/b/temp", _six_digits),
        "charging": ("v/c/charging", _yes_no),
        "plugged_in": ("v/c/pilot", _yes_no),
        "ambient_temp_c": ("v/e/temp", _six_digits),
        "latitude_deg": ("v/p/latitude", "{:.6f}".format),
        "longitude_deg": ("v/p/longitude", "{:.6f}".format),
        "speed_kmh": ("v/p/speed", _six_digits),
        "odometer_km": ("v/p/odometer", _six_digits),
    }

    def __init__(self) -> None:
        self._sent: dict[str, str] = {}
        self._resend_s: dict[str, int] = {}

    def __call__(self, readings: list[Reading]) -> list[Outgoing]:
        """One message for each value."""
        messages = []
        for reading in readings:
            period = reading["time"] // 1_200_000
            everything = self._resend_s.setdefault(reading["vehicle_id"], period) != period
            self._resend_s[reading["vehicle_id"]] = period
            for topic, text in self._values(reading):
                if everything or self._sent.get(topic) != text:
                    self._sent[topic] = text
                    messages.append((topic, text.encode()))
        return messages

    def _values(self, reading: Reading) -> Iterator[tuple[str, str]]:
        for name, (metric, write) in self.METRICS.items():
            if name in reading:
                yield f"ovms/depot/{reading['vehicle_id']}/metric/{metric}", write(reading[name])


def saic(readings: list[Reading]) -> list[Outgoing]:
    """Bare values, all of them at each poll."""
    tails: dict[str, tuple[str, Callable[[Any], str]]] = {
        "soc_pct": ("drivetrain/soc", "{:.1f}".format),
        "battery_power_kw": ("drivetrain/power", lambda value: f"{-value:.3f}"),
        "voltage_v": ("drivetrain/voltage", "{:.3f}".format),
        "current_a": ("drivetrain/current", lambda value: f"{-value:.3f}"),
        "charging": ("drivetrain/charging", str),
        "plugged_in": ("drivetrain/chargerConnected", str),
        "ambient_temp_c": ("climate/exteriorTemperature", lambda value: str(round(value))),
        "latitude_deg": ("location/latitude", str),
        "longitude_deg": ("location/longitude", str),
        "speed_kmh": ("location/speed", str),
        "odometer_km": ("drivetrain/mileage", "{:.1f}".format),
    }
    return [
        (f"saic/user/vehicles/{reading['vehicle_id']}/{tail}", write(reading[name]).encode())
        for reading in readings
        for name, (tail, write) in tails.items()
        if name in reading
    ]
