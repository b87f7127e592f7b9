"""Topics that would lose messages or states are refused in words; missing ones are made."""

from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from agent.errors import LogUnavailable, SettingsError
from agent.kafka.topics import Topics, TopicShape, ensure

SHAPE = TopicShape(partitions=3, replication=1)


def create(settings: dict[str, Any], name: str, *, partitions: int = 3, **config: str) -> None:
    wanted = NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})
    admin = AdminClient(settings)
    for future in admin.create_topics([wanted]).values():
        future.result(60)
    while name not in admin.list_topics(timeout=60).topics:
        pass


def test_missing_topics_are_made_and_then_found(client_settings: dict[str, Any], topic: str) -> None:
    topics = Topics.of(topic)
    assert ensure(client_settings, topics, SHAPE) == 3
    assert ensure(client_settings, topics, TopicShape(partitions=8, replication=1)) == 3


def test_a_lost_states_topic_is_not_made_anew(client_settings: dict[str, Any], topic: str) -> None:
    """With new states beside old messages every van would begin again at zero."""
    create(client_settings, topic)
    with pytest.raises(SettingsError, match=f"'{topic}-states' is missing while"):
        ensure(client_settings, Topics.of(topic), SHAPE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"states": {"cleanup_policy": "delete"}}, "needs cleanup.policy=compact"),
        ({"messages": {"cleanup_policy": "compact"}}, "must not be compacted"),
        ({"letters": {"partitions": 2}}, "equal numbers of partitions"),
    ],
)
def test_topics_with_wrong_settings_are_refused(
    client_settings: dict[str, Any], topic: str, wrong: dict[str, dict[str, Any]], message: str
) -> None:
    right: dict[str, dict[str, Any]] = {
        "messages": {"cleanup_policy": "delete"},
        "states": {"cleanup_policy": "compact"},
        "letters": {"cleanup_policy": "compact"},
    }
    topics = Topics.of(topic)
    for name, config in right.items():
        create(client_settings, getattr(topics, name), **(config | wrong.get(name, {})))
    with pytest.raises(SettingsError, match=message):
        ensure(client_settings, topics, SHAPE)


def test_no_kafka_at_the_address_is_said(unused_tcp_port: int) -> None:
    with pytest.raises(LogUnavailable, match=f"127.0.0.1:{unused_tcp_port}"):
        ensure({"bootstrap.servers": f"127.0.0.1:{unused_tcp_port}"}, Topics.of("vans"), SHAPE, answer_s=2)
