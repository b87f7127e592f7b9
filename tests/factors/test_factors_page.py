"""docs/factors.md agrees with the factor sets."""

import argparse
import doctest
import re
from pathlib import Path

from agent.commands.factors import run
from agent.config import load
from agent.factors.factor import UNITS
from agent.factors.factor_set import load_factor_years
from agent.fleet.books.slices import market_factor

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


def test_the_example_of_an_own_set_works(tmp_path, capsys, monkeypatch):
    """400 g per kWh consumed are 400 · 0.93 = 372 generated; with 7 % of losses that is 400 at the meter again."""
    description, factors = re.search(r"```toml\n(.*?)```\n\n```csv\n(.*?)```", TEXT, re.DOTALL).groups()
    (tmp_path / "set.toml").write_text(description)
    (tmp_path / "grid.csv").write_text(factors)
    monkeypatch.setenv("VANPULSE_EMISSIONS__FACTOR_SET", str(tmp_path))
    settings = load()
    for year in ("2025", "2026"):
        grid = load_factor_years(settings.emissions.factor_set).year(int(year)).for_country("DE")
        assert (grid.mix, round(grid.annual_g_per_kwh, 6), grid.residual_g_per_kwh) == ("consumption", 400.0, 700.0)
        assert market_factor(None, grid, 400.0) == (700.0, "residual")
        arguments = argparse.Namespace(factor_set=None, year=int(year), format="table")
        assert run(arguments, settings) == 0
        (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("DE ")]
        assert (row[1], row[-2:]) == ("consumption", ["400.0", "700.0"])
    grid = load_factor_years(settings.emissions.factor_set).year(2024).for_country("DE")
    assert (grid.mix, grid.residual_g_per_kwh) == ("production", None)
