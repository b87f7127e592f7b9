"""One panel of a dashboard, and the parts of its options that several kinds of panel share."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dashboards.grafana.influxql import Query
from dashboards.grafana.sdk import common, model, typed_custom, typed_options

DATA_SOURCE: Final = common.DataSourceRef(type_val="influxdb", uid="fleet")

STATE_COLORS: Final = {
    "driving": "green",
    "stopped": "yellow",
    "parked": "blue",
    "charging": "purple",
    "offline": "semi-dark-red",
}
SEVERITY_COLORS: Final = {"info": "blue", "warning": "orange", "critical": "red"}


class Panel:
    """A panel with its size on the grid. `build` makes the SDK's object, without a position."""

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
        """The SDK's panel. Its queries get the letters A, B, … in their order."""
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


def thresholds(steps: Mapping[float | None, str]) -> model.ThresholdsConfig:
    """Colours from a value upwards. The key None stands for everything below the first value."""
    return model.ThresholdsConfig(
        mode=model.ThresholdsMode.ABSOLUTE,
        steps=[model.Threshold(value=value, color=color) for value, color in steps.items()],
    )


def mapped(colors: Mapping[str, str]) -> list[model.ValueMapping]:
    """The colour of each text."""
    results = {
        value: model.ValueMappingResult(text=value, color=color, index=index)
        for index, (value, color) in enumerate(colors.items())
    }
    return [model.ValueMap(options=results)] if colors else []


def reduce(calculation: str) -> dict[str, Any]:
    """Reduce a series to one value by a calculation such as `lastNotNull` or `sum`."""
    return {"values": False, "calcs": [calculation], "fields": ""}


def override(name: str, properties: Mapping[str, object | None]) -> model.DashboardFieldConfigSourceOverrides:
    """Set properties of one field. A property whose value is None is left out."""
    return model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig(id_val="byName", options=name),
        properties=[
            model.DynamicConfigValue(id_val=key, value=value) for key, value in properties.items() if value is not None
        ],
    )
