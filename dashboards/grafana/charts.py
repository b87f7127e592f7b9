"""Panels that draw values: over time, by group, as shares, as a distribution, or one against another."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dashboards.grafana.columns import Column
from dashboards.grafana.influxql import Query
from dashboards.grafana.panel import Panel, mapped, override, reduce
from dashboards.grafana.sdk import model
from dashboards.grafana.transformations import merged, transformation, without_time

CONNECT_GAPS_MS: Final = 300_000
"""Points further apart than this are not joined by a line, because the values in between are unknown."""


def series(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    bars: bool = False,
    stacked: bool = False,
    points: bool = False,
    low: float | None = None,
    high: float | None = None,
    names: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    interval: str | None = None,
) -> Panel:
    """Values over time; `names` renames the fields, `units` gives some of them a unit and the right-hand axis."""
    custom: dict[str, Any] = {
        "drawStyle": "bars" if bars else "points" if points else "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 60 if bars else 20 if stacked else 8,
        "pointSize": 4,
        "showPoints": "always" if points else "never",
        "spanNulls": CONNECT_GAPS_MS,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "axisPlacement": "auto",
    }
    overrides = [
        override(
            name,
            {
                "displayName": (names or {}).get(name),
                "unit": (units or {}).get(name),
                "custom.axisPlacement": "right" if name in (units or {}) else None,
            },
        )
        for name in {**(names or {}), **(units or {})}
    ]
    return Panel(
        "timeseries",
        title,
        description,
        unit,
        queries,
        width=width,
        height=height,
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        defaults=model.FieldConfig(
            custom=custom,
            min_val=low,
            max_val=high,
            color=model.FieldColor(mode=model.FieldColorModeId.PALETTE_CLASSIC),
        ),
        overrides=overrides,
        interval=interval,
    )


def states(title: str, description: str, query: Query, *, colors: Mapping[str, str], height: int = 5) -> Panel:
    """A band of named states over time."""
    return Panel(
        "state-timeline",
        title,
        description,
        "string",
        [query],
        width=24,
        height=height,
        options={
            "mergeValues": True,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults=model.FieldConfig(
            custom={"lineWidth": 0, "fillOpacity": 75, "spanNulls": CONNECT_GAPS_MS},
            mappings=mapped(colors),
        ),
    )


def bars(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    over: str,
    over_unit: str = "string",
    values: Mapping[str, str],
    steps: Sequence[model.DataTransformerConfig] = (),
    keep_time: bool = False,
    width: int = 12,
    height: int = 9,
) -> Panel:
    """A bar per row. `over` is the field that names the rows; `values` has the fields of the bars with their titles."""
    join = [] if keep_time else [without_time()]
    if len(queries) > 1:
        join.append(merged())
    keep = transformation("filterFieldsByName", include={"names": [over, *values]})
    return Panel(
        "barchart",
        title,
        description,
        unit,
        queries,
        width=width,
        height=height,
        options={
            "xField": over,
            "orientation": "auto",
            "stacking": "none",
            "showValue": "auto",
            "barWidth": 0.9,
            "groupWidth": 0.7,
            "xTickLabelRotation": 0,
            "xTickLabelSpacing": 50,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": len(values) > 1, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        defaults=model.FieldConfig(custom={"fillOpacity": 70, "lineWidth": 1}, no_value="–"),
        overrides=[
            override(over, {"unit": over_unit}),
            *(override(name, {"displayName": heading}) for name, heading in values.items()),
        ],
        transformations=[*join, *steps, keep],
    )


def pie(title: str, description: str, unit: str, *queries: Query, width: int = 6, height: int = 8) -> Panel:
    """Shares of a whole, one slice per series."""
    return Panel(
        "piechart",
        title,
        description,
        unit,
        queries,
        width=width,
        height=height,
        options={
            "reduceOptions": reduce("sum"),
            "pieType": "donut",
            "displayLabels": ["percent"],
            "legend": {
                "displayMode": "table",
                "placement": "right",
                "showLegend": True,
                "calcs": [],
                "values": ["value", "percent"],
            },
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults=model.FieldConfig(color=model.FieldColor(mode=model.FieldColorModeId.PALETTE_CLASSIC), no_value="–"),
    )


def histogram(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    bucket: float,
    names: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = 8,
) -> Panel:
    """How often each value occurs, in buckets of `bucket`."""
    return Panel(
        "histogram",
        title,
        description,
        unit,
        [query],
        width=width,
        height=height,
        options={
            "bucketSize": bucket,
            "bucketOffset": 0,
            "combine": True,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        defaults=model.FieldConfig(custom={"fillOpacity": 70, "lineWidth": 1}),
        overrides=[override(name, {"displayName": heading}) for name, heading in (names or {}).items()],
    )


def scatter(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    x: Column,
    y: Column,
    steps: Sequence[model.DataTransformerConfig] = (),
    join: bool = True,
    width: int = 12,
    height: int = 9,
) -> Panel:
    """A point per row: field `y` over field `x`. Both fields are renamed to their titles."""
    return Panel(
        "xychart",
        title,
        description,
        unit,
        queries,
        width=width,
        height=height,
        options={
            "mapping": "manual",
            "series": [
                {
                    "x": {"matcher": {"id": "byName", "options": x.field}},
                    "y": {"matcher": {"id": "byName", "options": y.field}},
                }
            ],
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults=model.FieldConfig(custom={"show": "points", "pointSize": {"fixed": 4}, "fillOpacity": 40}),
        overrides=[override(column.field, {"unit": column.unit, "displayName": column.title}) for column in (x, y)],
        transformations=[*([merged()] if join and len(queries) > 1 else []), *steps],
    )
