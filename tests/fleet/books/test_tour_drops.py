"""Drops that come late, twice, in great number, or cannot be true."""

from typing import Any

import pytest

from agent.fleet.state import Verdict
from tests.fleet.courier import Courier, home


def one_round(van: Courier, **drop: Any) -> int:
    """10 km out and home; returns when the van stood at its stop."""
    van.go(10.0)
    van.stand(60)
    at_ms = van.now_ms
    if drop:
        van.drop(**drop)
    van.stand(60)
    home(van)
    return at_ms


def test_a_manifest_of_the_day_after_changes_the_tour_under_its_own_key() -> None:
    """Nothing known at first. Next day: 100 kg and 50 kg, unloaded where the van stood, 10 km out. A = 1.5 t-km."""
    van = Courier()
    at_ms = one_round(van)
    van.stand(20 * 3600)
    (before,) = van.tours
    assert before.activity_tkm is None
    for i, kg in enumerate((100.0, 50.0)):
        verdict = van.drop(time_ms=at_ms, imported=True, consignment_id=f"m-{i}", mass_kg=kg, items=1)
        assert verdict == Verdict.ACCEPTED
    van.wait(10)
    (after,) = van.tours
    assert (after.time_ms, after.co2e_g) == (before.time_ms, before.co2e_g)
    assert after.activity_tkm == pytest.approx(1.5, rel=0.001)
    assert van.shares_g() == pytest.approx([after.co2e_g * 2 / 3, after.co2e_g / 3], abs=0.5)
    assert [drop.time_ms for drop in van.drops] == [at_ms, at_ms + 1], "two drops of one moment keep apart"
    assert {drop.source for drop in van.drops} == {"import"}


def test_a_manifest_takes_the_place_of_what_was_derived_from_the_load() -> None:
    van = Courier()
    van.load(80.0, 8)
    van.go(10.0)
    van.stand(60)
    at_ms = van.now_ms
    van.load(0.0, 0)
    van.stand(60)
    home(van)
    assert [drop.source for drop in van.drops] == ["load"]
    van.drop(time_ms=at_ms, imported=True, consignment_id="m", mass_kg=75.0)
    van.wait(10)
    (tour,) = van.tours
    derived, said = van.drops
    assert (derived.source, derived.co2e_g, derived.mass_kg, derived.items) == ("load", 0.0, 0.0, 0)
    assert (said.source, said.co2e_g) == ("import", pytest.approx(tour.co2e_g))
    assert tour.drops == 1


def test_late_drops_before_the_tour_ends() -> None:
    van = Courier()
    van.go(10.0)
    van.stand(60)
    at_ms = van.now_ms
    van.stand(60)
    van.go(5.0)
    van.drop(time_ms=at_ms, mass_kg=100.0)
    home(van)
    (tour,) = van.tours
    assert tour.activity_tkm == pytest.approx(1.0, rel=0.001)


def test_a_drop_of_a_tour_that_is_forgotten_says_so() -> None:
    van = Courier()
    at_ms = one_round(van)
    for _ in range(3):
        one_round(van)
    assert van.drop(time_ms=at_ms, mass_kg=1.0) == Verdict.NO_TOUR


def test_a_drop_said_twice_counts_once_and_a_corrected_one_as_corrected() -> None:
    van = Courier()
    van.go(10.0)
    van.stand(60)
    said = {"consignment_id": "a", "mass_kg": 10.0}
    assert van.drop(**said) == Verdict.ACCEPTED
    assert van.drop(**said) == Verdict.DUPLICATE
    assert van.drop(items=1) == Verdict.ACCEPTED
    assert van.drop(items=1) == Verdict.DUPLICATE
    assert van.drop(items=1, seq=2) == Verdict.ACCEPTED
    assert van.drop(consignment_id="a", mass_kg=12.0, items=1) == Verdict.ACCEPTED
    home(van)
    (tour,) = van.tours
    assert (tour.drops, tour.items) == (3, 3)
    assert [drop.mass_kg for drop in van.drops] == [12.0, None, None]


def test_many_drops_of_one_moment_have_a_row_each() -> None:
    van = Courier()
    van.go(10.0)
    van.stand(60)
    for number in range(50):
        van.drop(items=1, seq=number)
    home(van)
    assert len(van.drops) == 50
    assert van.tours[0].items == 50


def test_more_drops_than_are_kept_apart_lose_no_parcel_and_no_gram() -> None:
    van = Courier()
    van.go(10.0)
    van.stand(60)
    for number in range(450):
        van.drop(items=1, mass_kg=2.0, consignment_id=f"c-{number}")
    home(van)
    (tour,) = van.tours
    assert (tour.items, tour.drops, len(van.drops)) == (450, 450, 400)
    assert tour.activity_tkm == pytest.approx(9.0, rel=0.001)
    assert sum(van.shares_g()) == pytest.approx(tour.co2e_g, abs=0.5)


def test_fifty_tonnes_on_a_van_of_one_are_set_aside_and_counted() -> None:
    van = Courier()
    van.load(100.0)
    van.go(10.0)
    van.stand(60)
    van.load(50_000.0)
    assert van.state.verdict == Verdict.IMPLAUSIBLE
    assert van.drop(mass_kg=3000.0) == Verdict.IMPLAUSIBLE
    van.load(0.0)
    home(van)
    assert van.state.tour.implausible == 2
    (tour,) = van.tours
    assert tour.mass_kg == pytest.approx(100.0)


def test_a_scale_that_sways_delivers_nothing() -> None:
    """200 kg that a scale shows as 195 to 205 while driving, and as 200 at each stop: nothing is unloaded."""
    van = Courier()
    van.load(200.0)
    for km in (2.0, 4.0, 6.0):
        for sway in (-5.0, 5.0):
            van.go(km + sway / 20.0)
            van.load(200.0 + sway)
        van.stand(60)
        van.load(200.0)
        van.stand(60)
    home(van)
    (tour,) = van.tours
    assert tour.drops == 0
    assert tour.empty_km == 0


def test_unloading_at_the_depot_after_the_return_belongs_to_the_tour_that_ended() -> None:
    van = Courier()
    van.go(10.0)
    van.stand(60)
    van.drop("load", consignment_id="back", mass_kg=40.0)
    home(van)
    van.stand(600)
    van.drop(consignment_id="back")
    van.wait(10)
    (tour,) = van.tours
    assert (tour.drops, tour.mass_kg) == (1, 40.0)
    assert tour.activity_tkm == pytest.approx(0.4, rel=0.001)
    assert [drop.action for drop in van.drops if drop.co2e_g] == ["unload"]
