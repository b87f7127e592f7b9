"""A short run of `make fuzz`: it works, and finds nothing."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_few_thousand_hostile_inputs() -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--size", "3000", "--guided", "0", "--seed", "7"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "no crash, no hang" in result.stdout
