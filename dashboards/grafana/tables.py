"""Panels that list rows in a table or place them on a map."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.grafana.columns import Column
from dashboards.grafana.influxql import Query
from dashboards.grafana.panel import Panel, mapped, override, thresholds
from dashboards.grafana.sdk import model
from dashboards.grafana.transformations import merged, transformation, without_time


def table(
    title: str,
    description: str,
    *queries: Query,
    columns: Sequence[Column],
    steps: Sequence[model.DataTransformerConfig] = (),
    time: str = "",
    keep_time: bool = False,
    sort: str = "",
    descending: bool = True,
    width: int = 24,
    height: int = 9,
) -> Panel:
    """A table of rows. The queries are joined over the columns that they share.

    Before that, the time columns are dropped, because times differ between queries. They are kept if `time` gives the
    column a title or if `keep_time` is set.
    """
    shown = [Column("Time", time, "dateTimeAsIso"), *columns] if time else list(columns)
    join = [] if time or keep_time else [without_time()]
    if len(queries) > 1:
        join.append(merged())
    renaming = {column.field: column.title for column in shown}
    organize = transformation(
        "organize",
        renameByName=renaming,
        indexByName={column.field: index for index, column in enumerate(shown)},
        excludeByName={},
    )
    keep = transformation("filterFieldsByName", include={"names": [column.field for column in shown]})
    return Panel(
        "table",
        title,
        description,
        "none",
        queries,
        width=width,
        height=height,
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": sort, "desc": descending}] if sort else [],
        },
        defaults=model.FieldConfig(custom={"filterable": True, "align": "auto"}, no_value="–"),
        overrides=[_column(column) for column in shown],
        transformations=[*join, *steps, keep, organize],
    )


def _column(column: Column) -> model.DashboardFieldConfigSourceOverrides:
    links = [{"title": "Open", "url": column.link}] if column.link else None
    cell: dict[str, object] | None = None
    if column.gauge:
        cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    elif column.colors:
        cell = {"type": "color-text"}
    mappings = [mapping.to_json() for mapping in mapped(column.colors)] or None
    return override(
        column.title,
        {
            "unit": column.unit,
            "decimals": column.decimals,
            "links": links,
            "custom.cellOptions": cell,
            "mappings": mappings,
            "min": column.gauge[0] if column.gauge else None,
            "max": column.gauge[1] if column.gauge else None,
        },
    )


def world_map(
    title: str,
    description: str,
    *queries: Query,
    columns: Sequence[Column],
    latitude: str = "latitude_deg",
    longitude: str = "longitude_deg",
    color: str = "",
    route: bool = False,
    steps: Mapping[float | None, str] | None = None,
    unit: str = "none",
    width: int = 14,
    height: int = 14,
) -> Panel:
    """A map of markers or a route, on Grafana's default base layer, which the operator can configure."""
    style: dict[str, Any] = {
        "size": {"fixed": 4 if route else 7, "min": 2, "max": 15},
        "opacity": 0.8,
        "symbol": {"fixed": "img/icons/marker/circle.svg", "mode": "fixed"},
        "color": {"field": color, "fixed": "blue"} if color else {"fixed": "blue"},
    }
    layer = {
        "type": "markers",
        "name": "Track" if route else "Vans",
        "tooltip": True,
        "location": {"mode": "coords", "latitude": latitude, "longitude": longitude},
        "config": {"showLegend": bool(color), "style": style},
    }
    return Panel(
        "geomap",
        title,
        description,
        unit,
        queries,
        width=width,
        height=height,
        options={
            "view": {"id": "fit", "lat": 0, "lon": 0, "zoom": 12, "allLayers": True, "padding": 10},
            "controls": {"showZoom": True, "mouseWheelZoom": True, "showAttribution": True, "showScale": True},
            "basemap": {"type": "default", "name": "Base", "config": {}},
            "layers": [layer],
            "tooltip": {"mode": "details"},
        },
        defaults=model.FieldConfig(thresholds=thresholds(steps or {None: "blue"})),
        overrides=[
            override(
                column.field,
                {
                    "unit": column.unit,
                    "displayName": column.title if column.field not in (latitude, longitude, color) else None,
                },
            )
            for column in columns
        ],
        transformations=[without_time(), merged()] if len(queries) > 1 else [],
    )
