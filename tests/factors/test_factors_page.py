"""What docs/factors.md says is what there is."""

import doctest
import re
from pathlib import Path

from agent.factors.factor import UNITS
from agent.factors.factor_set import load_factor_set, load_factor_years

PAGE = Path(__file__).parents[2] / "docs" / "factors.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows_after(heading):
    section = TEXT.split(heading, 1)[1]
    lines = section[section.index("|") :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_example_comes_out_as_written():
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.failed == 0
    assert result.attempted > 5


def test_every_set_is_there():
    assert [row[0].strip("`") for row in rows_after("## Sets by year")] == [s.name for s in load_factor_years()]


def test_every_licence_is_explained():
    used = {factor.licence for factors in load_factor_years() for factor in factors.factors()}
    assert {row[0].strip("`") for row in rows_after("## Licences")} == used


def test_every_factor_is_there_with_its_unit():
    documented = {}
    for names, _, units, _ in rows_after("factor,scope,value"):
        for name, unit in zip(names.split(", "), units.split(", ") * 9, strict=False):
            documented[name.strip("`")] = unit
    assert documented == UNITS


def test_the_example_of_an_own_set_works(tmp_path):
    description, factors = re.search(r"```toml\n(.*?)```\n\n```csv\n(.*?)```", TEXT, re.DOTALL).groups()
    (tmp_path / "set.toml").write_text(description)
    (tmp_path / "grid.csv").write_text(factors)
    grid = load_factor_set(str(tmp_path)).for_country("DE")
    assert round(grid.annual_g_per_kwh, 6) == round(400 / 0.93, 6)
