"""What is remembered of a van's tours: the one under way, and the last ones, which late drops may still change.

Lists that may be long are kept encoded: a drop takes some 50 bytes so, a point of the trail 20.
"""

from struct import Struct
from typing import Final, NamedTuple

import msgspec

from agent.fast.attributes import quick_to_set

LOAD: Final = 0
UNLOAD: Final = 1

BY_MESSAGE: Final = 0
BY_IMPORT: Final = 1
BY_LOAD: Final = 2
BY_DEFAULT: Final = 3

MOST_DROPS: Final = 400
"""Of one tour; further ones are added up into one."""
MOST_POINTS: Final = 400
"""Of the trail of the tour under way."""
KEPT_POINTS: Final = 64
"""Of the trail of a tour that has ended."""
KEPT_TOURS: Final = 2
"""So many tours that have ended can still take a late drop."""


class Drop(msgspec.Struct, array_like=True, gc=False):
    """Goods loaded or unloaded. `row_ms` is its key in the store: its time, moved on where another drop has that."""

    time_ms: int
    row_ms: int
    action: int
    source: int
    mass_kg: float | None = None
    items: int | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    consignment_id: str | None = None
    customer_id: str | None = None
    seq: int | None = None
    count: int = 1
    """How many drops were added up in it."""
    driven_km: float | None = None
    """Since the end of the tour before, where the drop was said at once."""


@quick_to_set
class TourMark(msgspec.Struct, array_like=True, gc=False):
    """Where a van's totals stood; a tour's figures are the differences of two of these."""

    net_kwh: float = 0.0
    distance_km: float = 0.0
    co2e_g: float = 0.0
    market_g: float | None = None
    cost: float | None = None
    variance: float = 0.0
    """Of the energy used since the beginning, kWh²."""
    primary_g: float = 0.0
    hourly_g: float = 0.0
    """Of the emissions: with measured grid energy, and at an hourly intensity."""


@quick_to_set
class ClosedTour(msgspec.Struct, array_like=True, gc=False):
    """A tour that has ended: all that is needed to say it again with a drop more."""

    since_ms: int
    """End of the tour before: what is loaded from then on is this tour's."""
    start_ms: int
    end_ms: int
    start_latitude_deg: float | None
    start_longitude_deg: float | None
    end_latitude_deg: float | None
    end_longitude_deg: float | None
    at_depot: bool
    """It ended at a depot, or where it began."""
    distance_km: float
    energy_kwh: float | None
    uncertainty_kwh: float | None
    measured: bool
    """The energy was measured, not read off the state of charge."""
    co2e_g: float | None
    market_co2e_g: float | None
    energy_cost: float | None
    trips: int
    stops: int
    load_kg: float | None
    load_items: int | None
    """On board at its start."""
    weighed: bool
    """The load was said again on the way."""
    drops: bytes = b""
    trail: bytes = b""
    derived_ms: list[int] = []
    """Keys of the rows that were made from the load or by default: drops that come late take their place."""
    unsaid: bool = True
    """It, or what has come late, is still to be said."""
    primary_g: float = 0.0
    hourly_g: float = 0.0
    """Of its emissions: with measured grid energy, and at an hourly intensity."""


@quick_to_set
class TourState(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """The tour under way, and the last ones."""

    under_way: bool = False
    base: TourMark = msgspec.field(default_factory=TourMark)
    """At the end of the tour before: what was used at rest since is part of this tour."""
    since_ms: int = 0
    start_ms: int = 0
    start_latitude_deg: float | None = None
    start_longitude_deg: float | None = None
    homeward: bool = False
    """A return to where it began ends the tour, depot or not."""
    rest_ms: int = 0
    """End of its last trip; 0: the van is on a trip."""
    rest: TourMark = msgspec.field(default_factory=TourMark)
    """At that moment."""
    rest_latitude_deg: float | None = None
    rest_longitude_deg: float | None = None
    trips: int = 0
    stops: int = 0
    load_kg: float | None = None
    load_items: int | None = None
    """On board at its start."""
    weighed: bool = False
    """The load was said again on the way."""
    drops: bytes = b""
    trail: bytes = b""
    due_ms: int = 0
    """When there is something to say or to close, in event time; 0: nothing."""
    recent: list[ClosedTour] = msgspec.field(default_factory=list)
    seen_kg: float | None = None
    seen_items: int | None = None
    """The load up to which drops have been derived."""
    price_per_kwh: float | None = None
    """What a kWh in the battery has cost."""
    cost: float = 0.0
    """Of the energy used so far."""
    priced_kwh: float = 0.0
    """Up to which the cost has been entered."""
    implausible: int = 0
    """Loads and drops beyond what the van can carry: set aside."""


class TrailStop(NamedTuple):
    """A stop of a tour. Between two of them the van drove."""

    arrived_ms: int
    left_ms: int
    distance_km: float
    """Driven by then, since the end of the tour before."""
    latitude_deg: float
    longitude_deg: float


_POINT: Final = Struct("<IIIii")
_SECOND_MS: Final = 1000
_MOST_SECONDS: Final = 2**32 - 1


def add_point(trail: bytes, point: TrailStop, start_ms: int) -> bytes:
    """The trail with one more point; a trail that is full loses every second one before."""
    if len(trail) >= MOST_POINTS * _POINT.size:
        trail = thinned(trail, MOST_POINTS // 2)
    return trail + _POINT.pack(
        _seconds(point.arrived_ms - start_ms),
        _seconds(point.left_ms - point.arrived_ms),
        min(_MOST_SECONDS, max(0, round(point.distance_km * 1000.0))),
        round(point.latitude_deg * 1e6),
        round(point.longitude_deg * 1e6),
    )


def thinned(trail: bytes, most: int) -> bytes:
    """At most so many points, evenly chosen."""
    points = len(trail) // _POINT.size
    if points <= most:
        return trail
    chosen = (i * points // most * _POINT.size for i in range(most))
    return b"".join(trail[at : at + _POINT.size] for at in chosen)


def points_of(trail: bytes, start_ms: int) -> list[TrailStop]:
    """The trail's points, in order of time."""
    return [
        TrailStop(
            start_ms + arrived * _SECOND_MS,
            start_ms + (arrived + stood) * _SECOND_MS,
            metres / 1000.0,
            latitude / 1e6,
            longitude / 1e6,
        )
        for arrived, stood, metres, latitude, longitude in _POINT.iter_unpack(trail)
    ]


def _seconds(ms: int) -> int:
    return min(_MOST_SECONDS, max(0, round(ms / _SECOND_MS)))


def pack_drops(drops: list[Drop]) -> bytes:
    """The drops, encoded."""
    return _encoder.encode(drops) if drops else b""


def unpack_drops(encoded: bytes) -> list[Drop]:
    """The drops again."""
    return _decoder.decode(encoded) if encoded else []


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Drop])
