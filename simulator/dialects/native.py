"""vanpulse's own topics and payloads."""

from typing import Any, Final

import msgspec

from simulator.reports import Reading

_encode = msgspec.json.Encoder().encode
_NOT_PAYLOAD: Final = frozenset({"vehicle_id", "kind", "charger_power_kw"})
"""Fields that are in the topic, or that the native payload does not have."""


class Native:
    """Topics `{prefix}/{vehicle_id}/{kind}` with a JSON object, or an array of readings that were held back."""

    retain = False

    def __init__(self, prefix: str = "vans") -> None:
        """`prefix` is the first level of the topics."""
        self._prefix = prefix

    def encode(self, readings: list[Reading]) -> list[tuple[str, bytes]]:
        """One message for each reading, and one for all readings of a kind that were held back."""
        messages = []
        for reading in readings:
            topic = f"{self._prefix}/{reading['vehicle_id']}/{reading['kind']}"
            if "withheld" in reading:
                messages.append((topic, _encode([_fields(each) for each in reading["withheld"]])))
            else:
                messages.append((topic, reading["hostile"] if "hostile" in reading else _encode(_fields(reading))))
        return messages


def _fields(reading: Reading) -> dict[str, Any]:
    return {name: value for name, value in reading.items() if name not in _NOT_PAYLOAD}


def each(readings: list[Reading]) -> list[tuple[Reading, bool]]:
    """Single readings, and whether each was held back, for senders without arrays."""
    singles: list[tuple[Reading, bool]] = []
    for reading in readings:
        if "withheld" in reading:
            singles += [(one, True) for one in reading["withheld"]]
        elif "hostile" not in reading:
            singles.append((reading, False))
    return singles
