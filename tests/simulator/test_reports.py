import pytest

from simulator.fleet import Fleet
from simulator.reports import Reporter
from simulator.van_states import Activity
from tests.simulator.conftest import NOW_S


@pytest.mark.parametrize("seed", [1, 2])
def test_each_parcel_that_leaves_a_van_at_a_stop_is_in_one_drop(seed: int) -> None:
    fleet = Fleet(vans=7, seed=seed, start_s=NOW_S, clock="09:00")
    reporter = Reporter(fleet)
    on_board = fleet.parcels.copy()
    said: list[dict[str, object]] = []
    for _ in range(3600):
        fleet.step()
        said += reporter.readings()
    drops = [reading for reading in said if reading["kind"] == "drop"]
    assert drops
    for number, vehicle_id in enumerate(fleet.ids):
        own = [drop for drop in drops if drop["vehicle_id"] == vehicle_id]
        if fleet.models[number].reports == "plain":
            assert own == [], "says what is on board, not what it delivered"
        elif fleet.activity[number] != Activity.PARKED:
            assert sum(drop["items"] for drop in own) == on_board[number] - fleet.parcels[number]
    assert len({drop["consignment_id"] for drop in drops}) == len(drops)
    assert all(drop["action"] == "unload" and drop["mass_kg"] > 0.0 for drop in drops)
