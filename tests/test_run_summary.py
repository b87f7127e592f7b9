"""A run says at its end what it skipped and why, and how its random examples can be had again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import recorded_drives

ROOT = Path(__file__).parents[1]

SKIPPING = """
import pytest

@pytest.fixture
def drives():
    pytest.skip("recorded drives not found: ../shared/data/i3")

def test_one(drives): pass
def test_two(drives): pass

@pytest.mark.skipif(True, reason="recorded drives not found: ../shared/data/i3")
def test_three(): pass

@pytest.mark.skipif(True, reason="mosquitto missing: apt-get install mosquitto")
def test_four(): pass

def test_five(): pass
"""
WHOLE_MODULE = "import pytest\npytest.skip('no recorder', allow_module_level=True)\n"
RANDOM = """
from hypothesis import given, settings, strategies

def test_drawn():
    drawn = []

    @settings(max_examples=20)
    @given(strategies.integers())
    def draw(number):
        drawn.append(number)

    draw()
    print("drawn", drawn)
"""


def run(folder: Path, *words: str, **files: str) -> str:
    """What pytest prints about these files, with the `conftest.py` of the tests."""
    for name, text in {"conftest": "from tests.conftest import *", **files}.items():
        (folder / f"{name}.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={folder}",
        *words,
        str(folder),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_what_is_skipped_is_counted_by_reason(tmp_path: Path) -> None:
    *_, drives, one, another, last = run(tmp_path, test_a=SKIPPING, test_b=WHOLE_MODULE).splitlines()
    assert drives == "3 skipped: recorded drives not found: ../shared/data/i3"
    assert {one, another} == {"1 skipped: mosquitto missing: apt-get install mosquitto", "1 skipped: no recorder"}
    assert last.startswith("1 passed, 5 skipped")


def test_a_run_that_skips_nothing_says_nothing_of_it(tmp_path: Path) -> None:
    said = run(tmp_path, test_a="def test_five(): pass")
    assert "1 passed" in said
    assert "skipped" not in said


def drawn(said: str) -> str:
    (line,) = [line for line in said.splitlines() if line.startswith("drawn")]
    return line


@pytest.fixture(params=["person", "ci"])
def started_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis chooses other defaults where the environment says that CI runs it."""
    monkeypatch.delenv("CI", raising=False)
    if request.param == "ci":
        monkeypatch.setenv("CI", "true")


@pytest.mark.usefixtures("started_by")
def test_the_seed_is_printed_and_gives_the_same_examples_again(tmp_path: Path) -> None:
    first, other = (
        run(tmp_path, "-s", "--hypothesis-profile=seeded", f"--hypothesis-seed={seed}", test_a=RANDOM)
        for seed in (4711, 4712)
    )
    again = 'the same ones again: ARGS="--hypothesis-profile=seeded --hypothesis-seed=4711"'
    assert again in first
    assert drawn(first) != drawn(other)
    words = again.split('"')[1].split()
    assert drawn(run(tmp_path, "-s", *words, test_a=RANDOM)) == drawn(first)


@pytest.mark.parametrize(("profile", "differ"), [((), False), (("--hypothesis-profile=search",), True)])
@pytest.mark.usefixtures("started_by")
def test_examples_are_new_only_where_that_was_asked_for(tmp_path: Path, profile: tuple[str, ...], differ: bool) -> None:
    first, second = (drawn(run(tmp_path, "-s", *profile, test_a=RANDOM)) for _ in range(2))
    assert (first != second) is differ


def test_what_is_missing_of_the_recorded_drives_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_drives, "DATA", tmp_path)
    (tmp_path / "i3").mkdir()
    assert recorded_drives.missing("i3") == ""
    assert recorded_drives.missing("i3", "twizy") == "recorded drives not found: ../shared/data/twizy"
    assert recorded_drives.needs_recorded_drives("twizy").args == (True,)
