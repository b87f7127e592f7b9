"""TeslaMate: `teslamate/[<namespace>/]cars/<car_id>/<field>`, one bare value each.

Fields: `website/docs/integrations/mqtt.md` and `lib/teslamate/mqtt/pubsub/vehicle_subscriber.ex` of
teslamate-org/teslamate. `power` is in kW and positive out of the battery.
"""

from collections.abc import Mapping
from typing import Final

from agent.dialects.bare import BareValues, Meaning, choice, number, position
from agent.dialects.identity import resolve, resolve_of_user
from agent.dialects.joining import Values
from agent.dialects.memories import MAX_VANS
from agent.dialects.timestamps import DAY_MS
from agent.errors import Rejected

_WORDS: Final = {"true": True, "false": False}


def _charging(text: str) -> Values:
    return {"charging": text == "Charging"}


MEANINGS: Final[dict[str, Meaning]] = {
    "battery_level": number("soc_pct"),
    "power": number("battery_power_kw", -1.0),
    "est_battery_range_km": number("range_km"),
    "charging_state": _charging,
    "plugged_in": choice("plugged_in", _WORDS),
    "charger_power": number("charger_power_kw"),
    "outside_temp": number("ambient_temp_c"),
    "location": position,
    "elevation": number("altitude_m"),
    "speed": number("speed_kmh"),
    "heading": number("heading_deg"),
    "odometer": number("odometer_km"),
}


class TeslaMateDialect(BareValues):
    """Cars that TeslaMate logs. The name of the sender is TeslaMate's number of the car, `namespace/1` or `1`."""

    name = "teslamate"
    meanings = MEANINGS
    holds_ms = DAY_MS
    """TeslaMate never repeats a value."""

    def __init__(self, *, prefix: str = "teslamate", identities: Mapping[str, str], max_vans: int = MAX_VANS) -> None:
        super().__init__(identities=identities, max_vans=max_vans)
        self._prefix = f"{prefix}/"

    def topic_filters(self) -> list[str]:
        """With and without a namespace."""
        return [f"{self._prefix}cars/+/+", f"{self._prefix}+/cars/+/+"]

    def claims(self, topic: str) -> bool:
        """Every topic below the prefix. Unknown ones are ignored."""
        return topic.startswith(self._prefix)

    def split(self, topic: str) -> tuple[str, str] | None:
        """See `BareValues.split`."""
        parts = topic.removeprefix(self._prefix).split("/")
        match parts:
            case ["cars", car, tail]:
                return car, tail
            case [namespace, "cars", car, tail]:
                return f"{namespace}/{car}", tail
        return None

    def vehicle_of(self, sender: str) -> str:
        """By the namespace, which is the user to whom the broker gives rights. Without one, by the car's number."""
        namespace, slash, car = sender.partition("/")
        if slash:
            return resolve_of_user(self._identities, namespace, car)
        vehicle_id = resolve(self._identities, sender)
        if sender not in self._identities and not (sender.isascii() and sender.isdecimal()):
            raise Rejected("identity_mismatch", f"{sender[:70]!r} is not in the identity table and is no car's number")
        return vehicle_id

    def refine(self, values: Values, last: Values) -> Values:
        """The values as they are: there is nothing to correct."""
        del last
        return values
