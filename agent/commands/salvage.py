"""`vanpulse salvage`: copies what is readable of a damaged journal into a new one."""

import argparse
import sys
from pathlib import Path

from agent.journal import salvage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The damaged journal and the new one."""
    parser.add_argument("damaged", type=Path, metavar="DAMAGED", help="the damaged journal; it is not changed")
    parser.add_argument(
        "new", type=Path, metavar="NEW", help="the journal to create; set journal.path to it afterwards"
    )


def run(arguments: argparse.Namespace) -> int:
    """Copy, and print what was found."""
    sys.stdout.write(f"{salvage(arguments.damaged, arguments.new)}\n")
    return 0
