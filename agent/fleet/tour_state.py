"""State of a van's tours: the one under way, and the last closed ones, which late drops may still change.

Lists that may be long are kept encoded. A drop takes some 50 bytes, a stop of the trail 20.
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
"""The most drops that are kept apart in one tour. Further ones are merged."""
MOST_POINTS: Final = 400
"""The most stops in the trail of the tour under way."""
KEPT_POINTS: Final = 64
"""The most stops in the trail of a closed tour."""
KEPT_TOURS: Final = 2
"""How many closed tours can still take a late drop."""


class Drop(msgspec.Struct, array_like=True, gc=False):
    """Goods loaded or unloaded. `row_ms` is the key in the store: the time, or the next one that is free."""

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
    """How many drops are merged in this one."""
    driven_km: float | None = None
    """Distance since the end of the tour before; `None` unless the drop was stated at once."""


@quick_to_set
class TourMark(msgspec.Struct, array_like=True, gc=False):
    """The totals at the end of a trip. A tour's figures are the differences of two of these."""

    net_kwh: float = 0.0
    distance_km: float = 0.0
    co2e_g: float = 0.0
    market_g: float | None = None
    cost: float | None = None
    variance: float = 0.0
    """Variance of the energy used since the van was first heard, kWh²."""
    primary_g: float = 0.0
    hourly_g: float = 0.0
    """Part of `co2e_g` with measured grid energy, and part at an hourly intensity."""


@quick_to_set
class ClosedTour(msgspec.Struct, array_like=True, gc=False):
    """A closed tour: all that is needed to publish it again with one more drop."""

    since_ms: int
    """End of the tour before. Goods loaded after it belong to this tour."""
    start_ms: int
    end_ms: int
    start_latitude_deg: float | None
    start_longitude_deg: float | None
    end_latitude_deg: float | None
    end_longitude_deg: float | None
    at_depot: bool
    """The tour ended at a depot, or where it began."""
    distance_km: float
    energy_kwh: float | None
    uncertainty_kwh: float | None
    measured: bool
    """The energy was measured, not derived from the state of charge."""
    co2e_g: float | None
    market_co2e_g: float | None
    energy_cost: float | None
    trips: int
    stops: int
    load_kg: float | None
    load_items: int | None
    """Load on board at the start."""
    weighed: bool
    """The load was stated again during the tour."""
    drops: bytes = b""
    trail: bytes = b""
    derived_ms: list[int] = []
    """Keys of the rows that were derived from the load or from the default load. Late drops replace them."""
    unpublished: bool = True
    """The tour, or a late drop of it, is still to be published."""
    primary_g: float = 0.0
    hourly_g: float = 0.0
    """Part of `co2e_g` with measured grid energy, and part at an hourly intensity."""


@quick_to_set
class TourState(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """The tour under way, and the last closed ones."""

    under_way: bool = False
    base: TourMark = msgspec.field(default_factory=TourMark)
    """The totals at the end of the tour before. Energy used at rest since then is part of this tour."""
    since_ms: int = 0
    start_ms: int = 0
    start_latitude_deg: float | None = None
    start_longitude_deg: float | None = None
    homeward: bool = False
    """A return to its beginning ends the tour, depot or not."""
    rest_ms: int = 0
    """End of the last trip; 0: the van is on a trip."""
    rest: TourMark = msgspec.field(default_factory=TourMark)
    """The totals at `rest_ms`."""
    rest_latitude_deg: float | None = None
    rest_longitude_deg: float | None = None
    trips: int = 0
    stops: int = 0
    load_kg: float | None = None
    load_items: int | None = None
    """Load on board at the start."""
    weighed: bool = False
    """The load was stated again during the tour."""
    drops: bytes = b""
    trail: bytes = b""
    due_ms: int = 0
    """When there is something to publish or to close, in event time; 0: never."""
    recent: list[ClosedTour] = msgspec.field(default_factory=list)
    seen_kg: float | None = None
    seen_items: int | None = None
    """The last load that drops were derived from."""
    price_per_kwh: float | None = None
    """Mean price of the energy in the battery."""
    cost: float = 0.0
    """Cost of the energy used so far."""
    priced_kwh: float = 0.0
    """The net energy up to which the cost is entered."""
    implausible: int = 0
    """How many loads and drops were refused because the van cannot carry them."""


class TrailStop(NamedTuple):
    """A stop of a tour. Between two stops the van drove."""

    arrived_ms: int
    left_ms: int
    distance_km: float
    """Distance from the end of the tour before to this stop."""
    latitude_deg: float
    longitude_deg: float


_POINT: Final = Struct("<IIIii")
_SECOND_MS: Final = 1000
_MOST_SECONDS: Final = 2**32 - 1


def add_point(trail: bytes, point: TrailStop, start_ms: int) -> bytes:
    """The trail with one more stop. A full trail loses every second stop first."""
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
    """At most this many stops, evenly chosen."""
    points = len(trail) // _POINT.size
    if points <= most:
        return trail
    chosen = (i * points // most * _POINT.size for i in range(most))
    return b"".join(trail[at : at + _POINT.size] for at in chosen)


def points_of(trail: bytes, start_ms: int) -> list[TrailStop]:
    """The stops of the trail, in order of time."""
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
    """The decoded drops."""
    return _decoder.decode(encoded) if encoded else []


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Drop])
