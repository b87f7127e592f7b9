"""`vanpulse import drops FILE.csv`: imports a manifest with consignments and their places.

The whole file is checked first: with one bad row nothing is imported. Its drops enter the log in one transaction,
whether the agent runs or not, and are processed like messages that arrived now.
"""

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.commands.asking import ask_agent
from agent.commands.storage import open_journal
from agent.config import FleetFile, Settings, load_fleet
from agent.dialects.drops import MANIFEST, drop_of
from agent.dialects.identity import is_vehicle_id
from agent.errors import Rejected, VanpulseError
from agent.journal import JournalInUse, Request
from agent.log_settings import JOURNAL_URL
from agent.messages import Message
from agent.readings import DropReading

REQUIRED: Final = ("vehicle_id", "time", "action")
COLUMNS: Final = (
    *REQUIRED,
    "mass_kg",
    "items",
    "consignment_id",
    "customer_id",
    "latitude_deg",
    "longitude_deg",
)
NUMBERS: Final = {"mass_kg": float, "items": int, "latitude_deg": float, "longitude_deg": float}
DROPS_TO_A_MESSAGE: Final = 500
SHOWN: Final = 50
"""The number of bad rows that are printed; further ones are counted."""


class BadManifest(VanpulseError):
    """The file is not a manifest, or has bad rows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The manifest."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a CSV file, see docs/deliveries.md")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Check the file and journal its drops."""
    file: Path = arguments.file
    now_ms = time.time_ns() // 1_000_000
    drops = read(file, settings, load_fleet(settings.fleet), now_ms)
    messages = list(as_messages(drops))
    if settings.log.url == JOURNAL_URL:
        taken = _journal(messages, now_ms, settings)
    else:
        from agent.commands.kafka_desk import KafkaDesk  # the client of Kafka is an extra

        KafkaDesk(settings).append(messages, received_ms=now_ms, name="import")
        taken = True
    vans = len({drop.vehicle_id for drop in drops})
    if taken:
        sys.stdout.write(f"imported {len(drops)} drops of {vans} vans\n")
    return 0 if taken else 1


def _journal(messages: list[Message], now_ms: int, settings: Settings) -> bool:
    """Journal the messages, or let the running agent do it. Returns whether that was done."""
    try:
        journal = open_journal(settings.journal)
    except JournalInUse:
        return ask_agent(settings.journal.path, Request(append=messages))
    try:
        journal.append_all(messages, received_ms=now_ms)
    finally:
        journal.close()
    return True


def read(file: Path, settings: Settings, fleet: FleetFile, now_ms: int) -> list[DropReading]:
    """The drops of a file, in its order. Raises `BadManifest` after printing the bad rows to stderr."""
    drops: list[DropReading] = []
    problems: list[str] = []
    seen: Counter[tuple[Any, ...]] = Counter()
    known = frozenset(fleet.vans) if settings.fleet.unknown_vehicles == "reject" else None
    for line, row in _rows(file):
        try:
            drop = _drop(row, settings, known, now_ms)
        except Rejected as rejected:
            problems.append(f"line {line}: {rejected.detail}")
            continue
        # Equal rows are separate drops. A second import of the file gives the same numbers, and so changes nothing.
        key = msgspec.structs.astuple(drop)
        drop.seq = seen[key]
        seen[key] += 1
        drops.append(drop)
    if problems:
        for problem in problems[:SHOWN]:
            sys.stderr.write(f"vanpulse: {file}: {problem}\n")
        more = f" ({len(problems) - SHOWN} of them not shown)" if len(problems) > SHOWN else ""
        raise BadManifest(f"{file}: nothing was imported, since {len(problems)} rows are bad{more}")
    if not drops:
        raise BadManifest(f"{file} has no drops")
    return drops


def as_messages(drops: list[DropReading]) -> Iterator[Message]:
    """The drops as messages for the journal, oldest first: up to 500 of one van in each."""
    by_van: dict[str, list[DropReading]] = {}
    for drop in sorted(drops, key=lambda each: each.time_ms):
        by_van.setdefault(drop.vehicle_id, []).append(drop)
    for vehicle_id, some in by_van.items():
        for start in range(0, len(some), DROPS_TO_A_MESSAGE):
            content = [_content(drop) for drop in some[start : start + DROPS_TO_A_MESSAGE]]
            yield Message(f"{MANIFEST}{vehicle_id}", msgspec.json.encode(content))


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each line and its cells that are not empty. Raises `BadManifest` for any other file."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(file, header)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                row = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
                if len(cells) > len(header):
                    row[""] = "too many cells"
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadManifest(f"{file} cannot be read: {error}") from error


def _check_header(file: Path, header: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown or len(set(header)) < len(header):
        wrong = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(map(repr, unknown)) or 'a column twice'}"
        raise BadManifest(f"{file}: the first line {wrong}; the columns are {','.join(COLUMNS)}")


def _drop(row: dict[str, str], settings: Settings, known: frozenset[str] | None, now_ms: int) -> DropReading:
    """The drop of a row. Raises `Rejected` with the first error in it."""
    if "" in row:
        raise Rejected("schema", "more cells than columns")
    vehicle_id = row.pop("vehicle_id", "")
    if not is_vehicle_id(vehicle_id):
        raise Rejected("schema", f"vehicle_id: {vehicle_id[:70]!r} is not a vehicle id")
    if known is not None and vehicle_id not in known:
        raise Rejected("unknown_vehicle", f"vehicle_id: {vehicle_id!r} is not in the fleet file")
    fields: dict[str, Any] = dict(row)
    for name, number in NUMBERS.items():
        if name in fields:
            try:
                fields[name] = number(fields[name])
            except ValueError:
                raise Rejected("schema", f"{name}: {fields[name][:60]!r} is not a number") from None
    if "time" in fields and fields["time"].isascii() and fields["time"].isdigit():
        fields["time"] = int(fields["time"])
    return drop_of(
        fields,
        vehicle_id,
        now_ms,
        imported=True,
        max_age_ms=round(settings.fleet.max_age_s * 1000),
        max_ahead_ms=round(settings.fleet.max_ahead_s * 1000),
    )


def _content(drop: DropReading) -> dict[str, Any]:
    fields = {name: value for name, value in msgspec.structs.asdict(drop).items() if value is not None}
    for name in ("vehicle_id", "imported"):
        del fields[name]
    fields["time"] = fields.pop("time_ms")
    return fields
