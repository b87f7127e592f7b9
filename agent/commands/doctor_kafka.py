"""The log on Kafka, as `vanpulse doctor` sees it: topics, agents at work, lag, and how long messages are kept."""

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from confluent_kafka import KafkaException

from agent.commands.doctor_findings import Finding, LogLook, size_text
from agent.commands.doctor_outage import duration
from agent.commands.kafka_log import client_of, topics_of
from agent.config import Settings
from agent.errors import LogError, SettingsError
from agent.kafka.client import Admin
from agent.kafka.groups import Member, members
from agent.kafka.lag import Lag, lag_of
from agent.kafka.source_topic import sources_topic
from agent.kafka.topics import Topics, TopicState, describe, flaw, lost

ASSUMED_ACK_S: Final = 0.02
ANSWER_S: Final = 5.0
LONG_LAG_S: Final = 600.0
"""A lag up to the time between two checkpoints says nothing."""
LOOKS_AT_ONCE: Final = 8


def look_at_kafka(settings: Settings) -> LogLook:
    """Ask the brokers. Blocks. Raises `SettingsError` for settings that are wrong without asking."""
    client, topics = client_of(settings.log), topics_of(settings.log)
    advice = "the agents can neither take in nor process messages"
    try:
        admin = Admin(client)
        brokers = len(admin.look(answer_s=ANSWER_S).brokers)
        found = describe(admin, topics)
        missing = [name for name in topics if name not in found]
        if missing:
            return LogLook([_brokers(settings, brokers), _missing(topics, missing)], works=False)
        partitions = min(state.partitions for state in found.values())
        with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
            lags = list(pool.map(partial(lag_of, client, topics), range(partitions)))
        receiving = members(admin, sources_topic(topics.messages))
        working = members(admin, topics.messages)
    except (LogError, SettingsError, KafkaException) as error:
        text = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        broken = Finding(subject="Kafka", value=text, origin="measured", status="broken", advice=advice)
        return LogLook([broken], works=False)
    findings = [
        _brokers(settings, brokers),
        *(_topic(topics, name, state) for name, state in found.items()),
        *_counts(found),
        _receiving(receiving),
        _working(working, partitions),
        *(_lag(each) for each in lags),
    ]
    keeps_s = _keeps_s(found[topics.messages])
    oldest_ms = min((each.oldest_ms for each in lags if each.oldest_ms is not None), default=None)
    used_s = 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)
    findings.append(_retention(found[topics.messages], keeps_s))
    return LogLook(findings, works=True, ack_s=ASSUMED_ACK_S, keeps_s=max(0.0, keeps_s - used_s))


def _brokers(settings: Settings, number: int) -> Finding:
    return Finding(subject="Kafka", value=f"{number} brokers, {settings.log.url}", origin="measured")


def _missing(topics: Topics, missing: list[str]) -> Finding:
    if len(missing) == len(topics):
        return Finding(
            subject="topics", value="not there yet: the first agent makes them", origin="measured", status="note"
        )
    return Finding(subject="topics", value=lost(topics, missing), origin="measured", status="broken")


def _topic(topics: Topics, name: str, state: TopicState) -> Finding:
    in_sync = state.config["min.insync.replicas"] or "1"
    found = Finding(
        subject=f"topic {name}",
        value=f"{state.partitions} partitions, {state.replication} replicas, {state.in_sync} of them in sync, "
        f"min.insync.replicas={in_sync}",
        origin="measured",
    )
    if (text := flaw(topics, name, state)) is not None:
        found.status, found.advice = "broken", f"it {text}"
        found.cure = f"kafka-configs.sh --alter --topic {name}; the agents refuse such a topic"
    elif state.replication < 2:
        found.status = "weak"
        found.advice = "one broken machine loses what was acknowledged"
        found.cure = "three brokers, and three replicas by kafka-reassign-partitions.sh"
    elif state.in_sync < state.replication:
        found.status, found.advice = "weak", "a broker is down or behind: with one more, writing may stop"
    elif state.replication <= int(in_sync):
        found.status = "weak"
        found.advice = "every replica has to be in sync: one broker that is down stops writing"
        found.cure = f"more replicas than min.insync.replicas={in_sync}"
    return found


def _counts(found: dict[str, TopicState]) -> list[Finding]:
    counts = {name: state.partitions for name, state in found.items()}
    if len(set(counts.values())) == 1:
        return []
    return [
        Finding(
            subject="partitions",
            value=f"they differ: {counts}",
            origin="measured",
            status="broken",
            advice="the topics of one log need equal numbers of partitions",
        )
    ]


def _receiving(receiving: Sequence[Member]) -> Finding:
    found = Finding(subject="ingesting agents", value=str(len(receiving)), origin="measured")
    if not receiving:
        found.status, found.advice = "weak", "nothing is received: start vanpulse run --role ingest"
    elif len(receiving) == 1:
        found.status, found.advice = "note", "no other one takes over when it dies: start a second one"
    return found


def _working(working: Sequence[Member], partitions: int) -> Finding:
    owned = {partition for member in working for partition in member.partitions}
    free = sorted(set(range(partitions)) - owned)
    found = Finding(subject="processing agents", value=str(len(working)), origin="measured")
    if not working:
        found.status, found.advice = "weak", "nothing is processed: start vanpulse run --role process"
    elif free:
        found.status, found.advice = "weak", f"the partitions {free} have no agent now; look again in a minute"
    return found


def _lag(lag: Lag) -> Finding:
    age_s = 0.0 if lag.oldest_ms is None else max(0.0, time.time() - lag.oldest_ms / 1000)
    found = Finding(subject=f"lag of partition {lag.partition}", value="none", origin="measured")
    if lag.records:
        found.value = f"{lag.records} records, the oldest {duration(age_s)} old"
    if lag.gone_records:
        found.status = "broken"
        found.value = f"{lag.gone_records} records were deleted before they were processed"
        found.advice = "their messages are lost: the topic keeps messages for less time than the outage took"
    elif age_s > LONG_LAG_S:
        found.status, found.advice = "weak", "the agent of the partition does not keep up, or the store is away"
    return found


def _keeps_s(messages: TopicState) -> float:
    """How long the topic keeps a message by its age; infinite for ever."""
    retention_ms = int(messages.config["retention.ms"] or -1)
    return math.inf if retention_ms < 0 else retention_ms / 1000


def _retention(messages: TopicState, keeps_s: float) -> Finding:
    found = Finding(subject="messages are kept", value=duration(keeps_s), origin="configured")
    limit = int(messages.config["retention.bytes"] or -1)
    if limit >= 0:
        found.value += f", and at most {size_text(limit)} of a partition"
        found.status = "note"
        found.advice = "a burst may be deleted before it is processed: retention.bytes=-1 keeps messages by age alone"
    return found
