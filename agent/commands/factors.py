"""`vanpulse factors`: shows the emission factors of a year, each with unit, year, source, licence and mark."""

import argparse
import sys
from typing import Any, Final

import msgspec

from agent.config import Settings
from agent.errors import SettingsError
from agent.factors.factor import Factor, Provenance
from agent.factors.factor_set import load_factor_years
from agent.factors.year_set import FactorSet

MARKS: Final[dict[Provenance, str]] = {
    "primary": "read in the publication of the source",
    "secondary": "read in a copy or a quotation of the source: compare it with the source",
    "derived": "computed from the numbers that are named",
    "estimate": "an assumption: check it, or set your own value",
}
COLUMNS: Final = ("factor", "scope", "value", "unit", "year", "valid", "gwp", "mark", "licence", "source")
VALUE: Final = COLUMNS.index("value")
MIXES: Final = (
    "consumption  with net imports",
    "production   without imports: used where no consumption mix is known; your own factor set can have one",
    "residual -   no residual mix is known: without a contract, the market-based figure is the location-based one",
)
PARTS: Final = ("direct", "upstream", "losses", "total", "residual")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--set", dest="factor_set", metavar="NAME", help="another factor set than the one in the settings"
    )
    parser.add_argument("--year", type=int, help="year of activity (default: the newest)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="table (default) or json")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the factors of one year, and the electricity factors of each country."""
    years = load_factor_years(arguments.factor_set or settings.emissions.factor_set)
    try:
        factors = years.newest if arguments.year is None else years.year(arguments.year)
    except SettingsError as error:
        raise SettingsError(f"--year: {error}") from error
    if arguments.format == "json":
        sys.stdout.write(as_json(factors, [other.set_name for other in years]))
    else:
        sys.stdout.write(as_table(factors, list(years)))
    return 0


def as_json(factors: FactorSet, sets: list[str]) -> str:
    """The set as one JSON object. `electricity` has the factors of charging, at the meter."""
    content = {
        "factor_set": factors.set_name,
        "year": factors.year,
        "title": factors.title,
        "sets": sets,
        "marks": MARKS,
        "factors": [
            {column: getattr(factor, column) for column in COLUMNS} | {"carried_over": factors.is_carried_over(factor)}
            for factor in factors.factors()
        ],
        "electricity_g_per_kwh": {
            country: round(factors.for_country(country).annual_g_per_kwh, 1) for country in factors.countries()
        },
        "electricity": {country: _parts(factors, country) for country in factors.countries()},
        "models": {name: model.model_dump(include={"name", "diesel_class"}) for name, model in factors.models.items()},
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def as_table(factors: FactorSet, sets: list[FactorSet]) -> str:
    """The set as text: a line for each factor, then the electricity factors of each country."""
    lines = [f"factor set {factors.set_name} for {factors.year}: {factors.title}"]
    if len(sets) > 1:
        lines.append("used by year of activity: " + ", ".join(f"{s.year} {s.set_name}" for s in sets))
    lines.append("")
    rows = [tuple(_shown(factors, factor, column) for column in COLUMNS) for factor in factors.factors()]
    lines += _aligned([COLUMNS, *rows], VALUE)
    lines += ["", *(f"{mark:<10}{meaning}" for mark, meaning in MARKS.items())]
    lines += [f"{'*':<10}published for an earlier year of activity, and used because there is no newer one"]
    lines += [
        "",
        "electricity at the meter, location-based, g CO2e/kWh (Scope 2: direct; Scope 3.3: upstream, losses):",
    ]
    table: list[tuple[str, ...]] = [("country", "mix", *PARTS)]
    for country in factors.countries():
        parts = _parts(factors, country)
        table.append((country, parts["mix"], *("-" if parts[p] is None else f"{parts[p]:.1f}" for p in PARTS)))
    lines += _aligned(table, *range(2, len(table[0])))
    return "\n".join([*lines, "", *MIXES]) + "\n"


def _parts(factors: FactorSet, country: str) -> dict[str, Any]:
    grid = factors.for_country(country)
    values = (
        grid.direct_g_per_kwh,
        grid.upstream_g_per_kwh,
        grid.losses_g_per_kwh,
        grid.annual_g_per_kwh,
        grid.residual_g_per_kwh,
    )
    rounded = (None if value is None else round(value, 1) for value in values)
    return {"mix": grid.mix} | dict(zip(PARTS, rounded, strict=True))


def _aligned(rows: list[tuple[str, ...]], *right: int) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _shown(factors: FactorSet, factor: Factor, column: str) -> str:
    value = getattr(factor, column)
    if column == "valid" and factors.is_carried_over(factor):
        return f"{value} *"
    return f"{value:g}" if isinstance(value, float) else str(value) or "-"
