"""Who may import whom: the layout in docs/architecture.md, held against the imports."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What each part may import of the project itself. A part is a module or a package below agent/.
BASE = {"errors", "fast", "messages", "readings"}
ALLOWED: dict[str, set[str]] = {
    "backoff": set(),
    "gathering": set(),
    "errors": set(),
    "fast": set(),
    "interrupts": set(),
    "messages": set(),
    "readings": {"errors", "fast"},
    "clock": set(),
    "compiled_core": set(),
    "section": set(),
    "source_settings": {"section"},
    "log_settings": {"section", "source_settings"},
    "listener_settings": {"section"},
    "config": {"dialects", "errors", "listener_settings", "log_settings", "readings", "section"} | {"source_settings"},
    "malloc": set(),
    "systemd": set(),
    "throttle": BASE,
    "factors": BASE,
    "fleet": BASE | {"factors"},
    "geofence_file": BASE | {"fleet"},
    "dialects": BASE | {"section"},
    "gbt32960": BASE | {"dialects", "mqtt"},
    "receivers": {"gbt32960", "mqtt"},
    "mqtt": BASE | {"gathering", "backoff", "config"},
    "log": {"errors", "messages"},
    "shares": BASE | {"log"},
    "journal": BASE | {"log", "thread"},
    "kafka": BASE | {"log", "thread"},
    "points": {"fast", "readings", "fleet"},
    "stores": BASE | {"points", "thread"},
    "shard": BASE | {"config", "dialects", "factors", "fleet", "geofence_file", "log", "points"},
    "thread": set(),
    "units": {"points"},
    "admission": BASE | {"log", "shares", "throttle"},
    "alert_publisher": set(),
    "intake": BASE | {"gathering", "admission", "clock", "log", "mqtt"},
    "writer": BASE | {"backoff", "log", "stores", "units"},
    "worker": BASE | {"log", "shard", "units"},
    "health": {"errors", "gbt32960", "intake", "log", "mqtt", "shard", "units", "writer"},
    "self_report": {"health", "intake", "mqtt", "points", "systemd"},
    "ticker": {"admission", "alert_publisher", "intake", "malloc", "self_report", "worker"},
    "starting": {"errors", "health", "intake", "log", "mqtt", "shard", "systemd", "units", "writer"},
    "shared_store": BASE | {"points", "stores"},
    "fleet_roll_ups": BASE | {"log", "points", "shard", "stores", "units", "writer"},
    "owned_partition": BASE
    | {"alert_publisher", "clock", "fleet_roll_ups", "log", "shard", "stores", "units", "worker", "writer"},
    "processing_vitals": {"health", "intake", "log", "mqtt", "owned_partition", "shard", "units", "writer"},
    "processing": BASE
    | {"group", "health", "malloc", "mqtt", "owned_partition", "processing_vitals", "self_report", "stores", "systemd"}
    | {"ticker"},
    "group": set(),
    "source_run": BASE
    | {"admission", "clock", "health", "intake", "log", "mqtt", "self_report", "shard", "throttle", "units", "writer"},
    "ingesting_vitals": {"group", "health", "intake", "log", "mqtt", "shard", "source_run", "units", "writer"},
    "ingesting": {"group", "health", "ingesting_vitals", "malloc", "self_report", "source_run", "systemd", "ticker"},
    "pipeline": BASE
    | {"admission", "alert_publisher", "clock", "gbt32960", "health", "intake", "log", "malloc", "mqtt"}
    | {"self_report", "shard", "stores", "systemd", "throttle", "ticker", "units", "worker", "writer"},
}
CLOCKS = {"time", "datetime.datetime.now", "random", "asyncio", "socket", "logging", "os"}


def imports(file: Path) -> Iterator[str]:
    """The full names of all modules that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def files(part: str) -> list[Path]:
    package = ROOT / "agent" / part
    return sorted(package.rglob("*.py")) if package.is_dir() else [ROOT / "agent" / f"{part}.py"]


def parts_of_agent() -> set[str]:
    found = {path.stem for path in (ROOT / "agent").glob("*.py")}
    found |= {path.name for path in (ROOT / "agent").iterdir() if (path / "__init__.py").exists()}
    return found - {"__init__", "__main__", "commands"}


def test_every_part_has_a_rule() -> None:
    assert parts_of_agent() == set(ALLOWED)


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_a_part_imports_only_what_it_may(part: str) -> None:
    for file in files(part):
        for name in imports(file):
            root, _, rest = name.partition(".")
            assert root not in {"simulator", "dashboards"}, f"{file.relative_to(ROOT)} imports {name}"
            if root == "agent" and rest:
                used = rest.split(".")[0]
                allowed = ALLOWED[part] | {part} | ({used} if used not in ALLOWED else set())
                assert used in allowed, f"{file.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("part", ["fleet", "dialects", "points", "readings", "fast", "shard", "throttle"])
def test_the_core_reads_no_clock_and_does_no_input_or_output(part: str) -> None:
    for file in files(part):
        used = {name for name in imports(file) if name.split(".")[0] in CLOCKS}
        assert not used, f"{file.relative_to(ROOT)} imports {used}"
        text = file.read_text(encoding="utf-8")
        for call in (".now(", ".utcnow(", ".today(", "open(", "print("):
            assert call not in text, f"{file.relative_to(ROOT)} calls {call}"


def test_the_core_loads_no_library_for_settings_or_geometry() -> None:
    """Neither directly nor through what it imports. The facade in `agent/__init__.py` is not a part of the core."""
    code = (
        "import sys, types; agent = sys.modules['agent'] = types.ModuleType('agent'); agent.__path__ = ['agent'];"
        "import agent.fleet; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "msgspec" in loaded.split()
    assert not {"pydantic", "shapely", "numpy"} & set(loaded.split())


def test_only_the_journal_knows_sqlite_and_only_its_public_face_is_used() -> None:
    """Stages know `agent.log.Log`; commands open the file through what `agent/journal/__init__.py` names."""
    for part in sorted(ALLOWED.keys() - {"journal"}):
        for file in files(part):
            assert not [name for name in imports(file) if name.startswith("agent.journal")], file
    for file in sorted((ROOT / "agent" / "commands").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith("agent.journal."), f"{file}: {node.module}"


def test_nothing_imports_the_commands_but_the_entry() -> None:
    for part in ALLOWED:
        for file in files(part):
            assert not [name for name in imports(file) if name.startswith(("agent.commands", "agent.__main__"))]


def test_the_simulator_knows_only_the_wire_contract() -> None:
    for file in sorted((ROOT / "simulator").rglob("*.py")):
        used = {name for name in imports(file) if name.startswith("agent")}
        known = {"agent", "agent.readings"}
        assert all(name in known or name.startswith("agent.readings.") for name in used), f"{file}: {used}"


def test_the_live_page_only_reads() -> None:
    # The reading side of the stores, the names of what is in them, and the settings.
    known = ("agent.stores", "agent.points", "agent.config", "agent.errors", "agent.readings", "agent.fleet.records")
    for file in sorted((ROOT / "dashboards" / "live").rglob("*.py")):
        used = {name for name in imports(file) if name.startswith("agent.")}
        assert all(name.startswith(known) for name in used), f"{file}: {used}"


def test_code_is_compiled_only_in_the_room_of_speed() -> None:
    for part in ALLOWED:
        for file in files(part):
            calls = {
                node.func.id
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert part == "fast" or not calls & {"eval", "exec", "compile"}, file


def test_only_the_entry_ends_the_process() -> None:
    # A second signal, and the reader of a pipe that has gone: the two that end at once.
    for part in ALLOWED:
        for file in files(part):
            text = file.read_text(encoding="utf-8")
            assert "sys.exit" not in text, file
            assert "os._exit" not in text, file


def imports_within_fleet() -> dict[str, set[str]]:
    """Each module of the core with the modules of the core that it imports."""
    modules = {module_name(file): file for file in files("fleet")}
    return {name: set(modules_imported(file, set(modules))) for name, file in modules.items()}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules_imported(file: Path, modules: set[str]) -> Iterator[str]:
    """`from package import name` imports the module `name` if there is one, else the package itself."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if full in modules else node.module


def test_the_core_has_no_import_cycle() -> None:
    TopologicalSorter(imports_within_fleet()).prepare()  # CycleError names the modules


STAGES = ("books", "silence motion charging", "publish", "step")
"""The stages of `step` behind state and estimate. None may import a later one; the estimate may import none of them."""


def stage(module: str) -> int:
    part = module.removeprefix("agent.fleet").removeprefix(".").split(".")[0]
    if not part:
        return len(STAGES) + 1  # the package itself hands on what step offers
    return next((place for place, parts in enumerate(STAGES, 1) if part in parts.split()), 0)


def test_the_stages_of_step_import_in_one_direction() -> None:
    graph = imports_within_fleet()
    assert {stage(name) for name in graph} == set(range(len(STAGES) + 2)), "a stage is missing"
    for name, used in graph.items():
        later = {each for each in used if stage(each) > stage(name)}
        assert not later, f"{name} imports {later}"


def names_defined(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and constants of a module, and `Class.method`."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.ClassDef(name=name, body=body):
                yield name
                yield from (f"{name}.{part.name}" for part in body if isinstance(part, FUNCTIONS))
            case _:
                pass


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_the_questions_of_a_newcomer_are_answered_by_a_file_and_a_name_in_it() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    answers = re.findall(r"^\| .*\? \| `(agent/[\w/]+\.py)` \| `([\w.]+)` \|$", text, re.MULTILINE)
    assert len(answers) >= 20
    for file, name in answers:
        assert name in set(names_defined(ast.parse((ROOT / file).read_text(encoding="utf-8")))), (file, name)


def test_every_file_named_in_the_architecture_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    core = re.findall(r"`((?:books/)?[a-z_]+\.py)`", text.partition("## The core")[2].partition("## Sleeping")[0])
    assert len(core) > 20
    missing = [name for name in core if not (ROOT / "agent" / "fleet" / name).exists()]
    named = re.findall(r"`((?:agent|tests)/[\w/]+\.py)`", text)
    assert missing + [name for name in named if not (ROOT / name).exists()] == []
