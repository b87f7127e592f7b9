"""The three topics of a log: messages, states and dead letters. They are made or checked."""

import time
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType, TopicMetadata

from agent.errors import LogUnavailable, SettingsError
from agent.kafka.client import MAX_RECORD_BYTES, admin_client

ANSWER_S: Final = 30.0
PAUSE_S: Final = 0.1
DAY_MS: Final = 86_400_000


class Topics(NamedTuple):
    """Their names. `states` and `letters` are compacted: the newest record of a key is kept for ever."""

    messages: str
    states: str
    letters: str

    @classmethod
    def of(cls, topic: str) -> "Topics":
        """The topics of the log with this name."""
        return cls(topic, f"{topic}-states", f"{topic}-dead-letters")


class TopicShape(NamedTuple):
    """What new topics get. The number of partitions can only grow, and growing moves vans between partitions."""

    partitions: int = 8
    replication: int = 3
    retention_days: float = 7.0


def ensure(settings: dict[str, Any], topics: Topics, shape: TopicShape, *, answer_s: float = ANSWER_S) -> int:
    """Create what is missing, check what is there; how many partitions the log has.

    Raises `SettingsError` for a topic that would lose what was acknowledged, `LogUnavailable` when no broker answers.
    """
    admin = admin_client(settings)
    try:
        there = admin.list_topics(timeout=answer_s).topics
        missing = [name for name in topics if name not in there]
        if missing and len(missing) < len(topics):
            raise SettingsError(_lost(topics, missing))
        if missing:
            _create(admin, topics, shape)
            there = _once_there(admin, topics)
        partitions = _partitions(there, topics)
        _check(admin, topics, replication=_replication(there[topics.messages]))
    except KafkaException as error:
        raise LogUnavailable(f"Kafka at {settings['bootstrap.servers']}: {error.args[0].str()}") from error
    return partitions


def _once_there(admin: AdminClient, topics: Topics) -> dict[str, TopicMetadata]:
    """Brokers hear of a new topic a moment after it is created."""
    deadline_s = time.monotonic() + ANSWER_S
    while True:
        there = admin.list_topics(timeout=ANSWER_S).topics
        if all(name in there and there[name].partitions for name in topics):
            return there
        if time.monotonic() > deadline_s:
            raise LogUnavailable(f"Kafka: the new topics {', '.join(topics)} do not appear")
        time.sleep(PAUSE_S)


def _lost(topics: Topics, missing: list[str]) -> str:
    return (
        f"log.url: the topic {missing[0]!r} is missing while {(set(topics) - set(missing)).pop()!r} is there. "
        "Restore it, or delete the other topics of the log as well to begin a new one."
    )


def _create(admin: AdminClient, topics: Topics, shape: TopicShape) -> None:
    durable = {
        "min.insync.replicas": str(min(2, shape.replication)),
        "max.message.bytes": str(MAX_RECORD_BYTES),
    }
    compacted = durable | {"cleanup.policy": "compact"}
    retained = durable | {"cleanup.policy": "delete", "retention.ms": str(round(shape.retention_days * DAY_MS))}
    configs = (retained, compacted, compacted)
    made = admin.create_topics(
        [
            NewTopic(name, shape.partitions, shape.replication, config=config)
            for name, config in zip(topics, configs, strict=True)
        ]
    )
    for name, future in made.items():
        try:
            future.result(ANSWER_S)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise SettingsError(f"log.url: topic {name!r} cannot be created: {error.args[0].str()}") from error


def _partitions(there: dict[str, TopicMetadata], topics: Topics) -> int:
    counts = {name: len(there[name].partitions) for name in topics}
    if len(set(counts.values())) > 1:
        raise SettingsError(f"log.url: the topics of one log need equal numbers of partitions, these differ: {counts}")
    return counts[topics.messages]


def _replication(topic: TopicMetadata) -> int:
    return min(len(partition.replicas) for partition in topic.partitions.values())


def _check(admin: AdminClient, topics: Topics, *, replication: int) -> None:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    found = {
        resource.name: {entry.name: entry.value for entry in future.result(ANSWER_S).values()}
        for resource, future in admin.describe_configs(resources).items()
    }
    for name in (topics.states, topics.letters):
        if found[name]["cleanup.policy"] != "compact":
            raise SettingsError(f"log.url: topic {name!r} needs cleanup.policy=compact, or states of vans get lost")
    if "compact" in (found[topics.messages]["cleanup.policy"] or ""):
        raise SettingsError(f"log.url: topic {topics.messages!r} must not be compacted, or messages get lost")
    for name in topics:
        insync = int(found[name]["min.insync.replicas"] or 1)
        if replication > 1 and insync < 2:
            raise SettingsError(
                f"log.url: topic {name!r} has min.insync.replicas={insync}; "
                "2 are needed, or one broken machine loses acknowledged messages"
            )
