"""The alert rules. Each has a query, a reduction to one number per series, and a threshold.

The format is that of Grafana's file provisioning. Dashboard variables do not work in rules, but `$timeFilter` does.
Each series (one per van or depot) gives a separate alert. Texts name labels as `.Labels.x`, because a dollar sign would
mean an environment variable.
"""

import json
from typing import Any, Final, Literal, NamedTuple

from dashboards.grafana.influxql import agent_increase
from dashboards.grafana.panel import DATA_SOURCE

FOLDER: Final = "Fleet"


class Rule(NamedTuple):
    """One rule. It fires for a series whose reduced value has been beyond the limit for the time `for_`."""

    uid: str
    title: str
    query: str
    evaluator: Literal["gt", "lt"]
    limit: float
    unit: str
    summary: str
    advice: str
    severity: Literal["info", "warning", "critical"] = "warning"
    reducer: Literal["last", "max", "min", "sum"] = "last"
    window_s: int = 600
    for_: str = "5m"
    no_data: Literal["OK", "Alerting"] = "OK"


def _per_van(select: str, measurement: str, condition: str = "") -> str:
    return f'SELECT {select} FROM "{measurement}" WHERE $timeFilter{condition} GROUP BY "vehicle_id"'


def _agent(select: str) -> str:
    return f'SELECT {select} FROM "agent" WHERE $timeFilter'


RULES: Final = (
    Rule(
        uid="van-charge-low",
        title="Van nearly empty",
        query=_per_van('last("soc_pct") AS "soc_pct"', "battery"),
        evaluator="lt",
        limit=15,
        unit="%",
        summary="{{ .Labels.vehicle_id }} has less than 15 % charge.",
        advice="Compare its range with the way home on the van's page, and send it to a charger.",
        window_s=900,
    ),
    Rule(
        uid="van-charge-critical",
        title="Van about to stop",
        query=_per_van('last("soc_pct") AS "soc_pct"', "battery"),
        evaluator="lt",
        limit=5,
        unit="%",
        summary="{{ .Labels.vehicle_id }} has less than 5 % charge.",
        advice="Call the driver: the van may stop on the road.",
        severity="critical",
        window_s=900,
        for_="1m",
    ),
    Rule(
        uid="van-pack-hot",
        title="Battery pack hot",
        query=_per_van('max("battery_temp_c") AS "battery_temp_c"', "battery"),
        evaluator="gt",
        limit=50,
        unit="°C",
        summary="The pack of {{ .Labels.vehicle_id }} is hotter than 50 °C.",
        advice="Let it cool before fast charging. If it gets hotter, stop the van outdoors and call the workshop.",
        severity="critical",
        for_="2m",
    ),
    Rule(
        uid="van-critical-condition",
        title="Critical alert raised by the agent",
        query=_per_van(
            'count("message") AS "raised"', "alert", " AND \"severity\" = 'critical' AND \"state\" = 'raised'"
        ),
        evaluator="gt",
        limit=0,
        unit="raised",
        summary="The agent raised a critical alert for {{ .Labels.vehicle_id }}.",
        advice="The van's page shows the alert with its message and value.",
        severity="critical",
        for_="0s",
    ),
    Rule(
        uid="depot-vans-offline",
        title="Many vans of a depot offline",
        query=(
            'SELECT (last("vans") - last("online")) / last("vans") * 100 AS "offline_pct" FROM "fleet" '
            'WHERE $timeFilter GROUP BY "depot"'
        ),
        evaluator="gt",
        limit=50,
        unit="%",
        summary="More than half of the vans of {{ .Labels.depot }} are offline.",
        advice="Check the broker and the mobile network before the single vans.",
        for_="15m",
    ),
    Rule(
        uid="agent-silent",
        title="Agent writes nothing",
        query=_agent('count("messages_total") AS "points"'),
        evaluator="lt",
        limit=1,
        unit="points",
        summary="The agent has not written an `agent` point for ten minutes.",
        advice="Check that it runs and reaches the store (/readyz, log). The broker queues messages meanwhile.",
        severity="critical",
        no_data="Alerting",
    ),
    Rule(
        uid="agent-lag",
        title="Agent behind",
        query=_agent('max("lag_s") AS "lag_s"'),
        evaluator="gt",
        limit=300,
        unit="s",
        summary="The newest reading in the store is more than five minutes old.",
        advice="If the backlog grows, the store is slow or down; if it is 0, the vans or the broker are silent.",
    ),
    Rule(
        uid="agent-journal-filling",
        title="Journal filling",
        query=_agent('last("journal_bytes") / last("journal_limit_bytes") * 100 AS "filled_pct"'),
        evaluator="gt",
        limit=50,
        unit="%",
        summary="The journal is more than half full.",
        advice="Repair the store, or raise journal.max_bytes; `vanpulse doctor` says how long it lasts.",
        severity="critical",
    ),
    Rule(
        uid="agent-session-lost",
        title="Broker session lost",
        query=agent_increase("sessions_lost_total").text,
        evaluator="gt",
        limit=0,
        unit="sessions",
        summary="The broker no longer had the agent's session. Messages may be missing.",
        advice="Turn on the broker's persistence and raise the session expiry; see docs/operations.md.",
        severity="critical",
        for_="0s",
    ),
    Rule(
        uid="agent-messages-refused",
        title="Many messages refused",
        query=agent_increase(
            "dead_letters_total",
            "messages_total",
            select='sum("dead_letters_total_step") / sum("messages_total_step") * 100 AS "refused_pct"',
        ).text,
        evaluator="gt",
        limit=1,
        unit="%",
        summary="More than 1 % of the messages became dead letters.",
        advice="`vanpulse deadletters list` shows why; after a fix, `vanpulse deadletters replay` retries them.",
    ),
    Rule(
        uid="agent-store-refuses",
        title="Store refuses points",
        query=agent_increase("store_retries_total").text,
        evaluator="gt",
        limit=10,
        unit="writes",
        summary="More than ten writes were repeated within ten minutes.",
        advice="Look at the store's log and disk; the journal keeps everything meanwhile.",
    ),
)


def provisioning() -> str:
    """The file for Grafana's alerting provisioning, as YAML (of which JSON is a part)."""
    group = {
        "orgId": 1,
        "name": "vanpulse",
        "folder": FOLDER,
        "interval": "1m",
        "rules": [_rule(rule) for rule in RULES],
    }
    return json.dumps({"apiVersion": 1, "groups": [group]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "C",
        "for": rule.for_,
        "noDataState": rule.no_data,
        "execErrState": "Error",
        "labels": {"severity": rule.severity, "service": "vanpulse"},
        "annotations": {"summary": rule.summary, "description": rule.advice},
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": rule.window_s, "to": 0},
                "datasourceUid": DATA_SOURCE.uid,
                "model": {
                    "refId": "A",
                    "rawQuery": True,
                    "resultFormat": "time_series",
                    "query": rule.query,
                    "intervalMs": 10_000,
                    "maxDataPoints": 1000,
                },
            },
            _expression("B", {"type": "reduce", "expression": "A", "reducer": rule.reducer}, rule),
            _expression(
                "C",
                {
                    "type": "threshold",
                    "expression": "B",
                    "conditions": [{"evaluator": {"type": rule.evaluator, "params": [rule.limit]}}],
                },
                rule,
            ),
        ],
    }


def _expression(ref_id: str, expression: dict[str, Any], rule: Rule) -> dict[str, Any]:
    return {
        "refId": ref_id,
        "relativeTimeRange": {"from": rule.window_s, "to": 0},
        "datasourceUid": "__expr__",
        "model": {"refId": ref_id, "datasource": {"type": "__expr__", "uid": "__expr__"}, **expression},
    }
