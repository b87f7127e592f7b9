"""What docs/estimators.md, docs/deliveries.md and docs/alerts.md say is what the program does."""

import doctest
import re
from pathlib import Path

import msgspec
import pytest

from agent.fleet.alert_kinds import SEVERITY, AlertLimits

DOCS = Path(__file__).parents[2] / "docs"
ALERTS = DOCS / "alerts.md"


@pytest.mark.parametrize(("page", "examples"), [("estimators.md", 25), ("deliveries.md", 5), ("alerts.md", 3)])
def test_every_example_comes_out_as_written(page, examples):
    result = doctest.testfile(str(DOCS / page), module_relative=False, encoding="utf-8")
    assert result.failed == 0
    assert result.attempted >= examples


def test_every_limit_of_an_alert_is_there_with_its_default():
    text = ALERTS.read_text(encoding="utf-8")
    documented = {name: float(value) for name, value in re.findall(r"\| `(\w+)` \| (-?[\d.]+) (?=\|)", text) if value}
    for name, default in msgspec.to_builtins(AlertLimits()).items():
        assert documented[name] == default, name
        assert text.count(f"`{name}`") >= 2, f"{name} is not used by an alert"


def test_every_alert_is_there_with_its_severity():
    text = ALERTS.read_text(encoding="utf-8")
    assert dict(re.findall(r"\| `(\w+)` \| (info|warning|critical) \|", text)) == dict(SEVERITY)
