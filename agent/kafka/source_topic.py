"""The topic of the sources. It has one partition for each source, and the ingesting agents divide them as a group.

Its records are the terms: an agent that is given a source appends a record to the partition of the source. The place
of the record gives the number of the term, so each term is higher than all before it.
"""

from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import NewPartitions, NewTopic

from agent.errors import SettingsError
from agent.kafka.appender import Appender
from agent.kafka.client import Admin
from agent.kafka.topics import DAY_MS, wait_until_there

ANSWER_S: Final = 30.0
RETENTION_DAYS: Final = 7


def sources_topic(topic: str) -> str:
    """Its name, from the name of the topic of the messages."""
    return f"{topic}-sources"


def ensure_sources(settings: Mapping[str, Any], topic: str, *, sources: int, replication: int) -> None:
    """Create the topic, or let it grow to as many partitions as there are sources. More do no harm.

    Raises `SettingsError` where that is refused, `LogUnavailable` when no broker answers.
    """
    name = sources_topic(topic)
    admin = Admin(settings)
    there = admin.look(answer_s=ANSWER_S).topics
    if name not in there:
        config = {
            "min.insync.replicas": str(min(2, replication)),
            "retention.ms": str(RETENTION_DAYS * DAY_MS),
        }
        made = admin.client.create_topics([NewTopic(name, sources, replication, config=config)])
    elif len(there[name].partitions) < sources:
        made = admin.client.create_partitions([NewPartitions(name, sources)])
    else:
        return
    try:
        made[name].result(ANSWER_S)
    except KafkaException as error:
        # Another agent that starts at the same time may have been faster.
        if error.args[0].name() not in ("TOPIC_ALREADY_EXISTS", "INVALID_PARTITIONS"):
            raise SettingsError(f"log.url: topic {name!r} cannot be made: {error.args[0].str()}") from error
    wait_until_there(admin, {name: sources})


def begin_term(settings: Mapping[str, Any], topic: str, number: int, *, instance: str) -> int:
    """Begin a term of source `number`, as the agent `instance`; its number, from 1. Blocks. Raises `LogUnavailable`."""
    appender = Appender(settings, sources_topic(topic), source=instance)
    return appender.append_value(instance.encode(), partition=number) + 1
