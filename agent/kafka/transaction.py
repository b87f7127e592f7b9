"""What a command writes to a log: several records in one transaction, all of them or none."""

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException

from agent.kafka.client import ANSWER_S, call, producer, translate

POLL_S: Final = 0.05
SHORT_MS: Final = 60_000
LONGEST_MS: Final = 900_000
"""The longest transaction that brokers allow, unless their settings say otherwise."""


class Entry(NamedTuple):
    """One record to write. Without a value it deletes what has its key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class TransactionalWriter:
    """Blocking calls. `name` says for what: a second writer of the same name takes over, and the first one fails.

    Agents that read the partitions wait at the beginning of an open transaction until it ends, or until `longest_ms`.
    """

    def __init__(self, settings: Mapping[str, Any], topic: str, *, name: str, longest_ms: int = SHORT_MS) -> None:
        self._producer = producer(
            settings, transactional_id=f"vanpulse-{topic}-{name}", transaction_timeout_ms=longest_ms
        )
        self._longest_s = longest_ms / 1000

    def take_over(self) -> None:
        """Undo what an earlier writer of this name has left open, and wait until all that it has committed can be read.

        To be called before anything is read that decides what is written.
        """
        call(lambda: self._producer.init_transactions(ANSWER_S))

    def write(self, entries: Iterable[Entry]) -> int:
        """Write all, and return how many. After an error, of `entries` too, none is there.

        Raises `PartitionLost` when another writer has taken over, and `LogUnavailable`: if that comes from the commit,
        it is not known whether all or none were written.
        """
        call(self._producer.begin_transaction)
        number = 0
        try:
            for number, entry in enumerate(entries, 1):  # noqa: B007  # the count is the result
                self._produce(entry)
            self._commit()
        except BaseException:
            self._abort()
            raise
        return number

    def _produce(self, entry: Entry) -> None:
        topic, partition, key, value = entry
        while True:
            try:
                call(lambda: self._producer.produce(topic, value, key=key, partition=partition))
            except BufferError:
                self._producer.poll(POLL_S)
            else:
                return

    def _commit(self) -> None:
        deadline_s = time.monotonic() + self._longest_s
        while True:
            try:
                self._producer.commit_transaction(ANSWER_S)
            except KafkaException as error:
                if error.args[0].retriable() and time.monotonic() < deadline_s:
                    continue
                raise translate(error.args[0]) from error
            else:
                return

    def _abort(self) -> None:
        """What fails here changes nothing: brokers end the transaction when its time is over."""
        with contextlib.suppress(KafkaException):
            self._producer.abort_transaction(ANSWER_S)
