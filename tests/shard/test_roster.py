"""Master data of vans: from the van's own entry, its depot, its model, then the fleet settings."""

from pathlib import Path

import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.errors import SettingsError
from agent.shard.roster import Roster


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


def test_other_names_of_a_van() -> None:
    known = roster({"vans": {"a": {"identities": ["LSV123", "module-7"]}}})
    assert known.identities == {"LSV123": "a", "module-7": "a"}


@pytest.mark.parametrize(
    ("title", "fleet", "settings", "diesel_class"),
    [
        ("a UK van is compared by its UK class", {"model": "farizon-sv-83"}, {"country": "GB"}, "van_3"),
        ("a van of the EU by the EU's", {"model": "farizon-sv-83"}, {"country": "DE"}, "eu_van_heavy"),
        ("a small one", {"model": "nissan-e-nv200"}, {"country": "FR"}, "eu_van_light"),
        ("one that nobody described", {}, {"country": "DE"}, "eu_van_average"),
        ("one that nobody described, in the UK", {}, {"country": "GB"}, "van_average"),
        ("a class that was asked for stays", {"diesel_class": "van_3"}, {"country": "DE"}, "van_3"),
        ("also where the settings ask for it", {}, {"country": "DE", "diesel_class": "van_2"}, "van_2"),
    ],
)
def test_the_country_decides_the_class_of_the_diesel_van(
    title: str, fleet: dict[str, object], settings: dict[str, object], diesel_class: str
) -> None:
    assert roster({"vans": {"a": fleet}}, **settings).vehicle("a").diesel_class == diesel_class, title


def test_the_factors_of_a_reading_are_those_of_its_year_in_the_fleets_time_zone() -> None:
    context = roster(country="GB", timezone="Europe/Berlin").context("a")
    new_year_ms = 1_767_222_000_000  # 2025-12-31T23:00:00Z, midnight in Berlin
    before, after = context.at(new_year_ms - 1), context.at(new_year_ms)
    assert before.factors.grid.annual_g_per_kwh == pytest.approx(245.4)
    assert after.factors.grid.annual_g_per_kwh == pytest.approx(184.36)
    assert before.factors.set_name.startswith("2025.2@")
    assert after.factors.set_name.startswith("2026.1@")
    # One object per year, whichever of them is asked, so that nothing is made anew for each reading.
    assert after.at(new_year_ms - 1) is before
    assert before.at(new_year_ms + 1) is after
    assert before.vehicle is after.vehicle


def test_an_own_factor_set_and_a_zone_are_taken_from_the_settings(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "factor,scope,value,unit,year,valid,gwp,mark,licence,source\n"
        "grid.consumption,DK,186,g/kWh,2025,any,AR6,primary,CC-BY-4.0,somebody\n"
    )
    hours = tmp_path / "hours.csv"
    hours.write_text(
        "start_utc,zone,gco2e_per_kwh,kind\n"
        "2026-01-02T00:00Z,DK-DK1,100,well_to_wheel\n"
        "2026-01-02T00:00Z,DK-DK2,300,well_to_wheel\n"
    )
    emissions = EmissionsSettings(factor_set=str(own), intensity_file=hours, zones=("DK-DK2",))
    known = Roster(FleetFile(), fleet_settings=FleetSettings(country="DK"), emissions=emissions, derived_every_s=10.0)
    factors = known.context("a").factors
    assert factors.set_name.startswith("own-2026@")
    assert factors.grid.annual_g_per_kwh == pytest.approx(186 / 0.93)
    assert factors.intensity.at("DK", 1_767_312_000_000) == (300.0, "hourly")


CONTRACTS = {
    "depots": {"north": {"latitude_deg": 48.0, "longitude_deg": 11.0}, "nowhere": {}},
    "contracts": {
        "Green": {"at": ["north"], "g_per_kwh": 12.0, "coverage": 0.8},
        "Any": {"at": ["public"], "g_per_kwh": 300.0},
    },
}


def test_a_contract_holds_where_the_fleet_file_says() -> None:
    context = roster(CONTRACTS).context("a")
    green, public = context.contract_at(48.0, 11.0), context.contract_at(49.0, 11.0)
    assert green is not None
    assert (green.name, green.g_per_kwh, green.coverage) == ("Green", 12.0, 0.8)
    assert public is not None
    assert (public.name, public.coverage) == ("Any", 1.0)


@pytest.mark.parametrize(
    ("depots", "at_depot", "elsewhere"),
    [({"north": {"latitude_deg": 48.0, "longitude_deg": 11.0}}, "supply", None), ({}, "supply", "supply")],
)
def test_the_general_contract_is_that_of_the_depots(
    depots: dict[str, object], at_depot: str, elsewhere: str | None
) -> None:
    known = Roster(
        FleetFile.model_validate({"depots": depots}),
        fleet_settings=FleetSettings(),
        emissions=EmissionsSettings(market_g_per_kwh=20.0),
        derived_every_s=10.0,
    )
    names = [
        contract and contract.name
        for contract in (known.context("a").contract_at(48.0, 11.0), known.context("a").contract_at(49.0, 11.0))
    ]
    assert names == [at_depot, elsewhere]


@pytest.mark.parametrize(
    ("contracts", "said"),
    [
        ({"Green": {"at": ["nowhere"], "g_per_kwh": 1.0}}, "a contract holds at 'nowhere', which is not a known place"),
        ({"Green": {"at": ["home"], "g_per_kwh": 1.0}}, "known are north, depot, public"),
    ],
)
def test_a_contract_for_a_place_that_is_not_there(contracts: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        roster(CONTRACTS | {"contracts": contracts})


@pytest.mark.parametrize(
    ("contracts", "said"),
    [
        ({"A": {"at": ["x"], "g_per_kwh": 1.0}, "B": {"at": ["x"], "g_per_kwh": 2.0}}, "both apply at 'x'"),
        ({"A": {"at": [], "g_per_kwh": 1.0}}, "at"),
        ({"A": {"at": ["x"], "g_per_kwh": -1.0}}, "g_per_kwh"),
        ({"A": {"at": ["x"], "g_per_kwh": 1.0, "coverage": 1.2}}, "coverage"),
    ],
)
def test_contracts_that_cannot_be(contracts: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FleetFile.model_validate({"contracts": contracts})
