"""What docs/methods.md says is what the program does."""

import doctest
import re
from pathlib import Path

import msgspec

from agent.fleet.alert_kinds import SEVERITY, AlertLimits

METHODS = Path(__file__).parents[2] / "docs" / "methods.md"


def test_every_example_comes_out_as_written():
    result = doctest.testfile(str(METHODS), module_relative=False, encoding="utf-8")
    assert result.failed == 0
    assert result.attempted > 20


def test_every_limit_of_an_alert_is_there_with_its_default():
    text = METHODS.read_text(encoding="utf-8")
    documented = {name: float(value) for name, value in re.findall(r"\| `(\w+)` \| (-?[\d.]+) (?=\|)", text) if value}
    for name, default in msgspec.to_builtins(AlertLimits()).items():
        assert documented[name] == default, name
        assert text.count(f"`{name}`") >= 2, f"{name} is not used by an alert"


def test_every_alert_is_there_with_its_severity():
    text = METHODS.read_text(encoding="utf-8")
    assert dict(re.findall(r"\| `(\w+)` \| (info|warning|critical) \|", text)) == dict(SEVERITY)
