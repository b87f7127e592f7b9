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


def test_the_table_has_value_unit_year_confidence_and_source(capsys):
    table = call(capsys)
    assert "factor set 2025.1" in table
    (line,) = (line for line in table.splitlines() if line.startswith("diesel.ttw") and " van_3 " in line)
    assert line.split() == ["diesel.ttw", "van_3", "278.8", "g/km", "2025", "T", "DEFRA/DESNZ", "2025"]
    assert "GB 245.4" in table
    assert "DE 354.4" in table


def test_json_is_the_same_for_programs(capsys):
    content = json.loads(call(capsys, "--format", "json"))
    assert content["factor_set"] == "2025.1"
    assert content["electricity_g_per_kwh"]["GB"] == 245.4
    (factor,) = (f for f in content["factors"] if f["factor"] == "diesel.nox" and f["scope"] == "van_3")
    assert (factor["value"], factor["unit"], factor["confidence"]) == (125.0, "mg/km", "U")
    assert "limit" in factor["source"]
    assert content["models"]["farizon-sv-83"]["diesel_class"] == "van_3"


def test_another_set(capsys):
    assert "factor set en16258" in call(capsys, "--set", "en16258")
    with pytest.raises(SettingsError, match="'nobody'"):
        call(capsys, "--set", "nobody")
