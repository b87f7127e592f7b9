"""Who the vans are: the van's own entry, its depot, its model, then the fleet settings."""

from pathlib import Path

import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.errors import SettingsError
from agent.roster import Roster


def roster(fleet: dict[str, object] | None = None, **settings: object) -> Roster:
    return Roster(
        FleetFile.model_validate(fleet or {}),
        fleet_settings=FleetSettings(**settings),
        emissions=EmissionsSettings(),
        derived_every_s=10.0,
    )


def test_a_van_that_nobody_named_is_described_by_the_settings() -> None:
    van = roster(depot="yard", country="SE").vehicle("van-1")
    assert (van.depot, van.country, van.model) == ("yard", "SE", "van")
    assert van.battery_kwh > 50
    assert van.diesel_class


def test_the_model_says_what_the_van_does_not() -> None:
    known = roster({"vans": {"a": {"model": "farizon-sv-67"}, "b": {"model": "farizon-sv-67", "battery_kwh": 60.0}}})
    assert known.vehicle("a").battery_kwh < roster().vehicle("x").battery_kwh
    assert known.vehicle("b").battery_kwh == 60.0


def test_a_model_of_its_own_says_more_than_what_holds_in_general() -> None:
    known = roster({"vans": {"a": {"model": "farizon-sv-67"}}}, battery_kwh=40.0, payload_kg=500.0)
    assert known.vehicle("a").battery_kwh != 40.0
    assert known.vehicle("x").battery_kwh == 40.0
    assert known.vehicle("x").payload_kg == 500.0


def test_the_country_of_its_depot() -> None:
    known = roster(
        {
            "depots": {"north": {"country": "NO"}},
            "vans": {"a": {"depot": "north"}, "b": {"depot": "north", "country": "SE"}, "c": {"depot": "unheard-of"}},
        }
    )
    assert [known.vehicle(name).country for name in "abc"] == ["NO", "SE", "EU"]


def test_tags_come_from_the_same_place() -> None:
    tags = roster({"vans": {"a": {"depot": "north", "country": "SE"}}}).tags()
    assert (tags.of("a").depot, tags.of("a").country) == ("north", "SE")
    assert tags.of("b").depot == "none"


@pytest.mark.parametrize(
    ("fleet", "settings", "said"),
    [
        ({"vans": {"a": {"model": "hovercraft"}}}, {}, "van 'a' in the fleet file: model 'hovercraft' is not known"),
        ({}, {"model": "hovercraft"}, "fleet settings: model 'hovercraft' is not known"),
        ({"vans": {"a": {"country": "XX"}}}, {}, "van 'a' in the fleet file: "),
        ({"vans": {"a": {"diesel_class": "ocean_liner"}}}, {}, "van 'a' in the fleet file: "),
        ({}, {"geofences": Path("none.geojson")}, "fleet.geofences 'none.geojson' cannot be read"),
    ],
)
def test_everything_is_checked_before_the_first_message(
    fleet: dict[str, object], settings: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        roster(fleet, **settings)
    assert said in str(caught.value)


def test_an_unknown_model_is_fine_where_its_battery_is_known() -> None:
    van = roster({"vans": {"a": {"model": "hovercraft", "battery_kwh": 30.0}}}).vehicle("a")
    assert (van.model, van.battery_kwh) == ("hovercraft", 30.0)


def test_unnamed_vans_are_taken_up_to_a_number() -> None:
    known = roster({"vans": {"named": {}}}, max_unknown_vehicles=2)
    assert [known.admits(name) for name in ("a", "b", "c", "a", "named")] == [True, True, False, True, True]
    known.forget_unknown()
    known.restored("c")
    known.restored("d")
    known.restored("e")  # stays, whatever the limit is now
    assert [known.admits(name) for name in ("c", "e", "a")] == [True, True, False]


def test_unnamed_vans_can_be_refused() -> None:
    known = roster({"vans": {"named": {}}}, unknown_vehicles="reject")
    assert [known.admits(name) for name in ("a", "named")] == [False, True]


def test_other_names_of_a_van() -> None:
    known = roster({"vans": {"a": {"identities": ["LSV123", "module-7"]}}})
    assert known.identities == {"LSV123": "a", "module-7": "a"}
