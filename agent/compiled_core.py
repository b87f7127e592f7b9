"""Whether the compiled core is used: modules of `agent/fleet` that `make compile` has compiled.

The results are the same with and without. Compiled modules of other sources than those that are here are never used.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

AGENT: Final = Path(__file__).parent
RECORD: Final = AGENT / "compiled_core.json"
"""What is compiled: the digest of the sources, and the names of the modules. No file: nothing is compiled."""
SOURCES: Final = ("errors.py", "factors", "fast", "fleet", "messages.py", "readings.py")
"""All that the compiled modules import, and so may hold constants of."""
WITNESS: Final = AGENT / "fleet" / "state"
"""A module that is always compiled."""


def digest(agent: Path) -> str:
    """SHA-256 of the sources that the compiled core depends on, in the package `agent` at this place."""
    found = hashlib.sha256()
    for name in SOURCES:
        place = agent / name
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            content = path.read_bytes()
            found.update(f"{path.relative_to(agent).as_posix()} {len(content)}\n".encode())
            found.update(content)
    return found.hexdigest()


def ignore_other_sources() -> None:
    """Let Python import the sources of modules that were compiled from other sources. Must precede their import."""
    try:
        record = json.loads(RECORD.read_bytes())
    except FileNotFoundError:
        return
    if record["digest"] != digest(AGENT):
        sys.meta_path.insert(0, _SourceFinder(record["modules"]))


def describe() -> str:
    """Which core is used, in words."""
    if not any(WITNESS.with_suffix(suffix).exists() for suffix in EXTENSION_SUFFIXES):
        return "core not compiled"
    if any(isinstance(finder, _SourceFinder) for finder in sys.meta_path):
        return "core not compiled: the compiled one is of other sources, run make compile"
    return "compiled core"


class _SourceFinder(MetaPathFinder):
    """Finds the source of some modules, where an extension module lies beside it."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = frozenset(modules)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The source, if the module is one of those; else the next finder is asked."""
        if fullname not in self._modules:
            return None
        return spec_from_file_location(fullname, AGENT.parent.joinpath(*fullname.split(".")).with_suffix(".py"))
