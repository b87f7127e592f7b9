"""SAIC gateway (Maxus, MG): `saic/<user>/vehicles/<VIN>/<tail>`, one bare value each.

Tails, units and signs: `src/mqtt_topics.py` and `src/status_publisher` of SAIC-iSmart-API/saic-python-mqtt-gateway.
Power and current are negative while charging there.
"""

from collections.abc import Mapping
from typing import Final

from agent.dialects.bare import BareValues, Meaning, choice, number, parse_number, position
from agent.dialects.identity import resolve_vin
from agent.dialects.joining import Values
from agent.dialects.memories import MAX_VANS
from agent.dialects.timestamps import MINUTE_MS, parse_time
from agent.readings import RANGES

_WORDS: Final = {"True": True, "False": False}
NO_TEMPERATURE: Final = 87.0
LONGEST_LAG_MS: Final = 15 * MINUTE_MS


def _temperature(text: str) -> Values:
    value = parse_number(text)
    return {} if value == NO_TEMPERATURE else {"ambient_temp_c": value}


def _refreshed(text: str) -> Values:
    return {"refreshed_ms": str(parse_time(text))}


MEANINGS: Final[dict[str, Meaning]] = {
    "drivetrain/soc": number("soc_pct"),
    "drivetrain/voltage": number("voltage_v"),
    "drivetrain/current": number("current_a", -1.0),
    "drivetrain/power": number("battery_power_kw", -1.0),
    "drivetrain/range": number("range_km"),
    "drivetrain/charging": choice("charging", _WORDS),
    "drivetrain/chargerConnected": choice("plugged_in", _WORDS),
    "drivetrain/mileage": number("odometer_km"),
    "obc/powerSinglePhase": number("single_phase_kw", 0.001),
    "obc/powerThreePhase": number("three_phase_kw", 0.001),
    "climate/exteriorTemperature": _temperature,
    "location/latitude": number("latitude_deg"),
    "location/longitude": number("longitude_deg"),
    "location/elevation": number("altitude_m"),
    "location/heading": number("heading_deg"),
    "location/speed": number("speed_kmh"),
    "location/position": position,
    "refresh/lastVehicleState": _refreshed,
}


class SaicDialect(BareValues):
    """Vans behind the SAIC gateway. The name of the sender is `user/VIN`."""

    name = "saic"
    meanings = MEANINGS
    ranges = RANGES | {"single_phase_kw": RANGES["charger_power_kw"], "three_phase_kw": RANGES["charger_power_kw"]}

    def __init__(self, *, prefix: str = "saic", identities: Mapping[str, str], max_vans: int = MAX_VANS) -> None:
        super().__init__(identities=identities, max_vans=max_vans)
        self._prefix = f"{prefix}/"

    def topic_filters(self) -> list[str]:
        """All topics of all vans."""
        return [f"{self._prefix}+/vehicles/+/#"]

    def claims(self, topic: str) -> bool:
        """Every topic below the prefix. Unknown ones are ignored."""
        return topic.startswith(self._prefix)

    def split(self, topic: str) -> tuple[str, str] | None:
        """See `BareValues.split`."""
        user, vehicles, vin, *tail = [*topic.removeprefix(self._prefix).split("/", 3), "", "", ""][:4]
        return (f"{user}/{vin}", tail[0]) if vehicles == "vehicles" and tail[0] else None

    def vehicle_of(self, sender: str) -> str:
        """`user/VIN` from the table, else the VIN. The gateway speaks for all its users."""
        vin = sender.rpartition("/")[2]
        return self._identities.get(sender) or resolve_vin(self._identities, vin)

    def refine(self, values: Values, last: Values) -> Values:
        """Choose the power of the charger: the gateway computes one for one phase and one for three phases.

        Both come from the same raw values, and one of them is right. It is the lowest that is not less than the power
        into the battery. If there is none, or the battery's power is unknown, the highest is taken, and the van core
        judges it.
        """
        phases = [float(values[name]) for name in ("single_phase_kw", "three_phase_kw") if name in values]
        if not phases:
            return values
        battery_kw = float(values.get("battery_power_kw", last.get("battery_power_kw", 0.0)))
        possible = [power for power in phases if 0.0 < battery_kw <= power]
        return values | {"charger_power_kw": min(possible) if possible else max(0.0, *phases)}

    def event_ms(self, values: Values, since_ms: int, last_ms: int) -> int:
        """The time of the gateway's poll if it arrived with the values, else the arrival."""
        refreshed_ms = int(values.get("refreshed_ms", since_ms))
        return refreshed_ms if max(last_ms, since_ms - LONGEST_LAG_MS) < refreshed_ms <= since_ms else since_ms
