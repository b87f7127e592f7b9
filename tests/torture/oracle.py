"""The oracle: one undisturbed pass computes what the store must hold; every difference is reported."""

import time
from collections.abc import Iterable
from typing import Any

from agent.config import FleetFile, Settings
from agent.dialects.decoder import Decoder, make_dialects
from agent.log import DeadLetter
from agent.messages import Batch, Message
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from agent.stores.rounding import scale
from agent.stores.sqlite_schema import COMPACTED

COMPARED = (
    "battery",
    "location",
    "energy",
    "emissions",
    "trip",
    "tour",
    "drop",
    "charge",
    "charge_slice",
    "stop",
    "day",
    "alert",
)
"""All measurements that come from readings. `fleet` depends on when minutes pass, `agent` on the process."""

Key = tuple[str, int]
Values = dict[str, Any]


def undisturbed(messages: Iterable[tuple[str, bytes]]) -> dict[str, dict[Key, Values]]:
    """The points of a run without any fault, by measurement and (vehicle, time)."""
    settings = Settings()
    roster = Roster(FleetFile(), fleet_settings=settings.fleet, emissions=settings.emissions, derived_every_s=10.0)
    shard = Shard(Decoder(make_dialects(["native"])), roster)
    found: dict[str, dict[Key, Values]] = {name: {} for name in COMPARED}
    now_ms = time.time_ns() // 1_000_000
    batch: list[Message] = []
    letters: list[DeadLetter] = []
    offset = 0

    def work() -> None:
        out = shard.process(Batch(offset, now_ms, now_ms, batch))
        letters.extend(out.dead_letters)
        for name in COMPARED:
            for row in out.rows[name]:
                found[name][_key(row)] = _values(name, row)

    for topic, payload in messages:
        batch.append(Message(topic, payload))
        if len(batch) == 1000:
            work()
            offset += len(batch)
            batch.clear()
    work()
    if letters or shard.counters.internal_errors:
        raise AssertionError(f"the load itself is not clean: {letters[:3]}")
    return found


def _key(row: PointRow) -> Key:
    return row[0].vehicle_id, row[1]


def _values(name: str, row: PointRow) -> Values:
    fields = zip(MEASUREMENTS[name].field_names, row[2:], strict=True)
    return {field: value for field, value in fields if value is not None}


def as_kept(expected: dict[str, dict[Key, Values]]) -> dict[str, dict[Key, Values]]:
    """The same points with the rounding that docs/measurements.md states for the history file."""
    scales = {m.name: {f.name: scale(f) for f in m.fields if f.type == "float"} for m in COMPACTED}

    def rounded(name: str, values: Values) -> Values:
        multiple = scales.get(name, {})
        return {
            field: round(value * multiple[field]) / multiple[field] if field in multiple else value
            for field, value in values.items()
        }

    return {name: {key: rounded(name, values) for key, values in points.items()} for name, points in expected.items()}


def differences(expected: dict[str, dict[Key, Values]], select: Any) -> list[str]:
    """Missing, invented, duplicated and different points. `select(measurement)` gives the points of the store."""
    found = []
    for name, wanted in expected.items():
        seen: dict[Key, Values] = {}
        for point in select(name):
            key = point["vehicle_id"], point["time_ms"]
            if key in seen:
                found.append(f"{name}: {key} is there twice")
            seen[key] = {field: point[field] for field in MEASUREMENTS[name].field_names if field in point}
        missing = [key for key in wanted if key not in seen]
        invented = [key for key in seen if key not in wanted]
        changed = [key for key in wanted if key in seen and seen[key] != wanted[key]]
        for what, keys in (("missing", missing), ("invented", invented), ("different", changed)):
            if keys:
                first = keys[0]
                found.append(
                    f"{name}: {len(keys)} of {len(wanted)} {what}, as {first}: "
                    f"expected {wanted.get(first)}, found {seen.get(first)}"
                )
    return found


def sizes(expected: dict[str, dict[Key, Values]]) -> str:
    """How much was compared."""
    return ", ".join(f"{len(values):,} {name}" for name, values in expected.items() if values)


assert set(COMPARED) <= set(MEASUREMENTS)
