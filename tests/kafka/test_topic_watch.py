"""Topics that are deleted and made again while a log is in use: nothing goes on as if nothing had happened."""

import asyncio
from typing import Any

import pytest

from agent.errors import LogUnavailable
from agent.kafka.appender import Appender
from agent.kafka.partition_log import PartitionLog
from agent.kafka.records import MESSAGES_PER_RECORD
from agent.kafka.topic_watch import TopicWatch
from agent.kafka.topics import Topics, TopicShape, ensure
from agent.messages import Message
from tests.doubles import until
from tests.kafka.test_starting import change, delete
from tests.kafka.test_topics import create
from tests.servers.agent import wait_for
from tests.servers.kafka import KafkaServer

SHAPE = TopicShape(partitions=1, replication=1)
SOME = [(0, [Message("vans/v/soc", b"x")])]


@pytest.fixture
def topics(client_settings: dict[str, Any], topic: str) -> Topics:
    found = Topics.of(topic)
    assert ensure(client_settings, found, SHAPE) == 1
    return found


def make_again(kafka: KafkaServer, client_settings: dict[str, Any], topic: str) -> None:
    delete(kafka, topic)
    create(client_settings, topic, partitions=1)


def test_what_is_wrong_with_a_topic_is_said_until_it_is_right(
    kafka: KafkaServer, client_settings: dict[str, Any], topics: Topics
) -> None:
    watch = TopicWatch(client_settings, topics)
    assert watch.look() == {}
    change(kafka, topics.states, cleanup_policy="delete")
    wait_for(watch.look, "the problem")
    assert watch.look() == {
        topics.states: f"topic {topics.states!r} needs cleanup.policy=compact, or states of vans get lost"
    }
    change(kafka, topics.states, cleanup_policy="compact")
    wait_for(lambda: watch.look() == {}, "the topic to be right")
    make_again(kafka, client_settings, topics.messages)
    text = f"topic {topics.messages!r} was deleted and made again. Restore it and restart all agents"
    wait_for(lambda: watch.look() == {topics.messages: text}, "the new topic")


def test_an_append_to_a_topic_that_was_made_again_is_not_acknowledged(
    kafka: KafkaServer, client_settings: dict[str, Any], topics: Topics
) -> None:
    appender = Appender(client_settings, topics.messages, source="a")
    assert appender.append(SOME, received_ms=1, listening_since_ms=0) == [0]
    assert appender.append(SOME, received_ms=1, listening_since_ms=0) == [MESSAGES_PER_RECORD]
    make_again(kafka, client_settings, topics.messages)

    def append() -> str:
        """Until the client has heard of the new topic, its appends fail in other words."""
        with pytest.raises(LogUnavailable) as caught:
            appender.append(SOME, received_ms=1, listening_since_ms=0)
        return str(caught.value)

    wait_for(lambda: "was deleted and made again" in append(), "the new topic")


async def test_an_owner_whose_messages_are_gone_waits_and_says_so(
    kafka: KafkaServer, client_settings: dict[str, Any], topics: Topics
) -> None:
    Appender(client_settings, topics.messages, source="a").append(SOME, received_ms=1, listening_since_ms=0)
    owner = PartitionLog(client_settings, topics, 0)
    await owner.load(0)
    await owner.checkpoint(0, 3 * MESSAGES_PER_RECORD, {"van": b"state"})
    await owner.close()
    make_again(kafka, client_settings, topics.messages)
    successor = PartitionLog(client_settings, topics, 0)
    loading = asyncio.create_task(successor.load(0))
    await until(lambda: "ends before the last checkpoint" in (successor.status.problem or ""), timeout_s=60)
    assert not loading.done()
    appender = Appender(client_settings, topics.messages, source="a")
    for _ in range(4):
        await asyncio.to_thread(appender.append, SOME, received_ms=1, listening_since_ms=0)
    async with asyncio.timeout(60):
        checkpoint = await loading
    assert (checkpoint.offset, successor.status.problem) == (3 * MESSAGES_PER_RECORD, None)
    await successor.close()
