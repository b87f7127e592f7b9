import tomllib

import pytest

from agent.errors import SettingsError
from agent.factors.factor import UNITS, Factor
from agent.factors.factor_set import SETS, load_factor_set, load_factor_years, read_factors, read_models

FACTORS = load_factor_set()
YEARS = load_factor_years()

PUBLISHED = {
    "2024.1": "2024.1@255dbcd3a369",
    "2025.2": "2025.2@c1013fde2d57",
    "2026.1": "2026.1@a9ba9e1c77ed",
}
"""A published set never changes. New numbers get a new name here, and the old line stays."""


def test_a_published_set_is_never_changed():
    assert {factors.name: factors.set_name for factors in YEARS} == PUBLISHED


@pytest.mark.parametrize("factors", list(YEARS), ids=lambda factors: factors.name)
def test_every_country_class_and_model_works(factors):
    for country in factors.countries():
        grid = factors.for_country(country)
        assert 10 < grid.annual_g_per_kwh < 1000
        assert 1.02 < grid.per_lifecycle < 1.15
        parts = (grid.direct_g_per_kwh, grid.upstream_g_per_kwh, grid.losses_g_per_kwh)
        assert min(parts) >= 0  # Albania burns nothing
        assert sum(parts) == pytest.approx(grid.annual_g_per_kwh, rel=1e-12)
    for diesel_class in factors.diesel_classes():
        for country in ("GB", "FR", "DE", "EU"):
            diesel = factors.diesel(diesel_class, country)
            assert diesel.ttw_g_per_km > 3 * diesel.wtt_g_per_km > 0
            assert 0.05 < diesel.fuel_l_per_km < 0.15
    for model in factors.models.values():
        for country in ("GB", "DE"):
            factors.diesel(factors.local_class(model.diesel_class, country), country)
        assert 30 < model.usable_energy.value < 120
        assert 500 < model.payload.value < 2000
    assert {"EU", "GB", "DE", "FR"} <= set(factors.countries())


OPEN = {"OGL-UK-3.0", "CC-BY-4.0", "etalab-2.0", "EU-reuse", "facts", "own"}


@pytest.mark.parametrize("factors", list(YEARS), ids=lambda factors: factors.name)
def test_every_factor_says_what_it_is_and_may_be_shipped_under_apache_2(factors):
    for factor in factors.factors():
        assert factor.unit == UNITS[factor.factor]
        assert factor.year
        assert len(factor.source) > 8 or factor.source in ("voltsmonster", "assumption")
        assert factor.licence in OPEN, factor
        assert "GLEC" not in factor.source, factor
        # No value in these sets was read in the original publication, so none may claim it.
        assert factor.mark != "primary", factor
        # CO2e names its warming potentials.
        assert bool(factor.gwp) == (factor.unit.startswith("g/") or factor.factor == "grid.direct_share"), factor


def test_every_file_belongs_to_a_set_and_default_is_all_years():
    index = tomllib.loads((SETS / "sets.toml").read_text())["sets"]
    used = {file for entry in index.values() for file in entry["files"]}
    assert used == {file.name for file in SETS.iterdir() if file.name.endswith(".csv")}
    assert [factors.year for factors in YEARS] == [2024, 2025, 2026]
    assert load_factor_set("default").name == "2026.1"
    assert [factors.name for factors in load_factor_years("2025.2")] == ["2025.2"]


@pytest.mark.parametrize(
    ("title", "year", "country", "annual", "mix"),
    [
        ("UK 2024: the four published parts, no loss on top", 2024, "GB", 207.05 + 18.3 + 45.9 + 3.97, "consumption"),
        ("UK 2025", 2025, "GB", 177 + 18.53 + 45.9 + 3.97, "consumption"),
        ("UK 2026: a quarter below 2025", 2026, "GB", 130.96 + 12.99 + 36.82 + 3.59, "consumption"),
        ("Germany 2024: generation over what is left after 7 % loss", 2024, "DE", 336.38 / 0.93, "production"),
        ("Germany 2025", 2025, "DE", 329.65 / 0.93, "production"),
        ("Germany 2026: nothing newer, so 2025 is carried over", 2026, "DE", 329.65 / 0.93, "production"),
        ("a country without a value of 2025 keeps that of 2024", 2025, "CZ", 413.86 / 0.93, "production"),
    ],
)
def test_annual_electricity_by_year_of_activity(title, year, country, annual, mix):
    grid = YEARS.year(year).for_country(country)
    assert grid.annual_g_per_kwh == pytest.approx(annual, rel=1e-12), title
    assert grid.mix == mix


def test_what_is_carried_over_says_so():
    def carried(year, factor, scope):
        factors = YEARS.year(year)
        return factors.is_carried_over(factors.factor(factor, scope))

    assert not carried(2025, "grid.production", "DE")
    assert carried(2026, "grid.production", "DE")
    assert carried(2025, "grid.production", "CZ")
    assert not carried(2026, "grid.generation", "GB")
    assert carried(2026, "diesel.wtt", "van_3")
    assert not carried(2026, "grid.loss_share", "*")


def test_uk_scopes_are_the_published_lines():
    # DESNZ 2026: "UK electricity" is Scope 2; its WTT, T&D, and WTT of T&D are Scope 3, category 3.
    grid = YEARS.year(2026).for_country("GB")
    assert grid.direct_g_per_kwh == 130.96
    assert grid.upstream_g_per_kwh == 36.82
    assert grid.losses_g_per_kwh == pytest.approx(12.99 + 3.59)
    assert grid.per_direct * 130.96 == pytest.approx(grid.annual_g_per_kwh)
    assert grid.per_delivered == pytest.approx(1 + 36.82 / 130.96)
    assert grid.per_lifecycle == pytest.approx(1 + 12.99 / 130.96)


def test_scopes_of_a_life_cycle_value_follow_its_fuels():
    # Germany 2023, TWh (Ember): coal 135.35, gas 76.00, oil and other fossil 20.13, bioenergy 46.02, hydro 19.48,
    # nuclear 8.75, solar 61.56, wind 137.29. Direct over life cycle, with the factors of both in the set:
    direct = 135.35 * 760 + 76.00 * 370 + 20.13 * 406
    fossil, rest = 135.35 * 820 + 76.00 * 490 + 20.13 * 650, 46.02 * 230 + 19.48 * 24 + 8.75 * 12 + 61.56 * 45
    share = direct / (fossil + rest + 137.29 * 11)
    grid = YEARS.year(2025).for_country("DE")
    assert grid.direct_g_per_kwh == pytest.approx(329.65 * share, rel=1e-3)
    assert grid.upstream_g_per_kwh == pytest.approx(329.65 * (1 - share), rel=3e-3)
    assert grid.losses_g_per_kwh == pytest.approx(329.65 * 0.07 / 0.93)
    assert grid.residual_g_per_kwh is None


def test_the_parts_of_an_hour_are_in_the_proportion_of_the_year():
    grid = YEARS.year(2025).for_country("GB")
    assert grid.parts(245.4 / 2) == pytest.approx((177 / 2, 45.9 / 2, (18.53 + 3.97) / 2))
    assert sum(grid.parts(100.0)) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("title", "year", "diesel_class", "country", "ttw", "wtw", "litres", "nox"),
    [
        ("UK classes as published", 2025, "van_1", "GB", 157.4, 157.4 + 37.5, 0.0612, 80),
        ("UK 2024", 2024, "van_3", "GB", 273.7, 273.7 + 67.1, 0.1089, 125),
        ("UK 2026", 2026, "van_3", "GB", 280.46, 280.46 + 67.1, 0.1086, 125),
        ("UK average", 2025, "van_average", "GB", 255.6, 316.9, 0.0994, 125),
        # B7 of the EU: 93 % of 36 MJ/l at 94 g/MJ and 7 % of 33 MJ/l at 47 g/MJ are 3256 g/l, 2490 of them burnt.
        ("EU, blended", 2026, "eu_van_heavy", "DE", 0.1086 * 2490, 0.1086 * 3256, 0.1086, 125),
        ("France, its own blend", 2026, "eu_van_heavy", "FR", 0.1086 * 2490, 0.1086 * (2490 + 609), 0.1086, 125),
    ],
)
def test_diesel_classes(title, year, diesel_class, country, ttw, wtw, litres, nox):
    diesel = YEARS.year(year).diesel(diesel_class, country)
    assert diesel.ttw_g_per_km == pytest.approx(ttw, rel=1e-3), title
    assert diesel.wtw_g_per_km == pytest.approx(wtw, rel=1e-3), title
    assert diesel.fuel_l_per_km == pytest.approx(litres, abs=1e-4), title
    assert (diesel.nox_mg_per_km, diesel.pm_mg_per_km) == (nox, 4.5)


@pytest.mark.parametrize(
    ("country", "local"),
    [("GB", "van_3"), ("JE", "van_3"), ("DE", "eu_van_heavy"), ("EU", "eu_van_heavy"), ("US", "eu_van_heavy")],
)
def test_the_country_decides_whether_the_uk_or_the_eu_class_counts(country, local):
    assert FACTORS.local_class("van_3", country) == local


@pytest.mark.parametrize(
    ("kind", "power_kw", "efficiency"),
    [
        ("ac", 11.0, 0.89),
        ("ac", 7.0, 0.89),
        ("ac", 5.5, 0.865),
        ("ac", 4.0, 0.84),
        ("ac", 2.3, 0.84),
        ("ac", None, 0.89),
        ("dc", 80.0, 0.93),
        ("dc", None, 0.93),
    ],
)
def test_charging_efficiency(kind, power_kw, efficiency):
    assert FACTORS.charging().efficiency(kind, power_kw) == pytest.approx(efficiency)


def test_charging_efficiency_of_the_settings_wins():
    charging = FACTORS.charging(ac=0.9, dc=0.95)
    assert charging.efficiency("ac", 3.0) == 0.9
    assert charging.efficiency("dc") == 0.95


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: FACTORS.for_country("XX"), "'XX'.*AE, AL, AT"),
        (lambda: FACTORS.diesel("lorry"), "'lorry'.*eu_van_average.*van_3"),
        (lambda: FACTORS.model("tesla"), "'tesla'.*farizon-sv-83"),
        (lambda: FACTORS.value("diesel.ttw", "lorry"), "diesel.ttw for 'lorry'.*van_3"),
        (lambda: load_factor_set("1999"), "'1999'.*default, 2024.1"),
        (lambda: load_factor_set("2025.1"), "'2025.1' is not known"),
        (lambda: YEARS.year(1999), "no factor set for 1999; there are 2024, 2025, 2026"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(ask, says):
    with pytest.raises(SettingsError, match=says):
        ask()


HEADER = "factor,scope,value,unit,year,valid,gwp,mark,licence,source\n"
GOOD = "diesel.ttw,x,100,g/km,2025,2025,AR5,primary,CC0-1.0,somebody\n"


@pytest.mark.parametrize(
    ("title", "content", "says"),
    [
        ("a wrong unit", HEADER + GOOD.replace("g/km", "kg/km"), "line 2: .*'g/km', not 'kg/km'"),
        ("an unknown factor", HEADER + GOOD.replace("ttw", "ttx"), "line 2: .*unknown factor 'diesel.ttx'"),
        ("not a number", HEADER + GOOD.replace("100", "much"), "line 2: value"),
        ("not finite", HEADER + GOOD.replace("100", "nan"), "line 2: value"),
        ("negative", HEADER + GOOD.replace("100", "-1"), "line 2: value"),
        ("no source", HEADER + GOOD.replace("somebody", ""), "line 2: source"),
        ("no licence", HEADER + GOOD.replace("CC0-1.0", ""), "line 2: licence"),
        ("a mark of its own", HEADER + GOOD.replace("primary", "sure"), "line 2: mark = 'sure'"),
        ("a validity that is none", HEADER + GOOD.replace("2025,2025", "2025,soon"), "line 2: valid = 'soon'"),
        ("an unknown GWP edition", HEADER + GOOD.replace("AR5", "AR9"), "line 2: gwp = 'AR9'"),
        ("nothing at all", HEADER, "has no factors"),
        (
            "all of the energy lost",
            HEADER + "grid.loss_share,x,1,1,2025,any,,primary,CC0-1.0,somebody\n",
            "line 2: .*half",
        ),
        ("given twice", HEADER + GOOD + GOOD, "line 3: .*given twice"),
        ("a share above 1", HEADER + "grid.loss_share,x,7,1,2025,any,,primary,CC0-1.0,somebody\n", "line 2: .*a share"),
        ("a column too many", HEADER + GOOD.strip() + ",extra\n", "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path, title, content, says):
    file = tmp_path / "bad.csv"
    file.write_text(content)
    with pytest.raises(SettingsError, match=says):
        read_factors(file)


def test_a_bad_model_is_named(tmp_path):
    file = tmp_path / "vehicles.toml"
    file.write_text('[van]\nname = "Van"\n')
    with pytest.raises(SettingsError, match=r"vehicles\.toml"):
        read_models(file)


def test_a_factor_cannot_be_changed():
    factor = Factor(
        factor="diesel.pm", scope="x", value=1, unit="mg/km", year="2025", source="somebody", mark="primary"
    )
    with pytest.raises(ValueError, match="frozen"):
        factor.value = 2


SET = 'name = "acme"\ntitle = "Of our own"\nfiles = ["own.csv"]\n'
OWN = (
    HEADER
    + "grid.consumption,DE,400,g/kWh,2025,2025-2026,AR6,primary,CC-BY-4.0,somebody\n"
    + "grid.residual,DE,700,g/kWh,2025,any,AR5,primary,by permission,somebody\n"
    + "grid.consumption,GB,300,g/kWh,2025,2026,AR6,primary,CC-BY-4.0,somebody\n"
)


def own_set(folder, description=SET, factors=OWN):
    (folder / "set.toml").write_text(description)
    (folder / "own.csv").write_text(factors)
    return str(folder)


def test_an_operators_own_set_takes_the_place_of_single_numbers_in_the_years_they_are_valid_for(tmp_path):
    years = load_factor_years(own_set(tmp_path))
    assert [factors.name for factors in years] == ["acme-2024", "acme-2025", "acme-2026"]
    old, new = years.year(2024).for_country("DE"), years.year(2026).for_country("DE")
    assert (old.annual_g_per_kwh, old.mix) == (pytest.approx(336.38 / 0.93), "production")
    assert (new.annual_g_per_kwh, new.mix) == (pytest.approx(400 / 0.93), "consumption")
    assert (old.residual_g_per_kwh, new.residual_g_per_kwh) == (700, 700)
    # One value in place of the UK's four parts.
    assert years.year(2025).for_country("GB").annual_g_per_kwh == pytest.approx(245.4)
    assert years.year(2026).for_country("GB").annual_g_per_kwh == pytest.approx(300 / 0.93)
    assert years.year(2026).for_country("FR") == FACTORS.for_country("FR")


def test_one_csv_file_is_a_set_too_and_the_fingerprint_follows_the_content(tmp_path):
    own_set(tmp_path)
    alone = load_factor_set(str(tmp_path / "own.csv"))
    assert alone.name == "own-2026"
    (tmp_path / "own.csv").write_text(OWN.replace("400", "401"))
    assert load_factor_set(str(tmp_path / "own.csv")).fingerprint != alone.fingerprint
    (tmp_path / "own.csv").write_text(OWN.replace("400", "400.0"))
    assert load_factor_set(str(tmp_path / "own.csv")).fingerprint == alone.fingerprint


def test_an_own_set_may_extend_one_shipped_set_alone(tmp_path):
    (factors,) = load_factor_years(own_set(tmp_path, SET + 'extends = "2025.2"\n'))
    assert (factors.name, factors.year) == ("acme-2025", 2025)


@pytest.mark.parametrize(
    ("title", "description", "factors", "says"),
    [
        ("no TOML", "name", OWN, "set.toml is not valid TOML"),
        ("a key too many", SET + "version = 1\n", OWN, "set.toml: version"),
        ("a name that is none", SET.replace("acme", "a b@c"), OWN, r"set.toml: name = 'a b@c'"),
        (
            "nothing to extend",
            SET + 'extends = "1999"\n',
            OWN,
            "set.toml: extends = '1999': is not known; known are default",
        ),
        ("a file that is not there", SET.replace("own.csv", "other.csv"), OWN, "other.csv cannot be read"),
        ("a bad number", SET, OWN.replace("400", "much"), "own.csv line 2: value = 'much'"),
        (
            "an unknown factor",
            SET,
            OWN.replace("grid.residual", "grid.rest"),
            "own.csv line 3: .*unknown factor 'grid.rest'",
        ),
        ("a grid of nothing", SET, OWN.replace("grid.consumption,GB,300", "grid.generation,GB,0"), "is 0"),
        (
            "a diesel class without its limits",
            SET,
            OWN + "diesel.fuel,lorry,25,l/100 km,2025,any,,primary,own,somebody\n",
            "'lorry'",
        ),
    ],
)
def test_a_bad_own_set_is_refused_with_file_and_key(tmp_path, title, description, factors, says):
    with pytest.raises(SettingsError, match=r"emissions\.factor_set '.*': .*" + says):
        load_factor_set(own_set(tmp_path, description, factors))


def test_an_own_set_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match=r"does not exist; give a directory with a set\.toml, or a CSV file"):
        load_factor_set(str(tmp_path / "nowhere"))
