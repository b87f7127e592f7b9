"""`check`: a table of the simulated vans' physics against published figures."""

import argparse
import sys
from pathlib import Path

from simulator.check import CheckResult, check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--cycles", type=Path, metavar="FOLDER", help="wltc_3b.csv and wltc_city_3b.csv (time_s,speed_mps)"
    )
    parser.add_argument("--no-days", dest="days", action="store_false", help="leave out whole days of deliveries")


def run(arguments: argparse.Namespace) -> int:
    """Print the table. Returns 1 if a value is outside its limits."""
    failed = False
    sys.stdout.write(f"{'':<52}{'simulated':>10}{'limits':>16}  unit\n")
    for result in check(arguments.cycles, days=arguments.days):
        sys.stdout.write(line(result))
        sys.stdout.flush()
        failed = failed or not result.passed
    return 1 if failed else 0


def line(result: CheckResult) -> str:
    """A line of the table."""
    limits = f"{result.low:.1f} to {result.high:.1f}"
    mark = "" if result.passed else "  outside"
    return f"{result.what:<52}{result.value:>10.1f}{limits:>16}  {result.unit}{mark}\n"
