"""The drops of a tour: stated by message or manifest, in any order and even late, or derived from the load."""

from typing import Final

from agent.fleet.context import Context
from agent.fleet.modes import DRIVING
from agent.fleet.records import Record
from agent.fleet.sphere import between_km
from agent.fleet.state import VanState, Verdict
from agent.fleet.tour_state import (
    BY_IMPORT,
    BY_LOAD,
    BY_MESSAGE,
    LOAD,
    MOST_DROPS,
    UNLOAD,
    ClosedTour,
    Drop,
    TourState,
    pack_drops,
    unpack_drops,
)
from agent.readings import DropReading, Reading

BEYOND: Final = 2.0
"""A load above this multiple of the payload is refused. Vans do get overloaded, but not that much."""
LIGHTEST_KG: Final = 0.05
"""Mean mass of the lightest items. It turns the limit for the load into a limit for the number of items."""
SENSOR_SHARE: Final = 0.002
"""Share of the payload. Where only a mass is sent, a smaller change waits until it has added up."""
SAME_STAND_KM: Final = 0.08
UNLOADED_AFTER_MS: Final = 2 * 3_600_000
"""Goods unloaded this long after the return, but before the next departure, were on the tour that has ended."""
LOADED_BEFORE_MS: Final = 24 * 3_600_000
"""Drops up to this long before the first departure of a van belong to its first tour."""
POSITION_MS: Final = 120_000
"""A drop without a position gets the position of the van if that is at most this far from it in time."""


def take_load(state: VanState, reading: Reading, context: Context) -> bool:
    """Take a reading of the load on board. Returns False if the van cannot carry that much."""
    kg, items = reading.payload_kg, reading.parcels
    if not _is_plausible(kg, items, context):
        state.tour.implausible += 1
        return False
    load, tour = state.load, state.tour
    if kg is not None:
        load.payload_kg = kg
    if items is not None:
        load.parcels = items
    state.load_time_ms = reading.time_ms
    if tour.under_way:
        _derive(state, reading, context)
    return True


def take_drop(state: VanState, said: DropReading, received_ms: int, context: Context) -> list[Record]:
    """Enter a drop into its tour: the one under way, one to come, or a closed one.

    `state.verdict` says what became of the drop. A closed tour is published again at the next tick. A drop is no sign
    of life of the van, because manifests are written by people. `received_ms` is ignored: only the time of the drop
    counts.
    """
    del received_ms
    tour = state.tour
    if not _is_plausible(said.mass_kg, said.items, context):
        tour.implausible += 1
        state.verdict = Verdict.IMPLAUSIBLE
        return []
    drop = Drop(
        said.time_ms,
        said.time_ms,
        LOAD if said.action == "load" else UNLOAD,
        BY_IMPORT if said.imported else BY_MESSAGE,
        said.mass_kg,
        said.items,
        said.latitude_deg,
        said.longitude_deg,
        said.consignment_id,
        said.customer_id,
        said.seq,
    )
    if not _is_placeable(tour, drop):
        state.verdict = Verdict.NO_TOUR
        return []
    closed = _closed_of(tour, drop)
    drops = unpack_drops(tour.drops if closed is None else closed.drops)
    before = next((each for each in drops if _is_same(each, drop)), None)
    if before is not None and not _brings_news(before, drop):
        state.duplicates += 1
        state.verdict = Verdict.DUPLICATE
        return []
    if before is not None:
        _replace(drops, before, drop)
    else:
        if closed is None:
            _place(state, drop)
        drop.row_ms = _free_ms(tour, drop.time_ms)
        _add(drops, drop)
    state.accepted += 1
    state.verdict = Verdict.ACCEPTED
    if closed is None:
        tour.drops = pack_drops(drops)
    else:
        closed.drops = pack_drops(drops)
        closed.unpublished = True
        tour.due_ms = 1
    return []


def drops_of_closed(tour: TourState) -> tuple[list[Drop], list[Drop]]:
    """The drops of the tour that is closed now, and those already stated of the next tour."""
    mine: list[Drop] = []
    later: list[Drop] = []
    for drop in unpack_drops(tour.drops):
        if drop.time_ms <= tour.rest_ms or (drop.action == UNLOAD and drop.time_ms <= tour.rest_ms + UNLOADED_AFTER_MS):
            mine.append(drop)
        elif drop.source != BY_LOAD:
            drop.driven_km = None
            later.append(drop)
    return mine, later


def reclaim_drops(tour: TourState) -> None:
    """A tour has begun: drops after its beginning that were counted to the tour before belong to it."""
    tour.drops = pack_drops([drop for drop in unpack_drops(tour.drops) if drop.source != BY_LOAD])
    if not tour.recent:
        return
    closed = tour.recent[-1]
    drops = unpack_drops(closed.drops)
    younger = [drop for drop in drops if drop.time_ms > tour.start_ms and drop.source != BY_LOAD]
    if younger:
        closed.drops = pack_drops([drop for drop in drops if drop not in younger])
        closed.unpublished = True
        for drop in younger:
            drop.driven_km = None
        tour.drops = pack_drops([*unpack_drops(tour.drops), *younger])


def _is_plausible(kg: float | None, items: int | None, context: Context) -> bool:
    largest_kg = BEYOND * context.vehicle.payload_kg
    return not (kg is not None and kg > largest_kg) and not (items is not None and items * LIGHTEST_KG > largest_kg)


# -- stated drops


def _is_placeable(tour: TourState, drop: Drop) -> bool:
    """Whether the tour of the drop is still kept."""
    first = tour.recent[0] if tour.recent else None
    since_ms = first.since_ms if first is not None else tour.since_ms
    if since_ms > 0:
        return drop.time_ms > since_ms
    start_ms = first.start_ms if first is not None else tour.start_ms if tour.under_way else 0
    return drop.time_ms > start_ms - LOADED_BEFORE_MS


def _closed_of(tour: TourState, drop: Drop) -> ClosedTour | None:
    """The closed tour that a drop belongs to. `None`: the one under way, or the next."""
    found: ClosedTour | None = None
    begins_ms = tour.start_ms if tour.under_way else drop.time_ms + 1
    for closed in reversed(tour.recent):
        if drop.action == UNLOAD:
            late = closed.end_ms < drop.time_ms <= closed.end_ms + UNLOADED_AFTER_MS and drop.time_ms < begins_ms
        else:
            late = False
        if drop.time_ms <= closed.end_ms or late:
            found = closed
        begins_ms = closed.start_ms
    return found


def _is_same(one: Drop, other: Drop) -> bool:
    """Whether two drops state the same event. A consignment is loaded once and unloaded once."""
    if one.action != other.action or one.source == BY_LOAD:
        return False
    if one.consignment_id is not None or other.consignment_id is not None:
        return one.consignment_id == other.consignment_id
    return one.time_ms == other.time_ms and one.seq == other.seq and not _brings_news(one, other)


def _brings_news(before: Drop, drop: Drop) -> bool:
    """Whether the drop has a value that differs from the known one."""
    if drop.time_ms != before.time_ms:
        return True
    fields = ("mass_kg", "items", "latitude_deg", "longitude_deg", "customer_id")
    return any(getattr(drop, name) not in (None, getattr(before, name)) for name in fields)


def _replace(drops: list[Drop], before: Drop, drop: Drop) -> None:
    """A consignment stated again with other values: the later statement counts, in the same row."""
    for name in ("mass_kg", "items", "latitude_deg", "longitude_deg", "customer_id", "seq"):
        if getattr(drop, name) is None:
            setattr(drop, name, getattr(before, name))
    if drop.time_ms == before.time_ms:
        drop.driven_km = before.driven_km
    drop.row_ms = before.row_ms
    drops[drops.index(before)] = drop


def _place(state: VanState, drop: Drop) -> None:
    """Give a drop of now the distance and the position of the van."""
    if abs(drop.time_ms - state.location_time_ms) <= POSITION_MS:
        drop.driven_km = state.totals.distance_km - state.tour.base.distance_km
        if drop.latitude_deg is None or drop.longitude_deg is None:
            drop.latitude_deg, drop.longitude_deg = state.position.latitude_deg, state.position.longitude_deg


def _free_ms(tour: TourState, time_ms: int) -> int:
    """The first millisecond, from the time of the drop on, that is not yet the key of a drop of this van."""
    taken = {drop.row_ms for drop in unpack_drops(tour.drops)}
    for closed in tour.recent:
        taken.update(drop.row_ms for drop in unpack_drops(closed.drops))
        taken.update(closed.derived_ms)
    while time_ms in taken:
        time_ms += 1
    return time_ms


def _add(drops: list[Drop], drop: Drop) -> None:
    """Add a drop. Beyond `MOST_DROPS` it is merged with the last one of its kind."""
    if len(drops) < MOST_DROPS:
        drops.append(drop)
        return
    last = next(
        (each for each in reversed(drops) if (each.action, each.source) == (drop.action, drop.source)), drops[-1]
    )
    share = 1.0 / (last.count + 1)
    if last.mass_kg and drop.mass_kg:
        share = drop.mass_kg / (last.mass_kg + drop.mass_kg)
    for name in ("latitude_deg", "longitude_deg"):
        old, new = getattr(last, name), getattr(drop, name)
        if old is not None and new is not None:
            setattr(last, name, old + share * (new - old))
    last.mass_kg = None if last.mass_kg is None or drop.mass_kg is None else last.mass_kg + drop.mass_kg
    last.items = None if last.items is None or drop.items is None else last.items + drop.items
    last.consignment_id = last.customer_id = None
    last.count += 1


# -- drops derived from the load


def _derive(state: VanState, reading: Reading, context: Context) -> None:
    """The load has changed on a tour: something was loaded or unloaded here."""
    tour, motion = state.tour, state.motion
    kg, items = reading.payload_kg, reading.parcels
    if tour.stops or tour.trips:
        tour.weighed = True
    if tour.seen_kg is None and kg is not None:
        tour.load_kg = tour.seen_kg = kg
    if tour.seen_items is None and items is not None:
        tour.load_items = tour.seen_items = items
    moving = motion.mode == DRIVING and not motion.standing_ms
    more_kg = kg - tour.seen_kg if kg is not None and tour.seen_kg is not None else 0.0
    more_items = items - tour.seen_items if items is not None and tour.seen_items is not None else 0
    if items is None and (moving or abs(more_kg) < SENSOR_SHARE * context.vehicle.payload_kg):
        return  # the reading of a scale varies while the van drives
    if not more_kg and not more_items:
        return
    if kg is not None:
        tour.seen_kg = kg
    if items is not None:
        tour.seen_items = items
    drops = unpack_drops(tour.drops)
    _enter_change(
        state, drops, reading.time_ms, more_kg if kg is not None else None, more_items if items is not None else None
    )
    tour.drops = pack_drops(drops)


def _enter_change(
    state: VanState, drops: list[Drop], time_ms: int, more_kg: float | None, more_items: int | None
) -> None:
    position = state.position
    stood_since_ms = state.tour.rest_ms or state.motion.standing_ms
    last = next((each for each in reversed(drops) if each.source == BY_LOAD), None)
    if last is not None and stood_since_ms and last.time_ms >= stood_since_ms and _is_here(state, last):
        sign = 1 if last.action == LOAD else -1
        same = (more_kg or 0.0) * sign >= 0.0 and (more_items or 0) * sign >= 0
        if same or (more_items is None and last.items is None):
            # One drop per stop. So a scale that varies about a value adds nothing up.
            drops.remove(last)
            time_ms = last.time_ms
            more_kg = (
                None if more_kg is None and last.mass_kg is None else (more_kg or 0.0) + sign * (last.mass_kg or 0.0)
            )
            more_items = (
                None if more_items is None and last.items is None else (more_items or 0) + sign * (last.items or 0)
            )
    rises = (more_kg or 0.0) > 0.0 or (not more_kg and (more_items or 0) > 0)
    if not more_kg and not more_items:
        return
    sign = 1 if rises else -1
    drop = Drop(
        time_ms,
        time_ms,
        LOAD if rises else UNLOAD,
        BY_LOAD,
        None if more_kg is None else max(0.0, sign * more_kg),
        None if more_items is None else max(0, sign * more_items),
        position.latitude_deg,
        position.longitude_deg,
        driven_km=state.totals.distance_km - state.tour.base.distance_km,
    )
    drop.row_ms = _free_ms(state.tour, time_ms)
    _add(drops, drop)


def _is_here(state: VanState, drop: Drop) -> bool:
    position = state.position
    if position.latitude_deg is None or position.longitude_deg is None:
        return False
    if drop.latitude_deg is None or drop.longitude_deg is None:
        return False
    km = between_km(drop.latitude_deg, drop.longitude_deg, position.latitude_deg, position.longitude_deg)
    return km <= SAME_STAND_KM
