from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SettingsError
from agent.factors.factor_set import load_factor_set, load_factor_years
from agent.factors.intensity import Intensity, Sample

FACTORS = load_factor_set()
HOUR = 3_600_000
DE = FACTORS.for_country("DE")


def sample(hour, value, *, zone="DE", kind="well_to_wheel"):
    return Sample(hour * HOUR, zone, value, kind, 1)


@pytest.mark.parametrize(
    ("title", "hour", "expected"),
    [
        ("before the first value", 9.99, (DE.annual_g_per_kwh, "annual")),
        ("at the first value", 10, (100.0, "hourly")),
        ("within its hour", 10.5, (100.0, "hourly")),
        ("at the second value", 11, (200.0, "hourly")),
        ("held beyond its hour", 12.99, (200.0, "hourly")),
        ("too old", 13, (DE.annual_g_per_kwh, "annual")),
        ("after the gap", 20, (300.0, "hourly")),
        ("after the last", 22, (DE.annual_g_per_kwh, "annual")),
    ],
)
def test_a_value_holds_until_the_next_one_or_two_hours(title, hour, expected):
    intensity = Intensity(FACTORS, [sample(10, 100.0), sample(11, 200.0), sample(20, 300.0)])
    assert intensity.at("DE", round(hour * HOUR)) == expected, title


def test_values_need_not_come_in_order():
    intensity = Intensity(FACTORS, [sample(11, 200.0), sample(10, 100.0)])
    assert intensity.at("DE", 10 * HOUR) == (100.0, "hourly")
    assert intensity.at("DE", 11 * HOUR) == (200.0, "hourly")


def test_another_country_has_its_annual_value():
    intensity = Intensity(FACTORS, [sample(10, 100.0)])
    assert intensity.at("FR", 10 * HOUR) == (FACTORS.for_country("FR").annual_g_per_kwh, "annual")
    assert intensity.zones == ["DE"]
    with pytest.raises(SettingsError, match="'XX'"):
        intensity.at("XX", 10 * HOUR)


@pytest.mark.parametrize(
    ("title", "zone", "kind", "value", "expected"),
    [
        ("life-cycle values get the grid's loss, once", "DE", "lifecycle", 93.0, 100.0),
        ("what is well-to-wheel already stays", "DE", "well_to_wheel", 93.0, 93.0),
        ("UK direct generation gets upstream and losses", "GB", "direct", 130.96, 130.96 + 12.99 + 36.82 + 3.59),
        ("UK direct with losses in gets upstream alone", "GB", "direct_delivered", 130.96, 130.96 + 36.82),
        ("UK life-cycle generation gets the UK's own loss", "GB", "lifecycle", 130.96, 130.96 + 12.99),
    ],
)
def test_every_kind_becomes_well_to_wheel_at_the_meter(title, zone, kind, value, expected):
    intensity = Intensity(FACTORS, [sample(0, value, zone=zone, kind=kind)])
    assert intensity.at(zone, 0) == (pytest.approx(expected), "hourly"), title


def test_direct_values_without_a_published_upstream_share_are_refused():
    with pytest.raises(SettingsError, match="line 1: direct values of DE"):
        Intensity(FACTORS, [sample(0, 100.0, kind="direct")])


def test_the_only_zone_of_a_country_serves_the_country():
    intensity = Intensity(FACTORS, [sample(0, 50.0, zone="DK-DK1")])
    assert intensity.at("DK", 0) == (50.0, "hourly")


def two_zones(**more):
    west, east = sample(0, 50.0, zone="DK-DK1"), sample(0, 80.0, zone="DK-DK2")
    return Intensity(
        FACTORS, [west._replace(weight=3.0), east._replace(weight=1.0), sample(1, 90.0, zone="DK-DK2")], **more
    )


def test_several_zones_of_a_country_are_their_mean_weighted_by_generation():
    intensity = two_zones()
    assert intensity.zones == ["DK"]
    assert intensity.at("DK", 0) == (pytest.approx((3 * 50 + 80) / 4), "hourly")
    # One changes, the other holds: the weight of a file without generation is 1.
    assert intensity.at("DK", HOUR) == (pytest.approx((3 * 50 + 90) / 4), "hourly")


def test_the_mean_of_zones_needs_all_of_them():
    # The first zone's only value ends after two hours, the second one's an hour later.
    assert two_zones().at("DK", 2 * HOUR) == (FACTORS.for_country("DK").annual_g_per_kwh, "annual")


@pytest.mark.parametrize(
    ("title", "zones", "hour", "expected"),
    [("the west", ["DK-DK1"], 0, 50.0), ("the east", ["DK-DK2"], 1, 90.0)],
)
def test_one_zone_of_several_can_be_chosen(title, zones, hour, expected):
    assert two_zones(chosen=zones).at("DK", hour * HOUR) == (expected, "hourly"), title


@pytest.mark.parametrize(
    ("zones", "says"),
    [(["DK-DK3"], "no zone 'DK-DK3'; it has DK-DK1, DK-DK2"), (["DK-DK1", "DK-DK2"], "are one country's")],
)
def test_a_zone_that_cannot_be_chosen_is_named(zones, says):
    with pytest.raises(SettingsError, match=r"emissions\.zones: .*" + says):
        two_zones(chosen=zones)


def test_a_country_of_its_own_goes_before_its_zones():
    intensity = Intensity(FACTORS, [sample(0, 50.0, zone="DK-DK1"), sample(0, 60.0, zone="DK")])
    assert intensity.at("DK", 0) == (60.0, "hourly")


def test_zones_that_no_factor_set_knows_are_left_out_of_a_file_that_has_others():
    intensity = Intensity(FACTORS, [sample(0, 50.0), sample(0, 60.0, zone="GL"), sample(0, 70.0, zone="XX-Y")])
    assert (intensity.zones, intensity.ignored) == (["DE"], ["GL", "XX-Y"])


def test_the_annual_value_and_what_makes_an_hour_well_to_wheel_are_those_of_the_year():
    years = load_factor_years()
    new_year = years.validity(years.year(2026))[0]
    in_2025, in_2026 = (years.year(year).for_country("GB").annual_g_per_kwh for year in (2025, 2026))
    intensity = Intensity(
        years,
        [
            Sample(new_year - 10 * HOUR, "GB", 100.0, "direct", 1),
            Sample(new_year + 10 * HOUR, "GB", 100.0, "direct", 2),
        ],
    )
    assert intensity.at("GB", new_year - 1) == (in_2025, "annual")
    assert intensity.at("GB", new_year) == (in_2026, "annual")
    assert intensity.mean("GB", new_year - HOUR, new_year + 3 * HOUR) == (
        pytest.approx((in_2025 + 3 * in_2026) / 4),
        "annual",
    )
    assert intensity.at("GB", new_year - 10 * HOUR)[0] == pytest.approx(100 * in_2025 / 177)
    assert intensity.at("GB", new_year + 10 * HOUR)[0] == pytest.approx(100 * in_2026 / 130.96)


def test_a_value_with_an_end_of_its_own_does_not_hold_beyond_it():
    intensity = Intensity(FACTORS, [sample(1, 100.0)._replace(until_ms=HOUR + 900_000), sample(2, 200.0)])
    assert intensity.at("DE", HOUR + 899_999) == (100.0, "hourly")
    assert intensity.at("DE", HOUR + 900_000) == (DE.annual_g_per_kwh, "annual")
    assert intensity.at("DE", 2 * HOUR) == (200.0, "hourly")


def test_two_values_of_one_moment_are_refused():
    with pytest.raises(SettingsError, match="two values of DE at 3600000"):
        Intensity(FACTORS, [sample(1, 50.0), sample(1, 60.0)])


@pytest.mark.parametrize(
    ("title", "start", "end", "expected", "source"),
    [
        ("within one hour", 10.2, 10.8, 100.0, "hourly"),
        ("half of one hour, half of the next", 10.5, 11.5, 150.0, "hourly"),
        ("an empty time is that moment", 11, 11, 200.0, "hourly"),
        ("a quarter hourly, the rest annual", 12.5, 14.5, (200 * 0.25 + DE.annual_g_per_kwh * 0.75), "annual"),
    ],
)
def test_mean(title, start, end, expected, source):
    intensity = Intensity(FACTORS, [sample(10, 100.0), sample(11, 200.0)])
    assert intensity.mean("DE", round(start * HOUR), round(end * HOUR)) == (pytest.approx(expected), source), title


values = st.dictionaries(st.integers(0, 60), st.integers(0, 900), min_size=1, max_size=20)


@given(values=values, moments=st.lists(st.integers(-5 * HOUR, 70 * HOUR), max_size=30))
def test_the_answer_does_not_depend_on_what_was_asked_before(values, moments):
    samples = [sample(hour, float(value)) for hour, value in values.items()]
    asked = Intensity(FACTORS, samples)
    answers = [asked.at("DE", moment) for moment in moments]
    assert answers == [Intensity(FACTORS, samples).at("DE", moment) for moment in moments]


@given(values=values, start=st.integers(-2 * HOUR, 30 * HOUR), length=st.integers(1, 40 * HOUR), cut=st.floats(0, 1))
def test_the_mean_of_a_whole_is_that_of_its_parts(values, start, length, cut):
    intensity = Intensity(FACTORS, [sample(hour, float(value)) for hour, value in values.items()])
    middle, end = start + round(length * cut), start + length
    whole, _ = intensity.mean("DE", start, end)
    first, _ = intensity.mean("DE", start, middle)
    second, _ = intensity.mean("DE", middle, end)
    weighted = Fraction(first) * (middle - start) + Fraction(second) * (end - middle)
    assert float(weighted / length) == pytest.approx(whole)
