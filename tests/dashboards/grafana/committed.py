"""The committed files, read the way Grafana reads them."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).parents[3] / "dashboards" / "grafana"


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("json/*.json"))}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels but the rows' headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def provisioned(path: str) -> Any:
    return yaml.safe_load((FOLDER / "provisioning" / path).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in provisioned("alerting/rules.yaml")["groups"] for rule in group["rules"]]


class Asked(NamedTuple):
    """A query with where it stands."""

    where: str
    query: str
    unit: str
    table: bool


def _unit(panel: dict[str, Any], series: str) -> str:
    """The unit of a series: its own, or the panel's."""
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == series:
            for entry in override["properties"]:
                if entry["id"] == "unit":
                    return str(entry["value"])
    return str(panel["fieldConfig"]["defaults"]["unit"])


def queries() -> list[Asked]:
    """Every query of every panel, variable, annotation and rule."""
    found = []
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                where = f"{name}/{panel['id']} {panel['title']}/{target['refId']}"
                found.append(
                    Asked(where, target["query"], _unit(panel, target["alias"]), target["resultFormat"] == "table")
                )
        found += [
            Asked(f"{name}/variable {variable['name']}", variable["query"], "none", table=True)
            for variable in dashboard["templating"]["list"]
            if variable["type"] == "query"
        ]
        found += [
            Asked(f"{name}/annotation {annotation['name']}", annotation["query"], "none", table=True)
            for annotation in dashboard["annotations"]["list"]
        ]
    found += [Asked(f"rule {rule['uid']}", rule["data"][0]["model"]["query"], "none", table=False) for rule in rules()]
    return found
