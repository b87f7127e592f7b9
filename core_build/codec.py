"""Writes the codec of a van's state, `state_format.py` and `state_codec.py` in `agent/fleet`, from the state's source.

The parts of the state are classes that mypyc can compile. MessagePack stores each of them as an array. Two things are
made for each part, both from its fields in their order:

* its stored form in `state_format.py`: a struct of msgspec, which checks each value when a state is read, and gives a
  field that an earlier version did not write its default;
* in `state_codec.py`, a function that lists the values of a part, and one that makes the part from its stored form.

The source is read as text, because the annotations of compiled classes do not name the members of a union.
`python -m core_build.codec` writes both files; with `--check` it says whether they are current.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from textwrap import fill
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
FLEET: Final = ROOT / "agent" / "fleet"
MODULES: Final = (
    "state_part",
    "soc_state",
    "energy_state",
    "position_state",
    "motion_state",
    "charge_state",
    "emissions",
    "state",
)
"""The modules below `agent.fleet` that define parts of the state. A part is a dataclass."""

_HEAD: Final = """\
# Written by `python -m core_build.codec` from the parts of the state. Do not edit.
# fmt: off
# ruff: noqa: {}
"""


class Field(NamedTuple):
    """One field of a part, as in the source."""

    name: str
    type: ast.expr
    default: ast.expr | None


class Part(NamedTuple):
    """One part of the state, as in the source."""

    name: str
    module: str
    fields: list[Field]


class Sources:
    """The parts in the source, and the module that each other name comes from."""

    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}
        self._origins: dict[str, str] = {}
        for module in MODULES:
            name = f"agent.fleet.{module}"
            for node in ast.parse((FLEET / f"{module}.py").read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and _is_dataclass(node):
                    self.parts[node.name] = Part(node.name, name, list(_fields(node)))
                elif isinstance(node, ast.ImportFrom):
                    self._origins |= {each.name: str(node.module) for each in node.names}
                else:
                    self._origins |= dict.fromkeys(_defined(node), name)
        for part in self.parts:
            self._origins.pop(part, None)

    def ordered(self) -> list[Part]:
        """The parts, each after those that it holds."""
        graph = {part.name: self.held_by(part) for part in self.parts.values()}
        return [self.parts[name] for name in TopologicalSorter(graph).static_order()]

    def held_by(self, part: Part) -> list[str]:
        """The names of the parts that a part holds."""
        return [name for field in part.fields if (name := self.part_of(field)) is not None]

    def part_of(self, field: Field) -> str | None:
        """The part that a field is, if it is one. A list of parts is not known here."""
        return next((name for name in _names(field.type) if name in self.parts), None)

    def imports(self) -> list[str]:
        """Import lines for what types and defaults name."""
        fields = [field for part in self.parts.values() for field in part.fields]
        used = {name for field in fields for node in (field.type, field.default) if node for name in _names(node)}
        by_module: dict[str, list[str]] = {}
        for name in sorted(used & self._origins.keys() - {"field"}, key=lambda name: (not name.isupper(), name)):
            by_module.setdefault(self._origins[name], []).append(name)
        return [f"from {module} import {', '.join(by_module[module])}" for module in sorted(by_module)]


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in _names(decorator) for decorator in node.decorator_list)


def _fields(node: ast.ClassDef) -> Iterator[Field]:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield Field(statement.target.id, statement.annotation, statement.value)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _names(node: ast.AST) -> list[str]:
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]


# -- the stored form


def format_source() -> str:
    """The text of `state_format.py`."""
    sources = Sources()
    classes = [_stored_class(sources, part) for part in sources.ordered()]
    head = '"""The stored form of each part of a van\'s state: an array in MessagePack."""\n'
    imports = "\n".join(("import msgspec", "", *sources.imports()))
    return "\n\n".join((f"{_HEAD.format('D101, E702')}{head}\n{imports}\n", *classes)) + "\n"


def _stored_class(sources: Sources, part: Part) -> str:
    fields = []
    for field in part.fields:
        kind = ast.unparse(field.type)
        held = sources.part_of(field)
        if held is not None:
            kind = kind.replace(held, f"Stored{held}")
        default = "" if field.default is None else ast.unparse(field.default)
        if default.startswith("field("):
            default = f"msgspec.{default.replace(f'={held})', f'=Stored{held})')}"
        fields.append(f"{field.name}: {kind}{f' = {default}' if default else ''}")
    return f"class Stored{part.name}(msgspec.Struct, array_like=True, gc=False):\n{_wrapped(fields, ';')}"


def _wrapped(texts: Sequence[str], mark: str, indent: str = "    ") -> str:
    """The texts with a mark after each, on lines of at most 120 characters; no text is broken."""
    lines, line = [], indent
    for text in texts:
        if line != indent and len(line) + len(text) + 2 > 120:
            lines.append(line.rstrip(" ;"))
            line = indent
        line += f"{text}{mark} "
    return "\n".join([*lines, line.rstrip(" ;")])


# -- the functions


def codec_source() -> str:
    """The text of `state_codec.py`."""
    sources = Sources()
    parts = sources.ordered()
    by_module: dict[str, list[str]] = {}
    for part in sorted(parts):
        by_module.setdefault(part.module, []).append(part.name)
    stored = fill(", ".join(f"Stored{name}" for name in sorted(sources.parts)), 110).replace("\n", "\n    ")
    imports = [f"from {module} import {', '.join(names)}" for module, names in sorted(by_module.items())]
    doc = "From the parts of a van's state to lists of their values, and from their stored form back."
    head = f'{_HEAD.format("D103, E501, I001")}"""{doc}"""\n\nfrom msgspec.structs import astuple\n\n'
    functions = [text for part in parts for text in (_list_function(sources, part), _make_function(sources, part))]
    listed = "\n".join(sorted([*imports, f"from agent.fleet.state_format import (\n    {stored},\n)"]))
    return "\n\n".join((f"{head}{listed}\n", *functions)) + "\n"


def _list_function(sources: Sources, part: Part) -> str:
    values = []
    for field in part.fields:
        held = sources.part_of(field)
        value = f"part.{field.name}"
        if held is not None:
            listed = f"list_{_snake(held)}({value})"
            value = f"None if {value} is None else {listed}" if "None" in ast.unparse(field.type) else listed
        values.append(value)
    head = f"def list_{_snake(part.name)}(part: {part.name}) -> list[object]:"
    return f"{head}\n    return [\n{_wrapped(values, ',', ' ' * 8)}\n    ]"


def _make_function(sources: Sources, part: Part) -> str:
    held = {field.name: name for field in part.fields if (name := sources.part_of(field)) is not None}
    targets = [f"stored_{field.name}" if field.name in held else f"part.{field.name}" for field in part.fields]
    lines = [
        f"def make_{_snake(part.name)}(stored: Stored{part.name}) -> {part.name}:",
        f"    part = {part.name}.__new__({part.name})",
        f"    (\n{_wrapped(targets, ',', ' ' * 8)}\n    ) = astuple(stored)",
    ]
    for field in part.fields:
        if field.name in held:
            name = f"stored_{field.name}"
            made = f"make_{_snake(held[field.name])}({name})"
            if "None" in ast.unparse(field.type):
                made = f"None if {name} is None else {made}"
            lines.append(f"    part.{field.name} = {made}")
    return "\n".join([*lines, "    return part"])


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


FILES: Final = {"state_format.py": format_source, "state_codec.py": codec_source}


def main(words: Sequence[str] | None = None) -> int:
    """Returns 1 if `--check` finds a file that is not current, else 0."""
    parser = argparse.ArgumentParser(prog="python -m core_build.codec", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is not current")
    check = parser.parse_args(words).check
    stale = 0
    for name, source in FILES.items():
        path, text = FLEET / name, source()
        if check and path.read_text(encoding="utf-8") != text:
            print(f"{path.relative_to(ROOT)} is not current: run python -m core_build.codec", file=sys.stderr)
            stale = 1
        elif not check:
            path.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
