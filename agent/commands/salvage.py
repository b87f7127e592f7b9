"""`vanpulse salvage`: what a damaged journal still holds, copied into a new one."""

import argparse
import sys
from pathlib import Path

from agent.journal.salvage import salvage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where to where."""
    parser.add_argument("damaged", type=Path, metavar="DAMAGED", help="the journal that is refused; it is only read")
    parser.add_argument("new", type=Path, metavar="NEW", help="the journal to make; name it as journal.path afterwards")


def run(arguments: argparse.Namespace) -> int:
    """Copy, and say what was found."""
    sys.stdout.write(f"{salvage(arguments.damaged, arguments.new)}\n")
    return 0
