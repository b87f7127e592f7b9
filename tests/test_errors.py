"""The tree in the docstring of `agent/errors.py` has every error, at its place."""

import importlib
import pkgutil
import re

import agent
from agent import errors
from agent.errors import VanpulseError


def drawn() -> dict[str, str]:
    """Each error in the tree with its parent."""
    parents, path = {}, ["Exception"]
    for prefix, name in re.findall(r"^([│├└─ ]*)([A-Z]\w+)(?:  .*)?$", errors.__doc__ or "", re.MULTILINE):
        depth = len(prefix) // 4 + 1
        path[depth:] = [name]
        parents[name] = path[depth - 1]
    return parents


def defined(error: type[Exception]) -> dict[str, str]:
    """The same of the classes below this one."""
    found = {}
    for child in error.__subclasses__():
        if child.__module__.startswith("agent."):
            found |= {child.__name__: error.__name__} | defined(child)
    return found


def test_the_tree_has_every_error() -> None:
    for module in pkgutil.walk_packages(agent.__path__, "agent."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert drawn() == {"VanpulseError": "Exception"} | defined(VanpulseError)
