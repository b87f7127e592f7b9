"""The state of one van: everything that the agent remembers of it. Its size is constant.

A state is stored with each checkpoint. It and all its parts are arrays in MessagePack, so the order of the fields is
the format. A new field goes to the end and has a default. A field that is no longer used keeps its place as
`unused_N`. Any other change needs a new `STATE_VERSION`.
"""

from enum import IntEnum
from typing import Final

import msgspec

from agent.errors import LogCorrupt
from agent.fast.attributes import quick_to_set
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
from agent.fleet.state_part import Mark, Part
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


@quick_to_set
class VanState(Part):
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
    recent_ms: list[int] = msgspec.field(default_factory=lambda: [0] * 8)
    """Event times of the last accepted readings, by which duplicates are recognised."""
    due_ms: int = 0
    """When the next `energy` row is due."""
    soc: SocState = msgspec.field(default_factory=SocState)
    estimate: Estimate = msgspec.field(default_factory=Estimate)
    totals: Totals = msgspec.field(default_factory=Totals)
    position: Position = msgspec.field(default_factory=Position)
    motion: Motion = msgspec.field(default_factory=Motion)
    trip: TripState = msgspec.field(default_factory=TripState)
    load: LoadState = msgspec.field(default_factory=LoadState)
    charge: ChargeState = msgspec.field(default_factory=ChargeState)
    capacity: Capacity = msgspec.field(default_factory=Capacity)
    consumption: Consumption = msgspec.field(default_factory=Consumption)
    returned_ms: int = 0
    """When the van was heard again after a silence that is still being assessed; 0: there is none."""
    gap_from: Mark = msgspec.field(default_factory=Mark)
    """The totals before the last silence."""
    emissions: EmissionsState | None = None
    alerts: AlertsState = msgspec.field(default_factory=AlertsState)
    outlook_due_ms: int = 0
    outlook_mode: int = PARKED
    """When range, chords and alerts are updated next, and the mode at the last time."""
    day: DayState = msgspec.field(default_factory=DayState)
    day_start_var_kwh2: float = 0.0
    """Variance of the energy when the day began."""
    aside_time_ms: int = 0
    """The newest event time of a reading with neither a state of charge nor a place."""
    published_ms: int = 0
    """The time of the last `energy` row."""
    corrections: CorrectionsState | None = None
    """Stretches of time that must not count; `None`: there are none."""
    tour: TourState = msgspec.field(default_factory=TourState)
    late_arrival_ms: int = 0
    late_after: int = 0
    """When the last late reading arrived, and how many readings had been accepted by then."""


def new_state(vehicle_id: str) -> VanState:
    """The state of a van before its first reading."""
    return VanState(version=STATE_VERSION, vehicle_id=vehicle_id)


def encode_state(state: VanState) -> bytes:
    """The state as stored with a checkpoint: MessagePack, about 2.5 kB."""
    return _encoder.encode(state)


def condense(encoded: bytes) -> bytes:
    """The same state in 1.1 to 1.9 kB, by replacing each number 0.0, which takes nine bytes, with one byte.

    That byte occurs nowhere else in the state and is put before it. `decode_state` recognises this form by its first
    byte, which is not the first byte of a state as encoded.
    """
    unused = _ALL_BYTES.translate(None, encoded)[:1]
    return unused + encoded.replace(_ZERO, unused) if unused else encoded


def decode_state(encoded: bytes) -> VanState:
    """The state of a checkpoint, condensed or not. Raises `LogCorrupt` when it is damaged or of another version."""
    if encoded[:1] != _ARRAY:
        encoded = encoded[1:].replace(encoded[:1], _ZERO)
    try:
        check_version(msgspec.msgpack.decode(encoded, type=_Version).version)
        return _decoder.decode(encoded)
    except msgspec.DecodeError as error:
        raise LogCorrupt(f"a van's state cannot be read: {error}") from error


def check_version(version: int) -> None:
    """Raise `LogCorrupt` if this program does not know the version of a state."""
    if version != STATE_VERSION:
        raise LogCorrupt(
            f"a van's state is of version {version}, this program reads version {STATE_VERSION}: "
            "run the version that wrote it, or remove the checkpoint to start the totals anew"
        )


class _Version(msgspec.Struct, array_like=True):
    """The beginning of every version of the state."""

    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(VanState)

_ALL_BYTES: Final = bytes(range(256))
_ZERO: Final = _encoder.encode(0.0)
_ARRAY: Final = _encoder.encode(new_state(""))[:1]
"""The first byte of every state: the head of an array of 16 to 65,535 fields."""
