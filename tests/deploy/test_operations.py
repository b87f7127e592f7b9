"""Every metric, rule, file and service that the operations page names exists."""

import re

from dashboards.grafana.alert_rules import RULES
from dashboards.grafana.layout import TITLES
from tests.deploy.stack import ROOT, SERVICES

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
HEALTH = (ROOT / "agent/health.py").read_text(encoding="utf-8")


def metrics() -> set[str]:
    """The names of all metrics, as the health module makes them: counters end in `_total`."""
    found = re.findall(r'_(counter|gauge|labelled)\(\s*"([a-z0-9_]+)"', HEALTH)
    others = re.findall(r'(?:Histogram|Gauge)MetricFamily\(\s*"([a-z0-9_]+)"', HEALTH)
    return {f"vanpulse_{name}" + ("" if kind == "gauge" else "_total") for kind, name in found} | set(others)


def test_every_metric_is_explained_and_every_explained_metric_is_there() -> None:
    assert set(re.findall(r"`(vanpulse_[a-z0-9_]+)(?:\{[a-z_]+\})?`", PAGE)) == metrics()


def test_every_rule_is_explained() -> None:
    section = PAGE.split("### Alert rules")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == {rule.uid for rule in RULES}


def test_every_service_of_the_stack_is_explained() -> None:
    section = PAGE.split("## As a Docker stack")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z]+)` \|", section, re.MULTILINE)) == set(SERVICES)


def test_every_file_that_is_named_exists() -> None:
    for path in set(re.findall(r"`((?:deploy|dashboards|docs)/[A-Za-z0-9_./-]+)`", PAGE)):
        assert (ROOT / path).exists(), path


def test_every_dashboard_is_explained() -> None:
    page = (ROOT / "docs/dashboards.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \*\*(.+?)\*\* \|", page, re.MULTILINE) == list(TITLES.values())
