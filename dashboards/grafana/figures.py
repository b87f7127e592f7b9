"""Panels that show single figures or a note."""

from collections.abc import Mapping

from dashboards.grafana.influxql import Query
from dashboards.grafana.panel import Panel, mapped, reduce, thresholds
from dashboards.grafana.sdk import model


def stat(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 4,
    height: int = 4,
    decimals: int | None = None,
    steps: Mapping[float | None, str] | None = None,
    colors: Mapping[str, str] | None = None,
) -> Panel:
    """One figure."""
    text = bool(colors) or unit == "string"
    return Panel(
        "stat",
        title,
        description,
        unit,
        queries,
        width=width,
        height=height,
        options={
            "graphMode": "none",
            "colorMode": "value" if steps or colors else "none",
            "justifyMode": "auto",
            "textMode": "value" if len(queries) == 1 else "value_and_name",
            "wideLayout": True,
            "reduceOptions": reduce("lastNotNull") | ({"fields": "/^(?!Time).*/"} if text else {}),
            "orientation": "auto",
        },
        defaults=model.FieldConfig(
            decimals=decimals,
            thresholds=thresholds(steps or {None: "text"}),
            mappings=mapped(colors or {}),
            no_value="–",
        ),
    )


def gauge(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    low: float,
    high: float,
    steps: Mapping[float | None, str],
    width: int = 4,
    height: int = 4,
) -> Panel:
    """One figure on an arc from `low` to `high`."""
    return Panel(
        "gauge",
        title,
        description,
        unit,
        [query],
        width=width,
        height=height,
        options={
            "reduceOptions": reduce("lastNotNull"),
            "showThresholdLabels": False,
            "showThresholdMarkers": True,
            "orientation": "auto",
        },
        defaults=model.FieldConfig(min_val=low, max_val=high, thresholds=thresholds(steps), no_value="–"),
    )


def text(title: str, description: str, content: str, *, width: int = 24, height: int = 6) -> Panel:
    """A note."""
    return Panel(
        "text",
        title,
        description,
        "none",
        [],
        width=width,
        height=height,
        options={"mode": "markdown", "content": content},
    )
