"""Everything the agent remembers of one van: plain, small, serialisable, of constant size.

All parts are arrays in MessagePack, so the order of the fields is the format: add at the end with a default, and raise
`STATE_VERSION` for anything else.
"""

from enum import IntEnum
from typing import Final

import msgspec

from agent.errors import JournalCorrupt
from agent.fleet.alerts import AlertsState
from agent.fleet.charger import MeterState
from agent.fleet.correction_state import CorrectionsState
from agent.fleet.days import DayState
from agent.fleet.emissions import EmissionsState
from agent.fleet.records import State
from agent.fleet.slices import SliceState
from agent.fleet.tour_state import TourState
from agent.structs import quick_to_set

STATE_VERSION: Final = 1


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


STORED_SHARE: Final = 0.97
"""Of the energy charged into a battery, what can be taken out again: FASTSim's round trip. Content is counted as the
latter, so that charging and driving speak of the same kWh per %."""

STATES: Final[tuple[State, ...]] = ("parked", "driving", "stopped", "charging", "offline")
"""The published names of the modes."""


class Verdict(IntEnum):
    """What became of a reading."""

    ACCEPTED = 0
    DUPLICATE = 1
    """Seen before: nothing changed."""
    LATE = 2
    """Older than what was worked on already: a raw point, no change of totals."""
    STALE = 3
    """A retained value of unknown age: a raw point, counts for nothing."""
    NO_TOUR = 4
    """A drop of a tour that is no longer remembered."""
    IMPLAUSIBLE = 5
    """A load or drop beyond what the van can carry: set aside."""


class Part(msgspec.Struct, array_like=True, gc=False):
    """Base of the parts of a van's state."""


@quick_to_set
class Mark(Part):
    """Where the totals stood at one moment."""

    time_ms: int = 0
    net_kwh: float = 0.0
    """Energy taken out of the battery less what came back, charging apart."""
    predicted_kwh: float = 0.0
    distance_km: float = 0.0
    soc_pct: float | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    before_kwh: float = 0.0
    """At the end of a trip: what has been learnt since its start about the energy before it."""
    variance: float = 0.0
    """Of the energy since the trip's start, kWh²."""
    odometer_km: float | None = None


@quick_to_set
class SocState(Part):
    """The state of charge as sent: its quantisation step and what cannot be true."""

    soc_pct: float | None = None
    time_ms: int = 0
    before_pct: float | None = None
    """The value before the last change."""
    low_y: float = 0.0
    high_y: float = 0.0
    """The interval that the last value stands for, on the energy-linear scale."""
    seen_kwh: float = 0.0
    """Energy predicted up to the last reading that had not changed: an edge lies between that one and the next."""
    grid: int = 0
    """Index of the coarsest grid that all values so far lie on."""
    step_pct: float = 1.0
    recurring_pct: float = 0.0
    recurrences: int = 0
    candidate_pct: float | None = None
    candidate_ms: int = 0
    candidates: int = 0
    changed: bool = False
    power_kw: float | None = None
    """As believed: `None` where it is not sent or contradicts the state of charge."""
    raw_power_kw: float | None = None
    power_trusted: bool = True
    power_sign: int = 1
    reversals: int = 0
    frozen_readings: int = 0
    power_sum_kwh: float = 0.0
    """All energy by power so far, positive out of the battery, with its variance, and the time without power."""
    power_sum_var: float = 0.0
    blind_ms: int = 0
    out_total_kwh: float | None = None
    in_total_kwh: float | None = None
    counter_trusted: bool = False
    counter_sum_kwh: float = 0.0
    ambient_temp_c: float | None = None
    battery_temp_c: float | None = None
    plugged_in: bool | None = None
    sign_is_sure: bool = False
    """Whether power has shown which of its signs is out of the battery; until then nothing is booked as regenerated."""
    braked_kwh: float = 0.0
    driven_kwh: float = 0.0
    """Energy by power into and out of the battery on trips, while the sign is not sure."""
    coarse: bool = True
    """All values so far are multiples of `agent.fleet.soc.COARSE_PCT`."""
    changed_ms: int = 0
    """When the value changed last."""
    changed_km: float = 0.0
    """The van's distance then."""
    rise_credit_pct: float = 0.0
    """How far rises may still run ahead of the fastest mean rate."""
    fall_credit_pct: float = 0.0
    candidate_from_ms: int = 0
    """When the value that waits for confirmation was first seen."""
    charging: bool | None = None
    """The van's flag, as last sent."""
    power_rejected: int = 0
    """Powers and counter readings beyond physics."""
    counter_credit_kwh: float = 0.0
    """How far the counters may still run ahead of the largest power."""
    counter_ms: int = 0
    """When the counters were last believed."""
    counter_refusals: int = 0
    """Running: how often they have been refused."""
    changed_kwh: float = 0.0
    """Where the energy estimate stood when the value last changed."""
    changed_k: float = 0.0
    """The consumption that was believed then, kWh/km."""
    frozen: bool = False
    """The value has stayed the same for longer than any drive lets it."""
    flagged_ms: int = 0
    """How long the flag has said that the van charges since the value last changed."""
    owed_pct: float = 0.0
    """What the van may have used on its way and its state of charge has not told yet."""
    lost_pct: float = 0.0
    """What has vanished without energy, and may come back without any."""
    gained_pct: float = 0.0
    """What has come at rest without energy, and may vanish without any."""
    power_gross_kwh: float = 0.0
    """Energy by power, whichever way it flowed, while the witnesses of movement have disagreed."""
    silent_kwh: float = 0.0
    silent_from_ms: int = 0
    """A charge that nobody saw, on its way from the state of charge to the charges."""
    candidate_out_kwh: float = 0.0
    candidate_in_kwh: float = 0.0
    """The counters as last refused."""
    candidate_from_pct: float = 0.0
    """The first value of those that wait for another sighting."""


@quick_to_set
class Estimate(Part):
    """The energy estimate: five means, their covariance, and what has been predicted since the last correction.

    n: energy out of the battery since the last re-basing, kWh. y: state of charge on the energy-linear scale, %.
    g: % per kWh. k: consumption, kWh/km. b: n at the last published boundary, kWh.
    """

    started: bool = False
    time_ms: int = 0
    n: float = 0.0
    y: float = 0.0
    g: float = 1.0
    k: float = 0.22
    b: float = 0.0
    nn: float = 0.0
    ny: float = 0.0
    ng: float = 0.0
    nk: float = 0.0
    nb: float = 0.0
    yy: float = 0.0
    yg: float = 0.0
    yk: float = 0.0
    yb: float = 0.0
    gg: float = 0.0
    gk: float = 0.0
    gb: float = 0.0
    kk: float = 0.0
    kb: float = 0.0
    bb: float = 0.0
    pending_kwh: float = 0.0
    pending_km: float = 0.0
    pending_var: float = 0.0
    base_kwh: float = 0.0


@quick_to_set
class Totals(Part):
    """What is published as ever-growing totals."""

    used_kwh: float = 0.0
    regenerated_kwh: float = 0.0
    charged_kwh: float = 0.0
    grid_kwh: float = 0.0
    idle_kwh: float = 0.0
    distance_km: float = 0.0
    net_kwh: float = 0.0
    """Signed: out of the battery for driving and idling less what came back; used - regenerated, but not ratcheted."""
    posted_kwh: float = 0.0
    """How much of the estimate's n has been entered into net or charged."""
    predicted_kwh: float = 0.0
    idle_from_kwh: float = 0.0
    """Up to which predicted energy idling has been entered."""
    regeneration_measured: bool = False
    source: int = 0
    emitted_kwh: float = 0.0
    emitted_km: float = 0.0
    """Up to where net and distance have been handed to the emissions."""


@quick_to_set
class OdometerCandidate(Part):
    """Where an odometer goes on from after a value that was set aside."""

    from_km: float
    km: float
    time_ms: int
    others_km: float = 0.0
    """Counted by the other witnesses since then."""


@quick_to_set
class Doubt(Part):
    """The witnesses of movement disagree: what one of them claims, and how the battery stood when that began."""

    time_ms: int
    """When the place last changed."""
    km: float
    """Claimed and not counted."""
    soc_pct: float | None
    power_kwh: float
    counter_kwh: float
    blind_ms: int
    gross_kwh: float
    by_speed: bool = False
    """Whether the speed says that the van moves, too."""
    moved_km: float = 0.0
    """How far the fix has come."""


@quick_to_set
class Position(Part):
    """Where the van is, and how far it went."""

    latitude_deg: float | None = None
    longitude_deg: float | None = None
    time_ms: int = 0
    anchor_latitude_deg: float | None = None
    anchor_longitude_deg: float | None = None
    """The fix up to which distance has been counted."""
    path_latitude_deg: float = 0.0
    path_longitude_deg: float = 0.0
    """The point on the smoothed path up to which distance has been counted."""
    path_is_behind: bool = False
    """Distance has been counted by odometer or speed since: the path goes on from the last fix."""
    raw_latitude_deg: float | None = None
    raw_longitude_deg: float | None = None
    candidate_latitude_deg: float = 0.0
    candidate_longitude_deg: float = 0.0
    candidate_ms: int = 0
    candidates_ms: int = 0
    candidates: int = 0
    raw_rejected: bool = False
    raw_pending: bool = False
    """The last fix was far away after a silence, and waits for a second one."""
    rejected: int = 0
    speed_kmh: float | None = None
    odometer_km: float | None = None
    odometer_is_fine: bool = False
    """It shows parts of a kilometre."""
    pending_km: float = 0.0
    """Counted since a far fix has been waiting for a second one."""
    odometer_ms: int = 0
    """When the odometer was last believed."""
    odometer_credit_km: float = 0.0
    """How far the odometer may still run ahead of the fastest mean speed."""
    odometer_ahead_km: float = 0.0
    """Counted by other witnesses since the odometer was last believed."""
    odometer_lost: bool = False
    """The odometer has no say until it agrees with the other witnesses again."""
    odometer_rejected: int = 0
    odometer_candidate: OdometerCandidate | None = None
    odometer_alone_km: float = 0.0
    """By the odometer, while everything else says that the van stands."""
    unmatched_km: float = 0.0
    """By speed, since another witness last moved."""
    moved_ms: int = 0
    """When another witness than the speed last moved."""
    reference_latitude_deg: float | None = None
    reference_longitude_deg: float = 0.0
    """Where another witness than the fix, or than the speed, last moved."""
    held_km: float = 0.0
    """By speed at rest, not counted before the van has really left."""
    gap_km: float = 0.0
    """Told by odometer or fixes of the silence that has not been made sense of yet."""
    gap_since_ms: int = 0
    """From when on that is."""
    conflict: int = 0
    """One of `agent.fleet.witnesses`: whether the witnesses of movement agree."""
    doubt: Doubt | None = None
    other_km: float = 0.0
    """While they disagree: what this reading claims."""
    speed_repeats: int = 0
    """How often the last speed has been the same."""
    speed_rejected: int = 0
    fix_changed_ms: int = 0
    """When the fix last changed."""
    path_km: float = 0.0
    path_speed_km: float = 0.0
    path_share: float = 0.0
    path_ms: int = 0
    """The way by fixes, and by speed over the same time, where no odometer tells."""
    speed_misleads: bool = False
    """The speed is in another unit: it tells whether the van moves, not how far."""
    settled: bool = False
    """All witnesses of movement are there and agree."""
    odometer_is_whole: bool = False
    """It has moved by whole kilometres."""
    speed_lost: bool = False
    """The speed reads 0 while the van drives."""
    late_km: float = 0.0
    """What the odometer has told late since the last trip began."""
    unfixed_km: float = 0.0
    """Counted while the receiver repeated its last fix."""
    placed: bool = False
    """The van was found elsewhere without having driven there."""
    chord_latitude_deg: float | None = None
    chord_longitude_deg: float = 0.0
    chord_ms: int = 0
    chord_from_km: float = 0.0
    """Where the chord under way begins, when, and how far the van had gone by then."""
    chords_km: float = 0.0
    chords_way_km: float = 0.0
    chords_share: float = 0.0
    """Chords between places, the way that was counted along them, and their share in the stretch before."""


@quick_to_set
class Motion(Part):
    """Trips, stops and parking."""

    mode: int = PARKED
    fast_readings: int = 0
    standing_ms: int = 0
    """Since when the van has been standing; 0: it is not."""
    anchor_latitude_deg: float | None = None
    anchor_longitude_deg: float | None = None
    """The resting place that displacement is judged from."""
    anchor_ms: int = 0
    wake: Mark = msgspec.field(default_factory=Mark)
    rest: Mark = msgspec.field(default_factory=Mark)
    stand: Mark = msgspec.field(default_factory=Mark)
    anchor_km: float = 0.0
    """The van's distance at its resting place."""
    rest_ms: int = 0
    rest_soc_pct: float | None = None
    rest_idle_kwh: float = 0.0
    """Since when the van rests, with which state of charge, and what idling was entered until then."""


@quick_to_set
class TripState(Part):
    """The trip under way."""

    start: Mark = msgspec.field(default_factory=Mark)
    regenerated_kwh: float = 0.0
    stops: int = 0
    inferred: bool = False


@quick_to_set
class LoadState(Part):
    """What the van carries. The last four fields are no longer used; they keep the format."""

    payload_kg: float | None = None
    parcels: int | None = None
    distance_km: float = 0.0
    carried_kg_km: float = 0.0
    carried_km: float = 0.0
    trip_parcels: int | None = None


@quick_to_set
class ChargeState(Part):
    """The charge under way, or the lowest point from which one may have begun."""

    start: Mark = msgspec.field(default_factory=Mark)
    flagged: bool = False
    active: bool = False
    charged_kwh: float = 0.0
    """Of this charge, into the battery."""
    grid_kwh: float = 0.0
    co2e_g: float = 0.0
    pending_kwh: float = 0.0
    """Charged and not yet handed to the emissions."""
    charger_kwh: float = 0.0
    charger_kw: float | None = None
    charger_ms: int = 0
    """These three are kept for the format alone; `meter` has taken their place."""
    max_power_kw: float | None = None
    rise_ms: int = 0
    rise_pct: float = 0.0
    low_pct: float | None = None
    """The lowest state of charge at this resting place: a rise from here may be a charge."""
    low_ms: int = 0
    settled_ms: int = 0
    """Up to when grid energy and carbon have been entered; 0: nothing yet."""
    unflagged_ms: int = 0
    """Since when the flag of a flagged charge says no; 0: it does not."""
    meter: MeterState | None = None
    """What the charger has said; `None`: nothing."""
    slice: SliceState | None = None
    """The slice under way; `None`: no energy has been entered."""
    start_variance: float | None = None
    """Of the estimate when the charge began, kWh²; `None`: nobody saw it begin."""
    gives: bool = False
    """The flag says that the van charges, but its state of charge has fallen: the flag says nothing until it rises."""
    scatters: int = 0
    """How often the state of charge has risen and fallen again at rest."""


@quick_to_set
class Capacity(Part):
    """What the battery holds, as learnt."""

    battery_kwh: float = 0.0
    samples_kwh: list[float] = msgspec.field(default_factory=list)
    window_y: float | None = None
    """Where the window of `agent.fleet.evidence` begins."""
    window_ms: int = 0
    window_power_kwh: float = 0.0
    window_power_var: float = 0.0
    window_blind_ms: int = 0
    window_counter_kwh: float = 0.0
    window_net_kwh: float = 0.0
    efficiencies_ac: list[float] = msgspec.field(default_factory=list)
    efficiencies_dc: list[float] = msgspec.field(default_factory=list)


@quick_to_set
class Consumption(Part):
    """Recent consumption: energy and distance, both fading out over some 20 km."""

    kwh: float = 0.0
    km: float = 0.0
    net_kwh: float = 0.0
    distance_km: float = 0.0
    per_100km_kwh: float | None = None
    """As published."""
    range_km: float | None = None
    uncertainty_kwh: float | None = None


@quick_to_set
class VanState(Part):
    """One van."""

    version: int
    vehicle_id: str
    time_ms: int = 0
    """The newest event time worked on."""
    soc_time_ms: int = 0
    location_time_ms: int = 0
    load_time_ms: int = 0
    last_arrival_ms: int = 0
    """When the last reading arrived: what silence is judged by."""
    verdict: int = Verdict.ACCEPTED
    """What became of the last reading."""
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    rejected_soc: int = 0
    recent_ms: list[int] = msgspec.field(default_factory=lambda: [0] * 8)
    due_ms: int = 0
    """When `energy` is due again."""
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
    """When the van was heard again after a silence that has not been made sense of yet; 0: there is none."""
    gap_from: Mark = msgspec.field(default_factory=Mark)
    """How things stood before the last silence."""
    emissions: EmissionsState | None = None
    alerts: AlertsState = msgspec.field(default_factory=AlertsState)
    look_ms: int = 0
    """When outlook and alerts are looked after next."""
    looked_mode: int = PARKED
    day: DayState = msgspec.field(default_factory=DayState)
    day_nn: float = 0.0
    """Variance of the energy when the day began, kWh²."""
    aside_time_ms: int = 0
    """The newest time of a reading that had neither a state of charge nor a place."""
    published_ms: int = 0
    """The time of the last `energy` row: a row is written once."""
    corrections: CorrectionsState | None = None
    """Stretches that must not count, where there are any."""
    tour: TourState = msgspec.field(default_factory=TourState)
    late_arrival_ms: int = 0
    late_after: int = 0
    """When the last late reading arrived, and how many readings had been accepted by then."""


def new_state(vehicle_id: str) -> VanState:
    """A van never heard of."""
    return VanState(version=STATE_VERSION, vehicle_id=vehicle_id)


def encode_state(state: VanState) -> bytes:
    """The state as stored with a checkpoint: MessagePack, about 2.5 kB."""
    return _encoder.encode(state)


def condense(encoded: bytes) -> bytes:
    """The same state in 1.1 to 1.9 kB: what takes most room is numbers that are 0.0, at nine bytes each.

    They become one byte that occurs nowhere else in the state, which is put before it. It cannot be the first byte of
    `encoded`, by which `decode_state` tells the two forms apart.
    """
    unused = _ALL_BYTES.translate(None, encoded)[:1]
    return unused + encoded.replace(_ZERO, unused) if unused else encoded


def decode_state(encoded: bytes) -> VanState:
    """The state of a checkpoint, condensed or not. Raises `JournalCorrupt` when it is damaged or of another version."""
    if encoded[:1] != _ARRAY:
        encoded = encoded[1:].replace(encoded[:1], _ZERO)
    try:
        check_version(msgspec.msgpack.decode(encoded, type=_Version).version)
        return _decoder.decode(encoded)
    except msgspec.DecodeError as error:
        raise JournalCorrupt(f"a van's state cannot be read: {error}") from error


def check_version(version: int) -> None:
    """Raise `JournalCorrupt` for a version of the state that this program does not know."""
    if version != STATE_VERSION:
        raise JournalCorrupt(
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
"""What every state begins with: the head of an array of 16 to 65,535 fields."""
