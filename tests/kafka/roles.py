"""Agents of each role as separate processes, and what they have written."""

from pathlib import Path
from typing import Any

from tests.servers.agent import Agent

MEASUREMENTS = ("battery", "location", "energy", "emissions", "trip", "stop", "alert")


class RoleAgent(Agent):
    """`vanpulse run --role ROLE` with a name of its own."""

    def __init__(self, directory: Path, role: str, **settings: object) -> None:
        super().__init__(directory, log__instance=directory.name, log__replication=1, log__partitions=4, **settings)
        self._role = role

    def launch(self) -> None:
        """Start without waiting until it is ready."""
        self.start("-m", "agent", "run", "--role", self._role, wait=False)


def rows_of(agent: Agent) -> dict[str, list[dict[str, Any]]]:
    """The rows of its store by measurement, in order of time and van."""
    return {
        name: sorted(agent.points(name), key=lambda row: (row["time_ms"], row["vehicle_id"])) for name in MEASUREMENTS
    }
