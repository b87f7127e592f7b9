"""`vanpulse import`: imports what another program recorded. A module for each kind of import."""

import argparse
import importlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from agent.config import Settings


class Subject(NamedTuple):
    """A kind of import and its module, of which only the chosen one runs."""

    module: str
    help: str


SUBJECTS: Final = {
    "drops": Subject(
        "agent.commands.import_drops", "a manifest: consignments, and where they were loaded and unloaded"
    ),
    "messages": Subject(
        "agent.commands.import_messages", "recorded messages with their times of arrival, into the journal"
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each kind of import. `--config` may be before or after it."""
    subjects = parser.add_subparsers(dest="subject", metavar="WHAT", required=True)
    for name, subject in SUBJECTS.items():
        title = f"{subject.help[0].upper()}{subject.help[1:]}."
        sub = subjects.add_parser(name, help=subject.help, description=title)
        sub.add_argument("--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="settings file")
        _module(name).add_arguments(sub)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the chosen import."""
    status: int = _module(arguments.subject).run(arguments, settings)
    return status


def _module(name: str) -> Any:
    return importlib.import_module(SUBJECTS[name].module)
