"""The dashboards, one file each."""

from collections.abc import Callable
from typing import Final

from dashboards.grafana.boards import (
    agent,
    battery,
    charging,
    emissions,
    energy,
    fleet,
    idle,
    quality,
    stops,
    tours,
    trips,
    van,
)
from dashboards.grafana.sdk import model

BOARDS: Final[dict[str, Callable[[], model.Dashboard]]] = {
    "fleet": fleet.build,
    "van": van.build,
    "tours": tours.build,
    "trips": trips.build,
    "charging": charging.build,
    "energy": energy.build,
    "emissions": emissions.build,
    "battery": battery.build,
    "stops": stops.build,
    "idle": idle.build,
    "quality": quality.build,
    "agent": agent.build,
}
"""What builds each dashboard, by its name."""
