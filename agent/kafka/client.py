"""Calls of the Kafka client: its settings, its log lines, and its errors in words of this program."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from agent.errors import LogUnavailable, PartitionLost

log = logging.getLogger("agent.kafka")

Result = TypeVar("Result")

ANSWER_S: Final = 60.0
"""A call that gets no answer for this long has failed."""
MAX_RECORD_BYTES: Final = 8 << 20
"""The largest record: one that holds a single message of `mqtt.max_packet_bytes` fits."""

_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # how the client names its own error codes
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    }
)
_OUR_MISTAKES: Final = frozenset({KafkaError._STATE, KafkaError._INVALID_ARG})
"""Calls that this program must not make. To repeat them is of no use."""


def call(work: Callable[[], Result]) -> Result:
    """Do the work. Raises `PartitionLost` when another producer has taken over, else `LogUnavailable`."""
    try:
        return work()
    except KafkaException as error:
        problem: KafkaError = error.args[0]
        if problem.code() in _OUR_MISTAKES:
            raise
        raise translate(problem) from error


def translate(problem: KafkaError) -> LogUnavailable | PartitionLost:
    """The client's error in words of this program."""
    if problem.code() in _FENCED:
        return PartitionLost(f"another agent has taken over: {problem.str()}")
    return LogUnavailable(f"Kafka: {problem.str()}")


class _QuietLogger(logging.Logger):
    """Every line of the client at debug level. What matters reaches the caller as an error."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        del level, kwargs
        log.debug(msg, *args)


_LOGGER: Final = _QuietLogger("agent.kafka.client")


def producer(settings: Mapping[str, Any], **more: Any) -> Producer:
    """A producer whose records are acknowledged by all replicas in sync, and written once and in order."""
    return Producer(
        {
            **settings,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 2,
            "message.max.bytes": MAX_RECORD_BYTES,
            **{name.replace("_", "."): value for name, value in more.items()},
        },
        logger=_LOGGER,
    )


def consumer(settings: Mapping[str, Any], *, group: str, **more: Any) -> Consumer:
    """A consumer that never commits an offset by itself and reads only what is committed."""
    return Consumer(
        {
            **settings,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": MAX_RECORD_BYTES,
            "queued.max.messages.kbytes": 16_384,
            "fetch.wait.max.ms": 100,
            **{name.replace("_", "."): value for name, value in more.items()},
        },
        logger=_LOGGER,
    )


def admin_client(settings: Mapping[str, Any]) -> AdminClient:
    """For topics and their settings."""
    return AdminClient(dict(settings), logger=_LOGGER)
