"""Queries are portable and name only what the agent writes. Every field that it writes is in some dashboard."""

import pytest

from agent.points.measurements import MEASUREMENTS
from tests.cases import Cases
from tests.dashboards.grafana import influxql
from tests.dashboards.grafana.committed import queries

QUERIES = queries()

NOT_SHOWN: dict[tuple[str, str], str] = {}
"""(measurement, field) → the reason why no dashboard shows it."""


def test_every_query_keeps_to_the_portable_subset() -> None:
    with Cases() as cases:
        for asked in QUERIES:
            with cases.case(asked.where):
                influxql.check(asked.query)


def test_every_query_names_only_what_the_agent_writes() -> None:
    with Cases() as cases:
        for asked in QUERIES:
            with cases.case(asked.where):
                measured = influxql.sources(asked.query)
                assert measured
                assert measured <= set(MEASUREMENTS)
                known = {
                    name for each in measured for name in (*MEASUREMENTS[each].field_names, *MEASUREMENTS[each].tags)
                }
                assert influxql.names(asked.query) <= known


def test_every_field_is_shown_in_some_dashboard_or_has_a_reason_not_to_be() -> None:
    shown = {
        (each, name)
        for asked in QUERIES
        for each in influxql.sources(asked.query)
        for name in influxql.names(asked.query)
    }
    declared = {(each.name, name) for each in MEASUREMENTS.values() for name in each.field_names}
    assert declared - shown == set(NOT_SHOWN)


@pytest.mark.parametrize(
    "query",
    [
        'SELECT * FROM "energy"',
        'SELECT last(*) FROM "energy"',
        'SELECT sample("power_kw", 3) FROM "energy"',
        'SELECT last("power_kw") FROM "energy" SLIMIT 3',
        'SELECT last("power_kw") INTO "other" FROM "energy"',
        'SELECT last("power_kw") FROM "fleet"."autogen"."energy"',
        "SHOW SERIES",
        "SHOW TAG VALUES CARDINALITY",
        'SELECT last("power_kw") FROM "energy"; SELECT last("power_kw") FROM "energy"',
        'SELECT last("power_kw") FROM "energy" WHERE "vehicle_id" =~ /^$vehicle$/',
    ],
)
def test_the_check_refuses_what_is_not_portable(query: str) -> None:
    with pytest.raises(influxql.NotPortable):
        influxql.check(query)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('SELECT last("a") AS "a" FROM "energy"', {"a"}),
        ('SELECT sum("b") AS "c" FROM (SELECT spread("a") AS "b" FROM "energy")', {"a"}),
        ('SELECT mean("a") FROM "energy" WHERE "b" = \'c\' GROUP BY time(1m), "d"', {"a", "b", "d"}),
        ('SHOW TAG VALUES FROM "energy" WITH KEY = "d"', {"d"}),
        ('SELECT non_negative_difference(last("a")) AS "a" FROM "energy"', {"a"}),
    ],
)
def test_the_names_of_a_query_are_found(query: str, names: set[str]) -> None:
    assert influxql.names(query) == names
