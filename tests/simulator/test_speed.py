"""How fast a large fleet steps; the target is for a quiet core, the limit here leaves room for a busy one."""

import time

from simulator.fleet import Fleet
from tests.simulator.conftest import NOW_S

VANS = 20_000
SECONDS = 20
VAN_SECONDS_PER_S = 500_000


def test_a_large_fleet_steps_fast_enough() -> None:
    fleet = Fleet(vans=VANS, seed=1, start_s=NOW_S, clock="11:00")
    best_s = float("inf")
    for _ in range(3):
        begin_s = time.process_time()
        for _ in range(SECONDS):
            fleet.step()
        best_s = min(best_s, time.process_time() - begin_s)
    assert VANS * SECONDS / best_s > VAN_SECONDS_PER_S
