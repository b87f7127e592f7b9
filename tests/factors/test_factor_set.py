import pytest

from agent.errors import SettingsError
from agent.factors.factor import UNITS, Factor
from agent.factors.factor_set import (
    SETS,
    factor_set_names,
    load_factor_set,
    read_factors,
    read_models,
)

FACTORS = load_factor_set()


@pytest.mark.parametrize("name", factor_set_names())
def test_every_set_loads_and_every_country_class_and_model_works(name):
    factors = load_factor_set(name)
    for country in factors.countries():
        grid = factors.for_country(country)
        assert 10 < grid.annual_g_per_kwh < 1000
        assert 1.02 < grid.per_lifecycle < 1.15
    for diesel_class in factors.diesel_classes():
        diesel = factors.diesel(diesel_class)
        assert diesel.ttw_g_per_km > 3 * diesel.wtt_g_per_km > 0
        assert diesel.wtw_g_per_km == diesel.ttw_g_per_km + diesel.wtt_g_per_km
        assert 0.05 < diesel.fuel_l_per_km < 0.15
    for model in factors.models.values():
        factors.diesel(model.diesel_class)
        assert 30 < model.usable_energy.value < 120
        assert 500 < model.payload.value < 2000
    assert {"EU", "GB", "DE", "FR"} <= set(factors.countries())


@pytest.mark.parametrize("factor", FACTORS.factors(), ids=lambda factor: f"{factor.factor} {factor.scope}")
def test_every_factor_has_unit_year_source_and_confidence(factor):
    assert factor.unit == UNITS[factor.factor]
    assert factor.year
    assert len(factor.source) > 8 or factor.source in ("voltsmonster", "assumption")
    assert factor.confidence in "CTDU"


def test_every_file_belongs_to_a_set_and_the_default_is_the_newest():
    used = {file for name in factor_set_names() for file in _files(name)}
    there = {file.name for file in SETS.iterdir() if file.name.endswith(".csv")}
    assert used == there
    assert load_factor_set("default").name == "2025.1"


def _files(name):
    import tomllib

    index = tomllib.loads((SETS / "sets.toml").read_text())
    return [] if name == "default" else index["sets"][name]["files"]


@pytest.mark.parametrize(
    ("title", "country", "annual"),
    [
        ("UK: the four published parts add up, no loss on top", "GB", 177 + 18.53 + 45.9 + 3.97),
        ("Germany: generation over what is left after 7 % loss", "DE", 329.6 / 0.93),
        ("a country without a newer value keeps that of 2023", "CZ", 449.724 / 0.93),
    ],
)
def test_annual_electricity(title, country, annual):
    assert FACTORS.for_country(country).annual_g_per_kwh == pytest.approx(annual, rel=1e-12), title


def test_uk_ratios_turn_the_published_generation_into_the_published_total():
    grid = FACTORS.for_country("GB")
    assert grid.per_direct * 177 == pytest.approx(grid.annual_g_per_kwh)
    assert grid.per_delivered == pytest.approx(1.2593, abs=1e-4)
    assert grid.per_lifecycle == pytest.approx(1.1047, abs=1e-4)


@pytest.mark.parametrize(
    ("diesel_class", "ttw", "wtw", "litres", "nox"),
    [
        ("van_1", 157.4, 194.9, 0.061, 80),
        ("van_2", 192.6, 238.6, 0.075, 105),
        ("van_3", 278.8, 345.9, 0.110, 125),
        ("van_average", 255.6, 316.9, 0.100, 125),
        ("eu_van_heavy", 11 * 26.8, 11 * 34.9, 0.110, 125),
    ],
)
def test_diesel_classes(diesel_class, ttw, wtw, litres, nox):
    diesel = FACTORS.diesel(diesel_class)
    assert diesel.ttw_g_per_km == pytest.approx(ttw, abs=0.06)
    assert diesel.wtw_g_per_km == pytest.approx(wtw, abs=0.15)
    assert diesel.fuel_l_per_km == pytest.approx(litres)
    assert diesel.nox_mg_per_km == nox
    assert diesel.pm_mg_per_km == 4.5


def test_en16258_changes_diesel_alone():
    old, new = load_factor_set("en16258"), FACTORS
    assert old.diesel("van_3").wtw_g_per_km == pytest.approx(11 * 32.4)
    assert old.for_country("DE") == new.for_country("DE")
    assert old.load() == new.load()


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


def test_default_load_is_40_percent_less_9_percent_of_empty_kilometres():
    assert FACTORS.load().default_payload_kg(1000) == pytest.approx(364)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: FACTORS.for_country("XX"), "'XX'.*AE, AT, BE"),
        (lambda: FACTORS.diesel("lorry"), "'lorry'.*eu_van_average.*van_3"),
        (lambda: FACTORS.model("tesla"), "'tesla'.*farizon-sv-83"),
        (lambda: FACTORS.value("diesel.ttw", "lorry"), "diesel.ttw for 'lorry'.*van_3"),
        (lambda: load_factor_set("1999"), "'1999'.*default, 2025.1"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(ask, says):
    with pytest.raises(SettingsError, match=says):
        ask()


HEADER = "factor,scope,value,unit,year,source,confidence\n"
GOOD = "diesel.ttw,x,100,g/km,2025,somebody,C\n"


@pytest.mark.parametrize(
    ("title", "content", "says"),
    [
        ("a wrong unit", HEADER + GOOD.replace("g/km", "kg/km"), "line 2: .*'g/km', not 'kg/km'"),
        ("an unknown factor", HEADER + GOOD.replace("ttw", "ttx"), "line 2: .*unknown factor 'diesel.ttx'"),
        ("not a number", HEADER + GOOD.replace("100", "much"), "line 2: value"),
        ("not finite", HEADER + GOOD.replace("100", "nan"), "line 2: value"),
        ("negative", HEADER + GOOD.replace("100", "-1"), "line 2: value"),
        ("no source", HEADER + GOOD.replace("somebody", ""), "line 2: source"),
        ("a mark of its own", HEADER + GOOD.replace(",C", ",Z"), "line 2: confidence"),
        ("given twice", HEADER + GOOD + GOOD, "line 3: .*given twice"),
        ("a share above 1", HEADER + "grid.loss_share,x,7,1,2025,somebody,C\n", "line 2: .*a share"),
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
        factor="diesel.pm", scope="x", value=1, unit="mg/km", year="2025", source="somebody", confidence="C"
    )
    with pytest.raises(ValueError, match="frozen"):
        factor.value = 2
