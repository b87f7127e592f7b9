"""A short torture for every run of the tests; `make torture SIZE=1000` is the long one."""

import contextlib
from pathlib import Path

import pytest

from tests.servers.programs import needs
from tests.torture.disk import may_mount
from tests.torture.failpoints import FLAWS, POINTS
from tests.torture.run import AgentEnded, Report, Torture

pytestmark = pytest.mark.timeout(300)


def assert_exact(report: Report) -> None:
    assert report.differences == []
    # The run must have had kills at the points, redelivered messages, and something to compare.
    assert report.redelivered > 0
    assert report.messages > 1000
    assert len(set(report.kills) & set(POINTS)) >= 5
    assert report.faults["storm on the network"] > 0
    assert report.faults["broker restarted"] > 0


@needs("mosquitto")
def test_thirteen_kills_on_sqlite(tmp_path: Path) -> None:
    report = Torture(tmp_path, store="sqlite", kills=13, seed=11, small_disk=may_mount()).run()
    assert sum(report.kills.values()) == 13
    assert report.closed_days > 0
    assert report.faults["history file locked"] > 0
    assert report.faults["disk full"] > 0 or not may_mount()
    assert_exact(report)


@needs("mosquitto", "influxd")
def test_thirteen_kills_on_influxdb(tmp_path: Path) -> None:
    report = Torture(tmp_path, store="influxdb", kills=13, seed=12).run()
    assert sum(report.kills.values()) == 13
    assert_exact(report)


SHOWN_BY = {
    "acknowledges before the commit": ("received, not committed",),
    "checkpoints before the store": ("after a checkpoint",),
    "forgets states": ("after a checkpoint", "acknowledged, not processed"),
}
"""The points of a kill that show each flaw in a short run."""


@needs("mosquitto")
@pytest.mark.parametrize("flaw", list(FLAWS))
def test_the_oracle_notices_an_agent_that_breaks_the_promise(tmp_path: Path, flaw: str) -> None:
    torture = Torture(tmp_path, store="sqlite", kills=10, seed=3, points=SHOWN_BY[flaw], flaw=flaw)
    with contextlib.suppress(AgentEnded):  # a flawed agent may also end by itself
        assert torture.run().differences
