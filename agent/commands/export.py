"""`vanpulse export MEASUREMENT`: prints the points of one measurement as CSV or JSON lines."""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final, TextIO

import msgspec

from agent.commands.moments import add_period, format_moment, period
from agent.commands.storage import history_of
from agent.config import Settings
from agent.points.measurements import MEASUREMENTS, Measurement

_SHOW_EVERY: Final = 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The measurement, the selection and the format."""
    parser.add_argument("measurement", metavar="MEASUREMENT", choices=list(MEASUREMENTS), help=", ".join(MEASUREMENTS))
    parser.add_argument("--vehicle", metavar="ID", help="only this van")
    add_period(parser)
    parser.add_argument("--format", choices=("csv", "jsonl"), default="csv", help="csv (default) or jsonl")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the points to stdout, in order of time."""
    measurement = MEASUREMENTS[arguments.measurement]
    if arguments.vehicle is not None and "vehicle_id" not in measurement.tags:
        sys.stderr.write(f"vanpulse: {measurement.name} has no vehicle_id: leave --vehicle out\n")
        return 2
    start_ms, end_ms = period(arguments, settings.fleet.timezone)
    history = history_of(settings.store)
    try:
        points = history.select(measurement.name, vehicle_id=arguments.vehicle, start_ms=start_ms, end_ms=end_ms)
        write = write_csv if arguments.format == "csv" else write_jsonl
        write(measurement, _counted(points), sys.stdout)
    finally:
        history.close()
    return 0


def write_csv(measurement: Measurement, points: Iterable[dict[str, Any]], out: TextIO) -> None:
    """One column for each tag and field. An absent value is an empty cell."""
    columns = (*measurement.tags, *measurement.field_names)
    booleans = {field.name for field in measurement.fields if field.type == "boolean"}
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("time", *columns))
    for point in points:
        for name in booleans & point.keys():
            point[name] = "true" if point[name] else "false"
        writer.writerow((format_moment(point["time_ms"]), *(point.get(name) for name in columns)))


def write_jsonl(_measurement: Measurement, points: Iterable[dict[str, Any]], out: TextIO) -> None:
    """One object per line. Absent fields are left out."""
    encode = msgspec.json.Encoder().encode
    for point in points:
        line = {"time": format_moment(point.pop("time_ms")), **point}
        out.write(encode(line).decode() + "\n")


def _counted(points: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pass the points on. Shows their number on a terminal if the output itself goes elsewhere."""
    watched = sys.stderr.isatty() and not sys.stdout.isatty()
    number = 0
    for number, point in enumerate(points, 1):  # counted to the end
        yield point
        if watched and number % _SHOW_EVERY == 0:
            sys.stderr.write(f"\r{number} points")
            sys.stderr.flush()
    if watched:
        sys.stderr.write(f"\r{number} points\n")
