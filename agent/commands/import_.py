"""`vanpulse import`: take in what others have written."""

import argparse
from pathlib import Path

from agent.commands import import_drops
from agent.config import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to take in, and the file."""
    parser.add_argument("what", choices=("drops",), help="drops: a manifest, see docs/deliveries.md")
    parser.add_argument("file", type=Path, metavar="FILE", help="a CSV file")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Take it in, all of it or nothing."""
    return import_drops.run(arguments.file, settings)
