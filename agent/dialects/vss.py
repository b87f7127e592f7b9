"""COVESA VSS: paths as the names of values. VSS does not define a transport.

Two forms are decoded: `vss/<vehicle>` with a JSON object of paths or an array of such objects, and
`vss/<vehicle>/Vehicle/Speed` with a bare value. An object may have a `time`, as in the native dialect; without one its
event time is the arrival.
Paths, units and signs: COVESA/vehicle_signal_specification v6. Power and current are positive into the battery.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from agent.dialects.bare import BareValues, Meaning, as_number, check_values, choice, number
from agent.dialects.identity import resolve
from agent.dialects.joining import Value, Values, canonical
from agent.dialects.memories import MAX_VANS
from agent.dialects.native import oldest_first
from agent.dialects.strict_json import parse_json
from agent.dialects.timestamps import DAY_MS, MINUTE_MS, check_window, parse_time
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import RANGES, Reading

_BATTERY: Final = "Vehicle.Powertrain.TractionBattery."
NUMBERS: Final[dict[str, tuple[str, float]]] = {
    f"{_BATTERY}StateOfCharge.Displayed": ("soc_displayed_pct", 1.0),
    f"{_BATTERY}StateOfCharge.Current": ("soc_current_pct", 1.0),
    f"{_BATTERY}StateOfHealth": ("soh_pct", 1.0),
    f"{_BATTERY}CurrentVoltage": ("voltage_v", 1.0),
    f"{_BATTERY}CurrentCurrent": ("current_a", 1.0),
    f"{_BATTERY}CurrentPower": ("battery_power_kw", 0.001),
    f"{_BATTERY}Temperature.Average": ("battery_temp_c", 1.0),
    f"{_BATTERY}Temperature.Min": ("battery_min_c", 1.0),
    f"{_BATTERY}Temperature.Max": ("battery_max_c", 1.0),
    f"{_BATTERY}Range": ("range_km", 0.001),
    "Vehicle.Powertrain.Range": ("range_all_km", 0.001),
    f"{_BATTERY}AccumulatedConsumedEnergy": ("energy_out_total_kwh", 1.0),
    f"{_BATTERY}AccumulatedChargedEnergy": ("charged_total_kwh", 1.0),
    "Vehicle.Powertrain.AccumulatedBrakingEnergy": ("braking_total_kwh", 1.0),
    "Vehicle.CurrentLocation.Latitude": ("latitude_deg", 1.0),
    "Vehicle.CurrentLocation.Longitude": ("longitude_deg", 1.0),
    "Vehicle.CurrentLocation.Altitude": ("altitude_m", 1.0),
    "Vehicle.CurrentLocation.Heading": ("heading_deg", 1.0),
    "Vehicle.CurrentLocation.HorizontalAccuracy": ("accuracy_m", 1.0),
    "Vehicle.Speed": ("speed_kmh", 1.0),
    "Vehicle.TraveledDistance": ("odometer_km", 0.001),
    "Vehicle.Exterior.AirTemperature": ("ambient_temp_c", 1.0),
    "Vehicle.CurrentOverallWeight": ("overall_kg", 1.0),
    "Vehicle.CurbWeight": ("curb_kg", 1.0),
}
"""By path: the name of the value in this module, and the factor to its unit."""

_PORTS: Final = ("FrontLeft", "FrontMiddle", "FrontRight", "RearLeft", "RearMiddle", "RearRight", "AnyPosition")
FLAGS: Final[dict[str, str]] = {
    f"{_BATTERY}Charging.IsCharging": "charging",
    **{f"{_BATTERY}Charging.ChargingPort.{port}.IsChargingCableConnected": f"plug_{port}" for port in _PORTS},
}
VIN: Final = "Vehicle.VehicleIdentification.VIN"
TIMESTAMP: Final = "Vehicle.CurrentLocation.Timestamp"
_WORDS: Final = {"true": True, "false": False}


class VssDialect(BareValues):
    """Senders that use VSS paths. The sender is the vehicle in the topic; a VIN in the payload must agree."""

    name = "vss"
    ranges = RANGES | {
        "soc_displayed_pct": RANGES["soc_pct"],
        "soc_current_pct": RANGES["soc_pct"],
        "battery_min_c": RANGES["battery_temp_c"],
        "battery_max_c": RANGES["battery_temp_c"],
        "range_all_km": RANGES["range_km"],
        "charged_total_kwh": RANGES["energy_in_total_kwh"],
        "braking_total_kwh": RANGES["energy_in_total_kwh"],
        "overall_kg": RANGES["payload_kg"],
        "curb_kg": RANGES["payload_kg"],
    }
    remembered = frozenset({"soc_displayed_pct", "curb_kg"})
    meanings: Mapping[str, Meaning] = {
        **{path.replace(".", "/"): number(name, scale) for path, (name, scale) in NUMBERS.items()},
        **{path.replace(".", "/"): choice(name, _WORDS) for path, name in FLAGS.items()},
    }

    def __init__(
        self,
        *,
        prefix: str = "vss",
        identities: Mapping[str, str],
        max_age_ms: int = 7 * DAY_MS,
        max_ahead_ms: int = 5 * MINUTE_MS,
        max_elements: int = 5000,
        max_vans: int = MAX_VANS,
    ) -> None:
        super().__init__(identities=identities, max_vans=max_vans)
        self._prefix = f"{prefix}/"
        self._max_age_ms = max_age_ms
        self._max_ahead_ms = max_ahead_ms
        self._max_elements = max_elements

    def topic_filters(self) -> list[str]:
        """Topics of objects, and topics of bare values."""
        return [f"{self._prefix}+", f"{self._prefix}+/Vehicle/#"]

    def claims(self, topic: str) -> bool:
        """Every topic below the prefix. Unknown ones are ignored."""
        return topic.startswith(self._prefix)

    def split(self, topic: str) -> tuple[str, str] | None:
        """See `BareValues.split`."""
        vehicle, _, tail = topic.removeprefix(self._prefix).partition("/")
        return vehicle, tail

    def vehicle_of(self, sender: str) -> str:
        """By the topic's vehicle, which is the user to whom the broker gives rights."""
        return resolve(self._identities, sender)

    def decode(self, message: Message, received_ms: int) -> Iterable[Reading | Rejected]:
        """The readings of an object or an array of objects. Bare values are joined by `BareValues`."""
        vehicle = message.topic.removeprefix(self._prefix)
        if "/" in vehicle:
            return super().decode(message, received_ms)
        content = parse_json(message.payload)
        if not isinstance(content, list):
            return (self._reading(vehicle, content, message, received_ms),)
        if not content:
            raise Rejected("schema", "an array without a reading")
        if len(content) > self._max_elements:
            raise Rejected("oversize", f"{len(content)} readings in one message; the limit is {self._max_elements}")
        return oldest_first([self._element(vehicle, element, message, received_ms) for element in content])

    def refine(self, values: Values, last: Values) -> Values:
        """Use one kind of state of charge per van. Combine the values that come in several paths."""
        fields = dict(values)
        kind = "soc_displayed_pct" if "soc_displayed_pct" in last else "soc_current_pct"
        plugs = [value for name, value in values.items() if name.startswith("plug_")]
        _set(fields, "soc_pct", values.get(kind))
        _set(fields, "plugged_in", any(plugs) if plugs else None)
        _set(fields, "battery_temp_c", _mean(values, "battery_min_c", "battery_max_c"))
        _set(fields, "range_km", values.get("range_all_km"))
        _set(fields, "energy_in_total_kwh", _sum(values, "charged_total_kwh", "braking_total_kwh"))
        if "overall_kg" in values and "curb_kg" in last:
            fields["payload_kg"] = max(0.0, float(values["overall_kg"]) - float(last["curb_kg"]))
        return fields

    def _element(self, vehicle: str, content: object, message: Message, received_ms: int) -> Reading | Rejected:
        try:
            return self._reading(vehicle, content, message, received_ms)
        except Rejected as rejected:
            return rejected

    def _reading(self, vehicle: str, content: object, message: Message, received_ms: int) -> Reading:
        """The reading of one object. A retained object without a time is stale."""
        if not isinstance(content, dict):
            raise Rejected("schema", f"payload has to be an object, not {repr(content)[:60]}")
        given = content.get("time", content.get(TIMESTAMP))
        time_ms = received_ms if given is None else parse_time(given)
        check_window(
            time_ms,
            received_ms,
            max_age_ms=self._max_age_ms,
            max_ahead_ms=self._max_ahead_ms,
            other_arrival_ms=message.other_arrival_ms,
        )
        vehicle_id = self._vehicle_id(vehicle, content.get(VIN))
        values = _values(content)
        check_values(values, self.ranges)
        memory = self._memories.of(vehicle_id)
        memory.last.update((name, value) for name, value in values.items() if name in self.remembered)
        fields = canonical(self.refine(values, memory.last))
        if not fields:
            raise Rejected("schema", "no path in it has a meaning here")
        stale = message.retained and given is None
        return msgspec.convert({"vehicle_id": vehicle_id, "time_ms": time_ms, "stale": stale, **fields}, Reading)

    def _vehicle_id(self, vehicle: str, vin: object) -> str:
        """The van of the topic. Raises `Rejected` if the payload has a VIN of another van."""
        vehicle_id = resolve(self._identities, vehicle)
        if vin is None:
            return vehicle_id
        if not isinstance(vin, str):
            raise Rejected("schema", f"{VIN} has to be text")
        if self._identities.get(vin, vehicle_id) != vehicle_id:
            raise Rejected("identity_mismatch", f"VIN {vin[:60]!r} under the topic of {vehicle_id!r}")
        return vehicle_id


def _values(content: dict[str, Any]) -> Values:
    """The values of the known paths, in our units. Raises `Rejected` for a wrong type."""
    values: Values = {}
    for path, value in content.items():
        if path in NUMBERS:
            name, scale = NUMBERS[path]
            values[name] = as_number(path, value) * scale + 0.0
        elif path in FLAGS:
            if not isinstance(value, bool):
                raise Rejected("schema", f"{path} has to be true or false, not {repr(value)[:60]}")
            values[FLAGS[path]] = value
    return values


def _set(fields: Values, name: str, value: Value | None) -> None:
    """Set a field if the value is known and the field is not set yet."""
    if value is not None:
        fields.setdefault(name, value)


def _sum(values: Values, *names: str) -> float | None:
    return sum(float(values[name]) for name in names) if all(name in values for name in names) else None


def _mean(values: Values, *names: str) -> float | None:
    total = _sum(values, *names)
    return None if total is None else total / len(names)
