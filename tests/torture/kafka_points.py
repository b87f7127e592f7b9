"""An agent of one role that stops at a named point: `… kafka_points ROLE POINT COUNT SIGNAL [FLAW]`.

SIGNAL is KILL for a crash, STOP for an agent that freezes. As in `failpoints.py`, the methods of the program are
wrapped before it starts, and a flaw is a defect that the oracle has to find. A member of the group counts as dead after
`SESSION_MS`, which is shorter than in the program, so that a partition moves within seconds.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import TopicPartition

from agent import __main__ as entry
from agent.kafka import appender, lease, membership
from agent.kafka.appender import Appender
from agent.kafka.client import ANSWER_S, call, consumer, producer
from agent.kafka.ingest_log import IngestLog
from agent.kafka.owner import PartitionOwner
from agent.mqtt.session import Session
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow
from agent.shard.output import ShardOutput
from agent.shared_store import StoreView
from agent.units import Unit
from agent.writer import Writer
from tests.torture.failpoints import after, after_awaited, arm, before, die

SESSION_MS: Final = 3000
HEARTBEAT_MS: Final = 500
LEASE_S: Final = 2.0
ASK_EVERY_S: Final = 0.5
NOWHERE: Final = "nowhere"


def with_short_sessions() -> None:
    """Let the group give up a member that was not heard of for `SESSION_MS`; a lease is shorter, as in the program."""
    lease.LEASE_S, lease.ASK_EVERY_S = LEASE_S, ASK_EVERY_S  # type: ignore[misc]
    original = membership.consumer

    def short(settings: Mapping[str, Any], **options: Any) -> Any:
        return original(
            settings, **(options | {"session_timeout_ms": SESSION_MS, "heartbeat_interval_ms": HEARTBEAT_MS})
        )

    membership.consumer = short


def inside_an_append() -> None:
    """The record of one partition is with the broker, those of the others are not."""
    original = Appender._produce

    def wrapped(self: Appender, *args: Any) -> None:
        original(self, *args)
        self._producer.flush(ANSWER_S)
        die()

    Appender._produce = wrapped  # type: ignore[method-assign]


def inside_a_transaction() -> None:
    """All records of a checkpoint are with the broker, the commit is not."""
    original = PartitionOwner._transact

    def wrapped(self: PartitionOwner, write: Callable[[], None]) -> None:
        def write_and_die() -> None:
            write()
            self._producer.flush(ANSWER_S)
            die()

        original(self, write_and_die)

    PartitionOwner._transact = wrapped  # type: ignore[method-assign]


INGESTING: Final[dict[str, Callable[[], None]]] = {
    "received, not produced": lambda: before(IngestLog, "append"),
    "inside an append": inside_an_append,
    "produced, not acknowledged": lambda: after(Appender, "append"),
    "acknowledged": lambda: after(Session, "acknowledge"),
}
PROCESSING: Final[dict[str, Callable[[], None]]] = {
    "taken over, not restored": lambda: after(PartitionOwner, "load"),
    "processed, not written": lambda: after(ShardOutput, "take_rows"),
    "before a write": lambda: before(StoreView, "write"),
    "written, not checkpointed": lambda: after_awaited(StoreView, "write"),
    "before a transaction": lambda: before(PartitionOwner, "checkpoint"),
    "inside a transaction": inside_a_transaction,
    "after a transaction": lambda: after(PartitionOwner, "_transact"),
}
POINTS: Final = {NOWHERE: lambda: None} | INGESTING | PROCESSING


# -- flaws


def offset_before_the_states() -> None:
    """Commit the offset in a transaction of its own, ahead of the states."""
    original = PartitionOwner.checkpoint

    def wrapped(self: PartitionOwner, offset: int, states: Mapping[str, bytes], letters: Sequence[Any]) -> None:
        original(self, offset, {}, [])
        original(self, offset, states, letters)

    PartitionOwner.checkpoint = wrapped  # type: ignore[method-assign]


def transactions_of_the_group() -> None:
    """Keep the offset in the consumer group, and give each process a transactional id of its own (as KIP-447 has it).

    Nobody then ends the transaction that a dead owner has left open. A later owner's states stay invisible behind it,
    while the offset of the group moves on.
    """
    partition_owner: Any = PartitionOwner
    loaded = PartitionOwner.load

    def begin(self: Any, settings: Mapping[str, Any], topics: Any, partition: int) -> None:
        self._settings, self._topics, self._partition = settings, topics, partition
        self._has_taken_over = False
        self._producer = producer(settings, transactional_id=f"vanpulse-{os.getpid()}-{partition}")
        self._offsets = consumer(settings, group=f"vanpulse-{topics.messages}-offsets")

    def load(self: Any) -> tuple[int | None, list[tuple[str, bytes]]]:
        _, states = loaded(self)
        where = TopicPartition(self._topics.messages, self._partition)
        (found,) = call(lambda: self._offsets.committed([where], ANSWER_S))
        return (found.offset if found.offset >= 0 else None), states

    def checkpoint(self: Any, offset: int, states: Mapping[str, bytes], letters: Sequence[Any]) -> None:
        def write() -> None:
            for key, state in states.items():
                self._send(self._topics.states, key.encode(), state)
            self._send_letters(letters)

        self._offset = offset
        self._transact(write)

    def transact(self: Any, write: Callable[[], None]) -> None:
        self.take_over()
        call(self._producer.begin_transaction)
        write()
        where = TopicPartition(self._topics.messages, self._partition, self._offset)
        group = self._offsets.consumer_group_metadata()
        call(lambda: self._producer.send_offsets_to_transaction([where], group, ANSWER_S))
        call(lambda: self._producer.commit_transaction(ANSWER_S))

    partition_owner.__init__, partition_owner.load = begin, load
    partition_owner.checkpoint, partition_owner._transact = checkpoint, transact


def rewritten_rows() -> None:
    """Write `energy` with a rounded total first, and with the exact one before the next checkpoint."""
    original = Writer._write
    total = 2 + MEASUREMENTS["energy"].field_names.index("used_kwh_total")

    def rounded(row: PointRow) -> PointRow:
        return *row[:total], round(row[total], 1), *row[total + 1 :]

    async def wrapped(self: Any, unit: Unit) -> Any:
        kept: list[PointRow] = self.__dict__.setdefault("_inexact", [])
        rows = unit.rows
        if unit.states is None:
            kept += rows["energy"]
            rows["energy"] = [rounded(row) for row in rows["energy"]]
        else:
            rows["energy"] = kept + rows["energy"]
            kept.clear()
        return await original(self, unit)

    Writer._write = wrapped  # type: ignore[method-assign]


def acknowledge_before_the_replicas() -> None:
    """Acknowledge when the client has the records in its memory."""
    made = appender.producer

    def lazy(settings: Mapping[str, Any], **options: Any) -> Any:
        return made(settings, **options, linger_ms=2000)

    def append(self: Any, parts: Any, *, received_ms: int, listening_since_ms: int) -> list[int]:
        for partition, messages in parts:
            record = appender.Record(received_ms, listening_since_ms, self._source, list(messages))
            self._produce(appender.pack(record), partition, lambda _problem, _record: None)
        return [0]

    appender.producer = lazy
    Appender.append = append  # type: ignore[method-assign]


FLAWS: Final[dict[str, Callable[[], None]]] = {
    "offset before the states": offset_before_the_states,
    "transactions of the group": transactions_of_the_group,
    "rewritten rows": rewritten_rows,
    "acknowledges before the replicas": acknowledge_before_the_replicas,
}


def main() -> int:
    """Arm the point and run the agent."""
    role, point, count, name, *flaws = sys.argv[1:]
    arm(int(count), signal.Signals[f"SIG{name}"])
    with_short_sessions()
    for flaw in flaws:
        FLAWS[flaw]()
    POINTS[point]()
    return entry.main(["run", "--role", role])


if __name__ == "__main__":
    sys.exit(main())
