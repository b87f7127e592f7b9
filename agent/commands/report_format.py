"""The formats of a report: Markdown for people, CSV for spreadsheets, JSON for programs."""

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

import msgspec

Report = dict[str, Any]

TITLES: Final = {
    "summary": "Fleet",
    "depots": "Depots",
    "vans": "Vans",
    "tours": "Tours",
    "trips": "Trips",
    "charges": "Charges",
    "scopes": "Electricity charged, by site and scope",
    "instruments": "Electricity charged, by market-based instrument",
    "corrections": "Corrections by hand: these periods are excluded",
    "implausible": "Vans with implausible data: number of alerts",
    "quality": "Data quality",
}
FIRST: Final = ("period", "method", "boundary", "program", "factor_set")
"""The part of the header that Markdown prints before the figures; the rest follows them."""
ROWS_SHOWN: Final = 200
"""Markdown cuts longer tables, and says so."""
COLUMNS: Final = {
    name: tuple(columns.split())
    for name, columns in {
        "depots": "depot distance_km trips stops battery_kwh grid_kwh overall_kwh_per_100km co2e_kg co2e_g_per_km "
        "co2e_g_per_tkm co2e_g_per_parcel avoided_co2e_kg",
        "vans": "vehicle_id depot model country distance_km trips stops battery_kwh grid_kwh overall_kwh_per_100km "
        "idle_kwh co2e_kg co2e_g_per_km co2e_g_per_tkm avoided_co2e_kg usable_capacity_kwh",
        "trips": "vehicle_id start end distance_km stops energy_kwh uncertainty_kwh consumption_kwh_per_100km "
        "co2e_g quality inferred corrected",
        "tours": "vehicle_id start end distance_km empty_km trips stops drops items mass_kg activity_tkm energy_kwh "
        "co2e_g co2e_g_per_tkm co2e_g_per_item uncertainty_g primary_share_pct quality corrected",
        "charges": "vehicle_id start end place kind soc_start_pct soc_end_pct energy_kwh grid_kwh max_power_kw co2e_g "
        "uncertainty_g meter inferred corrected",
        "scopes": "depot place grid_kwh metered_kwh modelled_kwh scope_2_location_based_co2e_kg "
        "scope_2_market_based_co2e_kg scope_3_3_upstream_co2e_kg scope_3_3_losses_co2e_kg location_based_co2e_kg "
        "market_based_co2e_kg uncertainty_kg",
        "instruments": "instrument factor_set grid_kwh share_pct market_based_co2e_kg location_based_co2e_kg",
        "corrections": "vehicle_id start end reason made made_by distance_km used_kwh charged_kwh grid_kwh co2e_g",
        "implausible": "vehicle_id depot position_implausible soc_implausible odometer_implausible power_implausible "
        "last",
    }.items()
}
"""The columns of each table in Markdown; CSV and JSON have all columns."""


def as_json(report: Report, _block: str) -> Iterator[str]:
    """One object with a member for each block."""
    yield msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def as_csv(report: Report, block: str) -> Iterator[str]:
    """One table: the chosen block, or the trips."""
    content = report["trips" if block == "all" else block]
    rows = content if isinstance(content, list) else [{"figure": name, "value": content[name]} for name in content]
    columns: dict[str, None] = {}
    for row in rows:
        columns.update(dict.fromkeys(row))
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _plain(value) for name, value in row.items()})
        if out.tell() > 1 << 16:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def as_markdown(report: Report, _block: str) -> Iterator[str]:
    """A heading and a table for each block."""
    yield "# Energy and emissions\n\n"
    header = report["header"]
    yield from (f"- {_words(name)}: {header[name]}\n" for name in FIRST)
    for name, title in TITLES.items():
        if name in report:
            yield f"\n## {title}\n\n"
            content = report[name]
            yield from _figures(content) if isinstance(content, dict) else _table(name, content)
            if name == "summary":
                yield f"\n{header['used_and_charged']}.\n"
    yield "\n## How it was computed\n\n"
    yield from _how(header)


def _how(header: dict[str, Any]) -> Iterator[str]:
    """The rest of the header: texts, then factors and thresholds, then unconfirmed factors."""
    for name, value in header.items():
        if name in ("unconfirmed_factors", "used_and_charged", "from", "to", *FIRST):
            continue
        if isinstance(value, dict):
            yield f"- {_words(name)}: {', '.join(f'{key} {_cell(entry)}' for key, entry in value.items())}\n"
        else:
            yield f"- {_words(name)}: {value}\n"
    yield from _list("unconfirmed factors", header["unconfirmed_factors"])


def _list(title: str, entries: list[str]) -> Iterator[str]:
    yield f"- {title}: {'none' if not entries else ''}\n"
    yield from (f"  - {entry}\n" for entry in entries)


def _figures(figures: dict[str, Any]) -> Iterator[str]:
    yield "| figure | value |\n|---|---:|\n"
    yield from (f"| {_words(name)} | {_cell(value)} |\n" for name, value in figures.items())


def _table(name: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    columns = COLUMNS[name]
    yield f"| {' | '.join(map(_words, columns))} |\n|{'---|' * len(columns)}\n"
    for row in rows[:ROWS_SHOWN]:
        yield f"| {' | '.join(_cell(row.get(column)) for column in columns)} |\n"
    if len(rows) > ROWS_SHOWN:
        yield f"\n{len(rows) - ROWS_SHOWN} more: `vanpulse report --block {name} --format csv` has all {len(rows)}.\n"


UNITS: Final = {
    "kwh_per_100km": "kWh/100 km",
    "kwh_per_stop": "kWh/stop",
    "g_per_km": "g/km",
    "g_per_tkm": "g/t-km",
    "g_per_parcel": "g/parcel",
    "g_per_stop": "g/stop",
    "g_per_kwh": "g/kWh",
    "kwh": "kWh",
    "kw": "kW",
    "km_pct": "% of km",
    "pct": "%",
    "tkm": "t-km",
    "kg": "kg",
    "km": "km",
    "g": "g",
    "l": "l",
}
WORDS: Final = {"co2e": "CO2e", "nox": "NOx", "pm": "PM", "ttw": "TTW", "wtt": "WTT", "wtw": "WTW", "soc": "SoC"}


def _words(name: str) -> str:
    """A field's name as text: its unit follows behind a comma."""
    if name == "tonne_km":
        return "transport, t-km"
    if name == "co2e_g_per_tkm_uncertainty":
        return "CO2e uncertainty, g/t-km"
    ending = next((ending for ending in UNITS if name.endswith(f"_{ending}")), "")
    words = [WORDS.get(word, word) for word in name.removesuffix(f"_{ending}").split("_")]
    text = " ".join(words).replace("scope 3 3", "Scope 3.3").replace("scope 2", "Scope 2")
    return text + (f", {UNITS[ending]}" if ending else "")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return str(value).replace("|", "\\|")


def _plain(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value
