"""Calls of the Kafka client: its settings, its log lines, and its errors in words of this program."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata

from agent.errors import LogUnavailable, PartitionLost, SettingsError

log = logging.getLogger("agent.kafka")

Result = TypeVar("Result")

ANSWER_S: Final = 60.0
"""A call that gets no answer for this long has failed."""
LOOK_S: Final = 1.0
"""How often the reason is asked for while no broker answers."""
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


def consumer(
    settings: Mapping[str, Any],
    *,
    group: str,
    on_commit: Callable[[KafkaError | None, list[TopicPartition]], None] | None = None,
    **more: Any,
) -> Consumer:
    """A consumer that never commits an offset by itself and reads only what is committed.

    `on_commit` is called, during a poll, with the answer to each commit.
    """
    return Consumer(
        {
            **({} if on_commit is None else {"on_commit": on_commit}),
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


class Admin:
    """Topics, their settings and groups. `look` also finds out why no broker answers."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._brokers = settings["bootstrap.servers"]
        self._errors: deque[KafkaError] = deque(maxlen=50)
        try:
            self.client = AdminClient(dict(settings) | {"error_cb": self._errors.append}, logger=_LOGGER)
        except KafkaException as error:  # such as a certificate file that cannot be read
            raise SettingsError(f"[log]: {error.args[0].str()}") from error

    def look(self, *, answer_s: float) -> ClusterMetadata:
        """Brokers and topics. Raises `SettingsError` where a broker refuses us, else `LogUnavailable`."""
        deadline_s = time.monotonic() + answer_s
        self._errors.clear()
        while True:
            try:
                return self.client.list_topics(timeout=min(LOOK_S, answer_s))
            except KafkaException as error:
                self.client.poll(0)  # hands out what the client has heard meanwhile
                self._raise_refusal()
                if time.monotonic() > deadline_s:
                    raise LogUnavailable(f"Kafka at {self._brokers} does not answer ({self._why(error)})") from error

    def _raise_refusal(self) -> None:
        """Raise `SettingsError` if a broker has refused our login or either side the other's certificate."""
        for problem in self._errors:
            text = _words(problem)
            if problem.code() == KafkaError._AUTHENTICATION:
                raise SettingsError(
                    f"log.username, log.password, log.sasl_mechanism: Kafka at {self._brokers} refuses them ({text})"
                )
            if problem.code() == KafkaError._SSL and "certificate" in text:
                raise SettingsError(
                    f"log.ca_file, log.cert_file, log.key_file: no TLS with Kafka at {self._brokers} ({text})"
                )

    def _why(self, error: KafkaException) -> str:
        reasons = [_words(each) for each in self._errors if each.code() != KafkaError._ALL_BROKERS_DOWN]
        if reasons:
            return reasons[-1]
        if self._errors:  # connected, and disconnected without a word
            return "it closes our connections: it may expect TLS, kafkas://, or log.username, or neither"
        return str(error.args[0].str())


def _words(problem: KafkaError) -> str:
    """The client's text without the broker's name before it and the connection's state behind it."""
    text = problem.str()
    return text.partition("/bootstrap: ")[2].rpartition(" (after ")[0] or text
