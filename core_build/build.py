"""Compiles the core by mypyc: modules of `agent/fleet` become one shared library and a small extension module each.

An extension module lies beside its source, and Python prefers it. `agent/compiled_core.json` records which modules are
compiled, and from which sources, so that `agent/compiled_core.py` ignores them when a source has changed.

`make compile` compiles in place. A wheel gets the compiled core by `VANPULSE_COMPILE=1 pip wheel`: see `setup.py`.
"""

import argparse
import json
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

from agent.compiled_core import RECORD, digest

ROOT: Final = Path(__file__).parent.parent
LIBRARY: Final = "agent.core"
"""The shared library is `agent/core__mypyc…so`."""
OPTIMISATION: Final = "2"
"""What the C compiler is asked for, from 0 to 3. 3 takes longer to compile and is not faster."""
FLAGS: Final = ("-ffp-contract=off",)
"""No fused multiply-add: it rounds once instead of twice, so that results would differ from those of the sources."""


def modules() -> list[str]:
    """The modules to compile, as paths: those of `agent/fleet` that define no msgspec struct.

    mypyc does not pass on the keywords of a class definition, such as `gc=False`.
    """
    paths = sorted((ROOT / "agent" / "fleet").rglob("*.py"))
    compiled = [path for path in paths if path.name != "__init__.py" and "(msgspec.Struct" not in path.read_text()]
    return [path.relative_to(ROOT).as_posix() for path in compiled]


def missing() -> str | None:
    """What the machine lacks for compiling; None if it lacks nothing."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler}); on Debian: apt-get install gcc"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "the C headers of Python are missing; on Debian: apt-get install python3-dev"
    return None


def extensions(optimisation: str = OPTIMISATION) -> list[Extension]:
    """The extension modules, as C that mypyc has written. The working directory must be the root of the project."""
    from mypyc.build import mypycify  # only here: it takes a second to load

    found: list[Extension] = mypycify(
        modules(), opt_level=optimisation, debug_level="0", group_name=LIBRARY, target_dir=str(ROOT / "build" / "core")
    )
    for extension in found:
        extension.extra_compile_args += FLAGS
    return found


class BuildCore(build_ext):  # type: ignore[misc]  # setuptools has no types
    """`build_ext`, which records before what it compiles: there is no compiled module without a record."""

    def run(self) -> None:
        """Write the record where the modules will be, then compile."""
        folder = (ROOT if self.inplace else Path(self.build_lib)) / "agent"
        names = [path.removesuffix(".py").replace("/", ".") for path in modules()]
        record = {"digest": digest(ROOT / "agent"), "modules": names}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD.name).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        super().run()


def remove() -> None:
    """Remove what an earlier compilation in place has left."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for path in (ROOT / "agent").rglob(f"*{suffix}"):
        path.unlink()
    (ROOT / "agent" / RECORD.name).unlink(missing_ok=True)


def compile_in_place(optimisation: str = OPTIMISATION) -> None:
    """Compile the core beside its sources. Raises `SystemExit` if the compiler refuses."""
    remove()
    distribution = Distribution(
        {"name": "vanpulse", "ext_modules": extensions(optimisation), "cmdclass": {"build_ext": BuildCore}}
    )
    command = distribution.get_command_obj("build_ext")
    command.inplace = True
    command.build_temp = str(ROOT / "build" / "core" / "objects")
    distribution.run_command("build_ext")


def main(words: Sequence[str] | None = None) -> int:
    """Returns 1 if the core cannot be compiled here."""
    parser = argparse.ArgumentParser(prog="python -m core_build", description="Compile the core in place.")
    parser.add_argument("--optimisation", choices=("0", "1", "2", "3"), default=OPTIMISATION)
    optimisation = parser.parse_args(words).optimisation
    lacking = missing()
    if lacking is not None:
        print(f"the core is not compiled: {lacking}. vanpulse runs without, at a lower rate.", file=sys.stderr)
        return 1
    compile_in_place(optimisation)
    print(f"{len(modules())} modules are compiled; `vanpulse --version` says so")
    return 0
