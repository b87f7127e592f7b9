"""Who is a member of the group that shares the partitions of a log among its processing agents."""

import time
from typing import Final, NamedTuple

from confluent_kafka import KafkaException

from agent.errors import LogUnavailable
from agent.kafka.client import Admin

ANSWER_S: Final = 30.0
PAUSE_S: Final = 0.1
NO_COORDINATOR_YET: Final = frozenset({"NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS"})
"""A broker finds the group's coordinator when somebody first asks for it."""


class Member(NamedTuple):
    """A processing agent, and the partitions that it has."""

    host: str
    partitions: tuple[int, ...]


def group_of(topic: str) -> str:
    """The name of the group that shares this log."""
    return f"vanpulse-{topic}"


def members(admin: Admin, topic: str) -> list[Member]:
    """The members now. Raises `LogUnavailable`."""
    group = group_of(topic)
    deadline_s = time.monotonic() + ANSWER_S
    while True:
        try:
            described = admin.client.describe_consumer_groups([group], request_timeout=ANSWER_S)[group].result()
            break
        except KafkaException as error:
            name = error.args[0].name()
            if name == "GROUP_ID_NOT_FOUND":
                return []
            if name not in NO_COORDINATOR_YET or time.monotonic() > deadline_s:
                raise LogUnavailable(f"Kafka: the group {group!r} cannot be described: {name}") from error
        time.sleep(PAUSE_S)
    return [
        Member(member.host, tuple(sorted(each.partition for each in member.assignment.topic_partitions)))
        for member in described.members
    ]
