"""What a van is doing: the modes and their published names."""

from enum import IntEnum
from typing import Final

from agent.fleet.records import State

PARKED: Final = 0
DRIVING: Final = 1
STOPPED: Final = 2
CHARGING: Final = 3
OFFLINE: Final = 4


class Mode(IntEnum):
    """What the van is doing. The core itself compares plain integers, which is several times faster."""

    PARKED = PARKED
    DRIVING = DRIVING
    STOPPED = STOPPED
    CHARGING = CHARGING
    OFFLINE = OFFLINE


STATES: Final[tuple[State, ...]] = ("parked", "driving", "stopped", "charging", "offline")
"""The published names of the modes."""
