"""Queries in the part of InfluxQL that has the same results in InfluxDB 1.8+, 2.x and 3 Core.

The functions below check every field name against its measurement, so that a misspelt name fails when the dashboards
are built. The `_total` fields of vans never decrease, so their increase is the newest value − the oldest. The counters
of the agent restart at 0, so only their increases are summed.
"""

from collections.abc import Sequence
from typing import Final

from agent.points.measurements import MEASUREMENTS
from dashboards.grafana.sdk import builder, variants

VANS: Final = '"depot" =~ /^$depot$/ AND "model" =~ /^$model$/ AND "vehicle_id" =~ /^$van$/'
"""The vans selected by the variables. A missing tag is an empty text, which `.*` (All) also matches."""

DEPOTS: Final = '"depot" =~ /^$depot$/'


THOUSANDTHS: Final = (
    *("co2e_g", "diesel_co2e_g", "avoided_co2e_g", "co2e_g_total", "diesel_co2e_g_total", "avoided_co2e_g_total"),
    *("avoided_nox_mg_total", "avoided_pm_mg_total"),
    *("market_co2e_g", "direct_g", "upstream_g", "losses_g", "market_g"),
    *("uncertainty_g", "uncertainty_energy_g", "uncertainty_meter_g", "uncertainty_factor_g"),
)
"""Fields whose sums are shown in a unit that is 1000 times larger: grams as kg, milligrams as g."""


class InfluxQL(variants.Dataquery):
    """One target of a panel, in the shape of Grafana's InfluxDB data source."""

    def __init__(
        self,
        query: str,
        *,
        ref_id: str = "A",
        alias: str = "",
        result_format: str = "time_series",
        raw_query: bool = True,
    ) -> None:
        self.query = query
        self.ref_id = ref_id
        self.alias = alias
        self.result_format = result_format
        self.raw_query = raw_query

    def to_json(self) -> dict[str, object]:
        """The target in the JSON format of Grafana."""
        return {
            "refId": self.ref_id,
            "rawQuery": self.raw_query,
            "query": self.query,
            "alias": self.alias,
            "resultFormat": self.result_format,
        }

    @classmethod
    def from_json(cls, data: dict[str, str]) -> "InfluxQL":
        """The inverse of `to_json`, for the round trip through the SDK's model."""
        return cls(
            data["query"],
            ref_id=data["refId"],
            alias=data["alias"],
            result_format=data["resultFormat"],
            raw_query=bool(data["rawQuery"]),
        )


class Query(builder.Builder[InfluxQL]):
    """A query with the name of its series; `table` asks for rows instead of series."""

    def __init__(self, text: str, *, alias: str = "", table: bool = False) -> None:
        self.text = text
        self.alias = alias
        self.table = table
        self.ref_id = "A"

    def build(self) -> InfluxQL:
        """The target."""
        result_format = "table" if self.table else "time_series"
        return InfluxQL(self.text, ref_id=self.ref_id, alias=self.alias, result_format=result_format)


def field(measurement: str, name: str) -> str:
    """The quoted name of a field; `KeyError` if the measurement has none of that name."""
    if name not in MEASUREMENTS[measurement].field_names:
        raise KeyError(f"{measurement}.{name}")
    return f'"{name}"'


def _column(expression: str, name: str) -> str:
    """An aggregate of a field with the name of the field, in the unit of its sums."""
    divided = f"{expression} / 1000" if name in THOUSANDTHS else expression
    return f'{divided} AS "{name}"'


def where(measurement: str, *conditions: str) -> str:
    """The condition for the time range and the selected variables, for the tags that the measurement has."""
    tags = MEASUREMENTS[measurement].tags
    chosen = [VANS] if "vehicle_id" in tags else [DEPOTS] if "depot" in tags else []
    return " AND ".join(["$timeFilter", *chosen, *conditions])


def group(*by: str) -> str:
    """A GROUP BY clause over tags, empty for none."""
    return f" GROUP BY {', '.join(_tag(tag) for tag in by)}" if by else ""


def _tag(tag: str) -> str:
    return tag if tag.startswith("time(") else f'"{tag}"'


def course(
    measurement: str,
    *names: str,
    function: str = "mean",
    by: Sequence[str] = (),
    every: str = "$__interval",
    fill: str = "null",
    conditions: Sequence[str] = (),
    alias: str = "",
    table: bool = False,
) -> Query:
    """Fields over time: one value per interval and tag combination."""
    columns = ", ".join(_column(f"{function}({field(measurement, name)})", name) for name in names)
    clause = group(f"time({every})", *by)
    text = f'SELECT {columns} FROM "{measurement}" WHERE {where(measurement, *conditions)}{clause} fill({fill})'
    return Query(text, alias=alias, table=table)


def latest(measurement: str, *names: str, by: Sequence[str] = (), alias: str = "", table: bool = False) -> Query:
    """The newest value of each field within the range, per tag combination."""
    columns = ", ".join(f"last({field(measurement, name)}) AS {field(measurement, name)}" for name in names)
    return Query(
        f'SELECT {columns} FROM "{measurement}" WHERE {where(measurement)}{group(*by)}', alias=alias, table=table
    )


def sum_of_latest(measurement: str, name: str, *, of: str) -> Query:
    """The newest value of each `of`, summed."""
    inner = f'SELECT last({field(measurement, name)}) AS "latest" FROM "{measurement}" WHERE {where(measurement)}'
    return Query(f'SELECT sum("latest") AS "{name}" FROM ({inner}{group(of)})')


def increase(
    measurement: str, *names: str, of: str = "vehicle_id", by: Sequence[str] = (), alias: str = "", table: bool = False
) -> Query:
    """The increase of each counter within the range, per `of` and then summed per tag combination."""
    outer = ", ".join(_column(f'sum("{name}_increase")', name) for name in names)
    return Query(
        f"SELECT {outer} FROM ({growths(measurement, *names, of=(of, *by))}){group(*by)}", alias=alias, table=table
    )


def growths(measurement: str, *names: str, of: Sequence[str]) -> str:
    """The sub-query behind `increase`: columns `<name>_increase`, the newest value − the oldest.

    Both values are found without reading the points in between. `spread` would read them and is a hundred times slower.
    """
    inner = ", ".join(
        f'last({field(measurement, name)}) - first({field(measurement, name)}) AS "{name}_increase"' for name in names
    )
    return f'SELECT {inner} FROM "{measurement}" WHERE {where(measurement)}{group(*of)}'


def agent_increase(*names: str, select: str = "", alias: str = "") -> Query:
    """The increase of counters of the agent within the range. `select` may combine their sums."""
    inner = ", ".join(f'non_negative_difference({field("agent", name)}) AS "{name}_step"' for name in names)
    outer = select or ", ".join(f'sum("{name}_step") AS "{name}"' for name in names)
    return Query(f'SELECT {outer} FROM (SELECT {inner} FROM "agent" WHERE {where("agent")})', alias=alias)


def ratio(
    measurement: str,
    dividend: str,
    divisor: str,
    *,
    factor: float = 1,
    of: str = "vehicle_id",
    by: Sequence[str] = (),
    alias: str = "",
    table: bool = False,
    name: str = "ratio",
) -> Query:
    """The ratio of the increases of two sums of counters. `dividend` and `divisor` are names joined with `+`."""
    names = sorted({*dividend.split("+"), *divisor.split("+")})
    above = " + ".join(f'sum("{part}_increase")' for part in dividend.split("+"))
    below = " + ".join(f'sum("{part}_increase")' for part in divisor.split("+"))
    times = f" * {factor:g}" if factor != 1 else ""
    text = f'SELECT ({above}) / ({below}){times} AS "{name}" FROM ({growths(measurement, *names, of=(of, *by))})'
    return Query(f"{text}{group(*by)}", alias=alias, table=table)


def increase_course(
    measurement: str,
    *names: str,
    every: str,
    of: str = "vehicle_id",
    by: Sequence[str] = (),
    alias: str = "",
) -> Query:
    """The increase of each counter per interval: the difference of its last values per `of`, summed."""
    inner = ", ".join(
        f'non_negative_difference(last({field(measurement, name)})) AS "{name}_increase"' for name in names
    )
    outer = ", ".join(_column(f'sum("{name}_increase")', name) for name in names)
    clause = group(f"time({every})", *dict.fromkeys((of, *by)))
    text = f'SELECT {inner} FROM "{measurement}" WHERE {where(measurement)}{clause} fill(none)'
    outer_clause = group(f"time({every})", *by)
    return Query(f"SELECT {outer} FROM ({text}) WHERE $timeFilter{outer_clause} fill(none)", alias=alias)


def total(
    measurement: str,
    *names: str,
    function: str = "sum",
    by: Sequence[str] = (),
    conditions: Sequence[str] = (),
    alias: str = "",
    table: bool = False,
) -> Query:
    """One value per field and tag combination over the range, for points of completed events such as trips."""
    columns = ", ".join(_column(f"{function}({field(measurement, name)})", name) for name in names)
    text = f'SELECT {columns} FROM "{measurement}" WHERE {where(measurement, *conditions)}{group(*by)}'
    return Query(text, alias=alias, table=table)


def rows(
    measurement: str, *names: str, by: Sequence[str] = ("vehicle_id",), conditions: Sequence[str] = (), limit: int = 0
) -> Query:
    """The single points, newest first. `limit` is per tag combination."""
    columns = ", ".join(field(measurement, name) for name in names)
    bound = f" LIMIT {limit}" if limit else ""
    text = f'SELECT {columns} FROM "{measurement}" WHERE {where(measurement, *conditions)}{group(*by)}'
    return Query(f"{text} ORDER BY time DESC{bound}", table=True)


def per_day(measurement: str, *names: str, by: Sequence[str] = (), alias: str = "") -> Query:
    """The sums of day points. Hourly intervals keep days of depots apart, because their times are local midnights."""
    return course(measurement, *names, function="sum", by=by, every="1h", fill="none", alias=alias)
