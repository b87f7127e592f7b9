"""`vanpulse compare TRUTH`: compares the simulator's true values with what the agent computed."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from agent.commands.storage import history_of
from agent.config import Settings
from agent.errors import SettingsError
from agent.fleet.energy_state import STORED_SHARE
from agent.stores import History

OVERLAP_S: Final = 600.0
"""An event of the agent matches a true one if they overlap or are at most this far apart."""


class Comparison(NamedTuple):
    """One line of the table: the true and the computed value of a quantity."""

    what: str
    truth: float
    agent: float
    digits: int = 0

    @property
    def difference(self) -> str:
        """The difference in percent of the true value."""
        if self.truth == 0.0:
            return "" if self.agent == 0.0 else "–"
        return f"{100.0 * (self.agent - self.truth) / self.truth:+.2f} %"


class Truth(msgspec.Struct):
    """The content of a truth file: its events and the last totals of each van."""

    start_ms: int
    end_ms: int
    totals: dict[str, dict[str, Any]]
    events: dict[str, list[dict[str, Any]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The truth file, and which vans."""
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="file written by `vanpulse simulate --truth`")
    parser.add_argument("--vehicle", metavar="ID", help="only this van")
    parser.add_argument("--by-vehicle", action="store_true", help="one table per van")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the table; returns the exit status."""
    truth = read_truth(arguments.truth)
    vans = sorted(truth.totals)
    if arguments.vehicle is not None:
        if arguments.vehicle not in truth.totals:
            raise SettingsError(f"{arguments.truth} has no vehicle {arguments.vehicle!r}")
        vans = [arguments.vehicle]
    history = history_of(settings.store)
    try:
        groups = [[van] for van in vans] if arguments.by_vehicle else [vans]
        for group in groups:
            heading = group[0] if len(group) == 1 else f"{len(group)} vans"
            sys.stdout.write(table(heading, compare(truth, history, group)))
    finally:
        history.close()
    return 0


def read_truth(path: Path) -> Truth:
    """Read a truth file. Raises `SettingsError` if it is not one."""
    totals: dict[str, dict[str, Any]] = {}
    events: dict[str, list[dict[str, Any]]] = {"trip": [], "stop": [], "charge": []}
    start_ms = 0
    try:
        with path.open("rb") as file:
            for line in file:
                entry = msgspec.json.decode(line, type=dict[str, Any])
                match entry["kind"]:
                    case "definitions":
                        start_ms = entry["start_ms"]
                    case "total":
                        totals[entry["vehicle_id"]] = entry
                    case kind:
                        events[kind].append(entry)
    except (OSError, msgspec.DecodeError, KeyError) as error:
        raise SettingsError(f"{path} is not a truth file of the simulator: {error}") from error
    if not totals:
        raise SettingsError(f"{path} has no totals yet; the simulator writes them every 10 simulated minutes")
    return Truth(start_ms, max(entry["end_ms"] for entry in totals.values()), totals, events)


def compare(truth: Truth, history: History, vans: list[str]) -> list[Comparison]:
    """The lines of the table for these vans together."""
    wanted = set(vans)
    totals = [truth.totals[van] for van in vans]
    energy = [
        point
        for van in vans
        for point in list(history.select("energy", vehicle_id=van, end_ms=truth.end_ms + 1, latest=True))
    ]

    def total(name: str) -> float:
        return sum((float(entry[name]) for entry in totals), 0.0)

    def computed(name: str) -> float:
        return sum((float(point.get(name, 0.0)) for point in energy), 0.0)

    net = computed("used_kwh_total") - computed("regenerated_kwh_total")
    rows = [
        Comparison("vans seen", len(vans), len(energy)),
        Comparison("distance, km", total("distance_km"), computed("distance_km_total"), 2),
        Comparison("energy used, net, kWh", total("net_kwh"), net, 2),
        Comparison("energy charged, kWh", total("charged_kwh"), computed("charged_kwh_total"), 2),
        Comparison("energy from the grid, kWh", total("grid_kwh"), computed("grid_kwh_total"), 2),
        Comparison("energy used off trips, kWh", total("idle_kwh"), computed("idle_kwh_total"), 2),
    ]
    for kind, name, fields in (
        ("trip", "trips", ("distance_km", "energy_kwh")),
        ("stop", "stops", ("dwell_s",)),
        ("charge", "charges", ("energy_kwh", "grid_kwh")),
    ):
        true = [event for event in truth.events[kind] if event["vehicle_id"] in wanted]
        found = [
            point
            for van in vans
            for point in history.select(kind, vehicle_id=van, start_ms=truth.start_ms, end_ms=truth.end_ms + 1)
        ]
        rows.append(Comparison(name, len(true), len(found)))
        rows += [
            Comparison(f"  {field}, sum", sum(event[field] for event in true), sum(p.get(field, 0.0) for p in found), 2)
            for field in fields
        ]
        pairs, missed, invented = match_events(true, found)
        rows.append(Comparison("  matched one to one", len(true), len(pairs)))
        rows.append(Comparison("  without a counterpart, truth / agent", missed, invented))
        for field in fields:
            rows += _pair_error(pairs, field)
    return rows + _carbon(history, vans, truth)


def _carbon(history: History, vans: list[str], truth: Truth) -> list[Comparison]:
    """The carbon balance from stored points alone: CO2e charged, against CO2e used plus the change in the packs.

    The energy in a pack changes by what was stored minus what was used. Its amount at the beginning is known to one
    step of the state of charge. This error matters only as far as the CO2e per kWh in the pack has changed since.
    """
    brought_g = accounted_g = 0.0
    for van in vans:
        span: dict[str, Any] = {"vehicle_id": van, "start_ms": truth.start_ms, "end_ms": truth.end_ms + 1}
        begin, end = (_standing(history, span, latest=latest) for latest in (False, True))
        if begin is None or end is None:
            continue
        begin_kwh = begin["usable_capacity_kwh"] * begin["soc_pct"] / 100.0
        end_kwh = begin_kwh + _taken_in_kwh(end) - _taken_in_kwh(begin)
        pieces = history.select("charge_slice", **span)
        brought_g += sum(piece["direct_g"] + piece["upstream_g"] + piece["losses_g"] for piece in pieces)
        accounted_g += end["co2e_g_total"] - begin["co2e_g_total"]
        accounted_g += end_kwh * end["battery_g_per_kwh"] - begin_kwh * begin["battery_g_per_kwh"]
    return [Comparison("carbon: charged / used and left, kg", brought_g / 1000.0, accounted_g / 1000.0, 2)]


def _taken_in_kwh(standing: dict[str, float]) -> float:
    """Energy stored minus energy used, since the counters began."""
    used_kwh = standing["used_kwh_total"] - standing.get("regenerated_kwh_total", 0.0)
    return STORED_SHARE * standing["charged_kwh_total"] - used_kwh


def _standing(history: History, span: dict[str, Any], *, latest: bool) -> dict[str, float] | None:
    """The values of a van's battery, energy and emissions at the first or the newest points of a period."""
    found: dict[str, float] = {}
    for measurement in ("battery", "energy", "emissions"):
        found |= next(iter(history.select(measurement, **span, latest=latest)), {})
    needed = ("co2e_g_total", "battery_g_per_kwh", "usable_capacity_kwh", "soc_pct", "charged_kwh_total")
    return None if any(found.get(name) is None for name in needed) else found


def match_events(
    true: list[dict[str, Any]], found: list[dict[str, Any]]
) -> tuple[list[tuple[dict[str, Any], dict[str, Any]]], int, int]:
    """Pair the events of each van by their overlap, each at most once; also how many remain on either side."""
    by_van: dict[str, list[dict[str, Any]]] = {}
    for point in found:
        by_van.setdefault(point["vehicle_id"], []).append(point)
    pairs = []
    for event in true:
        candidates = by_van.get(event["vehicle_id"], [])
        best = max(candidates, key=lambda point, event=event: _overlap_s(event, point), default=None)  # type: ignore[misc]
        if best is not None and _overlap_s(event, best) > -OVERLAP_S:
            pairs.append((event, best))
            candidates.remove(best)
    return pairs, len(true) - len(pairs), len(found) - len(pairs)


def _overlap_s(event: dict[str, Any], point: dict[str, Any]) -> float:
    """Seconds of overlap of two events; a negative value is the gap between them."""
    begin = max(event["start_ms"], point["start_ms"])
    return float(min(event["end_ms"], point["time_ms"]) - begin) / 1000.0


def _pair_error(pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]], field: str) -> list[Comparison]:
    """The mean error of single events in percent, without events whose true value is below 0.5."""
    errors = [
        100.0 * abs(point[field] - event[field]) / abs(event[field])
        for event, point in pairs
        if field in point and abs(event[field]) >= 0.5
    ]
    return [Comparison(f"  {field}, mean error each, %", 0.0, sum(errors) / len(errors), 2)] if errors else []


def table(heading: str, rows: list[Comparison]) -> str:
    """The lines as text."""
    lines = [f"{heading:<40}{'truth':>14}{'agent':>14}{'difference':>12}"]
    lines += [
        f"{row.what:<40}{row.truth:>14,.{row.digits}f}{row.agent:>14,.{row.digits}f}{row.difference:>12}"
        for row in rows
    ]
    return "\n".join(lines) + "\n\n"
