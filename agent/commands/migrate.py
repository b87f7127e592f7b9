"""`vanpulse migrate`: converts a history file of an earlier version."""

import argparse
import sys

from agent.config import Settings
from agent.errors import SettingsError
from agent.stores import sqlite_path
from agent.stores.migration import migrate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: the file is that of `store.url`."""
    parser.description = "Convert the history file of store.url. The agent and the live page must not run meanwhile."


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Convert the file and say how many points it has."""
    if not settings.store.url.startswith("sqlite:"):
        raise SettingsError(f"store.url = {settings.store.url!r}: only a SQLite history file is migrated")
    path = sqlite_path(settings.store.url)
    moved = migrate(path, progress=_show)
    if moved is None:
        sys.stdout.write(f"{path} has the present format\n")
        return 0
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    sys.stdout.write(f"{path} is converted: {moved} points moved\n")
    return 0


def _show(moved: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{moved} points")
        sys.stderr.flush()
