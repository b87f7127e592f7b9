"""What CI runs, and when: the scripts in `.ci`, with `make` replaced by a program that writes down what it is asked."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def asked_of_make(folder: Path, script: str, **environment: str) -> tuple[list[str], str]:
    """Each call of `make` by the script, and what the script prints."""
    make = folder / "make"
    make.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n')
    make.chmod(0o755)
    (folder / "asked").unlink(missing_ok=True)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [ROOT / ".ci" / script],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return (folder / "asked").read_text().splitlines(), done.stdout


def test_every_run_has_a_new_seed_and_prints_it(tmp_path: Path) -> None:
    seeds = set()
    for _ in range(3):
        asked, said = asked_of_make(tmp_path, "run", SEED="")
        check, test = asked
        assert check == "check"
        (seed,) = re.findall(r"ARGS=--hypothesis-profile=seeded --hypothesis-seed=(\d+)$", test)
        assert f"SEED={seed} .ci/run" in said
        seeds.add(seed)
    assert len(seeds) == 3


def test_a_seed_that_is_given_is_used(tmp_path: Path) -> None:
    asked, _ = asked_of_make(tmp_path, "run", SEED="4711")
    assert asked[1] == "test ARGS=--hypothesis-profile=seeded --hypothesis-seed=4711"


def test_the_weekly_search_runs_in_rounds(tmp_path: Path) -> None:
    asked, _ = asked_of_make(tmp_path, "weekly", ROUNDS="2")
    assert asked == ["test ARGS=--hypothesis-profile=search -m hypothesis"] * 2


def workflow(name: str) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize(("name", "script"), [("ci.yml", ".ci/run"), ("weekly.yml", ".ci/weekly")])
def test_a_workflow_runs_its_script(name: str, script: str) -> None:
    (job,) = workflow(name)["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [script]


def test_the_search_is_scheduled_once_a_week() -> None:
    on = workflow("weekly.yml")[True]  # YAML 1.1 reads the key `on` as a truth value
    (schedule,) = on["schedule"]
    assert re.fullmatch(r"\d{1,2} \d{1,2} \* \* [0-6]", schedule["cron"])
