"""`vanpulse factors`: the emission factors in force, each with its unit, year and source."""

import argparse
import sys
from typing import Any, Final

import msgspec

from agent.config import Settings
from agent.factors.factor import Confidence
from agent.factors.factor_set import FactorSet, load_factor_set

CONFIDENCE: Final[dict[Confidence, str]] = {
    "C": "confirmed by the source named",
    "T": "third-party copy of the source named",
    "D": "derived from the source named",
    "U": "unconfirmed: check it, or set your own",
}
COLUMNS: Final = ("factor", "scope", "value", "unit", "year", "confidence", "source")
VALUE: Final = COLUMNS.index("value")
PER_LINE: Final = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--set", dest="factor_set", metavar="NAME", help="another factor set than the one in force")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="table (default) or json")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the factors and what follows from them per country."""
    factors = load_factor_set(arguments.factor_set or settings.emissions.factor_set)
    text = as_json(factors) if arguments.format == "json" else as_table(factors)
    sys.stdout.write(text)
    return 0


def as_json(factors: FactorSet) -> str:
    """The set as one JSON object; `electricity` is what charging counts with, well-to-wheel at the meter."""
    content = {
        "factor_set": factors.name,
        "title": factors.title,
        "confidence": CONFIDENCE,
        "factors": [{column: getattr(factor, column) for column in COLUMNS} for factor in factors.factors()],
        "electricity_g_per_kwh": {
            country: round(factors.for_country(country).annual_g_per_kwh, 1) for country in factors.countries()
        },
        "models": {name: model.model_dump(include={"name", "diesel_class"}) for name, model in factors.models.items()},
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"


def as_table(factors: FactorSet) -> str:
    """The set for people: a line per factor, then electricity at the meter per country."""
    rows: list[dict[str, Any]] = [factor.model_dump() for factor in factors.factors()]
    cells = [COLUMNS, *(tuple(_shown(row[column]) for column in COLUMNS) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS) - 1)]
    lines = [f"factor set {factors.name}: {factors.title}", ""]
    for row in cells:
        padded = [text.ljust(width) for text, width in zip(row[:-1], widths, strict=True)]
        padded[VALUE] = row[VALUE].rjust(widths[VALUE])
        lines.append("  ".join((*padded, row[-1])))
    lines += ["", "confidence: " + "; ".join(f"{mark} {meaning}" for mark, meaning in CONFIDENCE.items())]
    lines += ["", "electricity at the meter, well-to-wheel, g CO2e/kWh, with upstream and grid losses:"]
    countries = [f"{country} {factors.for_country(country).annual_g_per_kwh:.1f}" for country in factors.countries()]
    for at in range(0, len(countries), PER_LINE):
        lines.append("  " + "".join(f"{text:<14}" for text in countries[at : at + PER_LINE]).rstrip())
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
