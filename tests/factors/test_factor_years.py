from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from agent.errors import SettingsError
from agent.factors.factor_set import load_factor_set, load_factor_years
from agent.factors.factor_years import FactorYears


def ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("title", "time", "name"),
    [
        ("long before the first year: nothing better", "1999-06-01T00:00Z", "2024.1"),
        ("in the first year", "2024-12-31T23:59:59Z", "2024.1"),
        ("at midnight in UTC", "2025-01-01T00:00Z", "2025.2"),
        ("in the last year", "2026-07-01T00:00Z", "2026.1"),
        ("after the last year: nothing newer", "2031-01-01T00:00Z", "2026.1"),
    ],
)
def test_the_year_of_the_activity_decides(title, time, name):
    assert load_factor_years().at(ms(time)).name == name, title


def test_a_year_begins_at_the_fleets_midnight():
    years = load_factor_years("default", ZoneInfo("Europe/Berlin"))
    assert years.at(ms("2024-12-31T22:59:59Z")).name == "2024.1"
    assert years.at(ms("2024-12-31T23:00:00Z")).name == "2025.2"
    assert years.validity(years.year(2025)) == (ms("2024-12-31T23:00Z"), ms("2025-12-31T23:00Z"))


def test_validities_leave_no_gap():
    years = load_factor_years("default", UTC)
    bounds = [years.validity(factors) for factors in years]
    assert bounds[0][0] < 0
    assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]
    assert bounds[-1][1] > ms("2999-01-01T00:00Z")


def test_a_set_named_itself_holds_for_all_times():
    years = load_factor_years("2025.2")
    assert {years.at(ms(f"{year}-06-01T00:00Z")).name for year in (2020, 2024, 2026, 2030)} == {"2025.2"}


def test_two_sets_of_one_year_are_refused():
    with pytest.raises(SettingsError, match="one factor set per year"):
        FactorYears([load_factor_set("2025.2"), load_factor_set("2025.2")])
