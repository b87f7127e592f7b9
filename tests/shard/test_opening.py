"""Embedding a shard in another program. The blocks of docs/embedding.md are run."""

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import agent
from agent import Batch, Message, open_shard
from agent.errors import SettingsError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_prints_what_it_says() -> None:
    names: dict[str, Any] = {}
    printed = ""
    shown = 0
    for language, text in BLOCKS:
        if language:
            assert not printed, "the page shows what its block has printed"
            output = io.StringIO()
            with redirect_stdout(output):
                exec(compile(text, "docs/embedding.md", "exec"), names)  # noqa: S102  # our own page
            printed = output.getvalue()
        else:
            assert text == printed
            printed, shown = "", shown + 1
    assert shown == 3
    assert not printed
    assert list(names["again"].vans) == ["van-7"]


def test_a_mistake_in_the_fleet_is_named() -> None:
    with pytest.raises(SettingsError, match=r"vans\.van-1\.battery_kwh"):
        open_shard(fleet={"vans": {"van-1": {"battery_kwh": -1}}})
    with pytest.raises(SettingsError, match="dialects"):
        open_shard(dialects=["morse"])


def test_the_environment_does_not_matter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.toml").write_text("not a fleet file")
    monkeypatch.setenv("VANPULSE_FLEET__UNKNOWN_VEHICLES", "reject")
    out = open_shard().process(Batch(0, 1_795_860_000_000, 0, [Message("vans/a/soc", b"{}")]))
    assert [letter.reason for letter in out.dead_letters] == ["schema"]


def test_every_name_is_there_and_nothing_else() -> None:
    assert {name for name in agent.__all__ if getattr(agent, name).__name__ == name} == set(agent.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Shrad'"):
        agent.Shrad  # noqa: B018


def test_importing_the_package_loads_the_guard_of_the_compiled_core_alone() -> None:
    """It has to come before all modules that may be compiled. It needs the standard library only."""
    code = "import sys, agent; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith("agent.")] == ["agent.compiled_core"]
    assert {"msgspec", "pydantic", "pydantic_settings", "shapely", "uvloop"}.isdisjoint(loaded)
