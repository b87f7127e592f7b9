"""Programs that tests start, and what to install when one is missing."""

import os
import shutil

import pytest

PACKAGES = {
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "influxd": "influxdb",
    "victoria-metrics": "victoria-metrics",
    "chromium": "chromium",
    "openssl": "openssl",
}
"""The Debian package of each program."""


def find_program(name: str) -> str | None:
    """Its path; servers live in directories that a user's PATH often lacks."""
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
    )


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip what it marks, with a line that says what to install, when a program is missing."""
    missing = [name for name in names if find_program(name) is None]
    packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} missing: apt-get install {packages}")
