"""`vanpulse import`: takes over what another program has recorded. Each thing that can be imported has its module."""

import argparse
import importlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from agent.config import Settings


class Subject(NamedTuple):
    """What can be imported, and where its module is; only the module of the chosen subject runs."""

    module: str
    help: str


SUBJECTS: Final = {
    "drops": Subject("agent.commands.import_drops", "a manifest: consignments and where they were loaded and unloaded"),
    "messages": Subject("agent.commands.import_messages", "messages as they once arrived, into the journal"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand for each subject; `--config` is understood before and behind it."""
    subjects = parser.add_subparsers(dest="subject", metavar="WHAT", required=True)
    for name, subject in SUBJECTS.items():
        title = f"{subject.help[0].upper()}{subject.help[1:]}."
        sub = subjects.add_parser(name, help=subject.help, description=title)
        sub.add_argument("--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="settings file")
        _module(name).add_arguments(sub)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Import the chosen subject."""
    status: int = _module(arguments.subject).run(arguments, settings)
    return status


def _module(name: str) -> Any:
    return importlib.import_module(SUBJECTS[name].module)
