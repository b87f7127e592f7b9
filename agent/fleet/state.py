"""The state of one van: everything that the agent remembers of it. Its size is constant.

A state is stored with each checkpoint. It and all its parts are arrays in MessagePack, so the order of the fields is
the format. A new field goes to the end and has a default. A field that is no longer used keeps its place as
`unused_N`. Any other change needs a new `STATE_VERSION`. After a change of fields, `python -m core_build.codec` writes
the codec anew.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from agent.fleet.alert_state import AlertsState
from agent.fleet.charge_state import ChargeState
from agent.fleet.correction_state import CorrectionsState
from agent.fleet.day_state import DayState
from agent.fleet.emissions import EmissionsState
from agent.fleet.energy_state import Capacity, Consumption, Estimate, Totals
from agent.fleet.modes import PARKED
from agent.fleet.motion_state import LoadState, Motion, TripState
from agent.fleet.position_state import Position
from agent.fleet.soc_state import SocState
from agent.fleet.state_part import Mark
from agent.fleet.tour_state import TourState

STATE_VERSION: Final = 1


class Verdict(IntEnum):
    """What became of a reading."""

    ACCEPTED = 0
    DUPLICATE = 1
    """Seen before. Nothing changed."""
    LATE = 2
    """Older than the newest reading. It gives a raw point and does not change the totals."""
    STALE = 3
    """A retained value of unknown age. It gives a raw point and does not change the totals."""
    NO_TOUR = 4
    """A drop of a tour that is no longer stored."""
    IMPLAUSIBLE = 5
    """A load or drop beyond the payload of the van. It is set aside."""


@dataclass(slots=True)
class VanState:
    """The state of one van."""

    version: int
    vehicle_id: str
    time_ms: int = 0
    """The newest event time of all readings."""
    soc_time_ms: int = 0
    location_time_ms: int = 0
    load_time_ms: int = 0
    """The newest event times of the battery, the location and the load, which may come in messages of their own."""
    last_arrival_ms: int = 0
    """When the last reading arrived. Silence is measured from it."""
    verdict: int = Verdict.ACCEPTED
    """What became of the last reading."""
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    rejected_soc: int = 0
    """Counts of readings, and of refused states of charge."""
    recent_ms: list[int] = field(default_factory=lambda: [0] * 8)
    """Event times of the last accepted readings, by which duplicates are recognised."""
    due_ms: int = 0
    """When the next `energy` row is due."""
    soc: SocState = field(default_factory=SocState)
    estimate: Estimate = field(default_factory=Estimate)
    totals: Totals = field(default_factory=Totals)
    position: Position = field(default_factory=Position)
    motion: Motion = field(default_factory=Motion)
    trip: TripState = field(default_factory=TripState)
    load: LoadState = field(default_factory=LoadState)
    charge: ChargeState = field(default_factory=ChargeState)
    capacity: Capacity = field(default_factory=Capacity)
    consumption: Consumption = field(default_factory=Consumption)
    returned_ms: int = 0
    """When the van was heard again after a silence that is still being assessed; 0: there is none."""
    gap_from: Mark = field(default_factory=Mark)
    """The totals before the last silence."""
    emissions: EmissionsState | None = None
    alerts: AlertsState = field(default_factory=AlertsState)
    outlook_due_ms: int = 0
    outlook_mode: int = PARKED
    """When range, chords and alerts are updated next, and the mode at the last time."""
    day: DayState = field(default_factory=DayState)
    day_start_var_kwh2: float = 0.0
    """Variance of the energy when the day began."""
    aside_time_ms: int = 0
    """The newest event time of a reading with neither a state of charge nor a place."""
    published_ms: int = 0
    """The time of the last `energy` row."""
    corrections: CorrectionsState | None = None
    """Stretches of time that must not count; `None`: there are none."""
    tour: TourState = field(default_factory=TourState)
    late_arrival_ms: int = 0
    late_after: int = 0
    """When the last late reading arrived, and how many readings had been accepted by then."""


def new_state(vehicle_id: str) -> VanState:
    """The state of a van before its first reading."""
    return VanState(version=STATE_VERSION, vehicle_id=vehicle_id)
