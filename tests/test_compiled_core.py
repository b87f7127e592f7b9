"""The compiled core: it gives the same rows as its sources, and is never used with other sources than its own."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path

import pytest

from agent.compiled_core import RECORD, digest
from core_build import codec
from core_build.build import missing, modules

ROOT = Path(__file__).parents[1]
KEPT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vanpulse" / "compiled-core"
"""Compiled modules, in folders named by what they were made from. Compiling takes half a minute."""
KEPT_FOLDERS = 5
PACKAGES = ("agent", "simulator", "benchmarks", "core_build")
FLEET = ("--vans", "3", "--hours", "3")
"""Of each dialect, with every fault."""


def copy_sources(folder: Path) -> Path:
    """The sources without any compiled module."""
    folder.mkdir(parents=True)
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.so", "compiled_core.json")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def python(folder: Path, *words: str) -> str:
    """What Python prints in a folder; its packages come before the installed ones."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout.strip()


DESCRIBE = (
    "from agent.compiled_core import describe; import agent.fleet.state as state; print(describe(), state.__file__)"
)


def described(folder: Path) -> tuple[str, str]:
    """Which core is used, in words, and the ending of the file that it is loaded from."""
    text, _, file = python(folder, "-c", DESCRIBE).rpartition(" ")
    assert Path(file).is_relative_to(folder)
    return text, Path(file).suffix


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp("sources") / "vanpulse")


def made_from() -> str:
    """A name for all that the compiled modules depend on."""
    builder = (ROOT / "core_build" / "build.py").read_text(encoding="utf-8")
    depends = (digest(ROOT / "agent"), version("mypy"), sys.version, builder)
    return hashlib.sha256("\n".join(depends).encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lacking = missing()
    if lacking is not None:
        pytest.skip(f"{lacking}; then the compiled core is tested")
    folder = copy_sources(tmp_path_factory.mktemp("compiled") / "vanpulse")
    kept = KEPT / made_from()
    if not kept.exists():
        python(folder, "-m", "core_build", "--optimisation", "0")
        for earlier in sorted(KEPT.glob("*"), key=lambda each: each.stat().st_mtime)[: -KEPT_FOLDERS + 1]:
            shutil.rmtree(earlier)
        for file in [*folder.glob("agent/**/*.so"), folder / "agent" / RECORD.name]:
            place = kept.with_suffix(f".{os.getpid()}") / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
        kept.with_suffix(f".{os.getpid()}").rename(kept)
    return Path(shutil.copytree(kept, folder, dirs_exist_ok=True))


def test_the_codec_of_the_state_is_current() -> None:
    assert codec.main(["--check"]) == 0


@pytest.mark.timeout(1500)
def test_the_compiled_core_gives_the_same_rows(sources: Path, compiled: Path, tmp_path: Path) -> None:
    assert described(sources) == ("core not compiled", ".py")
    assert described(compiled) == ("compiled core", ".so")
    recording = str(tmp_path / "recording.gz")
    python(sources, "-m", "benchmarks.same_rows", "record", recording, *FLEET)
    assert python(compiled, "-m", "benchmarks.same_rows", "compare", recording) == "every line is the same"


def test_modules_of_other_sources_are_not_used(tmp_path: Path) -> None:
    folder = copy_sources(tmp_path / "vanpulse")
    names = [name.removesuffix(".py").replace("/", ".") for name in modules()]
    for name in names:
        folder.joinpath(*name.split(".")).with_suffix(EXTENSION_SUFFIXES[0]).write_bytes(
            b"no library: a use is an error"
        )
    record = folder / "agent" / RECORD.name
    record.write_text(json.dumps({"digest": "of other sources", "modules": names}))
    text, ending = described(folder)
    assert text == "core not compiled: the compiled one is of other sources, run make compile"
    assert ending == ".py"
