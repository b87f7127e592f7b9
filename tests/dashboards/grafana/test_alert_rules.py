"""Each alert rule with data that must fire it and data that must not, evaluated as Grafana does."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards.grafana import days
from tests.dashboards.grafana.committed import rules
from tests.dashboards.grafana.conftest import DATABASE, write
from tests.dashboards.grafana.grafana_like import Range, expanded
from tests.servers.influxdb import InfluxServer

NOW_MS = days.END_MS
RULES = {rule["uid"]: rule for rule in rules()}
LOST = "sessions_lost_total"

SCENARIOS: list[tuple[str, str, list[str], set[str]]] = [
    ("van-charge-low", "14 %", ["battery,vehicle_id=a soc_pct=14.0"], {"a"}),
    ("van-charge-low", "exactly 15 %", ["battery,vehicle_id=a soc_pct=15.0"], set()),
    ("van-charge-low", "one of two", ["battery,vehicle_id=a soc_pct=14.0", "battery,vehicle_id=b soc_pct=80.0"], {"a"}),
    (
        "van-charge-low",
        "was low, is charged now",
        ["battery,vehicle_id=a soc_pct=10.0 -300", "battery,vehicle_id=a soc_pct=40.0"],
        set(),
    ),
    ("van-charge-low", "low an hour ago, silent since", ["battery,vehicle_id=a soc_pct=4.0 -3600"], set()),
    ("van-charge-critical", "4 %", ["battery,vehicle_id=a soc_pct=4.0"], {"a"}),
    ("van-charge-critical", "14 %", ["battery,vehicle_id=a soc_pct=14.0"], set()),
    ("van-pack-hot", "51 °C", ["battery,vehicle_id=a battery_temp_c=51.0"], {"a"}),
    ("van-pack-hot", "50 °C", ["battery,vehicle_id=a battery_temp_c=50.0"], set()),
    ("van-pack-hot", "a van without a sensor", ["battery,vehicle_id=a soc_pct=50.0"], set()),
    (
        "van-critical-condition",
        "raised",
        ['alert,vehicle_id=a severity="critical",state="raised",message="x"'],
        {"a"},
    ),
    (
        "van-critical-condition",
        "only a warning",
        ['alert,vehicle_id=a severity="warning",state="raised",message="x"'],
        set(),
    ),
    (
        "van-critical-condition",
        "only cleared",
        ['alert,vehicle_id=a severity="critical",state="cleared",message="x"'],
        set(),
    ),
    ("depot-vans-offline", "6 of 10 gone", ["fleet,depot=d vans=10i,online=4i"], {"d"}),
    ("depot-vans-offline", "half of them gone", ["fleet,depot=d vans=10i,online=5i"], set()),
    ("agent-silent", "no point at all", [], {""}),
    ("agent-silent", "a point", ["agent messages_total=5i"], set()),
    ("agent-silent", "the last point an hour ago", ["agent messages_total=5i -3600"], {""}),
    ("agent-lag", "six minutes", ["agent lag_s=360.0"], {""}),
    ("agent-lag", "one minute", ["agent lag_s=60.0"], set()),
    ("agent-journal-filling", "60 %", ["agent journal_bytes=60i,journal_limit_bytes=100i"], {""}),
    ("agent-journal-filling", "50 %", ["agent journal_bytes=50i,journal_limit_bytes=100i"], set()),
    ("agent-session-lost", "one more than before", [f"agent {LOST}=2i -300", f"agent {LOST}=3i"], {""}),
    ("agent-session-lost", "as many as before", [f"agent {LOST}=3i -300", f"agent {LOST}=3i"], set()),
    ("agent-session-lost", "the agent began anew", [f"agent {LOST}=3i -300", f"agent {LOST}=0i"], set()),
    (
        "agent-messages-refused",
        "2 of 100",
        ["agent messages_total=100i,dead_letters_total=5i -300", "agent messages_total=200i,dead_letters_total=7i"],
        {""},
    ),
    (
        "agent-messages-refused",
        "1 of 100",
        ["agent messages_total=100i,dead_letters_total=5i -300", "agent messages_total=200i,dead_letters_total=6i"],
        set(),
    ),
    (
        "agent-messages-refused",
        "no messages",
        ["agent messages_total=100i,dead_letters_total=5i -300", "agent messages_total=100i,dead_letters_total=5i"],
        set(),
    ),
    ("agent-store-refuses", "eleven", ["agent store_retries_total=0i -300", "agent store_retries_total=11i"], {""}),
    ("agent-store-refuses", "ten", ["agent store_retries_total=0i -300", "agent store_retries_total=10i"], set()),
]


def stamped(line: str) -> str:
    """The line with a time: now, or so many seconds before it as the line ends with."""
    head, _, last = line.rpartition(" ")
    if last.startswith("-"):
        return f"{head} {NOW_MS + int(last) * 1000}"
    return f"{line} {NOW_MS - 1000}"


def reduced(values: list[float | None], reducer: str) -> float:
    """Grafana's reduction in strict mode. The series have no nulls."""
    present = [value for value in values if value is not None]
    assert len(present) == len(values)
    return {"last": present[-1], "max": max(present), "min": min(present), "sum": sum(present)}[reducer]


def firing(rule: dict[str, Any], influx: InfluxServer, database: str) -> set[str]:
    """The tag values of the series beyond the limit. A series without tags has an empty text."""
    query, reduction, threshold = (part["model"] for part in rule["data"])
    window_s = rule["data"][0]["relativeTimeRange"]["from"]
    series = influx.query(expanded(query["query"], Range(NOW_MS - window_s * 1000, NOW_MS, variables={})), database)
    if not series:
        return {""} if rule["noDataState"] == "Alerting" else set()
    (condition,) = threshold["conditions"]
    (limit,) = condition["evaluator"]["params"]
    found = set()
    for each in series:
        value = reduced([row[1] for row in each["values"]], reduction["reducer"])
        if value > limit if condition["evaluator"]["type"] == "gt" else value < limit:
            found.add("".join(each.get("tags", {}).values()))
    return found


@pytest.fixture
def database(empty_influx: InfluxServer) -> Iterator[str]:
    name = "rules"
    empty_influx.create_database(name)
    yield name
    empty_influx.query(f'DROP DATABASE "{name}"')


@pytest.mark.parametrize(
    ("uid", "title", "lines", "expected"), SCENARIOS, ids=[f"{uid}: {title}" for uid, title, *_ in SCENARIOS]
)
def test_it_fires_when_it_should(
    uid: str, title: str, lines: list[str], expected: set[str], empty_influx: InfluxServer, database: str
) -> None:
    if lines:
        write(empty_influx, [stamped(line) for line in lines], database)
    assert firing(RULES[uid], empty_influx, database) == expected


def test_every_rule_is_seen_to_fire_and_not_to_fire() -> None:
    assert {uid for uid, _, _, expected in SCENARIOS if expected} == set(RULES)
    assert {uid for uid, _, _, expected in SCENARIOS if not expected} == set(RULES)


def test_the_vans_days_fire_what_they_hold(influx: InfluxServer) -> None:
    """All days together fire the rules for the hot and nearly empty van, and no rule for the agent."""
    everything = (days.END_MS - days.START_MS) // 1000
    fired = {}
    for uid, rule in RULES.items():
        query = rule["data"][0]
        stretched = {**query, "relativeTimeRange": {"from": everything, "to": 0}}
        fired[uid] = firing({**rule, "data": [stretched, *rule["data"][1:]]}, influx, DATABASE)
    assert fired["van-pack-hot"] == {"paris-2"}
    assert "paris-2" in fired["van-critical-condition"]
    for uid in ("agent-silent", "agent-lag", "agent-journal-filling", "agent-session-lost", "agent-store-refuses"):
        assert not fired[uid], uid
