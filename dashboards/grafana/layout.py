"""The layout of a dashboard: rows of panels on Grafana's 24 columns, and the variables and links of all dashboards."""

from collections.abc import Sequence
from typing import Final

from dashboards.grafana.influxql import VANS, InfluxQL
from dashboards.grafana.panel import DATA_SOURCE, Panel
from dashboards.grafana.sdk import model

COLUMNS: Final = 24
TAG: Final = "vanpulse"

TITLES: Final = {
    "fleet": "Fleet",
    "van": "Van",
    "tours": "Tours",
    "trips": "Trips",
    "charging": "Charging",
    "energy": "Energy and efficiency",
    "emissions": "Emissions",
    "battery": "Battery health",
    "stops": "Stops",
    "idle": "Idle drain",
    "quality": "Data quality",
    "agent": "Agent",
}
"""The dashboards by name, in the order of their links."""


class PanelRow:
    """A titled row of panels."""

    def __init__(self, title: str, *panels: Panel) -> None:
        self.title = title
        self.panels = panels


def dashboard(
    name: str,
    description: str,
    *rows: PanelRow,
    variables: Sequence[model.VariableModel] = (),
    refresh: str = "1m",
    start: str = "now-24h",
    alerts_shown: bool = False,
) -> model.Dashboard:
    """Assemble a dashboard. Panels keep their order. A panel that does not fit into a line begins the next one."""
    return model.Dashboard(
        uid=f"{TAG}-{name}",
        title=TITLES[name],
        description=description,
        tags=[TAG],
        timezone="browser",
        editable=True,
        graph_tooltip=model.DashboardCursorSync.CROSSHAIR,
        time=model.DashboardDashboardTime(from_val=start, to="now"),
        refresh=refresh,
        timepicker=model.TimePickerConfig(refresh_intervals=["10s", "30s", "1m", "5m", "15m", "1h"]),
        panels=_place(rows),
        templating=model.DashboardDashboardTemplating(list_val=list(variables)),
        annotations=model.AnnotationContainer(list_val=[_alerts()] if alerts_shown else []),
        links=[_link(other) for other in TITLES if other != name],
    )


def _place(rows: Sequence[PanelRow]) -> list[model.Panel | model.RowPanel]:
    placed: list[model.Panel | model.RowPanel] = []
    top = 0
    for row in rows:
        header = model.RowPanel(
            id_val=len(placed) + 1, title=row.title, grid_pos=model.GridPos(x=0, y=top, w=COLUMNS, h=1)
        )
        placed.append(header)
        top += 1
        left = height = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            built = panel.build()
            built.id_val = len(placed) + 1
            built.grid_pos = model.GridPos(x=left, y=top, w=panel.width, h=panel.height)
            placed.append(built)
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return placed


def van_variables(*, one_van: bool = False) -> list[model.VariableModel]:
    """The variables depot, model and van. Each offers only values that match those before. `one_van` allows one van."""
    return [
        _query_variable("depot", "Depot", 'SHOW TAG VALUES FROM "energy" WITH KEY = "depot"'),
        _query_variable(
            "model", "Model", 'SHOW TAG VALUES FROM "energy" WITH KEY = "model" WHERE "depot" =~ /^$depot$/'
        ),
        _query_variable(
            "van",
            "Van",
            'SHOW TAG VALUES FROM "energy" WITH KEY = "vehicle_id" '
            'WHERE "depot" =~ /^$depot$/ AND "model" =~ /^$model$/',
            several=not one_van,
        ),
    ]


def depot_variable() -> list[model.VariableModel]:
    """The variable depot only."""
    return van_variables()[:1]


def text_variable(name: str, label: str, value: str, description: str) -> model.VariableModel:
    """A variable with a text box."""
    return model.VariableModel(
        type_val=model.VariableType.TEXTBOX,
        name=name,
        label=label,
        description=description,
        query=value,
        current=model.VariableOption(selected=True, text=value, value=value),
        skip_url_sync=False,
    )


def _query_variable(name: str, label: str, query: str, *, several: bool = True) -> model.VariableModel:
    return model.VariableModel(
        type_val=model.VariableType.QUERY,
        name=name,
        label=label,
        datasource=DATA_SOURCE,
        query=query,
        definition=query,
        refresh=model.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=model.VariableSort.ALPHABETICAL_ASC,
        multi=several,
        include_all=several,
        all_value=".*" if several else None,
        current=model.VariableOption(selected=True, text="All", value="$__all") if several else None,
    )


def _link(name: str) -> model.DashboardLink:
    return model.DashboardLink(
        title=TITLES[name],
        type_val=model.DashboardLinkType.LINK,
        icon="dashboard",
        tooltip="",
        url=f"/d/{TAG}-{name}",
        include_vars=True,
        keep_time=True,
    )


def _alerts() -> model.AnnotationQuery:
    """Alerts as vertical lines. The subclass below adds fields that the SDK's type lacks, such as `titleColumn`."""
    query = (
        'SELECT "message", "kind", "severity" FROM "alert" '
        f"WHERE $timeFilter AND {VANS} AND \"state\" = 'raised' AND \"severity\" = 'critical'"
    )
    return _AnnotationQuery(
        name="Critical alerts",
        datasource=DATA_SOURCE,
        enable=True,
        icon_color="red",
        target=InfluxQL(query, ref_id="Anno", result_format="table"),
    )


class _AnnotationQuery(model.AnnotationQuery):
    def to_json(self) -> dict[str, object]:
        payload = super().to_json()
        assert isinstance(self.target, InfluxQL)  # noqa: S101  # narrows the SDK's union for the type checker
        return payload | {
            "query": self.target.query,
            "titleColumn": "kind",
            "textColumn": "message",
            "tagsColumn": "severity",
        }
