"""One simulated working day that several tests look at."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from simulator.chance import Floats, Integers
from simulator.fleet import Fleet
from simulator.truth import TruthWriter

NOW_S = 1_795_368_000
"""A time in November 2026."""


class Diary:
    """Records the activities, loads, speeds and accelerations of the vans."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.activities: set[tuple[int, int]] = set()
        self.loads: dict[int, list[float]] = {}
        self.top_mps = 0.0
        self.hardest_mps2 = 0.0
        self._speed = fleet.speed_mps.copy()
        fleet.watchers.append(self)

    def load_changed(self, vans: Integers) -> None:
        for van in vans.tolist():
            self.loads.setdefault(van, []).append(float(self.fleet.payload_kg[van]))

    def stepped(self) -> None:
        fleet = self.fleet
        if fleet.time_s % 20 == 0:
            self.activities.update(enumerate(fleet.activity.tolist()))
        self.top_mps = max(self.top_mps, float(fleet.speed_mps.max()))
        self.hardest_mps2 = max(self.hardest_mps2, float(np.abs(fleet.speed_mps - self._speed).max()))
        self._speed = fleet.speed_mps.copy()


class Day(NamedTuple):
    """The fleet in the evening, its diary, its values in the morning, and the lines of the truth file."""

    fleet: Fleet
    diary: Diary
    before: dict[str, Floats]
    truth: list[dict[str, Any]]


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day from 06:30 to 20:30."""
    path: Path = tmp_path_factory.mktemp("day") / "truth.jsonl"
    fleet = Fleet(vans=7, seed=11, start_s=NOW_S, clock="06:30")
    before = {"odometer_m": fleet.odometer_m.copy(), "soc": fleet.soc.copy(), "charged_kwh": fleet.charged_kwh.copy()}
    before["net_kwh"] = fleet.used_kwh - fleet.regenerated_kwh
    diary = Diary(fleet)
    with TruthWriter(fleet, path):
        for _ in range(14 * 3600):
            fleet.step()
    return Day(fleet, diary, before, [msgspec.json.decode(line) for line in path.read_bytes().splitlines()])
