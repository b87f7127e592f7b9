"""The structure of every dashboard: titles, places, units, variables and links."""

import re
from itertools import combinations
from typing import Any

import pytest

from dashboards.grafana.boards import BOARDS
from dashboards.grafana.layout import TITLES
from tests.dashboards.grafana.committed import dashboards, panels, provisioned, rules

NAMES = sorted(dashboards())
DASHBOARDS = dashboards()
BUILT_IN = {
    "col",
    "timeFilter",
    "__interval",
    "__url_time_range",
    "__value",
    "__data",
    "tag_depot",
    "tag_model",
    "tag_country",
}


def test_all_dashboards_are_there() -> None:
    assert NAMES == sorted(BOARDS) == sorted(TITLES)


def test_uids_and_titles_are_unique_and_well_formed() -> None:
    uids = [dashboard["uid"] for dashboard in DASHBOARDS.values()]
    assert len(set(uids)) == len(uids)
    assert len({dashboard["title"] for dashboard in DASHBOARDS.values()}) == len(uids)
    assert all(re.fullmatch(r"[a-z0-9-]{8,40}", uid) for uid in uids)


@pytest.mark.parametrize("name", NAMES)
def test_panel_ids_are_unique(name: str) -> None:
    ids = [panel["id"] for panel in DASHBOARDS[name]["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(number > 0 for number in ids)


@pytest.mark.parametrize("name", NAMES)
def test_panels_lie_within_the_grid_and_apart(name: str) -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in DASHBOARDS[name]["panels"]]
    for title, place in places:
        assert place["x"] >= 0, title
        assert place["x"] + place["w"] <= 24, title
        assert place["h"] >= 1, title
    for (title, one), (other_title, other) in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, f"{title} lies over {other_title}"


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_title_unit_description_and_the_provisioned_data_source(name: str) -> None:
    uids = {source["uid"] for source in provisioned("datasources/fleet.yaml")["datasources"]}
    for panel in panels(DASHBOARDS[name]):
        title = panel["title"]
        assert title
        assert len(panel["description"]) >= 15, title
        assert panel["description"].endswith("."), title
        assert panel["fieldConfig"]["defaults"]["unit"], title
        assert panel["datasource"]["uid"] in uids, title
        assert panel["type"] == "text" or panel["targets"], title


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_in_use_is_declared_and_every_declared_one_is_used(name: str) -> None:
    dashboard = DASHBOARDS[name]
    declared = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set()
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            used |= set(re.findall(r"\$\{?([A-Za-z_]+)", target["query"] + target["alias"]))
    for variable in dashboard["templating"]["list"]:
        used |= set(re.findall(r"\$\{?([A-Za-z_]+)", variable["query"]))
    assert used - BUILT_IN == declared


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_offers_only_what_the_ones_before_it_leave(name: str) -> None:
    seen: set[str] = set()
    for variable in DASHBOARDS[name]["templating"]["list"]:
        assert set(re.findall(r"\$([a-z_]+)", variable["query"])) <= seen
        seen.add(variable["name"])


@pytest.mark.parametrize("name", NAMES)
def test_it_refreshes_at_most_every_ten_seconds(name: str) -> None:
    dashboard = DASHBOARDS[name]
    for interval in [dashboard["refresh"], *dashboard["timepicker"]["refresh_intervals"]]:
        assert _seconds(interval) >= 10


def _seconds(interval: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([smh])", interval).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_dashboards_that_exist(name: str) -> None:
    uids = {dashboard["uid"] for dashboard in DASHBOARDS.values()}
    linked = {link["url"].removeprefix("/d/") for link in DASHBOARDS[name]["links"]}
    assert linked == uids - {DASHBOARDS[name]["uid"]}
    for url in _urls(DASHBOARDS[name]["panels"]):
        assert re.match(r"/d/([a-z-]+)\?", url).group(1) in uids  # type: ignore[union-attr]


def _urls(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["url"]] if isinstance(node.get("url"), str) else []
        return own + [url for value in node.values() for url in _urls(value)]
    if isinstance(node, list):
        return [url for value in node for url in _urls(value)]
    return []


@pytest.mark.parametrize("name", NAMES)
def test_gaps_stay_gaps(name: str) -> None:
    for panel in panels(DASHBOARDS[name]):
        if panel["type"] in ("timeseries", "state-timeline"):
            assert 0 < panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] <= 600_000, panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_columns_and_overrides_do_not_name_the_same_thing_twice(name: str) -> None:
    for panel in panels(DASHBOARDS[name]):
        named = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
        assert sorted(set(named)) == sorted(named), panel["title"]


def test_rules_are_well_formed() -> None:
    uids = [rule["uid"] for rule in rules()]
    assert len(set(uids)) == len(uids)
    sources = {source["uid"] for source in provisioned("datasources/fleet.yaml")["datasources"]}
    for rule in rules():
        assert re.fullmatch(r"[a-z0-9-]{1,40}", rule["uid"])
        assert [part["refId"] for part in rule["data"]] == ["A", "B", "C"]
        assert rule["condition"] == "C"
        assert rule["data"][0]["datasourceUid"] in sources
        assert {part["datasourceUid"] for part in rule["data"][1:]} == {"__expr__"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        texts = [rule["title"], *rule["annotations"].values(), *rule["labels"].values()]
        assert not any("$" in text for text in texts), "Grafana would take it for an environment variable"
        assert all(text.endswith(".") for text in rule["annotations"].values())


def test_the_dashboards_are_provisioned_read_only() -> None:
    (provider,) = provisioned("dashboards/fleet.yaml")["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    assert provider["disableDeletion"] is True
