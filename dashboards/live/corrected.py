"""The corrections by hand of the last days: each corrected period with its amounts."""

import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from agent.stores.base import History
from dashboards.live.channel import Channel

AGAIN_S: Final = 30.0
BACK_MS: Final = 31 * 86_400_000
AMOUNTS: Final = ("distance_km", "used_kwh", "co2e_g")

Stretch = dict[str, Any]


class Corrected:
    """The corrected periods, newest correction first."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self._read_s = float("-inf")

    def due(self) -> bool:
        """Whether `read` has anything to do now."""
        return time.monotonic() - self._read_s >= AGAIN_S

    async def read(self, channel: Channel, newest_ms: int) -> None:
        """Read all of them; there are few."""
        self._read_s = time.monotonic()
        self.stretches = await channel.read(partial(_stretches, start_ms=newest_ms - BACK_MS))


def stretches_of(points: Iterable[dict[str, Any]]) -> list[Stretch]:
    """One entry per correction, computed from its hours."""
    found: dict[tuple[str, int, int], Stretch] = {}
    for point in points:
        key = (point["vehicle_id"], point["from_ms"], point["made_ms"])
        names = ("vehicle_id", "from_ms", "to_ms", "made_ms", "reason")
        stretch = found.setdefault(key, {name: point.get(name) for name in names} | dict.fromkeys(AMOUNTS))
        for name in AMOUNTS:
            if name in point:
                stretch[name] = (stretch[name] or 0.0) + point[name]
    return sorted(found.values(), key=lambda stretch: (-stretch["made_ms"], stretch["vehicle_id"], stretch["from_ms"]))


def _stretches(history: History, start_ms: int) -> list[Stretch]:
    return stretches_of(history.select("correction", start_ms=start_ms))
