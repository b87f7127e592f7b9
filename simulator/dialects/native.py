"""vanpulse's own topics and payloads."""

import msgspec

from simulator.reports import Reading

_encode = msgspec.json.Encoder().encode


class Native:
    """`{prefix}/{vehicle_id}/{kind}` with a JSON object."""

    def __init__(self, prefix: str = "vans") -> None:
        self._prefix = prefix

    def encode(self, readings: list[Reading]) -> list[tuple[str, bytes]]:
        """One message for each reading."""
        messages = []
        prefix = self._prefix
        for reading in readings:
            fields = dict(reading)
            topic = f"{prefix}/{fields.pop('vehicle_id')}/{fields.pop('kind')}"
            messages.append((topic, _encode(fields)))
        return messages
