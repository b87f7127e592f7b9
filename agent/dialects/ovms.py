"""OVMS v3: `ovms/<user>/<vehicle>/metric/<name with slashes>`, one bare value each.

Names, units and signs: `docs/source/userguide/metrics.rst` and `components/ovms_server_v3` of
openvehicles/Open-Vehicle-Monitoring-System-3. Power and current are positive out of the battery there.
"""

from collections.abc import Mapping
from typing import Final

from agent.dialects.bare import BareValues, Meaning, choice, number, word
from agent.dialects.identity import resolve, resolve_of_user
from agent.dialects.joining import Values
from agent.dialects.memories import MAX_VANS
from agent.readings import RANGES

_WORDS: Final = {"yes": True, "no": False}
MEANINGS: Final[dict[str, Meaning]] = {
    "v/b/soc": number("soc_pct"),
    "v/b/soh": number("soh_pct"),
    "v/b/voltage": number("voltage_v"),
    "v/b/current": number("current_a", -1.0),
    "v/b/power": number("battery_power_kw", -1.0),
    "v/b/temp": number("battery_temp_c"),
    "v/b/range/est": number("range_km"),
    "v/c/charging": choice("charging", _WORDS),
    "v/c/power": number("charger_power_kw"),
    "v/c/pilot": choice("pilot", _WORDS),
    "v/d/cp": choice("charge_port", _WORDS),
    "v/e/temp": number("ambient_temp_c"),
    "v/p/latitude": number("latitude_deg"),
    "v/p/longitude": number("longitude_deg"),
    "v/p/altitude": number("altitude_m"),
    "v/p/speed": number("speed_kmh"),
    "v/p/gpsspeed": number("gps_speed_kmh"),
    "v/p/direction": number("heading_deg"),
    "v/p/odometer": number("odometer_km"),
    "v/p/gpslock": choice("gps_lock", _WORDS),
    "v/p/gpssq": number("gps_quality_pct"),
    "v/type": word("type"),
}
COUNTERS: Final[dict[str, Meaning]] = {
    "v/b/energy/used/total": number("energy_out_total_kwh"),
    "v/b/energy/recd/total": number("energy_in_total_kwh"),
}
"""Most modules integrate these themselves, some only at the end of a trip. Hyundai and Kia modules read them from the
car."""

POWER_ONLY_WHILE_CHARGING: Final = frozenset({"MED3"})
"""Modules that know power and current at the charger only, and repeat the last value while driving."""
FULL_RESEND_MS: Final = 1_300_000
"""A module sends all metrics again each 1200 s, changed or not."""
USABLE_GPS_QUALITY_PCT: Final = 30.0
MOVING_KMH: Final = 3.0


class OvmsDialect(BareValues):
    """OVMS v3 modules.

    `counters` takes the lifetime energy counters too; not every module keeps them well. The name of the sender is
    `user/vehicle`, or `vehicle` where the topic has one level only.
    """

    name = "ovms"
    ranges = RANGES | {"gps_speed_kmh": RANGES["speed_kmh"], "gps_quality_pct": (0.0, 100.0)}
    holds_ms = FULL_RESEND_MS
    remembered = frozenset({"type", "charging", "speed_kmh", "gps_speed_kmh", "pilot", "gps_lock", "gps_quality_pct"})

    def __init__(
        self, *, prefix: str = "ovms", identities: Mapping[str, str], counters: bool = False, max_vans: int = MAX_VANS
    ) -> None:
        super().__init__(identities=identities, max_vans=max_vans)
        self.meanings = MEANINGS | COUNTERS if counters else MEANINGS
        self._prefix = f"{prefix}/"

    def topic_filters(self) -> list[str]:
        """With and without a level for the vehicle."""
        return [f"{self._prefix}+/+/metric/#", f"{self._prefix}+/metric/#"]

    def claims(self, topic: str) -> bool:
        """Every topic below the prefix. Topics other than metrics are ignored."""
        return topic.startswith(self._prefix)

    def split(self, topic: str) -> tuple[str, str] | None:
        """See `BareValues.split`."""
        sender, metric, tail = topic.removeprefix(self._prefix).partition("/metric/")
        return (sender, tail) if metric else None

    def vehicle_of(self, sender: str) -> str:
        """By the first level, the user, to which the broker gives rights. A user cannot speak for another's van."""
        user, slash, name = sender.partition("/")
        return resolve_of_user(self._identities, user, name) if slash else resolve(self._identities, user)

    def refine(self, values: Values, last: Values) -> Values:
        """Use another metric where a module lacks one. Drop values that are outdated or that it cannot know."""
        fields = dict(values)
        if "speed_kmh" not in last and "gps_speed_kmh" in values:
            fields["speed_kmh"] = values["gps_speed_kmh"]
        if "pilot" in values:
            fields["plugged_in"] = values["pilot"]
        elif "charge_port" in values and "pilot" not in last:
            fields["plugged_in"] = values["charge_port"]
        if values.get("charging") and _number(last, "speed_kmh", "gps_speed_kmh") > MOVING_KMH:
            del fields["charging"]
        if last.get("type") in POWER_ONLY_WHILE_CHARGING and not last.get("charging"):
            fields.pop("battery_power_kw", None)
            fields.pop("current_a", None)
        if last.get("gps_lock") is False or _number(last, "gps_quality_pct", default=100.0) < USABLE_GPS_QUALITY_PCT:
            for name in ("latitude_deg", "longitude_deg", "altitude_m", "heading_deg"):
                fields.pop(name, None)
        return fields


def _number(values: Values, *names: str, default: float = 0.0) -> float:
    return next((float(values[name]) for name in names if name in values), default)
