import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.stack import ROOT


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """A folder of secrets as `deploy/up` makes them, with two vans."""
    folder = tmp_path / "secrets"
    environment = {**os.environ, "SECRETS": str(folder)}
    subprocess.run([ROOT / "deploy/up", "--secrets"], env=environment, check=True, capture_output=True)
    subprocess.run([ROOT / "deploy/add-van", "van-1", "van-2"], env=environment, check=True, capture_output=True)
    return folder
