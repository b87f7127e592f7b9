"""The kinds of panel in use, each with its unit and its description, so that none can be without."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from dashboards.grafana.influxql import Query
from dashboards.grafana.sdk import common, model, typed_custom, typed_options

DATA_SOURCE: Final = common.DataSourceRef(type_val="influxdb", uid="fleet")

CONNECT_GAPS_MS: Final = 300_000
"""Points further apart than this are not joined by a line: nobody knows what was between them."""

STATE_COLORS: Final = {
    "driving": "green",
    "stopped": "yellow",
    "parked": "blue",
    "charging": "purple",
    "offline": "semi-dark-red",
}
SEVERITY_COLORS: Final = {"info": "blue", "warning": "orange", "critical": "red"}

VAN_LINK: Final = "/d/vanpulse-van?var-van=${__value.raw}&${__url_time_range}"
TRIP_LINK: Final = (
    "/d/vanpulse-van?var-van=${__data.fields.Van}&from=${__data.fields.Start.numeric}&to=${__data.fields.End.numeric}"
)


class Column(NamedTuple):
    """A column of a table: the field it shows, its title and its unit."""

    field: str
    title: str
    unit: str = "none"
    decimals: int | None = None
    colors: Mapping[str, str] = {}
    link: str = ""
    gauge: tuple[float, float] | None = None


VAN: Final = Column("vehicle_id", "Van", link=VAN_LINK)
DEPOT: Final = Column("depot", "Depot")
MODEL: Final = Column("model", "Model")


class Panel:
    """A panel with its size on the grid; `build` gives the SDK's object, still without a place."""

    def __init__(
        self,
        kind: str,
        title: str,
        description: str,
        unit: str,
        queries: Sequence[Query],
        *,
        width: int,
        height: int,
        options: dict[str, Any],
        defaults: model.FieldConfig | None = None,
        overrides: Sequence[model.DashboardFieldConfigSourceOverrides] = (),
        transformations: Sequence[model.DataTransformerConfig] = (),
        interval: str | None = None,
    ) -> None:
        self.kind = kind
        self.title = title
        self.description = description
        self.queries = queries
        self.width = width
        self.height = height
        self.options = options
        self.defaults = defaults or model.FieldConfig()
        self.defaults.unit = unit
        self.defaults.custom = typed_custom(kind, self.defaults.custom)
        self.overrides = overrides
        self.transformations = transformations
        self.interval = interval

    def build(self) -> model.Panel:
        """The panel, its targets lettered in their order."""
        for letter, query in zip("ABCDEFGHIJ", self.queries, strict=False):
            query.ref_id = letter
        return model.Panel(
            type_val=self.kind,
            title=self.title,
            description=self.description,
            datasource=DATA_SOURCE,
            targets=[query.build() for query in self.queries],
            options=typed_options(self.kind, self.options),
            field_config=model.FieldConfigSource(defaults=self.defaults, overrides=list(self.overrides)),
            transformations=list(self.transformations) or None,
            interval=self.interval,
        )


def _thresholds(steps: Mapping[float | None, str]) -> model.ThresholdsConfig:
    """Colours from a value upwards; the key None is everything below the first value."""
    return model.ThresholdsConfig(
        mode=model.ThresholdsMode.ABSOLUTE,
        steps=[model.Threshold(value=value, color=color) for value, color in steps.items()],
    )


def _mapped(colors: Mapping[str, str]) -> list[model.ValueMapping]:
    results = {
        value: model.ValueMappingResult(text=value, color=color, index=index)
        for index, (value, color) in enumerate(colors.items())
    }
    return [model.ValueMap(options=results)] if colors else []


def _reduce(calculation: str) -> dict[str, Any]:
    return {"values": False, "calcs": [calculation], "fields": ""}


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
            "reduceOptions": _reduce("lastNotNull") | ({"fields": "/^(?!Time).*/"} if text else {}),
            "orientation": "auto",
        },
        defaults=model.FieldConfig(
            decimals=decimals,
            thresholds=_thresholds(steps or {None: "text"}),
            mappings=_mapped(colors or {}),
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
            "reduceOptions": _reduce("lastNotNull"),
            "showThresholdLabels": False,
            "showThresholdMarkers": True,
            "orientation": "auto",
        },
        defaults=model.FieldConfig(min_val=low, max_val=high, thresholds=_thresholds(steps), no_value="–"),
    )


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
        _override(
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


def _override(name: str, properties: Mapping[str, object | None]) -> model.DashboardFieldConfigSourceOverrides:
    return model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig(id_val="byName", options=name),
        properties=[
            model.DynamicConfigValue(id_val=key, value=value) for key, value in properties.items() if value is not None
        ],
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
            mappings=_mapped(colors),
        ),
    )


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
    """Rows: the queries joined over the columns they share.

    Their times differ and are dropped before that, unless `time` gives the column a title or `keep_time` joins over it.
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
    mappings = [mapping.to_json() for mapping in _mapped(column.colors)] or None
    return _override(
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
    """A bar per row of a table: `over` names the rows, `values` the fields that become bars, with their titles."""
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
            _override(over, {"unit": over_unit}),
            *(_override(name, {"displayName": heading}) for name, heading in values.items()),
        ],
        transformations=[*join, *steps, keep],
    )


def pie(title: str, description: str, unit: str, *queries: Query, width: int = 6, height: int = 8) -> Panel:
    """Shares: one slice per series."""
    return Panel(
        "piechart",
        title,
        description,
        unit,
        queries,
        width=width,
        height=height,
        options={
            "reduceOptions": _reduce("sum"),
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
        overrides=[_override(name, {"displayName": heading}) for name, heading in (names or {}).items()],
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
    """A point per row: field `y` over field `x`, both renamed to their titles."""
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
        overrides=[_override(column.field, {"unit": column.unit, "displayName": column.title}) for column in (x, y)],
        transformations=[*([merged()] if join and len(queries) > 1 else []), *steps],
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
    """Markers, or a route, on Grafana's default base layer, which is the operator's to choose."""
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
        defaults=model.FieldConfig(thresholds=_thresholds(steps or {None: "blue"})),
        overrides=[
            _override(
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


def transformation(name: str, **options: object) -> model.DataTransformerConfig:
    """One step of Grafana's own processing of the answers."""
    return model.DataTransformerConfig(id_val=name, options=options)


def merged() -> model.DataTransformerConfig:
    """Join the answers over the columns that all of them have."""
    return transformation("merge")


def without_time() -> model.DataTransformerConfig:
    """Drop the time columns, which differ between answers and would keep their rows apart."""
    return transformation("filterFieldsByName", include={"pattern": "^(?!Time$).*"})


def calculated(name: str, left: str, operator: str, right: str) -> model.DataTransformerConfig:
    """A new field from two fields, or a field and a number."""
    return transformation(
        "calculateField", mode="binary", alias=name, binary={"left": left, "operator": operator, "right": right}
    )


def floored(name: str, field: str) -> model.DataTransformerConfig:
    """A new field: the largest integer not above the value."""
    return transformation("calculateField", mode="unary", alias=name, unary={"operator": "floor", "fieldName": field})


def binned(name: str, field: str, size: float) -> list[model.DataTransformerConfig]:
    """A new field: the lower edge of the bin that the value is in."""
    return [
        calculated(f"{name} part", field, "/", f"{size:g}"),
        floored(f"{name} index", f"{name} part"),
        calculated(name, f"{name} index", "*", f"{size:g}"),
    ]


def known(*fields: str) -> model.DataTransformerConfig:
    """Only the rows in which all of these fields have a value: arithmetic would take a missing one for 0."""
    filters = [{"fieldName": field, "config": {"id": "isNotNull", "options": {}}} for field in fields]
    return transformation("filterByValue", filters=filters, type="include", match="all")


def positive(field: str) -> model.DataTransformerConfig:
    """Only the rows in which the field is above 0: to be divided by it."""
    filters = [{"fieldName": field, "config": {"id": "greater", "options": {"value": 0}}}]
    return transformation("filterByValue", filters=filters, type="include", match="all")


def grouped(by: str, **aggregations: str) -> model.DataTransformerConfig:
    """One row per value of `by`; each field becomes `<field> (<aggregation>)`."""
    fields: dict[str, object] = {by: {"operation": "groupby", "aggregations": []}}
    fields |= {
        field: {"operation": "aggregate", "aggregations": [aggregation]} for field, aggregation in aggregations.items()
    }
    return transformation("groupBy", fields=fields)


def sorted_by(field: str) -> model.DataTransformerConfig:
    """Rows in rising order of a field."""
    return transformation("sortBy", fields={}, sort=[{"field": field, "desc": False}])
