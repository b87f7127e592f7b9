import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.stack import ROOT


def test_the_units_for_systemd_are_accepted(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze missing: apt-get install systemd")
    for unit in sorted((ROOT / "deploy/systemd").glob("*.service")):
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/opt/vanpulse/bin/vanpulse", sys.executable))
        result = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert unit.name not in result.stderr
