"""Tours worked by hand. The van drives along a meridian, so that every great circle is a difference of kilometres.

The rules are those of EN ISO 14083: A = Σ mass · great-circle distance from loading to unloading, G is all emissions of
the tour, consignment i has massᵢ · distanceᵢ · G / A; per parcel it is G over the parcels delivered. The van
takes 0.25 kWh a km from a battery of 400 g CO2e/kWh, so that G = driven km · 100 g.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from agent.fleet.day_zone import DayZone
from agent.fleet.records import Record
from tests.fleet.courier import Courier, assert_no_gram_is_outside, deliver, depot_context, home


class Worked(NamedTuple):
    """What was worked out on paper; None: the field must be absent, ...: nothing is said about it."""

    g: float
    tkm: Any
    per_tkm: Any
    items: Any
    per_item: Any
    empty_km: Any
    drops: int
    shares_g: list[float]
    quality: str = ...  # type: ignore[assignment]
    mass_kg: Any = ...
    load_factor: Any = ...


def parcel_round(van: Courier) -> Worked:
    """Loaded 100 kg in 20 parcels. 10 km out 8 parcels of 40 kg, 20 km out 12 of 60 kg, home: 40 km driven.

    A = 0.040 t · 10 km + 0.060 t · 20 km = 0.4 + 1.2 = 1.6 t-km. G = 40 km · 100 g = 4,000 g: 2,500 g/t-km and 200 g a
    parcel. The shares are 0.4 · 2,500 = 1,000 and 1.2 · 2,500 = 3,000 g. The last 20 km are empty. On the loaded 20 km
    it carried 100 kg for 10 and 60 kg for 10: 80 kg in the mean, 8 % of 1,000 kg.
    """
    van.load(100.0, 20)
    van.go(10.0)
    deliver(van, 60.0, 12)
    van.go(20.0)
    deliver(van, 0.0, 0)
    home(van)
    return Worked(4000, 1.6, 2500, 20, 200, 20, 2, [1000, 3000], "modelled", 100.0, 8.0)


def pick_ups(van: Courier) -> Worked:
    """Leaves with 50 kg for 10 km out, collects 30 kg at 20 km out, home: 40 km.

    A = 0.050 · 10 + 0.030 · 20 (from the pick-up to the depot) = 0.5 + 0.6 = 1.1 t-km. G = 4,000 g: shares 4,000 · 5/11
    and 4,000 · 6/11. Empty only between the two, 10 km.
    """
    van.load(50.0, 5)
    van.go(10.0)
    deliver(van, 0.0, 0)
    van.go(20.0)
    deliver(van, 30.0, 3)
    home(van)
    return Worked(4000, 1.1, 4000 / 1.1, 8, 500, 10, 2, [4000 * 5 / 11, 4000 * 6 / 11], "modelled", 80.0)


def two_customers(van: Courier) -> Worked:
    """By message: 200 kg for customer A 5 km out, 100 kg for B 15 km out; 30 km driven.

    A = 0.2 · 5 + 0.1 · 15 = 1.0 + 1.5 = 2.5 t-km, G = 3,000 g: 1,200 g/t-km; A has 1,200 g, B 1,800 g. Empty for 15 km.
    """
    van.go(5.0)
    van.stand(90)
    van.drop(consignment_id="a-1", customer_id="A", mass_kg=200.0)
    van.go(15.0)
    van.stand(90)
    van.drop(consignment_id="b-1", customer_id="B", mass_kg=100.0)
    home(van)
    return Worked(3000, 2.5, 1200, None, None, 15, 2, [1200, 1800], "modelled", 300.0)


def empty_return(van: Courier) -> Worked:
    """One consignment of 500 kg 25 km out, empty home: 50 km, G = 5,000 g, all of it the consignment's.

    A = 0.5 · 25 = 12.5 t-km, 400 g/t-km; the 25 km home are in G and not in A. 500 kg are 50 % of the largest load.
    """
    van.drop("load", consignment_id="c", mass_kg=500.0)
    van.go(25.0)
    van.stand(90)
    van.drop(consignment_id="c")
    home(van)
    return Worked(5000, 12.5, 400, None, None, 25, 1, [5000], "modelled", 500.0, 50.0)


def split_round(van: Courier) -> Worked:
    """The parcel round with ten minutes at the first stop, which makes two trips of it: nothing else changes."""
    van.load(100.0, 20)
    van.go(10.0)
    van.stand(600)
    van.load(60.0, 12)
    van.go(20.0)
    deliver(van, 0.0, 0)
    home(van)
    assert len(van.trips) == 2
    return Worked(4000, 1.6, 2500, 20, 200, 20, 2, [1000, 3000], "modelled", 100.0)


def only_items(van: Courier) -> Worked:
    """Messages with parcels and no mass: 1 at 5 km, 3 at 10 km; 20 km driven, G = 2,000 g.

    No mass, no t-km: shared out by parcels, 500 g each, so 500 and 1,500 g.
    """
    van.go(5.0)
    van.stand(90)
    van.drop(items=1)
    van.go(10.0)
    van.stand(90)
    van.drop(items=3)
    home(van)
    return Worked(2000, None, None, 4, 500, 10, 2, [500, 1500], "modelled", None)


def no_load_at_all(van: Courier) -> Worked:
    """Nothing is said, and the operator has set no default: G stands, without t-km or parcels."""
    van.go(10.0)
    van.stand(90)
    home(van)
    return Worked(2000, None, None, None, None, None, 0, [], "default", None)


def by_default(van: Courier) -> Worked:
    """The operator's default of 90 kg, nothing said, three stops at 5, 10 and 15 km: 30 kg for each; 30 km, 3,000 g.

    A = 0.03 · (5 + 10 + 15) = 0.9 t-km; the shares are as 1 : 2 : 3, so 500, 1,000 and 1,500 g.
    """
    for km in (5.0, 10.0, 15.0):
        van.go(km)
        van.stand(90)
    home(van)
    return Worked(3000, 0.9, 3000 / 0.9, None, None, None, 3, [500, 1000, 1500], "default", 90.0, None)


def mean_load_only(van: Courier) -> Worked:
    """60 kg are said at the depot and nothing after that: 30 kg for each of two stops, at 10 and 20 km; 40 km, 4,000 g.

    A = 0.03 · 10 + 0.03 · 20 = 0.9 t-km; shares as 1 : 2.
    """
    van.load(60.0)
    for km in (10.0, 20.0):
        van.go(km)
        van.stand(90)
    home(van)
    return Worked(4000, 0.9, 4000 / 0.9, None, None, 20, 2, [4000 / 3, 8000 / 3], "modelled", 60.0)


def overnight(van: Courier) -> Worked:
    """150 kg 10 km out in the evening, eleven hours of night there, 50 kg 30 km out in the morning, home: one tour.

    60 km, G = 6,000 g (the night took nothing). A = 0.15 · 10 + 0.05 · 30 = 3.0 t-km: half each.
    """
    van.load(200.0)
    van.go(10.0)
    deliver(van, 50.0)
    van.stand(11 * 3600)
    van.go(30.0)
    deliver(van, 0.0)
    home(van)
    return Worked(6000, 3.0, 2000, None, None, 30, 2, [3000, 3000], "modelled", 200.0)


def dst_night(van: Courier) -> Worked:
    """The same over the night of 2025-10-26, when clocks in Berlin go back: a tour has no calendar."""
    return overnight(van)


def offline_half_of_the_day(van: Courier) -> Worked:
    """Silent from the first delivery on, heard again at the depot: 40 km by the odometer, two drops by message.

    A = 0.1 · 10 + 0.1 · 20 = 3.0 t-km, G = 4,000 g: a third and two thirds.
    """
    van.go(10.0)
    van.stand(90)
    van.drop(mass_kg=100.0)
    van.time_s += 1800
    van.drop(mass_kg=100.0, latitude_deg=48.0 + 20.0 / 111.195, longitude_deg=11.0)
    van.time_s += 3600
    van.driven_km += 30.0
    van.km = 0.0
    van.soc_pct -= 15.0
    van.stand(900)
    return Worked(4000, 3.0, 4000 / 3, None, None, ..., 2, [4000 / 3, 8000 / 3], ..., 200.0)


def returns_undelivered(van: Courier) -> Worked:
    """100 kg loaded, 60 delivered 10 km out, 40 come back: they are no activity, and are not carried for nothing.

    A = 0.06 · 10 = 0.6 t-km, G = 2,000 g. Nothing was driven empty.
    """
    van.load(100.0, 10)
    van.go(10.0)
    deliver(van, 40.0, 4)
    home(van)
    return Worked(2000, 0.6, 2000 / 0.6, 6, 2000 / 6, 0, 1, [2000], "modelled", 60.0)


def under_one_kilometre(van: Courier) -> Worked:
    """900 m out, 900 m back: 1.8 km, 180 g. No trip is too short to count. A = 0.1 · 0.9 = 0.09 t-km."""
    van.load(100.0, 1)
    van.go(0.9)
    deliver(van, 0.0, 0)
    home(van)
    return Worked(180, 0.09, 2000, 1, 180, 0.9, 1, [180], "modelled", 100.0)


def from_customer_to_customer(van: Courier) -> Worked:
    """A consignment from 10 km to 25 km out, named at both ends; empty out and home: 50 km, 5,000 g.

    A = 0.3 · 15 = 4.5 t-km. Loaded for 15 of 50 km.
    """
    van.go(10.0)
    van.stand(90)
    van.drop("load", consignment_id="x", mass_kg=300.0, items=2)
    van.go(25.0)
    van.stand(90)
    van.drop(consignment_id="x")
    home(van)
    return Worked(5000, 4.5, 5000 / 4.5, 2, 2500, 35, 1, [5000], ..., 300.0)


FLEETS: list[tuple[Callable[[Courier], Worked], Callable[[], Courier]]] = [
    (parcel_round, Courier),
    (pick_ups, Courier),
    (two_customers, Courier),
    (empty_return, Courier),
    (split_round, Courier),
    (only_items, Courier),
    (no_load_at_all, Courier),
    (by_default, lambda: Courier(depot_context(0.0, default_load_kg=90.0))),
    (mean_load_only, Courier),
    (overnight, Courier),
    (dst_night, lambda: Courier(depot_context(0.0, day_zone=DayZone("Europe/Berlin")))),
    (offline_half_of_the_day, Courier),
    (returns_undelivered, Courier),
    (under_one_kilometre, Courier),
    (from_customer_to_customer, Courier),
]


@pytest.mark.parametrize(("drive", "make"), FLEETS, ids=[drive.__name__ for drive, _ in FLEETS])
def test_a_tour_is_as_worked_by_hand(drive: Callable[[Courier], Worked], make: Callable[[], Courier]) -> None:
    van = make()
    worked = drive(van)
    (tour,) = van.tours
    assert tour.co2e_g == pytest.approx(worked.g, rel=0.01)
    for value, expected in (
        (tour.activity_tkm, worked.tkm),
        (tour.co2e_g_per_tkm, worked.per_tkm),
        (tour.items, worked.items),
        (tour.co2e_g_per_item, worked.per_item),
        (tour.mass_kg, worked.mass_kg),
        (tour.load_factor_pct, worked.load_factor),
        (tour.empty_km, worked.empty_km),
    ):
        if expected is None:
            assert value is None
        elif expected is not ...:
            assert value == pytest.approx(expected, rel=0.01, abs=0.15 if expected in (0, 0.9) else None)
    assert tour.drops == worked.drops
    if worked.quality is not ...:
        assert tour.quality == worked.quality
    assert van.shares_g() == pytest.approx(worked.shares_g, rel=0.01)
    if worked.drops:
        assert sum(van.shares_g()) == pytest.approx(tour.co2e_g, abs=0.5), "Σ shipments = G to the gram"
    assert_no_gram_is_outside(van)


@pytest.mark.parametrize(("metered_share", "quality"), [(0.0, "modelled"), (0.9, "modelled"), (1.0, "primary")])
def test_the_quality_of_a_tour_is_that_of_its_weakest_data(metered_share: float, quality: str) -> None:
    """Energy at the battery by its power and masses by message are primary; the grid energy of the pack decides.

    The van takes 9 kW at 36 km/h. One gram in ten of modelled grid energy makes the tour modelled: primary and modelled
    data together are modelled.
    """

    class Measured(Courier):
        def say(self, **fields: Any) -> list[Record]:
            return super().say(battery_power_kw=-9.0 if "speed_kmh" in fields else 0.0, **fields)

    van = Measured()
    assert van.state.emissions is not None
    van.state.emissions.primary_share = metered_share
    empty_return(van)
    (tour,) = van.tours
    assert tour.primary_share_pct == pytest.approx(100.0 * metered_share, abs=0.1)
    assert tour.quality == quality
