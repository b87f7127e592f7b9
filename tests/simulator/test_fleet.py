"""The fleet over hours: believable days, the same for the same seed."""

import tomllib

import numpy as np
import pytest

from simulator.depots import load_depots, utc_offset_s
from simulator.fleet import Fleet
from simulator.fleet_file import fleet_file
from simulator.models import load_models
from simulator.simulation import Plan, Simulation
from simulator.van_states import Activity
from tests.simulator.conftest import NOW_S, Day


def test_a_day_takes_every_van_out_and_home_again(day: Day) -> None:
    fleet, diary, before, _ = day
    driven_km = (fleet.odometer_m - before["odometer_m"]) / 1000.0
    late = np.array([(van, Activity.PARKED) not in diary.activities for van in range(fleet.size)])
    assert not late.any()
    for van in range(fleet.size):
        assert (van, Activity.DRIVING) in diary.activities
        assert (van, Activity.STOPPED) in diary.activities
    assert sum((van, Activity.BREAK) in diary.activities for van in range(fleet.size)) >= fleet.size - 2
    assert np.all((driven_km > 25.0) & (driven_km < 160.0)), driven_km
    assert np.median(driven_km) < 110.0
    home = fleet.activity == Activity.PARKED
    assert home.sum() >= fleet.size - 2
    assert np.all(np.abs(fleet.u[home]) + np.abs(fleet.v[home]) < 1.0)


def test_at_the_hour_of_the_demo_one_is_out_and_one_charges() -> None:
    """Of the demo's first three vans, after the demo's six hours: something to see on every page."""
    fleet = Simulation(Plan(vans=3, hours=6.0, live_s=NOW_S)).fleet
    dropped = 0
    while fleet.time_s < NOW_S:
        before = fleet.parcels.copy()
        fleet.step()
        dropped += int(np.maximum(before - fleet.parcels, 0).sum())
    assert (fleet.activity != Activity.PARKED).any()
    assert fleet.charging[fleet.activity == Activity.PARKED].any()
    assert dropped > 100


def test_speeds_and_accelerations_are_those_of_a_loaded_van(day: Day) -> None:
    _, diary, _, _ = day
    assert 15.0 < diary.top_mps < 105.0 / 3.6
    assert diary.hardest_mps2 < 2.5


def test_the_load_falls_with_every_delivery(day: Day) -> None:
    fleet, diary, _, _ = day
    for van, loads in diary.loads.items():
        start = int(np.argmax(loads))
        assert all(later <= earlier for earlier, later in zip(loads[start:], loads[start + 1 :], strict=False))
        assert loads[-1] == 0.0 or fleet.activity[van] != Activity.PARKED
        assert 100.0 < max(loads) <= fleet.models[van].payload_kg


def test_charge_and_energy_agree(day: Day) -> None:
    """State of charge, energy counters and usable energy are one battery's."""
    fleet, _, before, _ = day
    usable = fleet.vehicles.usable_kwh
    by_soc = (before["soc"] - fleet.soc) * usable
    by_counters = fleet.used_kwh - fleet.regenerated_kwh - before["net_kwh"] - fleet.charged_kwh + before["charged_kwh"]
    throughput = fleet.used_kwh - fleet.regenerated_kwh - before["net_kwh"]
    assert np.all(np.abs(by_soc - by_counters) < 0.08 * throughput + 1.0)


def test_a_van_is_the_same_in_a_fleet_of_any_size() -> None:
    small = Fleet(vans=3, seed=9, start_s=NOW_S, clock="10:00")
    large = Fleet(vans=60, seed=9, start_s=NOW_S, clock="10:00")
    for _ in range(900):
        small.step()
        large.step()
    assert small.odometer_m == pytest.approx(large.odometer_m[:3], abs=1e-6)
    assert small.soc == pytest.approx(large.soc[:3], abs=1e-9)


def test_the_same_seed_gives_the_same_bytes() -> None:
    plan = Plan(vans=6, seed=3, hours=0.3, live_s=NOW_S, faults=("all",))
    first, second = Simulation(plan), Simulation(plan)
    assert list(first.history()) == list(second.history())
    other = Simulation(Plan(vans=6, seed=4, hours=0.3, live_s=NOW_S, faults=("all",)))
    assert list(Simulation(plan).history()) != list(other.history())


def test_nobody_works_on_sundays() -> None:
    sunday_s = 1_795_305_600 + 6 * 3600
    fleet = Fleet(vans=14, seed=1, start_s=sunday_s, clock="real")
    at_home = np.array([depot.country != "CN" for depot in fleet.depots])
    assert np.all(fleet.activity[at_home] == Activity.PARKED)
    for _ in range(1800):
        fleet.step()
    assert np.all(fleet.speed_mps[at_home] == 0.0)


def test_a_van_that_cannot_make_it_home_tops_up_on_the_way() -> None:
    fleet = Fleet(vans=7, seed=2, start_s=NOW_S, clock="11:00")
    out = np.nonzero(fleet.activity != Activity.PARKED)[0]
    assert out.size
    fleet.soc[out] = 0.12
    topped_up = set()
    for _ in range(3600):
        fleet.step()
        topped_up.update(np.nonzero(fleet.activity == Activity.FAST_CHARGING)[0].tolist())
    assert topped_up
    assert np.all(fleet.soc[sorted(topped_up)] > 0.12)


def test_positions_agree_with_the_odometer() -> None:
    fleet = Fleet(vans=12, seed=5, start_s=NOW_S, clock="12:00")
    start = fleet.odometer_m.copy()
    way_m = np.zeros(fleet.size)
    before = fleet.streets.place(fleet.u, fleet.v, fleet.direction)
    for _ in range(1200):
        fleet.step()
        place = fleet.streets.place(fleet.u, fleet.v, fleet.direction)
        north = np.radians(place.latitude_deg - before.latitude_deg)
        east = np.radians(place.longitude_deg - before.longitude_deg) * np.cos(np.radians(place.latitude_deg))
        way_m += 6_371_008.8 * np.hypot(north, east)
        before = place
    driven = fleet.odometer_m - start
    far = driven > 1000.0
    assert far.any()
    # Steps are straight, streets are bent, and the parallel's scale is taken at one end.
    assert way_m[far] == pytest.approx(driven[far], rel=0.01)


@pytest.mark.parametrize(
    ("moment_s", "country", "hours"),
    [
        (1_774_745_999, "DE", 1),  # 2026-03-29 00:59:59 UTC
        (1_774_746_000, "DE", 2),
        (1_792_889_999, "GB", 1),  # 2026-10-25 00:59:59 UTC
        (1_792_890_000, "GB", 0),
        (1_783_987_200, "CN", 8),
    ],
)
def test_summer_time(moment_s: int, country: str, hours: int) -> None:
    assert utc_offset_s(country, moment_s) == hours * 3600


def test_the_fleet_file_names_every_van_and_depot() -> None:
    fleet = Fleet(vans=25, seed=1, start_s=NOW_S)
    table = tomllib.loads(fleet_file(fleet))
    assert list(table["vans"]) == fleet.ids
    assert set(table["depots"]) == {van["depot"] for van in table["vans"].values()}
    assert {van["model"] for van in table["vans"].values()} <= set(load_models())


def test_depots_know_their_models() -> None:
    for depot in load_depots().values():
        assert set(depot.models) <= set(load_models())


def test_the_parts_of_a_fleet_send_together_what_the_fleet_sends() -> None:
    def sent(share: tuple[int, int]) -> list[tuple[str, bytes]]:
        simulation = Simulation(Plan(vans=5, seed=3, hours=0.1, live_s=NOW_S, faults=("all",), share=share))
        return [message for _, second in simulation.history() for message in second] + simulation.last()

    parts = [sent((part, 3)) for part in (1, 2, 3)]
    assert all(parts)
    assert sorted(message for part in parts for message in part) == sorted(sent((1, 1)))
    vans = [{topic.split("/")[1] for topic, _ in part} for part in parts]
    assert not vans[0] & vans[1] | vans[0] & vans[2] | vans[1] & vans[2]
