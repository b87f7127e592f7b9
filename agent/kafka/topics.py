"""The three topics of a log: messages, states and dead letters. They are made or checked."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType, TopicDescription

from agent.errors import LogUnavailable, SettingsError
from agent.kafka.client import MAX_RECORD_BYTES, Admin

Answer = TypeVar("Answer")

ANSWER_S: Final = 15.0
PAUSE_S: Final = 0.1
DAY_MS: Final = 86_400_000
LETTER_BYTES: Final = 64 << 20
LETTER_SEGMENT_BYTES: Final = 8 << 20
"""Each partition keeps about `LETTER_BYTES` of dead letters; beyond that the oldest segment is deleted."""
LEAST_RECORD_BYTES: Final = 1 << 20
"""A record of messages or tags may be as large as this."""
SETTINGS: Final = (
    "cleanup.policy",
    "min.insync.replicas",
    "max.message.bytes",
    "retention.ms",
    "retention.bytes",
    "unclean.leader.election.enable",
)


class Topics(NamedTuple):
    """Their names. `states` and `letters` are compacted: the newest record of a key is kept."""

    messages: str
    states: str
    letters: str

    @classmethod
    def of(cls, topic: str) -> "Topics":
        """The topics of the log with this name."""
        return cls(topic, f"{topic}-states", f"{topic}-dead-letters")

    @property
    def roll_ups(self) -> str:
        """The topic of `agent.kafka.roll_ups`. No state of a van depends on it."""
        return f"{self.messages}-rollups"


class TopicShape(NamedTuple):
    """What new topics get. The number of partitions can only grow, and growing moves vans between partitions."""

    partitions: int = 8
    replication: int = 3
    retention_days: float = 7.0


class TopicState(NamedTuple):
    """What the brokers say of a topic."""

    topic_id: str
    """Changes when a topic is deleted and made again under its name."""
    partitions: int
    replication: int
    """The replicas of the partition that has fewest."""
    in_sync: int
    """The replicas in sync of the partition that has fewest."""
    config: Mapping[str, str]
    """`SETTINGS`, as text."""


def ensure(settings: Mapping[str, Any], topics: Topics, shape: TopicShape | None, *, answer_s: float = ANSWER_S) -> int:
    """Create what is missing unless `shape` is None, check what is there; how many partitions the log has.

    Raises `SettingsError` for a topic that would lose what was acknowledged, `LogUnavailable` when no broker answers.
    """
    admin = Admin(settings)
    there = admin.look(answer_s=answer_s).topics
    missing = [name for name in topics if name not in there]
    try:
        if missing and len(missing) < len(topics):
            raise SettingsError(f"log.url: {lost(topics, missing)}")
        if missing and shape is None:
            raise SettingsError(f"log.url: there is no topic {topics.messages!r} yet; the first agent makes it")
        if missing and shape is not None:
            _create(admin, topics, shape)
            wait_until_there(admin, dict.fromkeys(topics, shape.partitions))
        found = describe(admin, topics)
    except KafkaException as error:
        raise LogUnavailable(f"Kafka at {settings['bootstrap.servers']}: {error.args[0].str()}") from error
    counts = {name: state.partitions for name, state in found.items()}
    if len(set(counts.values())) > 1:
        raise SettingsError(f"log.url: the topics of one log need equal numbers of partitions, these differ: {counts}")
    for name, state in found.items():
        if (text := flaw(topics, name, state)) is not None:
            raise SettingsError(f"log.url: topic {name!r} {text}")
    return counts[topics.messages]


def describe(admin: Admin, names: Iterable[str]) -> dict[str, TopicState]:
    """The topics of these names that are there. Raises `KafkaException` and `LogUnavailable`."""
    described: dict[str, TopicDescription] = {}
    asked = admin.client.describe_topics(TopicCollection(list(names)), request_timeout=ANSWER_S)
    for name, future in asked.items():
        try:
            described[name] = _result(future)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    resources = [ConfigResource(ResourceType.TOPIC, name) for name, topic in described.items() if topic.partitions]
    if not resources:
        return {}
    configs = {
        resource.name: {entry.name: entry.value for entry in _result(future).values()}
        for resource, future in admin.client.describe_configs(resources, request_timeout=ANSWER_S).items()
    }
    return {name: _state(described[name], config) for name, config in configs.items()}


def _state(topic: TopicDescription, config: Mapping[str, str | None]) -> TopicState:
    return TopicState(
        topic_id=str(topic.topic_id),
        partitions=len(topic.partitions),
        replication=min(len(each.replicas) for each in topic.partitions),
        in_sync=min(len(each.isr) for each in topic.partitions),
        config={name: config.get(name) or "" for name in SETTINGS},
    )


def _result(future: "Future[Answer]") -> Answer:
    try:
        return future.result(2 * ANSWER_S)
    except TimeoutError as error:
        raise LogUnavailable("Kafka does not answer") from error


def flaw(topics: Topics, name: str, state: TopicState) -> str | None:
    """Why this topic may lose what it was given, as a predicate; None for one that is right."""
    policy = {each.strip() for each in state.config["cleanup.policy"].split(",")}
    if name == topics.states and policy != {"compact"}:
        return "needs cleanup.policy=compact, or states of vans get lost"
    if name == topics.letters and "compact" not in policy:
        return "needs cleanup.policy=compact or compact,delete, or dead letters come back after a replay"
    if name == topics.messages and "compact" in policy:
        return "must not be compacted, or messages get lost"
    in_sync = int(state.config["min.insync.replicas"] or 1)
    if state.replication > 1 and in_sync < 2:
        return f"has min.insync.replicas={in_sync}; 2 are needed, or one broken machine loses acknowledged messages"
    if state.replication > 1 and state.config["unclean.leader.election.enable"] == "true":
        return "has unclean.leader.election.enable=true: a replica that lags loses acknowledged messages"
    largest = int(state.config["max.message.bytes"] or LEAST_RECORD_BYTES)
    if largest < LEAST_RECORD_BYTES:
        return f"has max.message.bytes={largest}; at least {LEAST_RECORD_BYTES} are needed for large records"
    return None


def lost(topics: Topics, missing: list[str]) -> str:
    """That some topics of a log are missing, and what to do."""
    return (
        f"the topic {missing[0]!r} is missing while {(set(topics) - set(missing)).pop()!r} is there. "
        "Restore it, or delete the other topics of the log as well to begin a new one."
    )


def wait_until_there(admin: Admin, partitions: Mapping[str, int]) -> None:
    """Brokers hear of new topics and partitions a moment after they are made. `partitions` says how many, by topic."""
    deadline_s = time.monotonic() + ANSWER_S
    while True:
        there = admin.look(answer_s=ANSWER_S).topics
        if all(name in there and len(there[name].partitions) >= number for name, number in partitions.items()):
            return
        if time.monotonic() > deadline_s:
            raise LogUnavailable(f"Kafka: the new topics {', '.join(partitions)} do not appear")
        time.sleep(PAUSE_S)


def _create(admin: Admin, topics: Topics, shape: TopicShape) -> None:
    durable = {
        "min.insync.replicas": str(min(2, shape.replication)),
        "max.message.bytes": str(MAX_RECORD_BYTES),
    }
    configs = {
        topics.messages: {"cleanup.policy": "delete", "retention.ms": str(round(shape.retention_days * DAY_MS))},
        topics.states: {"cleanup.policy": "compact"},
        topics.letters: {
            "cleanup.policy": "compact,delete",
            "retention.ms": "-1",
            "retention.bytes": str(LETTER_BYTES),
            "segment.bytes": str(LETTER_SEGMENT_BYTES),
        },
    }
    made = admin.client.create_topics(
        [
            NewTopic(name, shape.partitions, shape.replication, config=durable | config)
            for name, config in configs.items()
        ],
        request_timeout=ANSWER_S,
    )
    for name, future in made.items():
        try:
            _result(future)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise SettingsError(f"log.url: topic {name!r} cannot be created: {error.args[0].str()}") from error
