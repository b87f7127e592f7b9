"""What a van is doing: the modes and their published names. They are plain integers: comparing these is fastest."""

from typing import Final

from agent.fleet.records import ModeName

PARKED: Final = 0
DRIVING: Final = 1
STOPPED: Final = 2
CHARGING: Final = 3
OFFLINE: Final = 4

STATES: Final[tuple[ModeName, ...]] = ("parked", "driving", "stopped", "charging", "offline")
"""The published names of the modes."""
