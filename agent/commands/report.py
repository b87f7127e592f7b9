"""`vanpulse report`: prints energy and emissions of a period, with method, factors and data quality for auditors."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from importlib.metadata import version
from typing import Any, Final

import msgspec

from agent.commands.moments import add_period, period
from agent.commands.report_figures import figures_of
from agent.commands.report_findings import Corrections, corrections_of, implausible
from agent.commands.report_format import as_csv, as_json, as_markdown
from agent.commands.report_gather import gather
from agent.commands.report_scopes import scopes_of
from agent.commands.report_sums import Sums, VanFigures
from agent.commands.storage import history_of
from agent.config import Settings
from agent.factors.factor_set import load_factor_years
from agent.factors.year_set import FactorSet
from agent.fleet.day_zone import DayZone
from agent.fleet.thresholds import Thresholds
from agent.points.measurements import MEASUREMENTS
from agent.shard.opening import roster_of
from agent.stores.base import History

BLOCKS: Final = (
    "all",
    "summary",
    "depots",
    "vans",
    "tours",
    "trips",
    "charges",
    "scopes",
    "instruments",
    "corrections",
    "implausible",
    "quality",
)
MIXES: Final = {
    "consumption": "consumption mix",
    "production": "generation mix instead of the consumption mix that ISO 14083 requires",
}
USED_AND_CHARGED: Final = (
    "co2e_kg are the emissions of the energy used in the period: use it for transport, per km, t-km and parcel. "
    "charged_… are those of the energy drawn from the grid in the period: use it for the electricity account, Scope 2 "
    "and 3.3. Both count the same electricity: never add them"
)
COUNTERS: Final = ("messages_total", "accepted_total", "duplicates_total", "late_total", "dead_letters_total")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_period(parser)
    parser.add_argument("--format", choices=("md", "csv", "json"), default="md", help="Markdown (default), CSV, JSON")
    parser.add_argument(
        "--block", choices=BLOCKS, default="all", help="print only this block; CSV prints trips by default"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the report."""
    start_ms, end_ms = period(arguments, settings.fleet.timezone)
    with closing(history_of(settings.store)) as history:
        report = make_report(history, settings, start_ms=start_ms, end_ms=end_ms, block=arguments.block)
    write = {"md": as_markdown, "csv": as_csv, "json": as_json}[arguments.format]
    for text in write(report, arguments.block):
        sys.stdout.write(text)
    return 0


def make_report(
    history: History, settings: Settings, *, start_ms: int | None, end_ms: int | None, block: str = "all"
) -> dict[str, Any]:
    """The report: the header and all blocks, or only the chosen one."""
    emissions = settings.emissions
    years = load_factor_years(emissions.factor_set, DayZone(settings.fleet.timezone).tzinfo)
    factors = years.newest if end_ms is None else years.at(end_ms - 1)
    roster = roster_of(settings)
    charging = factors.charging(ac=emissions.charging_efficiency_ac, dc=emissions.charging_efficiency_dc)
    corrections = corrections_of(history, start_ms=start_ms, end_ms=end_ms)
    vans = gather(
        history,
        vehicle_of=roster.vehicle,
        factors=factors,
        start_ms=start_ms,
        end_ms=end_ms,
        efficiency_ac=charging.efficiency("ac"),
        corrections=corrections,
    )
    fleet, depots = Sums(), _by_depot(vans)
    for van in vans:
        fleet.add(van.sums)
    blocks: dict[str, Callable[[], Any]] = {
        "header": lambda: _header(history, settings, factors, vans, start_ms, end_ms),
        "summary": lambda: {"vans": len(vans), **figures_of(fleet)},
        "depots": lambda: [{"depot": depot, **figures_of(depots[depot])} for depot in sorted(depots)],
        "vans": lambda: [_van(van) for van in vans],
        "tours": lambda: list(_rows(history, "tour", start_ms, end_ms, corrections)),
        "trips": lambda: list(_rows(history, "trip", start_ms, end_ms, corrections)),
        "charges": lambda: list(_rows(history, "charge", start_ms, end_ms, corrections)),
        "scopes": lambda: scopes_of(history.select("charge_slice", start_ms=start_ms, end_ms=end_ms))[0],
        "instruments": lambda: scopes_of(history.select("charge_slice", start_ms=start_ms, end_ms=end_ms))[1],
        "corrections": lambda: [_correction(entry) for entry in corrections.entries],
        "implausible": lambda: [
            {name: value for name, value in van.items() if name != "last_ms"} | {"last": _shown(van["last_ms"])}
            for van in implausible(history, start_ms, end_ms)
        ],
        "quality": lambda: _quality(history, fleet, start_ms, end_ms),
    }
    return {name: make() for name, make in blocks.items() if block in ("all", name) or name == "header"}


def _by_depot(vans: list[VanFigures]) -> dict[str, Sums]:
    depots: dict[str, Sums] = {}
    for van in vans:
        depots.setdefault(van.vehicle.depot, Sums()).add(van.sums)
    return depots


def _van(van: VanFigures) -> dict[str, Any]:
    vehicle = van.vehicle
    capacity = {} if van.usable_capacity_kwh is None else {"usable_capacity_kwh": van.usable_capacity_kwh}
    return {
        "vehicle_id": van.vehicle_id,
        "depot": vehicle.depot,
        "model": vehicle.model,
        "country": vehicle.country,
        **figures_of(van.sums),
        **capacity,
    }


def _header(
    history: History,
    settings: Settings,
    factors: FactorSet,
    vans: list[VanFigures],
    start_ms: int | None,
    end_ms: int | None,
) -> dict[str, Any]:
    emissions = settings.emissions
    countries = sorted({van.vehicle.country for van in vans})
    classes = sorted({(van.vehicle.diesel_class, van.vehicle.country) for van in vans})
    scopes = {"*", *countries, *(name for name, _ in classes)}
    doubtful = [
        f"{factor.factor} {factor.scope} = {factor.value:g} {factor.unit} ({factor.mark}: {factor.source})"
        for factor in factors.factors()
        if factor.mark in ("secondary", "estimate") and factor.scope in scopes
    ]
    return {
        "period": _period(history, DayZone(settings.fleet.timezone).tzinfo, start_ms, end_ms),
        "from": _shown(start_ms),
        "to": _shown(end_ms),
        "program": f"vanpulse {version('vanpulse')}",
        "boundary": "well-to-wheel (WTW); vehicle operation (TTW) of a battery van is 0; GWP100",
        "method": "by the method of EN ISO 14083:2023; not certified, not verified; includes empty running and idling",
        "distance": "for t-km, the great circle between loading and unloading point of each consignment",
        "used_and_charged": USED_AND_CHARGED,
        "electricity": "location-based; the carbon content of each battery is tracked from charge to charge"
        + ("" if emissions.intensity_file is None else f"; hourly values of {emissions.intensity_file.name}"),
        "market_based": "by the instrument of each charge: contract, else residual mix, else location-based intensity",
        "scopes": "electricity charged: generation is Scope 2; upstream and grid losses are Scope 3.3 (GHG Protocol)",
        "uncertainty": "95 % interval; standard uncertainties: energy as estimated for each day, independent of other "
        "days; meter 1 % (charger) or 3 % (modelled), fully correlated; factor 5 % (hourly) or 10 % (annual), fully "
        "correlated within a grid; mass, per t-km only, 2 % (stated), 10 % (derived) or 50 % (default)",
        "pollutants": "avoided NOx and PM are computed from the legal limits (Euro 6), PM of the exhaust only",
        "factor_set": f"{factors.set_name}: {factors.title}",
        "electricity_g_per_kwh": {c: round(factors.for_country(c).annual_g_per_kwh, 1) for c in countries},
        "electricity_mix": {c: MIXES[factors.for_country(c).mix] for c in countries},
        "diesel_wtw_g_per_km": {
            f"{name} {country}": round(factors.diesel(name, country).wtw_g_per_km, 1) for name, country in classes
        },
        "unconfirmed_factors": doubtful,
        "thresholds": msgspec.to_builtins(Thresholds(derived_every_s=settings.store.derived_every_s)),
    }


def _period(history: History, zone: tzinfo, start_ms: int | None, end_ms: int | None) -> str:
    """First and last second, both included, in local time. An open end is the first or last time of the data."""
    first_ms, last_ms = start_ms, None if end_ms is None else end_ms - 1
    notes = []
    if start_ms is None:
        first = next(iter(history.select("energy", end_ms=end_ms)), {})
        day = next(iter(history.select("day", end_ms=end_ms)), {})
        first_ms = min((point["time_ms"] for point in (first, day) if point), default=None)
        notes.append("no --from: first time of the data")
    if end_ms is None:
        newest = history.select("energy", start_ms=start_ms, latest=True)
        last_ms = max((point["time_ms"] for point in newest), default=None)
        notes.append("no --to: last time of the data")
    if first_ms is None or last_ms is None:
        return "no data"
    first_text, last_text = (
        datetime.fromtimestamp(time_ms // 1000, zone).isoformat(sep=" ") for time_ms in (first_ms, last_ms)
    )
    return f"{first_text} to {last_text}, both included" + (f" ({'; '.join(notes)})" if notes else "")


def _rows(
    history: History, measurement: str, start_ms: int | None, end_ms: int | None, corrections: Corrections
) -> Iterator[dict[str, Any]]:
    """Points with readable times, fields in the order of the measurement. `corrected` ones do not count in sums."""
    for point in history.select(measurement, start_ms=start_ms, end_ms=end_ms):
        row = {"vehicle_id": point["vehicle_id"], "depot": point.get("depot")}
        row |= {"start": _shown(point.get("start_ms")), "end": _shown(point["time_ms"])}
        row |= {name: point.get(name) for name in MEASUREMENTS[measurement].field_names if name != "start_ms"}
        yield row | {"corrected": corrections.touches(point)}


def _correction(entry: dict[str, Any]) -> dict[str, Any]:
    """A correction with readable times. The amounts are what it excludes from the period."""
    return {
        "vehicle_id": entry["vehicle_id"],
        "depot": entry["depot"],
        "start": _shown(entry["from_ms"]),
        "end": _shown(entry["to_ms"]),
        "reason": entry["reason"],
        "made": _shown(entry["made_ms"]),
        "made_by": entry["made_by"],
        **msgspec.structs.asdict(entry["amounts"]),
    }


def _quality(history: History, fleet: Sums, start_ms: int | None, end_ms: int | None) -> dict[str, Any]:
    """How much was inferred, refused, late or repeated. The counters restart from 0 with the agent."""
    before: dict[str, Any] = {}
    if start_ms is not None:
        before = next(iter(history.select("agent", end_ms=start_ms, latest=True)), {})
    after = next(iter(history.select("agent", start_ms=start_ms, end_ms=end_ms, latest=True)), {})
    counted = {}
    for name in COUNTERS:
        if name in after:
            rise = after[name] - before.get(name, 0)
            counted[name.removesuffix("_total")] = rise if rise >= 0 else after[name]
    return {
        "trips": fleet.trips,
        "inferred_trips": fleet.inferred_trips,
        "charges": fleet.charges,
        "inferred_charges": fleet.inferred_charges,
        **counted,
    }


def _shown(time_ms: int | None) -> str | None:
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
