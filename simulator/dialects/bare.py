"""Senders that publish one value per topic. OVMS sends changed values, the SAIC gateway all values at each poll."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from simulator.dialects.native import each
from simulator.reports import Reading
from simulator.vin import vin

Text = Callable[[Any], str]


def _ovms_number(value: float) -> str:
    """A number with six significant digits, in the format of C++ streams."""
    return f"{value:.6g}"


def _negative(text: Text) -> Text:
    return lambda value: text(-value)


def _fixed(digits: int) -> Text:
    return lambda value: f"{value:.{digits}f}"


def _yes_no(value: Any) -> str:
    return "yes" if value else "no"


OVMS: Final[Mapping[str, tuple[str, Text]]] = {
    "soc_pct": ("v/b/soc", _ovms_number),
    "soh_pct": ("v/b/soh", _ovms_number),
    "voltage_v": ("v/b/voltage", _ovms_number),
    # Out of the battery is positive there.
    "current_a": ("v/b/current", _negative(_ovms_number)),
    "battery_power_kw": ("v/b/power", _negative(_ovms_number)),
    "battery_temp_c": ("v/b/temp", _ovms_number),
    "range_km": ("v/b/range/est", _ovms_number),
    "charging": ("v/c/charging", _yes_no),
    "plugged_in": ("v/c/pilot", _yes_no),
    "charger_power_kw": ("v/c/power", _ovms_number),
    "energy_out_total_kwh": ("v/b/energy/used/total", _ovms_number),
    "energy_in_total_kwh": ("v/b/energy/recd/total", _ovms_number),
    "ambient_temp_c": ("v/e/temp", _ovms_number),
    "latitude_deg": ("v/p/latitude", _fixed(6)),
    "longitude_deg": ("v/p/longitude", _fixed(6)),
    "altitude_m": ("v/p/altitude", _ovms_number),
    "speed_kmh": ("v/p/speed", _ovms_number),
    "heading_deg": ("v/p/direction", _ovms_number),
    "odometer_km": ("v/p/odometer", _ovms_number),
}
"""Canonical field → metric and text. Names and signs are those of the OVMS metrics documentation."""

SAIC: Final[Mapping[str, tuple[str, Text]]] = {
    "soc_pct": ("drivetrain/soc", _fixed(1)),
    "voltage_v": ("drivetrain/voltage", _fixed(3)),
    "current_a": ("drivetrain/current", _negative(_fixed(3))),
    "battery_power_kw": ("drivetrain/power", _negative(_fixed(3))),
    "range_km": ("drivetrain/range", _fixed(1)),
    "charging": ("drivetrain/charging", str),
    "plugged_in": ("drivetrain/chargerConnected", str),
    "odometer_km": ("drivetrain/mileage", _fixed(1)),
    "ambient_temp_c": ("climate/exteriorTemperature", _fixed(0)),
    "latitude_deg": ("location/latitude", _fixed(6)),
    "longitude_deg": ("location/longitude", _fixed(6)),
    "altitude_m": ("location/elevation", _fixed(0)),
    "heading_deg": ("location/heading", _fixed(0)),
    "speed_kmh": ("location/speed", _fixed(1)),
}
"""Canonical field → end of the topic and text. Names and signs are those of the gateway's `mqtt_topics.py`."""


FULL_RESEND_S: Final = 1200
"""An OVMS module sends all values again after this time."""


class BareValueEncoder:
    """Publishes single values without event times."""

    retain = True

    def __init__(
        self, fields: Mapping[str, tuple[str, Text]], topic: Callable[[str], str], *, resend_s: int = 0
    ) -> None:
        """`topic` gives the beginning of a van's topics. Unchanged values are left out for `resend_s`."""
        self._fields = fields
        self._topic = topic
        self._resend_s = resend_s
        self._known: dict[str, str] = {}
        self._period: dict[str, int] = {}

    def encode(self, readings: list[Reading]) -> list[tuple[str, bytes]]:
        """One message per value to send. Readings that were held back are lost, because values have no event time."""
        messages = []
        for reading, withheld in each(readings):
            if withheld:
                continue
            start = self._topic(reading["vehicle_id"])
            everything = self._everything_is_due(reading)
            for name, (tail, text) in self._fields.items():
                if name not in reading:
                    continue
                topic = start + tail
                value = text(reading[name])
                if everything or self._known.get(topic) != value:
                    self._known[topic] = value
                    messages.append((topic, value.encode()))
        return messages

    def _everything_is_due(self, reading: Reading) -> bool:
        """Whether unchanged values are sent too."""
        if not self._resend_s:
            return True
        vehicle_id, time_ms = reading["vehicle_id"], reading["time"]
        if not isinstance(time_ms, int):
            return False
        period = time_ms // 1000 // self._resend_s
        due = self._period.get(vehicle_id) != period
        self._period[vehicle_id] = period
        return due


def make_ovms() -> BareValueEncoder:
    """Topics `ovms/<vehicle>/<vehicle>/metric/…`, retained. The user name of a module is its van."""
    return BareValueEncoder(OVMS, lambda vehicle_id: f"ovms/{vehicle_id}/{vehicle_id}/metric/", resend_s=FULL_RESEND_S)


def make_saic() -> BareValueEncoder:
    """Topics `saic/fleet/vehicles/<VIN>/…`, retained."""
    return BareValueEncoder(SAIC, lambda vehicle_id: f"saic/fleet/vehicles/{vin(vehicle_id)}/")
