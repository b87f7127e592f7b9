import argparse
import json

import pytest

from agent.commands import factors
from agent.config import Settings
from agent.errors import SettingsError


def call(capsys, *words):
    parser = argparse.ArgumentParser()
    factors.add_arguments(parser)
    assert factors.run(parser.parse_args(words), Settings()) == 0
    return capsys.readouterr().out


def test_the_table_has_value_unit_year_mark_licence_and_source(capsys):
    table = call(capsys)
    assert "factor set 2026.1@" in table
    (line,) = (line for line in table.splitlines() if line.startswith("diesel.ttw") and " van_3 " in line)
    assert line.split()[:9] == [
        "diesel.ttw",
        "van_3",
        "280.46",
        "g/km",
        "2026",
        "2026",
        "AR5",
        "secondary",
        "OGL-UK-3.0",
    ]
    assert line.endswith("DESNZ conversion factors 2026: vans, diesel; copy in a public repository")
    # Scope 2 and Scope 3.3 apart: direct, upstream, losses, total, residual mix.
    assert ["GB", "consumption", "131.0", "36.8", "16.6", "184.4", "-"] in [row.split() for row in table.splitlines()]
    assert ["DE", "production", "259.4", "70.2", "24.8", "354.5", "-"] in [row.split() for row in table.splitlines()]
    assert "2024 2024.1@" in table


def test_what_is_carried_over_is_starred(capsys):
    (line,) = (row for row in call(capsys).splitlines() if row.startswith("grid.production") and " DE " in row)
    assert line.split()[4:7] == ["2025", "2025", "*"]
    (line,) = (
        row
        for row in call(capsys, "--year", "2025").splitlines()
        if row.startswith("grid.production") and " DE " in row
    )
    assert line.split()[4:7] == ["2025", "2025", "AR5"]


def test_json_is_the_same_for_programs(capsys):
    content = json.loads(call(capsys, "--format", "json", "--year", "2025"))
    assert content["factor_set"].startswith("2025.2@")
    assert content["year"] == 2025
    assert content["electricity_g_per_kwh"]["GB"] == 245.4
    assert content["electricity"]["GB"] == {
        "mix": "consumption",
        "direct": 177.0,
        "upstream": 45.9,
        "losses": 22.5,
        "total": 245.4,
        "residual": None,
    }
    (factor,) = (f for f in content["factors"] if f["factor"] == "diesel.nox" and f["scope"] == "van_3")
    assert (factor["value"], factor["unit"], factor["mark"]) == (125.0, "mg/km", "estimate")
    assert not factor["carried_over"]
    assert "limit" in factor["source"]
    assert content["models"]["farizon-sv-83"]["diesel_class"] == "van_3"


def test_another_set(capsys):
    assert "factor set 2024.1@" in call(capsys, "--set", "2024.1")
    with pytest.raises(SettingsError, match="'nobody'"):
        call(capsys, "--set", "nobody")
    with pytest.raises(SettingsError, match="--year: there is no factor set for 1999"):
        call(capsys, "--year", "1999")
