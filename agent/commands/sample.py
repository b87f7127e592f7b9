"""`vanpulse check-config --sample TOPIC FILE`: what becomes of a message, field by field, and whether it is usable."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from agent.commands.moments import format_moment, parse_moment
from agent.config import Settings
from agent.dialects.base import Item
from agent.dialects.decoder import Decoder
from agent.dialects.mapping.dialect import MappingDialect, Place
from agent.dialects.mapping.sources import Outcome
from agent.dialects.mapping.units import unit_of_field
from agent.errors import Rejected, SettingsError
from agent.messages import Message
from agent.readings import Reading
from agent.shard.opening import decoder_of, roster_of
from agent.shard.roster import Roster

MOST_RECORDS: Final = 10
"""Elements of an array that are shown."""
WIDEST_RAW: Final = 32
LATER_MS: Final = 60_000
"""A tick so much later completes a reading that waits for further values."""


def show_sample(settings: Settings, topic: str, file: str, at: str | None) -> int:
    """Print what becomes of the message. Returns the exit status: 1 if it would be a dead letter.

    `at` is the time of its arrival, as an option gives it; None: now. Raises `SettingsError` for an unreadable file.
    """
    payload = _read(file, settings.mqtt.max_packet_bytes + 1)
    now_ms = time.time_ns() // 1_000_000 if at is None else parse_moment(at, "--at")
    roster = roster_of(settings)
    decoder = decoder_of(settings, roster)
    message = Message(topic, payload)
    lines = list(_described(decoder, message, now_ms))
    if len(payload) > settings.mqtt.max_packet_bytes:
        items: list[Item] = [Rejected("oversize", "larger than mqtt.max_packet_bytes")]
    else:
        items = _items(decoder, message, now_ms, roster, accepts_unknown=settings.fleet.unknown_vehicles == "accept")
    refused = [item for item in items if isinstance(item, Rejected)]
    if not isinstance(decoder.dialect_of(topic), MappingDialect):
        lines += _readings(items)
    sys.stdout.writelines(f"{line}\n" for line in [*lines, "", _verdict(items, refused)])
    return 1 if refused else 0


def _read(file: str, limit: int) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read(limit)
        with Path(file).open("rb") as opened:
            return opened.read(limit)
    except OSError as error:
        raise SettingsError(f"--sample: {file!r} cannot be read: {error.strerror}") from error


def _items(decoder: Decoder, message: Message, now_ms: int, roster: Roster, *, accepts_unknown: bool) -> list[Item]:
    """The readings, drops and rejections that the agent would get from this message alone."""
    try:
        items = [*decoder.decode(message, now_ms), *decoder.tick(now_ms + LATER_MS)]
    except Rejected as rejected:
        return [rejected]
    return [
        item
        if isinstance(item, Rejected) or accepts_unknown or roster.names(item.vehicle_id)
        else Rejected("unknown_vehicle", f"{item.vehicle_id} is not in the fleet file")
        for item in items
    ]


def _described(decoder: Decoder, message: Message, now_ms: int) -> Iterator[str]:
    """What is known before the verdict: dialect and, for a mapping, each field of each record."""
    dialect = decoder.dialect_of(message.topic)
    yield f"topic    {message.topic}"
    if dialect is None:
        return
    if not isinstance(dialect, MappingDialect):
        yield f"dialect  {dialect.name}"
        return
    try:
        place = dialect.place_of(message.topic)
        records = dialect.records(place, message.payload)
    except Rejected:
        yield f"dialect  {dialect.name}, a mapping"
        return
    yield f"dialect  {dialect.name}, a mapping: {place.route.pattern.text}"
    if dialect.settings.join_s:
        yield f"joined   with what arrives within {dialect.settings.join_s:g} s"
    for number, record in enumerate(records[:MOST_RECORDS]):
        if len(records) > 1:
            yield f"\nelement {number} of {len(records)}"
        yield from _record(dialect, place, record, now_ms)


def _record(dialect: MappingDialect, place: Place, record: Any, now_ms: int) -> Iterator[str]:
    """One record: its van, its time, and a table of its fields."""
    route = place.route
    if not route.is_bare and not isinstance(record, dict):
        return
    if not route.counts(record):
        yield f"when     does not hold: {route.when.text if route.when else ''}"
        return
    where = "" if place.vehicle_id is not None else f"   from {' | '.join(path.text for path in route.name_paths)}"
    yield f"van      {_or_why(lambda: dialect.van_of(place, record))}{where}"
    if route.time is None:
        yield f"time     {format_moment(now_ms)}   the arrival"
    else:
        where = " | ".join(path.text for path in route.time.path)
        yield f"time     {_or_why(lambda: format_moment(route.time_of(record) or 0))}   from {where}"
    rows = [("field", "path", "raw", "value"), *(_row(outcome) for outcome in route.look(record))]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    yield ""
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])


def _row(outcome: Outcome) -> tuple[str, str, str, str]:
    raw = "" if outcome.raw is None else repr(outcome.raw)
    if len(raw) > WIDEST_RAW:
        raw = f"{raw[: WIDEST_RAW - 1]}…"
    if outcome.refused is not None:
        value = f"{outcome.refused}: {outcome.why}"
    elif outcome.value is None:
        value = f"unknown: {outcome.why}"
    else:
        value = _with_unit(outcome.field, outcome.value)
    return outcome.field, outcome.path, raw, value


def _with_unit(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    unit = unit_of_field(field)
    return f"{text} {unit}" if unit else text


def _or_why(value: Any) -> str:
    try:
        return str(value())
    except Rejected as rejected:
        return f"{rejected.reason}: {rejected.detail}"


def _readings(items: list[Item]) -> Iterator[str]:
    """What a programmed dialect gives, one field a line."""
    for item in [each for each in items if not isinstance(each, Rejected)][:MOST_RECORDS]:
        kind = "reading" if isinstance(item, Reading) else "drop"
        yield f"van      {item.vehicle_id}"
        yield f"time     {format_moment(item.time_ms)}"
        yield ""
        yield f"field of the {kind}".ljust(22) + "value"
        for name in item.__struct_fields__:
            value = getattr(item, name)
            is_said = value is not None and name not in {"vehicle_id", "time_ms"}
            if is_said and not (name in {"stale", "imported"} and not value):
                yield name.ljust(22) + _with_unit(name, value)


def _verdict(items: list[Item], refused: list[Rejected]) -> str:
    """Whether the message would be a dead letter."""
    if refused:
        more = f" ({len(refused)} of {len(items)} elements)" if len(items) > 1 else ""
        return f"verdict  a dead letter, {refused[0].reason}: {refused[0].detail}{more}"
    if items:
        return "verdict  usable" if len(items) == 1 else f"verdict  usable, {len(items)} readings"
    return "verdict  ignored: it says nothing of a van"
