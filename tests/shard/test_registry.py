"""Admission: the vans of the fleet file, and a limited number of others. Each shard counts its own."""

import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.shard.registry import VanRegistry
from agent.shard.roster import Roster


def roster(**settings: object) -> Roster:
    fleet = FleetFile.model_validate({"vans": {"named": {}}})
    fleet_settings = FleetSettings.model_validate(settings)
    return Roster(fleet, fleet_settings=fleet_settings, emissions=EmissionsSettings(), derived_every_s=10.0)


def take_in(vans: VanRegistry, *names: str) -> list[bool]:
    """Let these vans report one after the other; whether each was admitted."""
    taken = []
    for name in names:
        taken.append(vans.wake(name) is not None or vans.admits(name))
        if taken[-1] and vans.wake(name) is None:
            vans.add(name)
    return taken


def test_unnamed_vans_are_taken_in_up_to_a_number() -> None:
    vans = VanRegistry(roster(max_unknown_vehicles=2))
    assert take_in(vans, "a", "b", "c", "a", "named") == [True, True, False, True, True]


def test_restored_vans_stay_whatever_the_limit_is_now() -> None:
    before = VanRegistry(roster(max_unknown_vehicles=10))
    take_in(before, "c", "d", "e")
    for name in before:
        before.touch(before.awake[name])
    states = [item for part in before.snapshot() for item in part.items()]
    vans = VanRegistry(roster(max_unknown_vehicles=2))
    take_in(vans, "x", "y")
    vans.restore(states, vans.tags)
    assert take_in(vans, "c", "e", "a") == [True, True, False]


def test_unnamed_vans_can_be_refused() -> None:
    assert take_in(VanRegistry(roster(unknown_vehicles="reject")), "a", "named") == [False, True]


def test_two_shards_in_one_process_count_for_themselves() -> None:
    known = roster(max_unknown_vehicles=1)
    one, other = VanRegistry(known), VanRegistry(known)
    assert take_in(one, "a", "b") == [True, False]
    assert take_in(other, "b", "a") == [True, False]


@pytest.mark.parametrize("awake_vans", [1, 3, None])
def test_who_is_not_awake_sleeps(awake_vans: int | None) -> None:
    vans = VanRegistry(roster(max_unknown_vehicles=10), awake_vans=awake_vans)
    take_in(vans, *"abcdefgh")
    assert len(vans.awake) == (8 if awake_vans is None else max(1, awake_vans // 8))
    assert [vans.state(name).vehicle_id for name in vans] == list("abcdefgh")
